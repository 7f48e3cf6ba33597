"""Frames of InvokeModelWithResponseStream to server-sent events: the events pass, and nothing else happens to them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse.errors import Place
from openclaude.adapters.bedrock_invoke import InvokeStreamDecoder
from openclaude.domain.errors import ApiError
from openclaude.wire.sse import PING
from support import bedrock_frames
from support.bedrock_cases import pieces, sse_events
from support.claude_calls import (
    OPUS,
    STORY,
    check_events,
    chunk,
    chunks,
    delta,
    raw_chunk,
    start,
    stop,
    text_block,
)

WHOLE = chunks(*STORY)


def fresh() -> InvokeStreamDecoder:
    return InvokeStreamDecoder("alias", Place("InvokeModelWithResponseStream", OPUS, "us-east-1"))


def run(*frames: bytes) -> tuple[InvokeStreamDecoder, list[dict[str, Any]]]:
    decoder = fresh()
    return decoder, sse_events(decoder.feed(b"".join(frames)) + decoder.end())


def test_events_pass_byte_for_byte_and_only_the_model_is_renamed() -> None:
    decoder = fresh()
    out = decoder.feed(WHOLE)
    assert decoder.end() == b""
    events = sse_events(out)
    message = {**STORY[0]["message"], "model": "alias"}
    usage = {"output_tokens": 4, "cache_read_input_tokens": 7}
    assert events == [
        {"type": "message_start", "message": message},
        *STORY[1:-2],
        {**STORY[-2], "usage": usage},
        {"type": "message_stop"},
    ]
    for event in STORY[1:-2]:
        assert b"data: " + json.dumps(event).encode() + b"\n\n" in out
    assert (decoder.stop_reason, decoder.finished, decoder.failure) == ("tool_use", True, None)
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (12, 4)
    assert decoder.usage.cache_read_input_tokens == 7
    assert not decoder.awaiting_metadata
    answer = check_events(events)
    assert answer is not None
    assert answer.content[1].type == "tool_use"
    assert answer.content[1].input == {"q": "x"}


def test_a_stream_cut_byte_by_byte_gives_the_same_bytes() -> None:
    whole, cut = fresh(), fresh()
    expected = whole.feed(WHOLE)
    assert b"".join(cut.feed(WHOLE[at : at + 1]) for at in range(len(WHOLE))) + cut.end() == expected


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=12), length=st.integers(0, len(WHOLE)))
def test_a_stream_cut_anywhere_gives_the_same_bytes_also_when_it_ends_too_early(
    cuts: list[int], length: int
) -> None:
    whole, cut = fresh(), fresh()
    expected = whole.feed(WHOLE[:length]) + whole.end()
    assert b"".join(cut.feed(part) for part in pieces(WHOLE[:length], cuts)) + cut.end() == expected
    assert (cut.failure, cut.stop_reason) == (whole.failure, whole.stop_reason)
    assert (whole.stop_reason is not None) == (length == len(WHOLE))
    if whole.started:
        check_events(sse_events(expected))


@settings(max_examples=1000, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_a_damaged_byte_ends_in_an_error_and_never_in_a_success(place: int, bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= 1 << bit
    decoder = fresh()
    out = decoder.feed(bytes(damaged)) + decoder.end()
    assert decoder.finished
    assert decoder.stop_reason is None
    if decoder.failure is not None:
        assert out == b""
    else:
        assert check_events(sse_events(out)) is None


@settings(max_examples=150, deadline=None)
@given(
    noise=st.lists(
        st.one_of(st.sampled_from(STORY), st.sampled_from([{"type": "new"}, {}, {"type": 7}, [], "x"])),
        max_size=8,
    )
)
def test_events_in_any_order_end_in_a_message_or_an_error(noise: list[Any]) -> None:
    decoder, events = run(chunk(start()), *[chunk(event) for event in noise])
    assert decoder.finished
    assert events[-1]["type"] == ("error" if decoder.stop_reason is None else "message_stop")


TEXTS = [start(), *text_block(0, "a", "b"), *text_block(1, "c"), delta(), stop()]


@pytest.mark.parametrize("place", range(len(TEXTS)))
def test_frames_that_are_lost_doubled_or_moved_leave_a_readable_stream_or_an_error(place: int) -> None:
    frames = [chunk(event) for event in TEXTS]
    lost = frames[:place] + frames[place + 1 :]
    doubled = [*frames[:place], frames[place], *frames[place:]]
    moved = [[*lost[:at], frames[place], *lost[at:]] for at in range(len(frames))]
    for found in (lost, doubled, *moved):
        decoder, events = run(*found)
        if decoder.failure is None:
            assert (check_events(events) is None) == (decoder.stop_reason is None)
        else:
            assert events == []


def test_cache_counts_that_come_with_the_last_event_only_are_put_where_the_client_looks() -> None:
    metrics = {
        "inputTokenCount": 3,
        "outputTokenCount": 4,
        "cacheReadInputTokenCount": 9,
        "cacheWriteInputTokenCount": 2,
    }
    decoder, events = run(chunks(start(), *text_block(0, "x"), delta(), stop(**metrics)))
    assert events[-2]["usage"] == {
        "output_tokens": 4,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 9,
    }
    assert (decoder.usage.cache_read_input_tokens, decoder.usage.cache_creation_input_tokens) == (9, 2)


def test_cache_counts_that_are_there_are_left_alone() -> None:
    _, events = run(chunks(start(cache_read_input_tokens=7), delta(cache_read_input_tokens=5), stop()))
    assert events[-2]["usage"] == {"output_tokens": 4, "cache_read_input_tokens": 5}


def test_counts_missing_from_the_events_come_from_the_metrics() -> None:
    begin = start()
    begin["message"]["usage"] = {}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}
    decoder, _ = run(chunks(begin, end, stop(inputTokenCount=30, outputTokenCount=8)))
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (30, 8)


def test_a_ping_before_the_answer_does_not_commit_to_a_stream() -> None:
    decoder = fresh()
    assert decoder.feed(chunk({"type": "ping"})) == b""
    assert not decoder.started
    decoder.feed(bedrock_frames.exception("throttlingException", {"message": "slow down"}))
    assert decoder.failure is not None
    assert (decoder.failure.status, decoder.failure.retry_after) == (429, 5)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("throttlingException", 429, "rate_limit_error"),
        ("serviceUnavailableException", 529, "overloaded_error"),
        ("internalServerException", 500, "api_error"),
        ("modelStreamErrorException", 502, "api_error"),
        ("modelTimeoutException", 504, "timeout_error"),
        ("validationException", 400, "invalid_request_error"),
        ("brandNewException", 500, "api_error"),
    ],
)
def test_an_exception_is_an_http_error_first_and_an_error_event_later(
    name: str, status: int, kind: str
) -> None:
    frame = bedrock_frames.exception(name, {"message": "sorry", "originalMessage": "deep down"})
    first, events = run(frame)
    assert events == []
    assert first.failure is not None
    assert (first.failure.status, first.failure.type) == (status, kind)
    assert "sorry (deep down)" in first.failure.message
    later, events = run(chunks(start(), *text_block(0, "x")[:2]), frame)
    assert later.failure is None
    assert events[-2:] == [
        {"type": "content_block_stop", "index": 0},
        {"type": "error", "error": {"type": kind, "message": first.failure.message}},
    ]


def test_an_error_frame_and_an_error_event_are_errors_too() -> None:
    framed, _ = run(bedrock_frames.error("internalFailure", "the text"))
    assert framed.failure is not None
    assert (framed.failure.status, "the text" in framed.failure.message) == (500, True)
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    first, _ = run(chunk(said))
    assert first.failure is not None
    assert (first.failure.status, first.failure.retry) == (529, True)
    _, events = run(chunks(start(), said))
    assert events[-1] == said


@pytest.mark.parametrize(
    "frame",
    [
        bedrock_frames.event("chunk", {"p": "x"}),
        bedrock_frames.event("chunk", {"bytes": "no base64!"}),
        bedrock_frames.event("chunk", {"bytes": 7}),
        raw_chunk(b"{"),
        raw_chunk(b"[]"),
        raw_chunk(b'{"type":7}'),
        raw_chunk(b"[" * 100_000),
        raw_chunk(b'{"type":"message_start"}'),
        chunk({"type": "content_block_stop", "index": 0}),
    ],
)
def test_what_is_no_event_is_damage(frame: bytes) -> None:
    first, events = run(frame)
    assert first.failure is not None
    assert (first.failure.status, events) == (502, [])
    assert "damaged" in first.failure.message


def test_a_stream_that_stops_short_is_an_error_with_what_came_before() -> None:
    _, events = run(chunks(start(), *text_block(0, "x"), delta()))
    assert events[-2]["type"] == "message_delta"
    assert events[-1]["error"]["message"] == "The Bedrock stream ended before messageStop."
    _, events = run(chunks(start(), *text_block(0, "x"), stop()))
    assert events[-1]["type"] == "error"


def test_an_event_written_over_several_lines_goes_out_on_one() -> None:
    pretty = json.dumps(start(), indent=1).encode()
    event = json.dumps(text_block(0, "x")[0], indent=1).encode()
    _, events = run(raw_chunk(pretty), raw_chunk(event))
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "error",
    ]


def test_an_unpaired_surrogate_in_a_delta_is_replaced() -> None:
    raw = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"cut \\ud83d"}}'
    _, events = run(chunks(start(), text_block(0)[0]), raw_chunk(raw))
    assert events[2]["delta"]["text"] == "cut \ufffd"


def test_events_of_kinds_that_do_not_exist_yet_pass_or_are_skipped() -> None:
    decoder, events = run(
        bedrock_frames.event("novelty", {}), chunks(start(), {"type": "novel", "x": 1}, delta(), stop())
    )
    assert {"type": "novel", "x": 1} in events
    assert decoder.stop_reason == "end_turn"


def test_a_stream_can_be_opened_before_the_answer_comes_and_then_ends_in_an_event() -> None:
    decoder = fresh()
    assert decoder.start() == PING
    assert decoder.start() == b""
    assert decoder.started
    out = decoder.fail(ApiError(504, "timeout_error", "silence"))
    assert sse_events(out) == [{"type": "error", "error": {"type": "timeout_error", "message": "silence"}}]
    assert decoder.fail(ApiError(504, "timeout_error", "again")) == b""
    assert decoder.feed(WHOLE) == b""


def test_a_stream_that_was_opened_early_goes_on_as_usual() -> None:
    decoder = fresh()
    decoder.start()
    assert next(event["type"] for event in sse_events(decoder.feed(WHOLE))) == "message_start"
    assert decoder.stop_reason == "tool_use"


def test_a_failure_before_anything_was_sent_is_still_told_when_asked() -> None:
    decoder = fresh()
    out = decoder.fail(ApiError(502, "api_error", "gone"))
    assert sse_events(out)[-1]["error"]["message"] == "gone"
    assert decoder.failure is not None
