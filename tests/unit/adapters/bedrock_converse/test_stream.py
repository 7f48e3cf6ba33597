"""ConverseStream to server-sent events: one grammar out, whatever the order and the cuts going in."""

import json
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import PING
from openclaude.domain.errors import ApiError
from support import bedrock_frames
from support.bedrock_cases import Case, call_for, cases, headers_of, name_of, pieces, sse_events
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

STREAMS = [bedrock_frames.encoded(case["input"]["frames"]) for case in cases("stream")]


@pytest.mark.parametrize(
    "case", [case for case in cases("stream") if "http" not in case["expect"]], ids=name_of
)
def test_the_official_client_accumulates_every_stream(case: Case) -> None:
    decoder = call_for(case).stream(headers_of(case))
    text = decoder.feed(bedrock_frames.encoded(case["input"]["frames"])) + decoder.end()
    message = check_grammar(sse_events(text))
    assert (message is not None) == case["expect"]["complete"]
    if message is None:
        return
    has_tool = any(block.type == "tool_use" for block in message.content)
    assert has_tool == (message.stop_reason == "tool_use")
    assert all(block.signature for block in message.content if block.type == "thinking")


@pytest.mark.parametrize("case", cases("stream"), ids=name_of)
def test_a_stream_cut_byte_by_byte_gives_the_same_bytes(case: Case) -> None:
    data = bedrock_frames.encoded(case["input"]["frames"])
    whole, cut = call_for(case).stream(headers_of(case)), call_for(case).stream(headers_of(case))
    expected = whole.feed(data) + whole.end()
    assert b"".join(cut.feed(data[at : at + 1]) for at in range(len(data))) + cut.end() == expected
    assert (cut.notes, cut.stop_reason, cut.failure) == (whole.notes, whole.stop_reason, whole.failure)


@settings(max_examples=150, deadline=None)
@given(data=st.sampled_from(STREAMS), cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_a_stream_cut_anywhere_gives_the_same_bytes(data: bytes, cuts: list[int]) -> None:
    whole, cut = fresh(), fresh()
    expected = whole.feed(data) + whole.end()
    assert b"".join(cut.feed(piece) for piece in pieces(data, cuts)) + cut.end() == expected


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from(STREAMS),
    at=st.integers(0, 5000),
    flip=st.integers(1, 255),
    cuts=st.lists(st.integers(0, 5000)),
)
def test_a_damaged_stream_is_never_a_success(data: bytes, at: int, flip: int, cuts: list[int]) -> None:
    bad = bytearray(data)
    bad[at % len(bad)] ^= flip
    whole, cut = fresh(), fresh()
    text = whole.feed(bytes(bad)) + whole.end()
    events = sse_events(text)
    # A message that was complete before the damage stays complete, with or without its token counts.
    if whole.stop_reason is None:
        assert whole.failure is not None or events[-1]["type"] == "error"
    else:
        assert at % len(bad) > bytes(data).index(b"messageStop")
    assert b"".join(cut.feed(piece) for piece in pieces(bytes(bad), cuts)) + cut.end() == text


KINDS = st.one_of(
    st.sampled_from(["", "a", "<tool_call>"]).map(lambda text: {"text": text}),
    st.sampled_from(["", "more"]).map(lambda text: {"toolUse": {"input": text}}),
    st.sampled_from(
        [{"text": "hm"}, {"signature": "c2ln"}, {"redactedContent": "YQ=="}, {}, {"text": ""}]
    ).map(
        lambda part: {"reasoningContent": part},
    ),
    st.sampled_from(
        [{"citation": {}}, {"citation": {"location": {"documentChar": {"start": 1}}}}, {"image": {}}, {}]
    ),
)
STARTS = st.sampled_from(
    [
        {},
        {"toolUse": {"toolUseId": "t", "name": "grep"}},
        {"toolUse": {"toolUseId": "t", "name": "x", "type": "server_tool_use"}},
        {"toolUse": {"toolUseId": "t", "name": "openclaude_no_tools"}},
        {"image": {"format": "png"}},
        {"toolResult": {"toolUseId": "t"}},
    ],
)
INDEXES = st.integers(0, 3)
EVENTS = st.one_of(
    st.tuples(INDEXES, KINDS).map(lambda drawn: delta(drawn[0], **drawn[1])),
    st.tuples(INDEXES, KINDS).map(lambda drawn: delta(drawn[0], **drawn[1])),
    st.tuples(INDEXES, STARTS).map(lambda drawn: start(drawn[0], **drawn[1])),
    INDEXES.map(stop),
    st.sampled_from(
        [
            ("newEvent", {}),
            ("metadata", METADATA),
            ("contentBlockDelta", {"delta": None}),
            ("messageStart", {}),
        ]
    ),
)


def with_readable_inputs(events: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The same events with calls that have ids of their own and a JSON object for their input."""
    begun: set[int] = set()
    shown = []
    for number, (kind, payload) in enumerate(events):
        index = payload.get("contentBlockIndex", 0)
        if kind == "contentBlockStart":
            begun.discard(index)
            if "toolUse" in payload["start"]:
                use = {**payload["start"]["toolUse"], "toolUseId": f"t{number}"}
                shown.append(start(index, toolUse=use))
                continue
        if payload.get("delta") == {"toolUse": {"input": "more"}}:
            fragment = " " if index in begun else '{"a":[1]}'
            begun.add(index)
            shown.append(delta(index, toolUse={"input": fragment}))
        else:
            shown.append((kind, payload))
    return shown


@settings(max_examples=200, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=25),
    reason=st.sampled_from(["end_turn", "tool_use", "max_tokens", "new", "", None]),
)
def test_events_in_any_order_give_a_stream_the_official_client_can_read(
    events: list[tuple[str, dict[str, Any]]],
    reason: str | None,
) -> None:
    decoder = fresh(placeholder="openclaude_no_tools")
    last = (("messageStop", {"stopReason": reason}), ("metadata", METADATA))
    shown = run(decoder, START, *with_readable_inputs(events), *last)
    message = check_grammar(shown)
    if message is None:
        assert "a tool call has input and no beginning" in shown[-1]["error"]["message"]
        return
    assert message.usage.output_tokens == decoder.usage.output_tokens == 5
    names = [block.name for block in message.content if block.type == "tool_use"]
    assert set(names) <= {"grep"}


def test_a_stream_in_which_three_tools_interleave_is_put_in_order() -> None:
    tools = [start(index, toolUse={"toolUseId": f"t{index}", "name": "grep"}) for index in range(3)]
    inputs = [delta(index, toolUse={"input": f'{{"q":{index}}}'}) for index in (2, 1, 0)]
    stops = [stop(index) for index in (1, 2, 0)]
    events = run(
        fresh(),
        START,
        *tools,
        *inputs,
        *stops,
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", METADATA),
    )
    use = "tool_use"
    shown = [((index, use), f'{{"q":{index}}}', index) for index in range(3)]
    assert blocks(events) == [part for block in shown for part in block]


def test_what_waited_for_a_tool_without_a_stop_is_shown_before_the_message_stops() -> None:
    tools = [start(index, toolUse={"toolUseId": f"t{index}", "name": "grep"}) for index in range(2)]
    inputs = [delta(1, toolUse={"input": "{}"}), delta(0, toolUse={"input": "{ }"})]
    events = run(
        fresh(), START, *tools, *inputs, ("messageStop", {"stopReason": "tool_use"}), ("metadata", METADATA)
    )
    assert blocks(events) == [(0, "tool_use"), "{ }", 0, (1, "tool_use"), "{}", 1]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_redacted_reasoning_goes_out_whole_when_its_block_ends() -> None:
    parts = [delta(0, reasoningContent={"redactedContent": part}) for part in ("b3Bh", "cXVl")]
    events = run(fresh(), START, *parts, delta(0, text="ok"), stop(0), STOP, ("metadata", METADATA))
    shown = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert shown == [{"type": "redacted_thinking", "data": "opaque"}, {"type": "text", "text": ""}]


def test_citations_are_added_to_the_open_text_block() -> None:
    place = {
        "title": "D",
        "sourceContent": [{"text": "s"}],
        "location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}},
    }
    events = run(
        fresh(), START, delta(0, text="a"), delta(0, citation=place), stop(0), STOP, ("metadata", METADATA)
    )
    assert blocks(events)[2] == {
        "type": "page_location",
        "cited_text": "s",
        "document_index": 1,
        "document_title": "D",
        "start_page_number": 2,
        "end_page_number": 3,
        "file_id": None,
    }


def test_blocks_without_a_messages_form_are_passed_over_with_a_note() -> None:
    decoder = fresh(placeholder="openclaude_no_tools")
    events = run(
        decoder,
        START,
        start(0, image={"format": "png"}),
        delta(0, image={}),
        stop(0),
        start(1, toolUse={"toolUseId": "t", "name": "openclaude_no_tools"}),
        delta(1, toolUse={"input": "{}"}),
        stop(1),
        start(2, toolUse={"toolUseId": "t", "name": "search", "type": "server_tool_use"}),
        stop(2),
        delta(3, video={}),
        delta(1, text="a"),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", METADATA),
    )
    assert blocks(events) == [(0, "text"), "a", 0]
    assert decoder.notes == [
        "block_dropped:image",
        "placeholder_call_removed",
        "block_dropped:server_tool_use",
        "block_dropped:video",
        "stop_reason_repaired",
    ]


def test_a_tool_call_that_leaks_into_text_is_counted_even_when_it_is_cut() -> None:
    decoder = fresh()
    run(decoder, START, delta(0, text="go <tool"), delta(0, text="_call> now"), STOP, ("metadata", METADATA))
    assert decoder.notes == ["tool_call_in_text"]


def test_a_finished_stream_does_not_wait_for_the_connection_to_close() -> None:
    decoder = fresh()
    text = decoder.feed(stream_of(START, delta(0, text="a"), STOP))
    assert decoder.awaiting_metadata
    assert sse_events(text)[-1]["type"] == "content_block_stop"
    text = decoder.feed(stream_of(("metadata", METADATA)))
    assert [event["type"] for event in sse_events(text)] == ["message_delta", "message_stop"]
    assert (decoder.finished, decoder.awaiting_metadata, decoder.stop_reason) == (True, False, "end_turn")
    assert (
        decoder.feed(b"whatever follows") + decoder.end() + decoder.fail(ApiError(502, "api_error", "late"))
        == b""
    )


def test_what_adds_nothing_after_the_message_stop_is_ignored() -> None:
    late = (stop(0), STOP, START, start(1), delta(1, text=""), ("newEvent", {}))
    events = run(fresh(), START, delta(0, text="a"), STOP, *late, ("metadata", METADATA))
    assert blocks(events) == [(0, "text"), "a", 0]
    assert events[-1]["type"] == "message_stop"


def test_the_same_start_of_a_tool_call_twice_begins_it_once() -> None:
    tool = start(0, toolUse={"toolUseId": "t", "name": "grep"})
    events = run(fresh(), START, tool, tool, delta(0, toolUse={"input": "{}"}), stop(0), stop(0), STOP)
    assert blocks(events) == [(0, "tool_use"), "{}", 0]


def test_a_delta_of_an_unknown_kind_takes_nothing_from_the_text_around_it() -> None:
    decoder = fresh()
    parts = (delta(0, text="a"), delta(0, hologram={}), delta(0, text="b"))
    assert blocks(run(decoder, START, *parts, STOP, ("metadata", METADATA))) == [(0, "text"), "a", "b", 0]
    assert decoder.notes == ["block_dropped:hologram"]


def test_a_held_stream_starts_once_when_it_is_told_to() -> None:
    decoder = fresh()
    text = decoder.start()
    assert text.endswith(PING)
    assert decoder.start() == b""
    rest = decoder.feed(stream_of(START, delta(0, text="a"), STOP, ("metadata", METADATA)))
    assert [event["type"] for event in sse_events(text + rest)].count("message_start") == 1
    assert check_grammar(sse_events(text + rest)) is not None


def test_an_exception_after_a_forced_start_is_an_event() -> None:
    decoder = fresh()
    text = decoder.start() + decoder.feed(
        bedrock_frames.exception("modelTimeoutException", {"message": "slow"})
    )
    assert sse_events(text)[-1] == {
        "type": "error",
        "error": {"type": "timeout_error", "message": "The model timed out: slow"},
    }
    assert (decoder.failure, decoder.finished) == (None, True)


@pytest.mark.parametrize(
    ("data", "kind", "status", "fragment"),
    [
        pytest.param(b"", "api_error", 502, "before messageStop", id="nothing-came"),
        pytest.param(b"HTTP/1.1 200 OK", "api_error", 502, "damaged", id="no-event-stream"),
        pytest.param(bedrock_frames.error("500", "broken pipe"), "api_error", 500, "broken pipe", id="error-message"),
        pytest.param(bedrock_frames.exception("validationException", {"message": "Input is too long"}),
                     "invalid_request_error", 400, "prompt is too long: Input is too long", id="too-long"),
        pytest.param(bedrock_frames.exception("modelStreamErrorException", {"message": "m", "originalMessage": "o"}),
                     "api_error", 502, "m (o)", id="model-stream-error"),
        pytest.param(bedrock_frames.exception("futureException", {"Message": "?"}), "api_error", 500,
                     "futureException: ?", id="unknown-exception"),
        pytest.param(bedrock_frames.frame([(":message-type", 7, "event"), (":event-type", 7, "messageStart")], b"["),
                     "api_error", 502, "not a JSON object", id="no-json"),
    ],
)  # fmt: skip
def test_a_failure_before_the_first_event_is_a_real_http_error(
    data: bytes, kind: str, status: int, fragment: str
) -> None:
    decoder = fresh()
    assert decoder.feed(data) + decoder.end() == b""
    assert decoder.failure is not None
    assert (decoder.failure.type, decoder.failure.status) == (kind, status)
    assert fragment in decoder.failure.message
    assert not decoder.started


def test_a_stream_the_gateway_gives_up_says_why_exactly_once() -> None:
    decoder = fresh()
    text = decoder.feed(stream_of(START, delta(0, text="a")))
    gone = ApiError(504, "timeout_error", "nothing for 120 s")
    text += decoder.fail(gone) + decoder.fail(gone) + decoder.end()
    events = sse_events(text)
    assert [event["type"] for event in events[-2:]] == ["content_block_stop", "error"]
    assert events[-1]["error"] == {"type": "timeout_error", "message": "nothing for 120 s"}


def test_giving_up_before_anything_came_still_says_why() -> None:
    decoder = fresh()
    assert sse_events(decoder.fail(ApiError(502, "api_error", "gone")))[0]["error"]["message"] == "gone"
    assert decoder.failure is not None


def test_a_synthesised_stream_says_what_the_message_says() -> None:
    content = [
        {"text": "a"},
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
        {
            "citationsContent": {
                "content": [{"text": "c"}],
                "citations": [{"location": {"documentChunk": {}}}],
            }
        },
        {"toolUse": {"toolUseId": "t", "name": "grep", "input": {"q": "\u00fc"}}},
    ]
    answer = {"output": {"message": {"content": content}}, "stopReason": "tool_use", **METADATA}
    call = call_for(cases("response")[0])
    whole = call.whole(200, [], json.dumps(answer).encode())
    events = sse_events(call.synthesize(whole))
    message = check_grammar(events)
    assert message is not None
    assert message.model_dump(mode="json", exclude_none=True) == BetaMessage.model_validate_json(
        whole
    ).model_dump(
        mode="json",
        exclude_none=True,
    )
    partial = [event["delta"] for event in events if event["type"] == "content_block_delta"][-1]
    assert partial == {"type": "input_json_delta", "partial_json": '{"q":"\u00fc"}'}
