"""Streams that hold what they should not: damage is told, what is merely new is passed over."""

from typing import Any

import pytest

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
]


@pytest.mark.parametrize("event", WRONG_TYPES, ids=str)
def test_a_member_of_the_wrong_type_ends_the_stream_instead_of_losing_a_part_of_it(
    event: tuple[str, dict[str, Any]],
) -> None:
    events = run(fresh(), START, delta(0, text="a"), event, stop(0), STOP, ("metadata", METADATA))
    assert check_grammar(events) is None
    assert "damaged" in events[-1]["error"]["message"]


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
