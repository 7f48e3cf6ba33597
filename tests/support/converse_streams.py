"""ConverseStream's events by hand, and what has to hold for the events that become of them."""

from typing import Any

import httpx2
from anthropic.lib.streaming._beta_messages import accumulate_event
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from pydantic import TypeAdapter

from openclaude.adapters.bedrock_converse import ConverseStreamDecoder, ResponseState
from openclaude.adapters.bedrock_converse.errors import Place
from openclaude.domain.errors import STATUS_OF_TYPE
from support import bedrock_frames
from support.bedrock_cases import sse_events

EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
METADATA = {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {"latencyMs": 1}}
START = ("messageStart", {"role": "assistant"})
STOP = ("messageStop", {"stopReason": "end_turn"})


def fresh(**state: Any) -> ConverseStreamDecoder:
    known = ResponseState(model="m", route="qwen", **state)
    return ConverseStreamDecoder(known, "msg_bdrk_1", Place("ConverseStream", "qwen.x", "us-east-1"))


def delta(index: int, **kind: Any) -> tuple[str, dict[str, Any]]:
    return ("contentBlockDelta", {"contentBlockIndex": index, "delta": kind})


def start(index: int, **kind: Any) -> tuple[str, dict[str, Any]]:
    return ("contentBlockStart", {"contentBlockIndex": index, "start": kind})


def stop(index: int) -> tuple[str, dict[str, Any]]:
    return ("contentBlockStop", {"contentBlockIndex": index})


def stream_of(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(bedrock_frames.event(kind, payload) for kind, payload in events)


def run(decoder: ConverseStreamDecoder, *events: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sse_events(decoder.feed(stream_of(*events)) + decoder.end())


def blocks(events: list[dict[str, Any]]) -> list[Any]:
    """The events between `message_start` and `message_delta`, in short: what started, what was added, what stopped."""
    short: list[Any] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                short.append((event["index"], event["content_block"]["type"]))
            case "content_block_delta":
                short.append(next(value for key, value in event["delta"].items() if key != "type"))
            case "content_block_stop":
                short.append(event["index"])
    return short


def check_grammar(events: list[dict[str, Any]]) -> BetaMessage | None:
    """The official SDK accumulates the events; blocks never overlap and have indexes without gaps."""
    snapshot: Any = None
    buffers: dict[Any, Any] = {}
    open_index, following, over = None, 0, False
    for event in events:
        assert not over, "an event behind the end"
        if event["type"] == "ping":
            continue
        if event["type"] == "error":
            assert open_index is None, "a block is open at the error"
            assert event["error"]["type"] in STATUS_OF_TYPE
            over = True
            continue
        if event["type"] == "content_block_start":
            assert (open_index, event["index"]) == (None, following)
            open_index, following = following, following + 1
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_index
        elif event["type"] == "content_block_stop":
            assert event["index"] == open_index
            open_index = None
        elif event["type"] == "message_delta":
            assert open_index is None
        over = event["type"] == "message_stop"
        typed = EVENT.validate_python(event)
        snapshot = accumulate_event(
            event=typed,
            current_snapshot=snapshot,
            request_headers=httpx2.Headers(),
            json_bufs=buffers,
        )
    assert over, "the stream neither ended nor failed"
    if events[-1]["type"] == "error":
        return None
    dumped = snapshot.model_dump(exclude_none=True, exclude={"parsed_output"}, warnings=False)
    return BetaMessage.model_validate(dumped)
