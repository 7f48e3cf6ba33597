"""Streams that hold what they should not: damage is told, what is merely new is passed over."""

from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.stream import SPOILED_CALL
from support import bedrock_frames
from support.bedrock_cases import sse_events
from support.converse_streams import (
    METADATA,
    START,
    STOP,
    blocks,
    check_grammar,
    delta,
    fresh,
    run,
    start,
    stop,
    stream_of,
)

WRONG_TYPES = [
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": 3}),
    ("contentBlockDelta", {"contentBlockIndex": "0", "delta": {"text": "b"}}),
    delta(0, text=["b"]),
    delta(1, toolUse="{}"),
    delta(1, toolUse={"input": {"q": 1}}),
    delta(0, reasoningContent={"text": 1}),
    delta(0, reasoningContent={"redactedContent": {}}),
    delta(0, citation=[]),
    start(2, toolUse={"toolUseId": "t"}),
    start(2, toolUse={"name": "grep"}),
    start(2, toolUse={"name": "grep", "toolUseId": 7}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": "x"}),
    ("messageStop", {"stopReason": {}}),
    delta(1, toolUse={"input": "{}"}),
]


@pytest.mark.parametrize("event", WRONG_TYPES, ids=str)
def test_a_member_of_the_wrong_type_ends_the_stream_instead_of_losing_a_part_of_it(
    event: tuple[str, dict[str, Any]],
) -> None:
    events = run(fresh(), START, delta(0, text="a"), event, stop(0), STOP, ("metadata", METADATA))
    assert check_grammar(events) is None
    assert "damaged" in events[-1]["error"]["message"]


@pytest.mark.parametrize(
    "late", [delta(0, text="b"), start(1, toolUse={"toolUseId": "t", "name": "grep"})], ids=["text", "tool"]
)
def test_content_behind_the_message_stop_is_not_lost_in_silence(late: tuple[str, dict[str, Any]]) -> None:
    events = run(fresh(), START, delta(0, text="a"), STOP, late, ("metadata", METADATA))
    assert check_grammar(events) is None
    assert "content follows messageStop" in events[-1]["error"]["message"]


def test_input_of_a_tool_call_that_is_over_is_not_lost_in_silence() -> None:
    call = (start(0, toolUse={"toolUseId": "t", "name": "grep"}), delta(0, toolUse={"input": "{"}), stop(0))
    late = delta(0, toolUse={"input": "}"})
    assert check_grammar(run(fresh(), START, *call, late, STOP, ("metadata", METADATA))) is None


@pytest.mark.parametrize("raw", ['{"q":', '"a"', "[]", "{}{}", "grep it", " "])
@pytest.mark.parametrize("reason", ["tool_use", "end_turn", "brand_new"])
def test_a_call_whose_input_is_no_json_object_is_not_handed_to_the_client_as_one(
    raw: str, reason: str
) -> None:
    call = (start(0, toolUse={"toolUseId": "t", "name": "grep"}), delta(0, toolUse={"input": raw}), stop(0))
    events = run(fresh(), START, *call, ("messageStop", {"stopReason": reason}), ("metadata", METADATA))
    assert events[-1] == {"type": "error", "error": {"type": "api_error", "message": SPOILED_CALL}}


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ['{ "a" :', " 1 }"],
        ['{"a":"\\ud83d', '\\ude00"}'],
        ['{"a":"\\ud83d"}'],
        ['{"a":1e400,"b":12345678901234567890123}'],
        ['{"a":' * 2000 + "1" + "}" * 2000],
    ],
    ids=["none", "spaces", "escapes-that-are-cut", "half-a-pair", "great-numbers", "deep"],
)
def test_the_input_of_a_call_is_passed_on_as_the_model_wrote_it(parts: list[str]) -> None:
    inputs = [delta(0, toolUse={"input": part}) for part in parts]
    call = (start(0, toolUse={"toolUseId": "t", "name": "grep"}), *inputs, stop(0))
    events = run(fresh(), START, *call, ("messageStop", {"stopReason": "tool_use"}), ("metadata", METADATA))
    assert blocks(events) == [(0, "tool_use"), *parts, 0]
    assert events[-1]["type"] == "message_stop"


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "guardrail_intervened"])
def test_a_call_that_was_cut_short_is_shown_as_far_as_it_went(reason: str) -> None:
    call = (start(0, toolUse={"toolUseId": "t", "name": "grep"}), delta(0, toolUse={"input": '{"q": "a'}))
    message = check_grammar(
        run(fresh(), START, *call, ("messageStop", {"stopReason": reason}), ("metadata", METADATA))
    )
    assert message is not None
    assert message.content[0].type == "tool_use"


def test_a_wrong_type_that_waited_for_a_tool_call_is_noticed_when_its_turn_comes() -> None:
    tool = start(0, toolUse={"toolUseId": "t", "name": "grep"})
    events = run(fresh(), START, tool, delta(1, text=5), stop(0), STOP, ("metadata", METADATA))
    assert check_grammar(events) is None


def test_events_of_an_unknown_type_are_passed_over_unread() -> None:
    unknown = bedrock_frames.frame([(":message-type", 7, "event"), (":event-type", 7, "heartbeat")], b"")
    decoder = fresh()
    text = decoder.feed(unknown + stream_of(START, delta(0, text="a")) + unknown)
    text += decoder.feed(stream_of(STOP, ("metadata", METADATA))) + decoder.end()
    assert blocks(sse_events(text)) == [(0, "text"), "a", 0]
    assert decoder.stop_reason == "end_turn"


def test_a_start_that_names_a_kind_deltas_name_too_hides_nothing() -> None:
    events = run(fresh(), START, start(0, text=""), delta(0, text="a"), STOP, ("metadata", METADATA))
    assert blocks(events) == [(0, "text"), "a", 0]


def test_an_empty_text_opens_no_block_and_is_passed_on_in_an_open_one() -> None:
    events = run(fresh(), START, delta(0, text=""), delta(0, text="a"), delta(0, text=""), STOP)
    assert blocks(events) == [(0, "text"), "a", "", 0]


def test_token_counts_that_a_metadata_event_leaves_out_are_noted_as_missing() -> None:
    decoder = fresh()
    run(decoder, START, delta(0, text="a"), STOP, ("metadata", {"metrics": {"latencyMs": 1}}))
    assert (decoder.notes, decoder.stop_reason) == (["usage_missing"], "end_turn")


def test_the_stream_of_an_answer_nobody_wants_is_empty_but_counted() -> None:
    decoder = fresh(discard=True)
    tool = start(1, toolUse={"toolUseId": "t", "name": "grep"})
    last = ("messageStop", {"stopReason": "malformed_tool_use"})
    message = check_grammar(run(decoder, START, delta(0, text="a"), tool, last, ("metadata", METADATA)))
    assert message is not None
    assert (message.content, message.stop_reason, message.usage.output_tokens) == ([], "max_tokens", 5)
