"""Requests to Claude on AWS and the streams it answers with, for tests of every way it is reached."""

import base64
import json
from typing import Any

import httpx2
from anthropic.lib.streaming._beta_messages import accumulate_event
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from pydantic import TypeAdapter

from openclaude.adapters.bedrock_invoke import Translation, translate
from openclaude.adapters.profiles import Profile, named
from openclaude.domain.errors import STATUS_OF_TYPE
from openclaude.simulator.claude_rules import body_problems
from support import bedrock_frames

Json = dict[str, Any]

SONNET = "us.anthropic.claude-sonnet-4-6"
OPUS = "us.anthropic.claude-opus-5-5"
EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)


def asked(**more: Any) -> Json:
    """A small request, with other members."""
    return {"model": "alias", "max_tokens": 2000, "messages": [{"role": "user", "content": "hi"}], **more}


def built(body: Json, *, profile: Profile | None = None, model_id: str = SONNET, **more: Any) -> Translation:
    """The InvokeModel request, after a look whether Claude on AWS would take it."""
    found = translate(body, profile or named("claude-invoke"), model_id=model_id, **more)
    sent = json.loads(found.payload)
    assert body_problems(model_id, sent, enveloped=False) == []
    assert sent == found.body
    return found


def start(**usage: int) -> Json:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1, **usage},
    }
    return {"type": "message_start", "message": message}


def text_block(index: int, *texts: str) -> list[Json]:
    deltas = [
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
        for text in texts
    ]
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": index},
    ]


def tool_block(index: int, name: str, *pieces: str) -> list[Json]:
    block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    deltas = [
        {
            "type": "content_block_delta",
            "index": index,
            "delta": {"type": "input_json_delta", "partial_json": piece},
        }
        for piece in pieces
    ]
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *deltas,
        {"type": "content_block_stop", "index": index},
    ]


def delta(reason: str = "end_turn", **usage: int) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 4, **usage},
    }


def stop(**metrics: int) -> Json:
    event: Json = {"type": "message_stop"}
    return event | ({"amazon-bedrock-invocationMetrics": metrics} if metrics else {})


STORY = [
    start(cache_read_input_tokens=7),
    {"type": "ping"},
    *text_block(0, "he", "llo \U0001f600"),
    *tool_block(1, "grep", '{"q":', '"x"}'),
    delta("tool_use"),
    stop(inputTokenCount=12, outputTokenCount=4),
]
"""A whole answer with text, a tool call and cached tokens."""


def chunk(event: Json) -> bytes:
    """An event in a frame of InvokeModelWithResponseStream."""
    return raw_chunk(json.dumps(event).encode())


def raw_chunk(text: bytes) -> bytes:
    return bedrock_frames.event("chunk", {"bytes": base64.b64encode(text).decode(), "p": "abcd"})


def chunks(*events: Json) -> bytes:
    return b"".join(chunk(event) for event in events)


def check_events(events: list[Json]) -> BetaMessage | None:
    """The official SDK accumulates the events; None for a stream that ends with an error."""
    snapshot: Any = None
    buffers: dict[Any, Any] = {}
    is_open = False
    for place, event in enumerate(events):
        if event["type"] == "ping":
            continue
        if event["type"] == "error":
            assert place == len(events) - 1
            assert not is_open
            assert event["error"]["type"] in STATUS_OF_TYPE
            return None
        is_open = event["type"] in ("content_block_start", "content_block_delta")
        snapshot = accumulate_event(
            event=EVENT.validate_python(event),
            current_snapshot=snapshot,
            request_headers=httpx2.Headers(),
            json_bufs=buffers,
        )
    assert events[-1]["type"] == "message_stop"
    dumped = snapshot.model_dump(exclude_none=True, exclude={"parsed_output"}, warnings=False)
    return BetaMessage.model_validate(dumped)
