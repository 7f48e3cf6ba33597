"""Claude on AWS in its own format: InvokeModel as part of the Bedrock runtime, and the Messages endpoint beside it.

A body is checked by `claude_rules`; what the model says is what it says behind the Anthropic API.
"""

import base64
import datetime as dt
import json
import random
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from openclaude.simulator import anthropic, eventstream
from openclaude.simulator.http import Server, Setup
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Reply, json_reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, echo
from openclaude.simulator.signatures import Keys, Verifier

MANTLE_SERVICE = "bedrock-mantle"
"""The name the Messages endpoint is signed for."""

PLATFORM_SERVICE = "aws-external-anthropic"
"""The name Claude Platform on AWS is signed for."""

_SECRET = frozenset({"authorization", "x-api-key", "x-amz-security-token"})
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def mantle_host(region: str) -> str:
    """The Messages endpoint's host name in a region."""
    return f"bedrock-mantle.{region}.api.aws"


def platform_host(region: str) -> str:
    """The host name of Claude Platform on AWS in a region."""
    return f"{PLATFORM_SERVICE}.{region}.api.aws"


def read_body(model: str, body: bytes, *, enveloped: bool) -> dict[str, Any] | Fail:
    """A Messages body that passed every check, or the refusal."""
    from openclaude.simulator.claude_rules import body_problems  # noqa: PLC0415 - only Claude's requests need it

    try:
        request = json.loads(body)
    except ValueError:
        return Fail(400, "ValidationException", "Malformed input request, please reformat your input.")
    if not isinstance(request, dict):
        return Fail(400, "ValidationException", "Malformed input request: expected type: JSONObject")
    if "claude" not in model:
        return Fail(400, "ValidationException", "Malformed input request: this model has another format")
    problems = body_problems(model, request, enveloped=enveloped)
    return Fail(400, "ValidationException", problems[0]) if problems else request


def read_ask(row: Recorded, model: str, request: Mapping[str, Any], *, stream: bool) -> Ask:
    """The neutral view of a body whose checks are passed."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in row.headers}
    tools = request.get("tools", ())
    return Ask(
        provider="bedrock",
        model=model,
        system="\n".join(anthropic.texts_of(request.get("system", ""))),
        turns=tuple(anthropic.turn_of(message) for message in request["messages"]),
        tools={tool["name"]: anthropic.parameters_of(tool.get("input_schema")) for tool in tools},
        stream=stream,
        headers={name: value for name, value in headers.items() if name not in _SECRET},
        number=row.number,
        body=request,
    )


def short_name(model: str) -> str:
    """What the model calls itself: its id without the provider."""
    return model.rpartition("anthropic.")[2]


def whole(answer: Answer, model: str) -> dict[str, Any]:
    """A whole message of InvokeModel."""
    return anthropic.message(answer, short_name(model))


def frames(answer: Answer, model: str, padding: random.Random | None) -> Iterator[bytes]:
    """The encoded frames of a streamed answer, ended by its exception if it has one."""
    plan = list(anthropic.events(answer, short_name(model)))
    plan[-1] = {**plan[-1], "amazon-bedrock-invocationMetrics": _metrics(answer)}
    if answer.error is not None:
        plan = plan[: len(plan) - 2 if answer.error.after is None else answer.error.after]
    for event in plan:
        raw = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        payload = {"bytes": base64.b64encode(raw).decode()}
        if padding is not None:
            payload["p"] = _PADDING[: padding.randint(1, len(_PADDING))]
        yield eventstream.event("chunk", payload)
    if answer.error is not None:
        yield eventstream.exception(answer.error.name, answer.error.message)


def _metrics(answer: Answer) -> dict[str, int]:
    usage = answer.usage
    return {
        "inputTokenCount": usage.input_tokens,
        "outputTokenCount": usage.output_tokens,
        "invocationLatency": 900,
        "firstByteLatency": 300,
        "cacheReadInputTokenCount": usage.cache_read,
        "cacheWriteInputTokenCount": usage.cache_write,
    }


class MantleSimulator(Server):
    """Bedrock's Messages endpoint of one region on loopback. `script` may be replaced at any time.

    It knows models by their bare ids: one with a geo prefix is not found.
    """

    name = "mantle"
    service = MANTLE_SERVICE
    path = b"/anthropic/v1/messages"
    models = "anthropic.claude-"

    def __init__(
        self,
        script: Script = echo,
        *,
        keys: Keys,
        region: str = "us-west-2",
        api_keys: Collection[str] = (),
        clock: Callable[[], dt.datetime] | None = None,
        setup: Setup | None = None,
    ) -> None:
        super().__init__(self._respond, name=self.name, setup=setup)
        self.script = script
        self.verifier = Verifier(keys, region, service=self.service)
        if clock is not None:
            self.verifier = Verifier(keys, region, clock=clock, service=self.service)
        self.api_keys = api_keys

    def _respond(self, row: Recorded, body: bytes) -> Reply:
        request_id = f"req_{uuid.uuid4().hex[:24]}"
        counts = row.path.endswith(b"/count_tokens")
        if (row.method, row.path.removesuffix(b"/count_tokens")) != ("POST", self.path):
            return anthropic.failure(Fail(404, "not_found_error", "Not Found"), request_id)
        refusal = self._check(row)
        if refusal is not None:
            return anthropic.failure(refusal, request_id)
        request = self._read(row, body, counts=counts)
        if isinstance(request, Fail):
            return anthropic.failure(request, request_id)
        if counts:
            return json_reply({"input_tokens": text_size(request)}, headers=(("request-id", request_id),))
        model, streaming = request["model"], request.get("stream") is True
        outcome = self.script(read_ask(row, model, request, stream=streaming))
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, Fail):
            return anthropic.failure(outcome, request_id)
        return anthropic.answered(outcome, short_name(model), request_id, streaming=streaming)

    def _check(self, row: Recorded) -> Fail | None:
        key = self._api_key(row)
        if key is not None:
            return None if key in self.api_keys else Fail(401, "authentication_error", "Invalid bearer token")
        refusal = self.verifier.check(row)
        return None if refusal is None else Fail(403, "permission_error", refusal.message)

    def _api_key(self, row: Recorded) -> str | None:
        """The API key a request carries; None for one that is signed."""
        scheme, _, token = (row.header("authorization") or b"").decode("latin-1").partition(" ")
        return token if scheme.lower() == "bearer" else None

    def _read(self, row: Recorded, body: bytes, *, counts: bool) -> dict[str, Any] | Fail:
        if row.header("anthropic-version") is None:
            return Fail(400, "invalid_request_error", "anthropic-version: header is required")
        try:
            model = json.loads(body)["model"]
        except (ValueError, TypeError, KeyError):
            return Fail(400, "invalid_request_error", "model: Field required")
        if not str(model).startswith(self.models):
            return Fail(404, "not_found_error", f"model: {model}")
        if counts:
            body = _countable(body)
        request = read_body(model, body, enveloped=True)
        return Fail(400, "invalid_request_error", request.message) if isinstance(request, Fail) else request


class PlatformSimulator(MantleSimulator):
    """Claude Platform on AWS in one region on loopback: Anthropic's own path and ids, in one workspace."""

    name = "platform"
    service = PLATFORM_SERVICE
    path = b"/v1/messages"
    models = "claude-"
    workspace = "wrkspc_simulated"

    def _api_key(self, row: Recorded) -> str | None:
        found = row.header("x-api-key")
        return None if found is None else found.decode("latin-1")

    def _read(self, row: Recorded, body: bytes, *, counts: bool) -> dict[str, Any] | Fail:
        named = (row.header("anthropic-workspace-id") or b"").decode("latin-1")
        if named != self.workspace:
            return Fail(400, "invalid_request_error", "anthropic-workspace-id: header is required")
        return super()._read(row, body, counts=counts)


def _countable(body: bytes) -> bytes:
    """A body to be counted, as the message that it would be; empty when it has what only messages have."""
    request = json.loads(body)
    return (
        b""
        if {"max_tokens", "stream"} & set(request)
        else json.dumps({**request, "max_tokens": 64_000}).encode()
    )


def text_size(value: Any) -> int:
    """The simulators' idea of tokens: the characters of all strings. No tokenizer says that, so it is told apart."""
    if isinstance(value, str):
        return len(value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(text_size, items))
