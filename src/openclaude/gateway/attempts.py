"""A request whose route has a fallback: it is tried elsewhere when its own route cannot serve it now.

Only before the first byte reaches the client, in the order of the configuration, and each place once. The client's body is
kept until then, and every attempt is made of it anew, with the credential of its own route. An answer that asks for the
next attempt is held back; when none serves, the client gets what its own route said, as if there were no fallback.

Where the plan's headers say that the plan is used up, or as full as `spill_at`, the order is turned round: the fallback
first, the plan in the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.http import Header
from openclaude.domain.messages import ModelField
from openclaude.domain.routes import Decision
from openclaude.gateway.deciding import unsuited
from openclaude.gateway.exchange import FINISHED, HEAVY, Answer, Services
from openclaude.gateway.opening import exact_model, opened
from openclaude.gateway.plan import REJECTED, STATUS, Wall
from openclaude.gateway.routes import PassthroughRoute, Route, Routes, watched
from openclaude.gateway.spills import Whose, said
from openclaude.gateway.whole import ERROR_BODY_LIMIT
from openclaude.ports import Exchange

PLAN_LIMIT: Final = "plan limit"
UNSUITED: Final = 0
"""Stands for a status where nothing was sent: the model there cannot serve the request."""


@dataclass(slots=True)
class Refusal:
    """What an attempt ended with: an error of ours, or an answer with its head and body."""

    decision: Decision[Route]
    why: str
    status: int
    headers: Sequence[Header] = ()
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    error: ApiError | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked: with which login, for which model, and whether it is a sub-agent. Its body is not here."""

    credential: ClientCredential | None
    field: ModelField
    agent: bool = False


def _examine(kept: list[bytes], asked: Asked, decision: Decision[Route] | None) -> ModelField:
    """Put the body together, and see where its model stands that counts. It runs apart.

    Args:
        kept: the body's pieces, which become one.
        asked: the request.
        decision: another place than its own, whose model has to be able to serve it.

    Raises:
        ApiError: it is not.
    """
    if len(kept) > 1:
        kept[:] = [b"".join(kept)]
    if decision is None:
        return asked.field
    login = asked.credential is not None
    lack = unsuited(watched(decision.route), kept[0], agent=asked.agent, login=login)
    if lack:
        raise invalid_request(lack)
    return exact_model(kept[0], asked.field)


class Attempts:
    """One request, and where it is tried."""

    def __init__(
        self, services: Services, routes: Routes, answer: Answer, decision: Decision[Route], asked: Asked
    ) -> None:
        self._services = services
        self._answer = answer
        self._own = decision
        self._asked = asked
        self._kept: list[bytes] = []
        self._complete = False
        self._committed = False
        self._original: Refusal | None = None
        self._trial: Trial | None = None
        self._current: Exchange | None = None
        self._wall = self._stands_against(decision)
        self._order = self._planned(routes)

    def begin(self, held: bytes, length: int) -> None:
        """Try the first place; another one than its own route only when the whole body is there.

        Args:
            held: the first bytes of the client's body, or all of it.
            length: bytes of the whole body.
        """
        self._kept.append(held)
        if self._order[0] is self._own:
            self._open(self._order.pop(0), held, self._asked.field, length)

    # the client's end

    def body(self, data: bytes) -> None:
        if not self._committed:
            self._kept.append(data)
        if self._current is not None:
            self._current.body(data)

    def body_complete(self) -> None:
        self._complete = True
        if self._current is not None:
            self._current.body_complete()
        else:
            self._go_on()

    def client_left(self) -> None:
        current, self._current, self._order = self._current, FINISHED, []
        self._kept = []
        if current is not None:
            current.client_left()

    def client_full(self) -> None:
        if self._current is not None:
            self._current.client_full()

    def client_drained(self) -> None:
        if self._current is not None:
            self._current.client_drained()

    # what an attempt tells

    def failing(
        self, decision: Decision[Route], status: int, *, plan: bool = False, final: bool = False
    ) -> str:
        """Why an attempt that ends with this status is not the answer; empty when it is.

        Args:
            decision: the attempt's.
            status: its HTTP status.
            plan: whether it says that the plan is used up.
            final: whether it is an error of this machine that no other route would mend.
        """
        if decision is not self._own:
            return f"HTTP {status}" if status >= 400 else ""
        if not self._order or final or self._services.clock.monotonic() >= self._answer.deadline:
            return ""
        if plan:
            return PLAN_LIMIT
        return {429: "throttled", 529: "overloaded"}.get(status) or ("error" if status >= 500 else "")

    def failed(self, refusal: Refusal) -> None:
        """An attempt is over without an answer for the client."""
        where = refusal.decision
        said_there = str(refusal.status) if refusal.status != UNSUITED else "unsuited"
        self._answer.record.attempts += (f"{where.route.name}/{where.name}:{said_there}",)
        if where is self._own:
            self._original = refusal
        self._trial = self._current = None
        if self._complete:
            self._go_on()
        else:
            self._answer.resume_body()

    def committed(self, decision: Decision[Route]) -> None:
        """The client gets this attempt's answer: the body is not needed any more."""
        self._committed = True
        self._kept = []
        if isinstance(decision.route, PassthroughRoute):
            self._answer.let_go()  # a translated one is there as long as its exchange
        self._announce(decision)

    # the order

    def _planned(self, routes: Routes) -> list[Decision[Route]]:
        """Where the request is tried, its own route and the model it asks for included, each once."""
        fallback = self._own.route.fallback
        names = fallback.names if fallback is not None else ()
        found = [decision for name in names if (decision := routes.decide(name)) is not None]
        others = [decision for decision in found if decision.name != self._own.name]
        if self._wall is None:
            return [self._own, *others]
        open_ones = [decision for decision in others if self._stands_against(decision) is None]
        return [*open_ones, self._own]

    def _stands_against(self, decision: Decision[Route]) -> Wall | None:
        """What is known to stand against asking the plan for a model now."""
        route, credential = decision.route, self._asked.credential
        if not isinstance(route, PassthroughRoute) or credential is None:
            return None
        spill_at = route.fallback.spill_at if route.fallback is not None else None
        now = self._services.clock.now().timestamp()
        return self._services.quota.wall(credential.number, decision.name, spill_at, now)

    def _go_on(self) -> None:
        """Try the next place, or give the client what its own route said."""
        while self._order and self._order[0] is not self._own and self._stands_against(self._order[0]):
            self._order.pop(0)
        late = self._services.clock.monotonic() >= self._answer.deadline
        if not self._order or (late and self._original is not None):
            self._give_up()
            return
        decision, kept, asked = self._order.pop(0), self._kept, self._asked
        size = max(sum(map(len, kept)), HEAVY)  # what looks at a body may have to be loaded first

        def examined(outcome: Callable[[], ModelField]) -> None:
            if self._answer.over:
                return
            try:
                field = outcome()
            except ApiError as error:
                self.failed(Refusal(decision, error.message, UNSUITED))
                return
            except Exception:
                self.failed(Refusal(decision, "not examined", UNSUITED))
                raise  # to be reported; the client does not wait for it
            place = decision
            if place is not self._own:
                place = decision._replace(reason=self._reason(), renamed=True, moved=True)
            self._send(place, kept[0], field)

        own = decision is self._own
        self._services.apart(size, lambda: _examine(kept, asked, None if own else decision), examined)

    def _send(self, decision: Decision[Route], whole: bytes, field: ModelField) -> None:
        exchange = self._open(decision, whole, field, len(whole))
        if exchange is not None:
            exchange.body_complete()

    def _reason(self) -> str:
        if self._original is not None:
            return f"fallback: {self._original.why}"
        return f"spill: {said(self._wall)}" if self._wall is not None else "fallback"

    def _open(
        self, decision: Decision[Route], held: bytes, field: ModelField, length: int
    ) -> Exchange | None:
        """Begin an attempt; None when it is over already."""
        trial = self._trial = Trial(self, self._services, self._answer, decision)
        exchange = opened(self._services, trial, self._asked.credential, decision, held, field, length)
        if self._trial is not trial:
            return None
        self._current = exchange
        return exchange

    def _give_up(self) -> None:
        """No place serves: the client's own route has the last word."""
        refusal, self._original = self._original, None
        self._current, self._kept = FINISHED, []
        if refusal is None or self._answer.over:
            return
        route, own = refusal.decision.route, self._own
        model = own.name if isinstance(route, PassthroughRoute) else route.upstream_model
        self._answer.told(route.name, model, own.reason)
        if refusal.error is not None:
            self._answer.refuse(refusal.error)
            return
        self._answer.start(refusal.status, refusal.headers, sum(map(len, refusal.body)))
        for piece in refusal.body:
            self._answer.write(piece)
        self._answer.end()

    def _announce(self, decision: Decision[Route]) -> None:
        """Tell of the plan's change, or of a request that another route has answered."""
        spills, now = self._services.spills, self._services.clock.now().timestamp()
        whose = Whose(self._answer.request.profile, self._own.name[:200])
        if decision is self._own:
            if self._wall is None:
                spills.back(whose, now)
            return
        wall = self._wall or self._stands_against(self._own)
        if wall is not None:
            spills.away(whose, decision.name, wall)
        elif self._original is not None:
            spills.fell(whose, decision.name, self._original.why, now)


class Trial(Answer):
    """The client's end as one attempt sees it: an answer that asks for the next attempt does not get through."""

    __slots__ = ("_attempts", "_decision", "_held", "_real")

    def __init__(
        self, attempts: Attempts, services: Services, real: Answer, decision: Decision[Route]
    ) -> None:
        self._attempts = attempts
        self.services = services
        self._real = real
        self._decision = decision
        self._held: Refusal | None = None
        self.request = real.request
        self.record = real.record
        self.started_at = real.started_at
        self.started = False
        self.over = False

    def told(self, route: str, model: str, reason: str) -> None:
        self._real.told(route, model, reason)

    def answered_here(self, reason: str) -> None:
        self._real.answered_here(reason)

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        plan = status == 429 and any(name.lower() == STATUS and value == REJECTED for name, value in headers)
        why = self._attempts.failing(self._decision, status, plan=plan)
        if why:
            self._held = Refusal(self._decision, why, status, headers)
        else:
            self._commit()
            self._real.start(status, headers, length)

    def write(self, data: bytes) -> None:
        held = self._held
        if held is None:
            self._real.write(data)
            return
        held.body.append(data)
        held.size += len(data)
        if held.size > ERROR_BODY_LIMIT:  # no error is that long: let it through
            self._held = None
            self._commit()
            self._real.start(held.status, held.headers, None)
            for piece in held.body:
                self._real.write(piece)

    def chunk_writer(self) -> Callable[[bytes], None] | None:
        return self._real.chunk_writer() if self._held is None else None

    def end(self, outcome: str = "complete", *, rest: bytes = b"", tell: bool = True) -> None:
        if self._held is not None and rest:
            self.write(rest)
            rest = b""
        self.over = True
        if self._held is None:
            self._real.end(outcome, rest=rest, tell=tell)
        else:
            self._attempts.failed(self._held)

    def at_once(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        self.start(status, headers, len(body))
        self.write(body)
        self.end()

    def abort(self) -> None:
        self.over = True
        self._real.abort()

    def close(self, outcome: str) -> None:
        if not self.over:
            self.over = True
            self._real.close(outcome)

    def refuse(self, error: ApiError) -> None:
        if self.over:
            return
        self.over = True
        # A redirect, or a secret that was about to leave: no other route mends this machine.
        final = error.status == 502 and error.retry is False
        why = self._attempts.failing(self._decision, error.status, final=final)
        if why:
            self._attempts.failed(Refusal(self._decision, why, error.status, error=error))
        else:
            self._commit()
            self._real.refuse(error)

    def pause_body(self) -> None:
        if not self.over:
            self._real.pause_body()

    def resume_body(self) -> None:
        if not self.over:
            self._real.resume_body()

    def _commit(self) -> None:
        self.started = True
        self._attempts.committed(self._decision)
