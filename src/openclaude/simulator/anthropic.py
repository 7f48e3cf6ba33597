"""The Anthropic Messages API, as far as a client with its own login uses it.

It refuses what the real one refuses and a gateway can get wrong: no credential, a plan login without its beta
header, no `anthropic-version`, a model name that is not Anthropic's.
"""

import json
import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from openclaude.simulator import server_tools
from openclaude.simulator.http import Server, Setup
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Framing, Headers, Piece, Reply, json_reply
from openclaude.simulator.script import (
    Answer,
    Ask,
    Fail,
    Part,
    Script,
    StreamError,
    Text,
    Thinking,
    ToolCall,
    ToolOutcome,
    ToolUse,
    Turn,
    Usage,
    echo,
    performed,
)

HOST = "api.anthropic.com"

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2", "claude-sonnet-5")

RATE_LIMITS: Headers = (
    ("anthropic-ratelimit-unified-status", "allowed"),
    ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
    ("anthropic-ratelimit-unified-reset", "4102444800"),
    ("anthropic-ratelimit-unified-5h-status", "allowed"),
    ("anthropic-ratelimit-unified-5h-reset", "4102444800"),
    ("anthropic-ratelimit-unified-5h-utilization", "0.25"),
    ("anthropic-ratelimit-unified-7d-status", "allowed"),
    ("anthropic-ratelimit-unified-7d-reset", "4102444800"),
    ("anthropic-ratelimit-unified-7d-utilization", "0.5"),
)
"""On every answer to a request with a bearer token, which is how a plan login comes. The real client shows them, so they must survive a gateway."""

CREDENTIALS = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_MODEL = re.compile(r"claude-[a-z0-9.-]+")


class AnthropicSimulator(Server):
    """The Messages API on loopback. `script` may be replaced at any time.

    Models are known when they read like Anthropic's own (`claude-…`) or are in `models`. With `accepted` only those
    tokens and keys are let in; without, any well-formed one is.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        models: Collection[str] = (),
        accepted: Collection[str] | None = None,
        setup: Setup | None = None,
    ) -> None:
        super().__init__(self._respond, name="anthropic", setup=setup)
        self.script = script
        self.models = models
        self.accepted = accepted

    def _respond(self, row: Recorded, body: bytes) -> Reply:
        request_id = f"req_{uuid.uuid4().hex[:24]}"
        endpoint = (row.method, row.path)
        if endpoint in {("HEAD", b"/api/hello"), ("GET", b"/api/hello")}:
            return json_reply({"message": "hello"})
        refusal = self._check_credentials(row)
        if refusal is not None:
            return failure(refusal, request_id)
        if endpoint == ("GET", b"/v1/models"):
            return json_reply(_model_list(), headers=(("request-id", request_id),))
        if endpoint not in {("POST", b"/v1/messages"), ("POST", b"/v1/messages/count_tokens")}:
            return failure(Fail(404, "not_found_error", "Not Found"), request_id)
        request = self._read(row, body)
        if isinstance(request, Fail):
            return failure(request, request_id)
        if row.path.endswith(b"count_tokens"):
            return json_reply({"input_tokens": len(body) // 4}, headers=(("request-id", request_id),))
        return self._message(row, request, request_id)

    def _check_credentials(self, row: Recorded) -> Fail | None:
        key = (row.header("x-api-key") or b"").decode("latin-1")
        scheme, _, token = (row.header("authorization") or b"").decode("latin-1").partition(" ")
        token = token if scheme.lower() == "bearer" else ""
        if not key and not token:
            return Fail(401, "authentication_error", "x-api-key header is required")
        if self.accepted is not None and not {key, token} - {""} <= set(self.accepted):
            return Fail(401, "authentication_error", "Invalid bearer token" if token else "invalid x-api-key")
        betas = b",".join(row.values("anthropic-beta"))
        if token.startswith("sk-ant-oat") and b"oauth-" not in betas:
            return Fail(401, "authentication_error", "OAuth authentication is currently not supported.")
        return None

    def _read(self, row: Recorded, body: bytes) -> dict[str, Any] | Fail:
        if row.header("anthropic-version") is None:
            return _invalid("anthropic-version: header is required")
        try:
            request = json.loads(body)
        except ValueError as error:
            return _invalid(f"The request body is not valid JSON: {error}")
        if not isinstance(request, dict):
            return _invalid("The request body must be a JSON object")
        missing = [name for name in ("model", "messages") if name not in request]
        if row.path.endswith(b"messages") and not isinstance(request.get("max_tokens"), int):
            missing.append("max_tokens")
        if missing:
            return _invalid(f"{missing[0]}: Field required")
        model = request["model"]
        if not (isinstance(model, str) and (_MODEL.fullmatch(model) or model in self.models)):
            return Fail(404, "not_found_error", f"model: {model}")
        if not isinstance(request["messages"], list) or not request["messages"]:
            return _invalid("messages: at least one message is required")
        return request

    def _message(self, row: Recorded, request: dict[str, Any], request_id: str) -> Reply:
        outcome = self.script(read_ask(row, request))
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, Fail):
            return failure(outcome, request_id)
        if outcome.searches and not server_tools.offered(request):
            return failure(
                _invalid("tools: the script searches the web, and the request has no tool for it"), request_id
            )
        limits = RATE_LIMITS if row.header("authorization") else ()
        return answered(
            outcome, request["model"], request_id, streaming=request.get("stream") is True, headers=limits
        )


def answered(answer: Answer, model: str, request_id: str, *, streaming: bool, headers: Headers = ()) -> Reply:
    """An answer as the Messages API gives it, whole or as events."""
    headers = (("request-id", request_id), *headers)
    if streaming:
        kind = ("content-type", "text/event-stream; charset=utf-8")
        pieces = stream(answer, model, request_id)
        return Reply(
            200, (kind, ("cache-control", "no-cache"), *headers), pieces, Framing.CHUNKED, answer.hold
        )
    if answer.error is not None:
        status = STATUS.get(answer.error.name, 500)
        return failure(Fail(status, answer.error.name, answer.error.message), request_id)
    return json_reply(message(answer, model), headers=headers, hold=answer.hold)


def failure(fail: Fail, request_id: str) -> Reply:
    """An error as the Anthropic API words it."""
    body = {
        "type": "error",
        "error": {"type": fail.kind, "message": fail.message},
        "request_id": request_id,
    }
    headers = (("request-id", request_id), *fail.headers)
    return json_reply(body, status=fail.status, headers=headers, hold=fail.hold)


def _invalid(text: str) -> Fail:
    return Fail(400, "invalid_request_error", text)


def _model_list() -> dict[str, Any]:
    models = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
        for name in MODELS
    ]
    return {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}


# What was asked ---------------------------------------------------------------------------------------------------


def read_ask(row: Recorded, request: Mapping[str, Any]) -> Ask:
    """The neutral view of a Messages request."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in row.headers}
    return Ask(
        provider="anthropic",
        model=request["model"],
        system="\n".join(texts_of(request.get("system", ""))),
        turns=tuple(turn_of(message) for message in request["messages"]),
        tools={tool["name"]: parameters_of(tool.get("input_schema")) for tool in request.get("tools", ())},
        stream=request.get("stream") is True,
        headers={name: value for name, value in headers.items() if name not in CREDENTIALS},
        number=row.number,
        body=request,
    )


def _blocks(content: Any, kind: str) -> list[dict[str, Any]]:
    return [block for block in content if block.get("type") == kind] if isinstance(content, list) else []


def texts_of(content: Any) -> tuple[str, ...]:
    return (
        (content,) if isinstance(content, str) else tuple(block["text"] for block in _blocks(content, "text"))
    )


def parameters_of(schema: Any) -> frozenset[str]:
    return frozenset(schema.get("properties", ())) if isinstance(schema, dict) else frozenset()


def turn_of(entry: Mapping[str, Any]) -> Turn:
    content = entry["content"]
    return Turn(
        role=entry["role"],
        texts=texts_of(content),
        calls=tuple(ToolCall(use["id"], use["name"], use["input"]) for use in _blocks(content, "tool_use")),
        outcomes=tuple(
            ToolOutcome(
                result["tool_use_id"],
                "\n".join(texts_of(result.get("content", ""))),
                failed=result.get("is_error") is True,
            )
            for result in _blocks(content, "tool_result")
        ),
    )


# What is answered -------------------------------------------------------------------------------------------------


def _usage(usage: Usage, searches: int = 0) -> dict[str, Any]:
    made = {"server_tool_use": {"web_search_requests": searches}} if searches else {}
    return {
        **made,
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case ToolUse(name, value):
            return {
                "type": "tool_use",
                "id": f"toolu_{uuid.uuid4().hex[:24]}",
                "name": name,
                "input": dict(value),
            }
        case Thinking(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature}


def message(answer: Answer, model: str) -> dict[str, Any]:
    """A whole Messages API message."""
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [*server_tools.blocks(answer.searches), *(_block(part) for part in answer.parts)],
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "usage": _usage(answer.usage, len(answer.searches)),
    }


def _deltas(part: Part, size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The empty block a stream starts with, and the deltas that fill it."""
    block = _block(part)

    def cut(text: str) -> list[str]:
        return [text[at : at + size] for at in range(0, len(text), size)]

    match part:
        case Text(text):
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in cut(text)]
        case ToolUse(_, value):
            pieces = ["", *cut(json.dumps(dict(value), ensure_ascii=False))]
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": piece} for piece in pieces
            ]
        case Thinking(text, signature):
            deltas: list[dict[str, Any]] = [
                {"type": "thinking_delta", "thinking": piece} for piece in cut(text)
            ]
            deltas.append({"type": "signature_delta", "signature": signature})
            return {**block, "thinking": "", "signature": ""}, deltas


def events(answer: Answer, model: str) -> Iterator[dict[str, Any]]:
    """The events of a streamed message, in the order and with the members the real API sends."""
    start = {**message(Answer((), usage=answer.usage), model), "stop_reason": None}
    start["usage"] = {**start["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": start}
    searched = server_tools.streamed(answer.searches, answer.chunk)
    parts = (_deltas(part, answer.chunk) for part in answer.parts)
    for index, (block, deltas) in enumerate((*searched, *parts)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": answer.stop_reason, "stop_sequence": None},
        "usage": _usage(answer.usage, len(answer.searches)),
    }
    yield {"type": "message_stop"}


def sse(event: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _with_error(answer: Answer, model: str, error: StreamError, request_id: str) -> Iterator[dict[str, Any]]:
    complete = list(events(answer, model))
    # By default the error stands where message_delta and message_stop would have been.
    yield from complete[: len(complete) - 2 if error.after is None else error.after]
    yield {
        "type": "error",
        "error": {"type": error.name, "message": error.message},
        "request_id": request_id,
    }


def stream(answer: Answer, model: str, request_id: str) -> Iterator[Piece]:
    """The pieces of a streamed answer."""
    plan = events(answer, model)
    if answer.error is not None:
        plan = _with_error(answer, model, answer.error, request_id)
    return performed((sse(event) for event in plan), answer)
