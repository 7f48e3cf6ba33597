"""Which route takes a request, and what would be sent there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openclaude import wiring
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.config import Config, RouteConfig, capabilities
from openclaude.credentials.policies import ANTHROPIC
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.http import (
    CREDENTIAL_HEADERS,
    LOGIN_HEADERS,
    Endpoint,
    Header,
    InboundRequest,
    SafeHeaders,
)
from openclaude.domain.kinds import AGENT_HEADER, Kind
from openclaude.domain.messages import ModelField, NoModelError, find_model, leading_model, with_model
from openclaude.domain.models import normalise
from openclaude.edge.admission import too_large
from openclaude.explain.requests import Json, rejection
from openclaude.explain.targets import DEFAULT_REGION, Target, checked, value_of
from openclaude.gateway.deciding import Decider, Facts, Outcome
from openclaude.gateway.intake import unrouted
from openclaude.gateway.opening import exact_model
from openclaude.wire.http1 import MAX_BODY_BYTES

_ALWAYS: Final = ((b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01"))
"""What every client of the Messages API sends; shown when the caller names nothing else."""
_OPERATIONS: Final = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "messages": "Messages",
}
"""The operation a request's path ends with."""


@dataclass(frozen=True, slots=True)
class Routed:
    """The decision about one request.

    Attributes:
        field: the name it asks for.
        name: the name it is routed under.
        route: the route that takes it.
        reason: why, in a sentence.
        outcome: why, as the headers of the answer say it; the kind of the request, and what its own route lacks for it.
    """

    field: ModelField
    name: str
    route: RouteConfig
    reason: str
    outcome: Outcome[RouteConfig]

    def shown(self) -> Json:
        return {
            "route": self.route.match,
            "reason": self.reason,
            "model": self.field.name,
            "normalised": self.name,
            "decision": self.outcome.decision.reason,
            "kind": self.outcome.kind.value,
            "needs": self.outcome.need or None,
            "fallback": list(self.route.fallback),
        }


def explained(
    raw: bytes, config: Config, *, headers: Sequence[Header] = (), env: Mapping[str, str] | None = None
) -> Json:
    """The route, the reason, and the upstream request with its credential redacted; or `reject` and `notes`.

    A rejection that a route made still names that route. A request that is answered without asking a model has
    `local_answer` and no upstream request.

    Args:
        raw: a Messages request body.
        config: the route table's configuration.
        headers: what the client sends beside its usual headers; the value of a credential is not read.
        env: says whether a Bedrock API key is set. Nothing else is looked for in it.
    """
    routed: Routed | None = None
    try:
        routed = decided(raw, config, headers)
        if routed.route.to == "anthropic":
            sent = _to_anthropic(raw, routed, headers)
        else:
            sent = _to_bedrock(raw, routed, headers, env or {})
    except ApiError as error:
        return {**(routed.shown() if routed else {}), **rejection(error)}
    return {**routed.shown(), **sent}


def decided(raw: bytes, config: Config, headers: Sequence[Header] = ()) -> Routed:
    """The route the gateway would choose. Raises the `ApiError` it would answer instead."""
    if len(raw) > MAX_BODY_BYTES:
        raise too_large()
    try:
        field = leading_model(raw) or find_model(raw)
    except NoModelError as error:
        raise invalid_request(f"openClaude: {error}") from None
    table = config.table()
    facts = Facts(agent=any(name.lower() == AGENT_HEADER for name, _ in headers))
    outcome = Decider(table, wiring.watched).decide(field.name, raw, facts)
    if outcome is None:
        raise unrouted(field.name, table.patterns)
    decision = outcome.decision
    if decision.moved:
        field = exact_model(raw, field)
    reason = _reason(field.name, outcome, config)
    return Routed(field, decision.name, decision.route, reason, outcome)


def target_of(
    model: str, config: Config, *, region: str | None = None, operation: str | None = None
) -> Target | None:
    """What the Bedrock route that takes a model stands for; None when no route does, or one to Anthropic.

    Raises:
        UsageError: no such operation.
    """
    decision = config.table().decide(model)
    if decision is None or decision.route.to != "bedrock":
        return None
    route = decision.route
    where = region or route.region or DEFAULT_REGION
    return checked(
        Target(capabilities(route), route.model or "", where, operation, route=wiring.BEDROCK, geo=route.geo)
    )


def _reason(asked: str, outcome: Outcome[RouteConfig], config: Config) -> str:
    decision, name = outcome.decision, normalise(asked)
    renamed = "" if asked == name else f"`{asked}` is routed as `{name}`; "
    if decision.moved:
        place = f"`{decision.route.match}` ({_place(decision.route, config)})"
        if outcome.kind is Kind.CLASSIFIER:
            why = "only a Claude may judge whether an action is safe"
        else:
            why = f"the model that `{name}` stands for lacks what the request needs: {outcome.need}"
        return f"{renamed}{why}; as `{decision.name}` it is taken by the route {place}"
    before: list[str] = []
    for route in config.routes:
        if route is decision.route:
            break
        before.append(f"`{route.match}`")
    others = f"; {', '.join(before)} before it did not match" if before else ""
    return f"{renamed}the first route that matches is `{decision.route.match}` ({_place(decision.route, config)}){others}"


def _place(route: RouteConfig, config: Config) -> str:
    return f"{config.source}:{route.line}" if config.source else "the built-in configuration"


def _to_anthropic(raw: bytes, routed: Routed, headers: Sequence[Header]) -> Json:
    body = _renamed(raw, routed)
    named = {name.lower() for name, _ in headers}
    sent = [pair for pair in _ALWAYS if pair[0] not in named]
    sent += [pair for pair in headers if pair[0].lower() not in CREDENTIAL_HEADERS]
    inbound = InboundRequest("", Endpoint.MESSAGES, b"", SafeHeaders(sent))
    request = AnthropicAdapter().request(inbound, len(body))
    login = sorted(named & LOGIN_HEADERS) or [b"authorization"]
    shown = _headers(ANTHROPIC.authority, tuple(request.headers), len(body))
    shown |= {name.decode(): "<the client's own login>" for name in login}
    return {
        "upstream": {
            "method": "POST",
            "url": f"{ANTHROPIC}{request.target.decode()}",
            "headers": shown,
            "body": _readable(body),
        },
        "credential": "the login the client sends",
        "operation": "Messages",
        "modelId": routed.name,
        "body": _readable(body),
        "notes": [],
    }


def _renamed(raw: bytes, routed: Routed) -> bytes:
    return raw if routed.name == routed.field.name else with_model(raw, routed.field, routed.name)


def _to_bedrock(raw: bytes, routed: Routed, headers: Sequence[Header], env: Mapping[str, str]) -> Json:
    route = routed.route
    call = wiring.dialect(route).prepare(
        _renamed(raw, routed) if routed.outcome.decision.moved else raw,
        betas=value_of(headers, b"anthropic-beta"),
        version=value_of(headers, b"anthropic-version"),
    )
    if normalise(call.model) != routed.name:
        raise invalid_request("openClaude: the body names two different models")
    if call.local_answer is not None:
        return {
            "upstream": None,
            "local_answer": json.loads(call.local_answer),
            "credential": None,
            "operation": None,
            "modelId": route.model,
            "body": None,
            "notes": list(call.notes),
        }
    origin = wiring.signature(route).origin
    source, marks = _credential(route, env)
    target = call.target.decode("ascii")
    body = _readable(call.body)
    return {
        "upstream": {
            "method": "POST",
            "url": f"{origin}{target}",
            "headers": {**_headers(origin.authority, call.headers, len(call.body)), **marks},
            "body": body,
        },
        "credential": source,
        "operation": _OPERATIONS.get(target.rsplit("/", 1)[-1], "Messages"),
        "modelId": route.model,
        "body": body,
        "notes": list(call.notes),
    }


def _credential(route: RouteConfig, env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Which credential the route uses, and the headers that would carry it; never its value."""
    if env.get(route.key_variable) and route.profile is None:
        if route.is_platform:
            return f"the API key of {route.key_variable}", {"x-api-key": "<the API key>"}
        return f"the Bedrock API key of {route.key_variable}", {
            "authorization": "<Bearer, the Bedrock API key>"
        }
    keys = f"AWS profile {route.profile}" if route.profile else "AWS's default chain"
    return f"AWS signature with keys from {keys}", {
        "x-amz-date": "<the time of sending>",
        "x-amz-security-token": "<the session token, when the keys have one>",
        "authorization": "<AWS4-HMAC-SHA256 signature>",
    }


def _headers(host: str, pairs: Sequence[Header], length: int) -> dict[str, str]:
    shown = {"host": host}
    shown |= {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
    return shown | {"content-length": str(length)}


def _readable(body: bytes) -> Any:
    """A body as a value; the client's own body may be anything, since Anthropic gets it as it is."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
