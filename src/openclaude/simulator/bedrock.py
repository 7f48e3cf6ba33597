"""The Amazon Bedrock runtime: Converse and InvokeModel (for Claude), whole and as streams.

Every request must carry a signature that this module can recompute and a body that the service model allows; what
real Bedrock refuses, this refuses with the same status, error type and, where it is known, wording.
"""

import datetime as dt
import json
import random
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from openclaude.simulator import claude_on_aws, eventstream
from openclaude.simulator.http import Server, Setup
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Framing, Reply, json_reply
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
from openclaude.simulator.signatures import Keys, Verifier

BODY_LIMIT = 25_000_000
"""Bytes of a body, from the service model's limit for InvokeModel."""

STATUS = {
    "AccessDeniedException": 403,
    "ThrottlingException": 429,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
    "ValidationException": 400,
    "ModelNotReadyException": 429,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
}

_TARGET = re.compile(
    rb"/model/(?P<id>[^/?]+)/"
    rb"(?P<operation>converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)"
)
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def host(region: str) -> str:
    """The runtime's host name in a region."""
    return f"bedrock-runtime.{region}.amazonaws.com"


class BedrockSimulator(Server):
    """The Bedrock runtime of one region on loopback. `script` may be replaced and `keys` may change at any time.

    `api_keys` are Bedrock API keys accepted as bearer tokens. `clock` tells the service's idea of now. `padding`
    adds the random `p` member that real events carry. `uncounted` are model ids that CountTokens refuses, beside the
    ones it refuses for what they are.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        keys: Keys,
        region: str = "us-west-2",
        api_keys: Collection[str] = (),
        clock: Callable[[], dt.datetime] | None = None,
        padding: bool = True,
        setup: Setup | None = None,
    ) -> None:
        super().__init__(self._respond, name="bedrock", setup=setup)
        self.script = script
        self.verifier = Verifier(keys, region, clock=clock) if clock else Verifier(keys, region)
        self.api_keys = api_keys
        self.padding = padding
        self.uncounted: Collection[str] = ()

    def _respond(self, row: Recorded, body: bytes) -> Reply:
        request_id = str(uuid.uuid4())
        target = _TARGET.fullmatch(row.target)
        if target is None or row.method != "POST":
            return failure(Fail(404, "UnknownOperationException", ""), request_id)
        refusal = self._check_credentials(row)
        if refusal is not None:
            return failure(refusal, request_id)
        if len(body) > BODY_LIMIT:
            return failure(
                Fail(413, "RequestEntityTooLargeException", "Request size exceeded limit"), request_id
            )
        model, operation = unquote(target["id"].decode("latin-1")), target["operation"]
        if operation == b"count-tokens":
            return self._count(model, body, request_id)
        streaming, is_claude_s = operation.endswith(b"stream"), operation.startswith(b"invoke")
        request = _read(model, body, streaming=streaming, is_claude_s=is_claude_s)
        if isinstance(request, Fail):
            return failure(request, request_id)
        view = claude_on_aws.read_ask if is_claude_s else read_ask
        outcome = self.script(view(row, model, request, stream=streaming))
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, Fail):
            return failure(outcome, request_id)
        # Seeded by the request's number: two runs of the same story have the same bytes on the wire.
        padding = random.Random(row.number) if self.padding else None
        if streaming:
            events = (
                claude_on_aws.frames(outcome, model, padding) if is_claude_s else frames(outcome, padding)
            )
            return _stream(events, outcome, request_id)
        if outcome.error is not None:
            return failure(http_error(outcome.error), request_id)
        said = claude_on_aws.whole(outcome, model) if is_claude_s else message(outcome)
        return json_reply(said, headers=(("x-amzn-requestid", request_id),), hold=outcome.hold)

    def _count(self, model: str, body: bytes, request_id: str) -> Reply:
        from openclaude.simulator.token_counts import read_count  # noqa: PLC0415 - only a count needs it

        found = read_count(model, body, self.uncounted)
        if isinstance(found, Fail):
            return failure(found, request_id)
        return json_reply({"inputTokens": found}, headers=(("x-amzn-requestid", request_id),))

    def _check_credentials(self, row: Recorded) -> Fail | None:
        scheme, _, token = (row.header("authorization") or b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return self.verifier.check(row)
        if token in self.api_keys:
            return None
        return Fail(
            403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."
        )


def _stream(encoded: Iterator[bytes], answer: Answer, request_id: str) -> Reply:
    headers = (("content-type", "application/vnd.amazon.eventstream"), ("x-amzn-requestid", request_id))
    return Reply(200, headers, performed(encoded, answer), Framing.CHUNKED, answer.hold)


def failure(fail: Fail, request_id: str) -> Reply:
    """An error as a REST-JSON service of AWS answers it."""
    headers = (
        ("x-amzn-requestid", request_id),
        ("x-amzn-errortype", f"{fail.kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
        *fail.headers,
    )
    return json_reply({"message": fail.message}, status=fail.status, headers=headers, hold=fail.hold)


def http_error(error: StreamError) -> Fail:
    """The HTTP error that says the same as an exception of a stream."""
    kind = error.name[:1].upper() + error.name[1:]
    return Fail(STATUS.get(kind, 500), kind, error.message)


def _read(model: str, body: bytes, *, streaming: bool, is_claude_s: bool) -> dict[str, Any] | Fail:
    if is_claude_s:
        return claude_on_aws.read_body(model, body, enveloped=False)
    # Late, because the service model is megabytes and only a Converse request needs it.
    from openclaude.simulator.converse_rules import conversation_problems  # noqa: PLC0415
    from openclaude.simulator.converse_shapes import model_id_is_valid, shape_problems  # noqa: PLC0415

    operation = "ConverseStream" if streaming else "Converse"
    try:
        request = json.loads(body)
    except ValueError as error:
        return Fail(400, "SerializationException", f"The body is not valid JSON: {error}")
    if not isinstance(request, dict):
        return Fail(400, "SerializationException", "The body must be a JSON object.")
    if not model_id_is_valid(model):
        return Fail(400, "ValidationException", "The provided model identifier is invalid.")
    problems = shape_problems(operation, model, request) or conversation_problems(model, request)
    if not problems:
        return request
    plural = f"{len(problems)} validation errors detected: " if len(problems) > 1 else ""
    return Fail(400, "ValidationException", plural + "; ".join(problems))


# What was asked ---------------------------------------------------------------------------------------------------


def read_ask(row: Recorded, model: str, request: Mapping[str, Any], *, stream: bool) -> Ask:
    """The neutral view of a Converse request whose body has been checked."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in row.headers}
    secret = {"authorization", "x-amz-security-token"}
    specs = [
        tool["toolSpec"] for tool in request.get("toolConfig", {}).get("tools", []) if "toolSpec" in tool
    ]
    return Ask(
        provider="bedrock",
        model=model,
        system="\n".join(block["text"] for block in request.get("system", []) if "text" in block),
        turns=tuple(_turn(message) for message in request["messages"]),
        tools={spec["name"]: frozenset(spec["inputSchema"]["json"].get("properties", {})) for spec in specs},
        stream=stream,
        headers={name: value for name, value in headers.items() if name not in secret},
        number=row.number,
        body=request,
    )


def _turn(entry: Mapping[str, Any]) -> Turn:
    content = entry["content"]
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    results = [block["toolResult"] for block in content if "toolResult" in block]
    return Turn(
        role=entry["role"],
        texts=tuple(block["text"] for block in content if "text" in block),
        calls=tuple(ToolCall(use["toolUseId"], use["name"], use["input"]) for use in uses),
        outcomes=tuple(
            ToolOutcome(
                result["toolUseId"],
                "\n".join(part["text"] for part in result["content"] if "text" in part),
                failed=result.get("status") == "error",
            )
            for result in results
        ),
    )


# What is answered -------------------------------------------------------------------------------------------------


def _usage(usage: Usage) -> dict[str, Any]:
    cached = {"cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": usage.cache_write}
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens + usage.cache_read + usage.cache_write,
        **{name: count for name, count in cached.items() if count},
    }


def _tool_use_id() -> str:
    return f"tooluse_{uuid.uuid4().hex[:22]}"


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case ToolUse(name, value):
            return {"toolUse": {"toolUseId": _tool_use_id(), "name": name, "input": dict(value)}}
        case Thinking(text, signature):
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}


def message(answer: Answer) -> dict[str, Any]:
    """A whole Converse answer."""
    return {
        "output": {"message": {"role": "assistant", "content": [_block(part) for part in answer.parts]}},
        "stopReason": answer.stop_reason,
        "usage": _usage(answer.usage),
        "metrics": {"latencyMs": 42},
    }


def _block_events(part: Part, size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of one block. Only a tool use announces itself: text and reasoning have no contentBlockStart."""

    def cut(text: str) -> list[str]:
        return [text[at : at + size] for at in range(0, len(text), size)]

    match part:
        case Text(text):
            for piece in cut(text):
                yield "contentBlockDelta", {"delta": {"text": piece}}
        case ToolUse(name, value):
            yield "contentBlockStart", {"start": {"toolUse": {"toolUseId": _tool_use_id(), "name": name}}}
            for piece in cut(json.dumps(dict(value), ensure_ascii=False)):
                yield "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}}
        case Thinking(text, signature):
            for piece in cut(text):
                yield "contentBlockDelta", {"delta": {"reasoningContent": {"text": piece}}}
            if signature:
                yield "contentBlockDelta", {"delta": {"reasoningContent": {"signature": signature}}}
    yield "contentBlockStop", {}


def events(answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and payloads of a streamed answer, in the order of the real service: metadata comes last."""
    yield "messageStart", {"role": "assistant"}
    for index, part in enumerate(answer.parts):
        for name, payload in _block_events(part, answer.chunk):
            yield name, {**payload, "contentBlockIndex": index}
    yield "messageStop", {"stopReason": answer.stop_reason}
    yield "metadata", {"usage": _usage(answer.usage), "metrics": {"latencyMs": 42}}


def frames(answer: Answer, padding: random.Random | None) -> Iterator[bytes]:
    """The encoded frames of a streamed answer, ended by its exception if it has one."""
    plan = list(events(answer))
    if answer.error is not None:
        # By default the exception stands where messageStop and metadata would have been.
        plan = plan[: len(plan) - 2 if answer.error.after is None else answer.error.after]
    for name, payload in plan:
        filled = (
            payload if padding is None else {**payload, "p": _PADDING[: padding.randint(1, len(_PADDING))]}
        )
        yield eventstream.event(name, filled)
    if answer.error is not None:
        yield eventstream.exception(answer.error.name, answer.error.message)
