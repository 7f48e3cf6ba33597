"""Where a request goes: the model is read off its first bytes, the route table decides, that route's exchange takes over.

A route that takes every request of a model gets the bytes as they arrive. The whole body is waited for where it decides:
where a route is chosen by kind, and where it says what becomes of requests that its model cannot serve.
"""

from collections.abc import Callable, Sequence
from typing import Final

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data, Endpoint
from openclaude.domain.kinds import AGENT_HEADER
from openclaude.domain.messages import (
    LEADING,
    ModelField,
    NoModelError,
    find_model,
    may_still_lead,
    with_model,
)
from openclaude.domain.routes import Decision
from openclaude.gateway.attempts import Asked, Attempts
from openclaude.gateway.deciding import Decider, Facts
from openclaude.gateway.exchange import FINISHED, HEAVY, Answer
from openclaude.gateway.opening import exact_model, opened
from openclaude.gateway.passthrough import PassthroughExchange, Sent
from openclaude.gateway.routes import Route, SignedRoute
from openclaude.gateway.translated import TranslatedExchange
from openclaude.gateway.ways import Relay, Routing, Signed, Way, Ways
from openclaude.ports import Exchange

NO_ROUTE: Final = "no route"


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
        "_size",
        "_undecided",
    )

    def __init__(self, routing: Routing, answer: Answer, credential: ClientCredential | None) -> None:
        self._routing = routing
        self._answer = answer
        self._credential = credential
        self._held: list[bytes] = []
        self._size = 0
        self._next: Exchange | None = None
        self._undecided = answer.request.content_length is not None
        self._field: ModelField | None = None
        self._keeps = True

    def body(self, data: bytes) -> None:
        self._answer.record.bytes_in += len(data)
        following = self._next
        if following is not None:
            following.body(data)
        elif self._undecided:
            self._try_prefix(data)
        else:
            self._held.append(data)
            self._size += len(data)
        if self._keeps:
            self._keep(len(data))

    def whole(self, data: bytes, start: int) -> None:
        size = len(data) - start
        self._answer.record.bytes_in += size
        self._decide_prefix(data, start)
        if self._keeps:
            self._keep(size)
            if not self._answer.over:
                self.body_complete()

    def body_complete(self) -> None:
        if self._next is None:
            self._decide_whole()
        elif self._keeps:  # the end of what is passed on is no news: its length was announced
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

    def _keep(self, size: int) -> None:
        if not self._answer.over and not self._answer.keep(size):
            self._give_up()

    def _give_up(self) -> None:
        """There was no room for the body, and the client knows."""
        given, self._next = self._next, FINISHED
        self._held = []
        if given is not None:
            given.client_left()

    # the first bytes

    def _try_prefix(self, data: bytes) -> None:
        """Begin the exchange as soon as the body's first bytes tell its route; until then they are held."""
        self._decide_prefix(b"".join((*self._held, data)) if self._held else data, 0)

    def _decide_prefix(self, data: bytes, start: int) -> None:
        """Begin the exchange with what `data` holds of the body, from `start` on, or hold that."""
        found = LEADING.match(data, start)
        if found is None:
            prefix = data[start:]
            self._held, self._size = [prefix], len(prefix)
            self._undecided = may_still_lead(prefix)
            return
        routing = self._routing
        ways = self._ways() if routing.conditional else routing.ways
        way = ways[found[1].decode("ascii")]
        length = self._answer.request.content_length or len(data) - start
        if way.relay is not None:
            self._relay(way, way.relay, memoryview(data)[start:] if start else data, length)
            return
        prefix = data[start:]
        if way.signed is not None and self._answer.request.endpoint is Endpoint.MESSAGES:
            self._translate(way, way.signed, prefix)
            return
        field = tuple.__new__(ModelField, (way.name, found.start(1) - 1 - start, found.end(1) + 1 - start))
        if way.decision is None and way.final:
            self._unrouted(field)
        elif way.decision is not None and way.final:
            self._open(way.decision, prefix, field, way, length)
        else:
            self._held, self._size = [prefix], len(prefix)
            self._undecided, self._field = False, field

    def _ways(self) -> Ways:
        """What names decide for this request."""
        routing = self._routing
        return routing.of_agents if routing.conditional and self._is_agent() else routing.ways

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
        way = self._ways()[field.name]
        if way.final:
            self._arrived((way.decision, b"".join(held), field), way)
        else:
            self._look(held, field, way)

    def _look(self, held: list[bytes], field: ModelField, way: Way) -> None:
        """Let the whole body decide; `way` is what the name alone does."""
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
                self._arrived(found, way)

        size = self._size if decider.is_ready(way.decision) else HEAVY
        self._answer.services.apart(size, lambda: _looked_at(decider, held, field, facts), then)

    def _arrived(self, found: Arrived, way: Way) -> None:
        """The route of a request whose whole body is at hand."""
        decision, whole, field = found
        if decision is None:
            self._unrouted(field)
            return
        self._open(decision, whole, field, way, len(whole))
        if self._next is not None:
            self._next.body_complete()

    # what is decided

    def under_way(self, way: Way, relay: Relay, sent: Sent, size: int) -> PassthroughExchange:
        """Go on with a request that was sent without an Intake, and with so many bytes of its body."""
        self._answer.record.bytes_in += size
        return self._relay(way, relay, b"", 0, sent)

    def _relay(
        self, way: Way, relay: Relay, held: Data, length: int, sent: Sent | None = None
    ) -> PassthroughExchange:
        """What `_open` does, for a way on which all of it is known."""
        answer = self._answer
        record = answer.record
        record.model, record.upstream_model = way.shown, way.name
        record.slot, record.route, record.reason = way.slot, relay.route.name, relay.reason
        answer.marks = relay.marks
        self._keeps = False
        if self._held:
            self._held = []
            answer.let_go()
        self._next = exchange = PassthroughExchange(
            answer, relay.route, relay.health, self._credential, held, length, sent
        )
        return exchange

    def _translate(self, way: Way, signed: Signed, held: bytes) -> None:
        """What `_open` does, for a way on which all of it is known."""
        answer, route = self._answer, signed.route
        record = answer.record
        record.model, record.slot = way.shown, way.slot
        record.route, record.upstream_model, record.reason = route.name, route.upstream_model, signed.reason
        answer.marks = signed.marks
        self._held = []
        exchange = TranslatedExchange(answer.services, answer, route, signed.model, signed.health)
        exchange.body(held)
        self._next = exchange

    def _open(self, decision: Decision[Route], held: bytes, field: ModelField, way: Way, length: int) -> None:
        """Begin the exchange with `held` of a body of this length; `way` is that of the model the client asks for."""
        record = self._answer.record
        record.model, record.slot = way.shown, way.slot
        self._held = []
        answer, credential = self._answer, self._credential
        if decision.route.fallback is None or answer.request.endpoint is not Endpoint.MESSAGES:
            if not isinstance(decision.route, SignedRoute):
                self._keeps = False  # what is passed on is never here as a whole
                answer.let_go()
            self._next = opened(answer.services, answer, credential, decision, held, field, length)
            return
        tried = Asked(credential, field, agent=self._is_agent())
        self._next = attempts = Attempts(answer.services, self._routing.table, answer, decision, tried)
        attempts.begin(held, length)

    def _unrouted(self, field: ModelField) -> None:
        self._answer.record.model = field.name[:200]
        self._answer.told("", "", NO_ROUTE)
        self._refuse(unrouted(field.name, self._routing.table.patterns))

    def _refuse(self, error: ApiError) -> None:
        self._next = FINISHED
        self._held = []
        self._answer.refuse(error)
