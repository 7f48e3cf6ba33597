"""What every exchange has in common: the client's end, the record of the request, and the answers made here."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from openclaude.domain.access import AccessRecord
from openclaude.domain.errors import ApiError
from openclaude.domain.http import CLOSE, Header, InboundRequest, Origin
from openclaude.gateway.alarms import Alarms
from openclaude.gateway.bodies import Bodies, full
from openclaude.gateway.breaker import TRANSLATED, Pace
from openclaude.gateway.health import Health
from openclaude.gateway.plan import PlanQuota
from openclaude.gateway.retries import patience
from openclaude.gateway.spills import Spills
from openclaude.gateway.sweep import Sweep
from openclaude.ports import AccessLog, ClientSide, Clock, Transport, Worker

JSON_HEADERS: tuple[Header, ...] = ((b"content-type", b"application/json"),)
AGREED = timedelta(seconds=60)
"""Clocks this close are not corrected: AWS takes signatures within five minutes."""
_AGREED = timedelta()
SSE_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)


T = TypeVar("T")
LOCAL = "local"
"""The route of what is answered here."""
_NOT_PLAIN = re.compile(r"[^ -~]")
_LONGEST = 256

HEAVY = 256 * 1024
"""Weight from which a body is translated elsewhere; see `weight`. 256 KiB of text cost under a millisecond."""
_MANY = 1200
"""Objects from which a body is heavy whatever its size: the worst known cost 8 µs for each of them, 10 ms in all."""
_LEAST = 5
"""Bytes of an object that is not empty, and stands in another one, beside that."""
LIGHT = _MANY * _LEAST
"""Bytes up to which no body is heavy, whatever it is made of."""
_OBJECT = re.compile(rb'\{"')
"""How an object begins. Braces in code that a text quotes are something else: a quote behind them is escaped."""
HUGE = 1024 * 1024
"""Bytes from which what a translation holds is freed elsewhere: 20 ms for the worst ones of 24 MB."""


def weight(pieces: Sequence[bytes]) -> int:
    """How much work a body is: its bytes, or `HEAVY` when it is made of many small values."""
    size = sum(map(len, pieces))
    if size >= HEAVY or size < LIGHT:
        return size
    if sum(piece.count(b"{") for piece in pieces) < _MANY:
        return size
    return HEAVY if sum(len(_OBJECT.findall(piece)) for piece in pieces) >= _MANY else size


def joined(pieces: list[bytes]) -> bytes:
    """The pieces of a body as one; the list is emptied, so that it is not held twice while it is translated."""
    whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    pieces.clear()
    return whole


@dataclass(slots=True)
class Services:
    """The world as the gateway sees it, and what it counts."""

    transport: Transport
    clock: Clock
    log: AccessLog
    worker: Worker | None = None
    in_flight: int = 0
    served: int = 0
    skews: dict[Origin, timedelta] = field(default_factory=dict)
    chance: Callable[[], float] = random.random
    """A random number from 0 to 1."""
    healths: dict[tuple[str, str], Health] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=Bodies)
    quota: PlanQuota = field(default_factory=PlanQuota)
    sweep: Sweep = field(init=False)
    spills: Spills = field(init=False)
    alarms: Alarms = field(init=False)

    def __post_init__(self) -> None:
        self.sweep = Sweep(self.clock)
        self.spills = Spills(self.log)
        self.alarms = Alarms(self.clock)

    def plan(self) -> dict[str, Any]:
        """What is known of plans, and what goes elsewhere because of them or of failures, for who asks the gateway."""
        now = self.clock.now().timestamp()
        return {"plan": self.quota.shown(now), "elsewhere": self.spills.shown(now)}

    def health_of(self, origin: Origin, model: str, pace: Pace = TRANSLATED) -> Health:
        """How a model at an origin is doing; routes that lead to the same one share it."""
        found = self.healths.get((origin.host, model))
        if found is None:
            found = self.healths[origin.host, model] = Health(str(origin), model, pace, self.log)
        return found

    def health(self) -> list[dict[str, Any]]:
        """Every `Health.shown`."""
        now = self.clock.monotonic()
        return [health.shown(now) for health in self.healths.values()]

    def apart(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], None]) -> None:
        """Do work of this weight here, or elsewhere when that takes long.

        While something is done elsewhere everything is, so that no two translations ever run at the same time.
        """
        worker = self.worker
        if worker is None or (size < HEAVY and not worker.busy):
            then(work)
        else:
            worker.run(size, work, then)

    def discard(self, size: int, things: list[object]) -> None:
        """Free what `things` holds, which takes a while when it is large; the caller must have let go of it."""
        worker = self.worker
        if worker is not None and size >= HUGE:
            # Not before this turn of the loop is over: the frames below still hold some of it.
            self.clock.call_later(0, lambda: worker.run(size, things.clear, _done))

    def skew_of(self, origin: Origin) -> timedelta:
        """What to add to our time to have a provider's; nothing while the two clocks agree."""
        return self.skews.get(origin, _AGREED) if self.skews else _AGREED

    def told_time(self, origin: Origin, theirs: datetime | None) -> None:
        """A provider has told its time."""
        if theirs is not None:
            skew = theirs - self.clock.now()
            if abs(skew) > AGREED:
                self.skews[origin] = skew
            elif self.skews:
                self.skews.pop(origin, None)


def _done(outcome: Callable[[], None]) -> None:
    outcome()


@lru_cache(maxsize=1024)
def marks(route: str, model: str, reason: str) -> tuple[Header, ...]:
    """The headers that say who gave an answer: plain ASCII, of bounded length, made once for each set of values."""
    said = (
        (b"x-openclaude-route", route),
        (b"x-openclaude-model", model),
        (b"x-openclaude-reason", reason),
    )
    return tuple((name, _NOT_PLAIN.sub("?", value)[:_LONGEST].encode()) for name, value in said if value)


class Answer:
    """The client's end of one request: counts what is sent and writes the log line when it is over.

    Attributes:
        services: transport, clock and log.
        request: the request.
        record: what its line in the log will say.
        marks: the headers that say who answers.
        started_at: when it began, on the clock's monotonic time.
        started: whether its head has been sent.
        over: whether it has ended.
    """

    __slots__ = (
        "_client",
        "_kept",
        "marks",
        "over",
        "record",
        "request",
        "services",
        "started",
        "started_at",
    )

    def __init__(self, services: Services, request: InboundRequest, client: ClientSide) -> None:
        self.services = services
        self._client = client
        self.started_at = services.clock.monotonic()
        self.request = request
        self.record = AccessRecord(request.id, request.endpoint.label)
        self.started = False
        self.over = False
        self.marks: tuple[Header, ...] = ()
        self._kept = 0
        services.in_flight += 1

    @property
    def now(self) -> float:
        """The clock's monotonic time."""
        return self.services.clock.monotonic()

    @property
    def deadline(self) -> float:
        """When the client stops waiting for an answer to begin, on the clock's monotonic time; all attempts share it."""
        return self.started_at + patience(self.request.headers)

    def told(self, route: str, model: str, reason: str) -> None:
        """Who answers, and why: in the answer's headers and in the log. What is empty is left out."""
        self.marks = marks(route, model, reason)
        record = self.record
        record.route, record.upstream_model, record.reason = route, model, reason

    def answered_here(self, reason: str) -> None:
        """No model is asked after all."""
        self.marks = marks(LOCAL, "", reason)
        self.record.reason = reason

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        self.started = True
        self.record.status = status
        self.record.first_byte = self.services.clock.monotonic() - self.started_at
        self._client.start(status, (*headers, *self.marks), length)

    def write(self, data: bytes) -> None:
        self.record.bytes_out += len(data)
        self._client.write(data)

    def chunk_writer(self) -> Callable[[bytes], None] | None:
        """As `ClientSide.chunk_writer`. Who takes it counts what passes."""
        return self._client.chunk_writer()

    def end(self, outcome: str = "complete", *, rest: bytes = b"", tell: bool = True) -> None:
        """The answer is over with these last bytes: tell the client, unless it knows, and write the log line, once."""
        if tell:
            self.record.bytes_out += len(rest)
            self._client.end(rest)
        if not self.over:
            self._over(outcome)

    def _over(self, outcome: str) -> None:
        self.over = True
        services = self.services
        services.in_flight -= 1
        services.served += 1
        if self._kept:
            self.let_go()
        record = self.record
        record.outcome = outcome
        record.total = services.clock.monotonic() - self.started_at
        services.log.write(self.record)

    def abort(self) -> None:
        """Cut the connection: the provider's answer broke off, and the client must not take it for a whole one."""
        self._client.abort()
        self.close("upstream_failed")

    def close(self, outcome: str) -> None:
        """The client has gone: write the log line, once."""
        self.end(outcome, tell=False)

    def keep(self, size: int) -> bool:
        """Keep so many bytes of the body until the request is over; without room for them that is now, and False."""
        self._kept += size
        bodies = self.services.bodies
        bodies.kept += size
        if bodies.kept <= bodies.most or self.started:
            return True
        self.refuse(full())
        return False

    def let_go(self) -> None:
        """Nothing is kept any more."""
        self.services.bodies.kept -= self._kept
        self._kept = 0

    def whole(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        """A complete JSON answer of our own or translated."""
        name = (b"request-id", self.request.id.encode())
        self.at_once(status, (*JSON_HEADERS, name, *headers), body)

    def at_once(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """`start`, `write` and `end` in one."""
        record = self.record
        self.started = True
        record.status = status
        record.bytes_out += len(body)
        record.first_byte = self.services.clock.monotonic() - self.started_at
        self._client.whole(status, (*headers, *self.marks), body)
        if not self.over:
            self._over("complete")

    def refuse(self, error: ApiError) -> None:
        """An error in the Anthropic form. What follows a refused request on its connection is not to be trusted."""
        if self.over:
            return
        self.record.notes += error.notes
        closing = (CLOSE,) if 400 <= error.status < 500 else ()
        self.whole(error.status, error.body(self.request.id), (*error.headers(), *closing))

    def stream(self, headers: Sequence[Header] = ()) -> None:
        """The head of a server-sent event stream."""
        name = (b"request-id", self.request.id.encode())
        self.start(200, (*SSE_HEADERS, name, *headers), None)

    def told_plan(self, login: int, headers: Sequence[Header], status: bytes) -> None:
        """The provider has said how full this login's plan is."""
        services = self.services
        now = services.clock.now().timestamp()
        services.quota.hear(login, self.record.upstream_model, headers, now, status=status)

    def pause_body(self) -> None:
        if not self.over:
            self._client.pause_body()

    def resume_body(self) -> None:
        if not self.over:
            self._client.resume_body()


class Finished:
    """The exchange of a request that is already answered: it ignores what still arrives."""

    def body(self, data: bytes) -> None:
        """Ignore."""

    def body_complete(self) -> None:
        """Ignore."""

    def client_left(self) -> None:
        """Ignore."""

    def client_full(self) -> None:
        """Ignore."""

    def client_drained(self) -> None:
        """Ignore."""


FINISHED = Finished()
