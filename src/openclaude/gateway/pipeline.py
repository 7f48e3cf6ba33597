"""Where a request goes: the model is read off its first bytes, the route table decides, that route's exchange takes over."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Endpoint, InboundRequest
from openclaude.domain.messages import (
    ModelField,
    NoModelError,
    find_model,
    leading_model,
    may_still_lead,
    with_model,
)
from openclaude.domain.routes import Decision
from openclaude.gateway.breaker import CONNECTIONS
from openclaude.gateway.counting import CountExchange
from openclaude.gateway.exchange import FINISHED, Answer, Services
from openclaude.gateway.passthrough import PassthroughExchange
from openclaude.gateway.routes import PassthroughRoute, Route, Routes
from openclaude.gateway.translated import TranslatedExchange
from openclaude.ports import ClientSide, Exchange

_TIER = re.compile(r"claude-(opus|sonnet|haiku|fable)\b")


class Pipeline:
    """The gateway's request handler.

    Args:
        routes: the route table.
        services: transport, clock and log.
        listed_models: what GET /v1/models shows: (id, display name), in order.
        slots: slot → the model name it has on the wire.
    """

    def __init__(
        self,
        routes: Routes,
        services: Services,
        listed_models: Sequence[tuple[str, str]],
        slots: Mapping[str, str],
    ) -> None:
        self.routes = routes
        self.services = services
        self._slots = {model: slot for slot, model in slots.items()}
        self._models = _models_body(listed_models, services.clock.now())

    def begin(
        self,
        request: InboundRequest,
        credential: ClientCredential | None,
        client: ClientSide,
    ) -> Exchange:
        """Start an exchange for one request."""
        answer = Answer(self.services, request, client)
        if request.endpoint is Endpoint.HELLO:
            return Local(answer, b"{}")
        if request.endpoint is Endpoint.MODELS:
            return Local(answer, self._models)
        return Intake(self, answer, credential)

    def slot_of(self, model: str) -> str:
        """The slot a model name belongs to: the configured one, else the tier in a Claude name, else nothing."""
        tier = _TIER.match(model)
        return self._slots.get(model) or (tier[1] if tier is not None else "")


def unrouted(asked: str, patterns: Sequence[str]) -> ApiError:
    """The 404 for a model that no route matches; it names the routes."""
    shown = ", ".join(f"`{pattern}`" for pattern in patterns) or "none"
    return ApiError(
        404,
        "not_found_error",
        f"openClaude: no route matches the model `{asked[:200]}`. Routes: {shown}. "
        "hint: add a [[routes]] entry to config.toml (`openclaude config path`), then `openclaude reload`",
    )


def _models_body(listed: Sequence[tuple[str, str]], created: datetime) -> bytes:
    stamp = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = [
        {"type": "model", "id": name, "display_name": shown, "created_at": stamp} for name, shown in listed
    ]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return json.dumps({"data": data, "has_more": False, "first_id": first, "last_id": last}).encode()


class Local:
    """A request that is answered from here."""

    def __init__(self, answer: Answer, body: bytes) -> None:
        self._answer = answer
        self._body = body

    def body(self, data: bytes) -> None:
        """A body means nothing to these endpoints."""

    def body_complete(self) -> None:
        self._answer.record.route = "local"
        self._answer.whole(200, self._body)

    def client_left(self) -> None:
        self._answer.close("client_left")

    def client_full(self) -> None:
        """The answer is one small write."""

    def client_drained(self) -> None:
        """The answer is one small write."""


class Intake:
    """Holds a request's first bytes until its model is known, then hands everything to the route's exchange."""

    __slots__ = ("_answer", "_credential", "_held", "_next", "_pipeline", "_size", "_undecided")

    def __init__(self, pipeline: Pipeline, answer: Answer, credential: ClientCredential | None) -> None:
        self._pipeline = pipeline
        self._answer = answer
        self._credential = credential
        self._held: list[bytes] = []
        self._size = 0
        self._next: Exchange | None = None
        self._undecided = True

    def body(self, data: bytes) -> None:
        self._answer.record.bytes_in += len(data)
        if self._next is not None:
            self._next.body(data)
            return
        self._held.append(data)
        self._size += len(data)
        if self._undecided and self._answer.request.content_length is not None:
            self._try_prefix()

    def body_complete(self) -> None:
        if self._next is None:
            self._decide_whole()
        if self._next is not None:
            self._next.body_complete()

    def client_left(self) -> None:
        if self._next is not None:
            self._next.client_left()
        self._answer.close("client_left")

    def client_full(self) -> None:
        if self._next is not None:
            self._next.client_full()

    def client_drained(self) -> None:
        if self._next is not None:
            self._next.client_drained()

    def _try_prefix(self) -> None:
        prefix = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held = [prefix]
        field = leading_model(prefix)
        if field is not None:
            self._route(prefix, field)
        else:
            self._undecided = may_still_lead(prefix)

    def _decide_whole(self) -> None:
        whole = b"".join(self._held)
        self._held = []
        try:
            field = find_model(whole)
        except NoModelError as error:
            self._refuse(ApiError(400, "invalid_request_error", f"openClaude: {error}"))
            return
        self._route(whole, field)

    def _route(self, held: bytes, field: ModelField) -> None:
        decision = self._pipeline.routes.decide(field.name)
        self._answer.record.model = field.name[:200]
        if decision is None:
            self._refuse(unrouted(field.name, self._pipeline.routes.patterns))
            return
        self._answer.record.route = decision.route.name
        self._answer.record.slot = self._pipeline.slot_of(decision.name)
        self._held = []
        self._next = self._open(decision, held, field)

    def _open(self, decision: Decision[Route], held: bytes, field: ModelField) -> Exchange:
        route = decision.route
        if isinstance(route, PassthroughRoute):
            length = self._answer.request.content_length
            total = self._size if length is None else length
            if decision.renamed:
                renamed = with_model(held, field, decision.name)
                total += len(renamed) - len(held)
                held = renamed
            self._answer.record.upstream_model = decision.name
            services = self._pipeline.services
            health = services.health_of(route.origin, "", CONNECTIONS)
            relay = PassthroughExchange(self._answer, route, services.sweep, health)
            relay.open(self._pipeline.services.transport, self._credential, (held,), total)
            return relay
        kind = CountExchange if self._answer.request.endpoint is Endpoint.COUNT_TOKENS else TranslatedExchange
        exchange = kind(self._pipeline.services, self._answer, route, decision.name)
        exchange.body(held)
        return exchange

    def _refuse(self, error: ApiError) -> None:
        self._next = FINISHED
        self._held = []
        self._answer.refuse(error)
