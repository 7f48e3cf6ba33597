"""A thousand corrupted streams, and streams whose blocks interleave: what becomes of them is judged by an oracle.

The oracle reads the frames with botocore and adds up what they say without any of the decoder's state. A stream may
end well only if botocore can read it up to its `messageStop` and it then says what the frames say.
"""

import json
import random
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import ConverseStreamDecoder
from openclaude.domain.errors import STATUS_OF_TYPE
from support.bedrock_cases import pieces, sse_events
from support.broken_streams import (
    BLOCK_EVENTS,
    MUTATIONS,
    STREAMS,
    flipped,
    lengthened,
    truncated,
)
from support.converse_streams import METADATA, START, check_grammar, delta, fresh, start, stop, stream_of

SEED = 20_261_126
CORRUPTED = 1000


@dataclass
class Said:
    """What the frames of a stream say, in no particular order across blocks."""

    texts: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    stop_reason: str | None = None


class NotWellError(Exception):
    """The stream may not end well."""


def oracle(data: bytes) -> Said:
    """What an intact stream says. Raises `NotWellError` for one that is not, or that has no end."""
    said = Said()
    buffer = EventStreamBuffer()
    try:
        buffer.add_data(data)
        for message in buffer:
            if said.stop_reason is not None and read(message, said) == "metadata":
                return said
            if said.stop_reason is None:
                read(message, said)
    except (ParserError, ValueError, RecursionError, struct.error) as error:
        if said.stop_reason is None:
            raise NotWellError from error
    if said.stop_reason is None:
        raise NotWellError
    return said


def read(message: Any, said: Said) -> str:
    kind = str(message.headers.get(":event-type"))
    if message.headers.get(":message-type") != "event":
        raise NotWellError
    if kind in (*BLOCK_EVENTS, "messageStart", "messageStop", "metadata"):
        event = json.loads(message.payload)
        if not isinstance(event, dict):
            raise NotWellError
        if said.stop_reason is None:
            add(kind, event, said)
    return kind


def add(kind: str, event: dict[str, Any], said: Said) -> None:
    part = event.get("delta") if kind == "contentBlockDelta" else None
    if kind == "messageStop":
        said.stop_reason = str(event.get("stopReason"))
    elif kind == "contentBlockStart" and "toolUse" in (event.get("start") or {}):
        call = event["start"]["toolUse"]
        said.calls.append((call["toolUseId"], call["name"]))
    elif part and "text" in part:
        said.texts.append(part["text"])
    elif part and "toolUse" in part:
        said.inputs.append(part["toolUse"].get("input", ""))
    elif part and "text" in part.get("reasoningContent", {}):
        said.thinking.append(part["reasoningContent"]["text"])


def deltas(events: list[dict[str, Any]], name: str) -> Counter[str]:
    return Counter(
        event["delta"][name]
        for event in events
        if event["type"] == "content_block_delta" and event["delta"].get(name)
    )


def well_formed(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def check_outcome(data: bytes, chunks: list[bytes]) -> str:
    """Decode a stream whole and in pieces, and hold the result against the oracle. Returns how it ended."""
    whole, cut = fresh(), fresh()
    text = whole.feed(data) + whole.end()
    assert b"".join(map(cut.feed, chunks)) + cut.end() == text
    assert (cut.notes, cut.stop_reason, cut.failure) == (whole.notes, whole.stop_reason, whole.failure)
    assert whole.finished
    if whole.failure is not None:
        assert text == b""
        assert whole.failure.status >= 400
        assert whole.failure.type in STATUS_OF_TYPE
        assert whole.failure.headers()[0][0] == b"x-should-retry"
        return "http error"
    events = sse_events(text)
    if check_grammar(events) is None:
        assert whole.stop_reason is None
        return "error event"
    check_success(whole, events, oracle(data))
    return "success"


def check_success(decoder: ConverseStreamDecoder, events: list[dict[str, Any]], said: Said) -> None:
    assert deltas(events, "text") == Counter(map(well_formed, filter(None, said.texts)))
    assert deltas(events, "thinking") == Counter(filter(None, said.thinking))
    assert deltas(events, "partial_json") == Counter(filter(None, said.inputs))
    shown = [
        (event["content_block"]["id"], event["content_block"]["name"])
        for event in events
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use"
    ]
    # A start that came twice in a row begins one call.
    assert set(shown) == set(said.calls)
    assert (decoder.stop_reason == "tool_use") == bool(shown) or decoder.stop_reason == "max_tokens"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_corrupted_stream_is_an_error_or_says_what_its_frames_say(mutation: Any) -> None:
    draw = random.Random(f"{SEED} {mutation.__name__}")
    ended: Counter[str] = Counter()
    for _ in range(CORRUPTED // len(MUTATIONS)):
        data = mutation(draw.choice(STREAMS), draw)
        chunks = pieces(data, [draw.randrange(len(data) + 1) for _ in range(draw.randrange(12))])
        try:
            ended[check_outcome(data, chunks)] += 1
        except NotWellError:
            pytest.fail(f"a success was made of a stream that is none: {data!r}")
    assert ended.total() == CORRUPTED // len(MUTATIONS)
    if mutation in (flipped, truncated, lengthened):
        assert ended["error event"] > ended["success"]


TOOL = "tool"
BLOCKS = st.lists(
    st.one_of(
        st.tuples(st.just(TOOL), st.lists(st.text(max_size=6), max_size=4)),
        st.tuples(st.just("text"), st.lists(st.text(max_size=6), max_size=4)),
        st.tuples(st.just("thinking"), st.lists(st.text(max_size=6), max_size=4)),
    ),
    max_size=6,
)


def events_of(index: int, kind: str, parts: list[str], *, stops: bool) -> list[tuple[str, dict[str, Any]]]:
    """The events of one block, in their own order; a tool's input is valid JSON that was cut."""
    if kind == TOOL:
        raw = json.dumps({"q": parts, "n": index})
        size = max(1, len(raw) // (len(parts) + 1))
        found = [start(index, toolUse={"toolUseId": f"t{index}", "name": "grep"})]
        found += [delta(index, toolUse={"input": raw[at : at + size]}) for at in range(0, len(raw), size)]
    elif kind == "text":
        found = [delta(index, text=part) for part in parts]
    else:
        found = [delta(index, reasoningContent={"text": part}) for part in parts]
    return [*found, stop(index)] if stops or kind != TOOL else found


def interleaved(
    queues: list[list[tuple[str, dict[str, Any]]]], order: random.Random
) -> list[tuple[str, dict[str, Any]]]:
    merged = []
    while waiting := [queue for queue in queues if queue]:
        merged.append(order.choice(waiting).pop(0))
    return merged


@settings(max_examples=200, deadline=None)
@given(drawn=BLOCKS, order=st.randoms(use_true_random=False), stops=st.booleans())
def test_blocks_that_interleave_lose_nothing_and_never_overlap(
    drawn: list[tuple[str, list[str]]], order: random.Random, stops: bool
) -> None:
    queues = [events_of(index, kind, parts, stops=stops) for index, (kind, parts) in enumerate(drawn)]
    last = (("messageStop", {"stopReason": "end_turn"}), ("metadata", METADATA))
    data = stream_of(START, *interleaved(queues, order), *last)
    whole, cut = fresh(), fresh()
    text = whole.feed(data) + whole.end()
    places = [order.randrange(len(data)) for _ in range(8)]
    assert b"".join(map(cut.feed, pieces(data, places))) + cut.end() == text
    events = sse_events(text)
    message = check_grammar(events)
    assert isinstance(message, BetaMessage)
    calls = {block.id: block.input for block in message.content if block.type == "tool_use"}
    tools = {index: parts for index, (kind, parts) in enumerate(drawn) if kind == TOOL}
    assert calls == {f"t{index}": {"q": parts, "n": index} for index, parts in tools.items()}
    for kind, name in (("text", "text"), ("thinking", "thinking")):
        said = Counter(part for drawn_kind, parts in drawn if drawn_kind == kind for part in parts if part)
        assert deltas(events, name) == said
