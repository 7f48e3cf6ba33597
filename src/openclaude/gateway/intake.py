"""Where a request goes: the model is read off its first bytes, the route table decides, that route's exchange takes over.

A route that takes every request of a model gets the bytes as they arrive. The whole body is waited for where it decides:
where a route is chosen by kind, and where it says what becomes of requests that its model cannot serve.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Endpoint
from openclaude.domain.kinds import AGENT_HEADER
from openclaude.domain.messages import (
    ModelField,
    NoModelError,
    find_model,
    leading_model,
    may_still_lead,
    with_model,
)
from openclaude.domain.models import normalise
from openclaude.domain.routes import Decision
from openclaude.gateway.attempts import Asked, Attempts
from openclaude.gateway.deciding import Decider, Facts
from openclaude.gateway.exchange import FINISHED, HEAVY, Answer, Services
from openclaude.gateway.opening import exact_model, opened
from openclaude.gateway.routes import Route, Routes, SignedRoute
from openclaude.ports import Exchange

_TIER: Final = re.compile(r"claude-(opus|sonnet|haiku|fable)\b")
NO_ROUTE: Final = "no route"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where requests go.

    Attributes:
        table: decides by name and by who asks.
        decider: decides by everything, once the body is at hand.
        slots: model name → slot.
    """

    table: Routes
    decider: Decider[Route]
    slots: Mapping[str, str]

    def slot_of(self, model: str) -> str:
        """The slot a model name belongs to: the configured one, else the tier in a Claude name, else nothing."""
        tier = _TIER.match(model)
        return self.slots.get(model) or (tier[1] if tier is not None else "")


def unrouted(asked: str, patterns: Sequence[str]) -> ApiError:
    """The 404 for a model that no route matches; it names the routes."""
    shown = ", ".join(f"`{pattern}`" for pattern in patterns) or "none"
    return ApiError(
        404,
        "not_found_error",
        f"openClaude: no route matches the model `{asked[:200]}`. Routes: {shown}. "
        "hint: add a [[routes]] entry to config.toml (`openclaude config path`), then `openclaude reload`",
    )


Arrived = tuple[Decision[Route] | None, bytes, ModelField]
"""Where a request goes, its whole body under the name it has there, and where that name stands in it."""


def _looked_at(decider: Decider[Route], held: list[bytes], field: ModelField, facts: Facts) -> Arrived:
    """Let a body decide, of which `field` is the model as far as its first bytes tell. It runs apart.

    Raises:
        ApiError: 400, see `Decider.decide` and `exact_model`.
    """
    whole = b"".join(held)
    held.clear()
    found = decider.decide(field.name, whole, facts)
    decision = None if found is None else found.decision
    if decision is None or not decision.moved:
        return decision, whole, field
    exact = exact_model(whole, field)
    # Here and not where it is sent, because it copies the body.
    renamed = with_model(whole, exact, decision.name)
    end = exact.end + len(renamed) - len(whole)
    return decision, renamed, ModelField(decision.name, exact.start, end)


class Intake:
    """Holds a request's first bytes until its route is known, then hands everything to the route's exchange."""

    __slots__ = (
        "_answer",
        "_credential",
        "_field",
        "_held",
        "_keeps",
        "_next",
        "_routing",
        "_services",
        "_size",
        "_undecided",
    )

    def __init__(
        self, routing: Routing, services: Services, answer: Answer, credential: ClientCredential | None
    ) -> None:
        self._routing = routing
        self._services = services
        self._answer = answer
        self._credential = credential
        self._held: list[bytes] = []
        self._size = 0
        self._next: Exchange | None = None
        self._undecided = True
        self._field: ModelField | None = None
        self._keeps = True

    def body(self, data: bytes) -> None:
        self._answer.record.bytes_in += len(data)
        if self._next is not None:
            self._next.body(data)
        else:
            self._held.append(data)
            self._size += len(data)
            if self._undecided and self._answer.request.content_length is not None:
                self._try_prefix()
        if self._keeps and not self._answer.over and not self._answer.keep(len(data)):
            self._give_up()

    def body_complete(self) -> None:
        if self._next is None:
            self._decide_whole()
        else:
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

    def _give_up(self) -> None:
        """There was no room for the body, and the client knows."""
        given, self._next = self._next, FINISHED
        self._held = []
        if given is not None:
            given.client_left()

    # the first bytes

    def _try_prefix(self) -> None:
        prefix = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held = [prefix]
        field = leading_model(prefix)
        if field is None:
            self._undecided = may_still_lead(prefix)
            return
        decision, is_final = self._by_name(field)
        if decision is None and is_final:
            self._unrouted(field)
        elif decision is not None and is_final:
            self._open(decision, prefix, field, field.name, self._answer.request.content_length or self._size)
        else:
            self._undecided, self._field = False, field

    def _by_name(self, field: ModelField) -> tuple[Decision[Route] | None, bool]:
        """What the name and the headers decide, and whether nothing else has a say."""
        table = self._routing.table
        if not table.conditional:
            decision = table.decide(field.name)
        else:
            agent = self._is_agent()
            if table.waits_for_kind(field.name, agent=agent):
                return None, False
            decision = table.decide(field.name, agent=agent)
        if decision is None or not isinstance(decision.route, SignedRoute):
            return decision, True
        watched = decision.route.watched
        return decision, watched is None or not watched.elsewhere

    def _is_agent(self) -> bool:
        return self._answer.request.headers.get(AGENT_HEADER) is not None

    # the whole body

    def _decide_whole(self) -> None:
        held, self._held = self._held, []
        field = self._field
        if field is None:
            held = [b"".join(held)]
            try:
                field = find_model(held[0])
            except NoModelError as error:
                self._refuse(ApiError(400, "invalid_request_error", f"openClaude: {error}"))
                return
        decision, is_final = self._by_name(field)
        if is_final:
            self._arrived((decision, b"".join(held), field), field.name)
        else:
            self._look(held, field, decision)

    def _look(self, held: list[bytes], field: ModelField, first: Decision[Route] | None) -> None:
        """Let the whole body decide; `first` is what the name alone does."""
        request, decider = self._answer.request, self._routing.decider
        facts = Facts(
            agent=self._is_agent(),
            counts=request.endpoint is Endpoint.COUNT_TOKENS,
            login=self._credential is not None,
        )

        def then(outcome: Callable[[], Arrived]) -> None:
            if self._answer.over:
                return
            try:
                found = outcome()
            except ApiError as error:
                self._refuse(error)
            else:
                self._arrived(found, field.name)

        size = self._size if decider.is_ready(first) else HEAVY
        self._services.apart(size, lambda: _looked_at(decider, held, field, facts), then)

    def _arrived(self, found: Arrived, asked: str) -> None:
        """The route of a request whose whole body is at hand."""
        decision, whole, field = found
        if decision is None:
            self._unrouted(field)
            return
        self._open(decision, whole, field, asked, len(whole))
        if self._next is not None:
            self._next.body_complete()

    # what is decided

    def _open(
        self, decision: Decision[Route], held: bytes, field: ModelField, asked: str, length: int
    ) -> None:
        """Begin the exchange with `held` of a body of this length; `asked` is the model as the client calls it."""
        record = self._answer.record
        record.model = asked[:200]
        record.slot = self._routing.slot_of(normalise(asked))
        self._held = []
        services, answer, credential = self._services, self._answer, self._credential
        if decision.route.fallback is None or answer.request.endpoint is not Endpoint.MESSAGES:
            if not isinstance(decision.route, SignedRoute):
                self._keeps = False  # what is passed on is never here as a whole
                answer.let_go()
            self._next = opened(services, answer, credential, decision, held, field, length)
            return
        tried = Asked(credential, field, agent=self._is_agent())
        self._next = attempts = Attempts(services, self._routing.table, answer, decision, tried)
        attempts.begin(held, length)

    def _unrouted(self, field: ModelField) -> None:
        self._answer.record.model = field.name[:200]
        self._answer.told("", "", NO_ROUTE)
        self._refuse(unrouted(field.name, self._routing.table.patterns))

    def _refuse(self, error: ApiError) -> None:
        self._next = FINISHED
        self._held = []
        self._answer.refuse(error)
