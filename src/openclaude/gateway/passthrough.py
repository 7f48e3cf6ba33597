"""The Anthropic route: the client's bytes go out as they arrive, the provider's bytes come back as they arrive.

Nothing is retried here: the client has its own ladder of eleven attempts, and two ladders multiply.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data, Endpoint, Header
from openclaude.gateway import refusals, retries
from openclaude.gateway.exchange import Answer
from openclaude.gateway.health import Health
from openclaude.gateway.observers import HEAD, TAIL, note_usage, usage_of
from openclaude.gateway.retries import Fault
from openclaude.gateway.routes import PassthroughRoute
from openclaude.ports import Receiver, UpstreamCall
from openclaude.wire.chunks import data_of

IDLE: Final = 300.0
"""Seconds between two reads of an answer that has begun. Anthropic pings a stream that is silent far more often."""
TOGETHER: Final = 16
"""Chunks that pass before they are counted, and looked through for their usage."""
STALL: Final = 240.0
"""Seconds for which the provider may not take any of an upload; the server gives up the connection a minute later."""
_NAME: Final = itemgetter(0)
NO_LOGIN = ApiError(
    401,
    "authentication_error",
    "openClaude: no login came with this request, and openClaude has none of its own. "
    "hint: run `claude`, then /login; other clients send their own x-api-key or Authorization header",
)
NO_CONTENT = ApiError(
    502,
    "api_error",
    "openClaude: api.anthropic.com answered without any content (204), which is no answer to a message. "
    "hint: something between this machine and Anthropic may rewrite answers; try again",
    retry=True,
)


Sent = Callable[[Receiver], UpstreamCall]
"""Gives the call of a request that was sent already; the receiver is told of its answer from now on."""


class PassthroughExchange(Receiver):
    """One request on its way to the Anthropic API and back. It is sent as this is made.

    Args:
        answer: the client's end.
        route: where it goes.
        health: how that is doing.
        credential: the client's login, without which nothing is sent.
        held: what is at hand of the body.
        length: bytes of the whole body.
        sent: what gives the call of a request that was sent already; then nothing is sent here.
    """

    __slots__ = (
        "_answer",
        "_call",
        "_client_slow",
        "_health",
        "_login",
        "_moved",
        "_passed",
        "_probe",
        "_quiet_since",
        "_rest",
        "_route",
        "_seen",
        "_seen_head",
        "_streams",
        "_sweep",
        "_upstream_slow",
        "_write",
    )

    _write: Callable[[bytes], None]
    """What `_pass` writes to; there once chunks pass."""

    def __init__(
        self,
        answer: Answer,
        route: PassthroughRoute,
        health: Health,
        credential: ClientCredential | None,
        held: Data,
        length: int,
        sent: Sent | None = None,
    ) -> None:
        self._answer = answer
        self._route = route
        self._sweep = answer.services.sweep
        self._health = health
        self._probe = False
        self._moved = -1
        self._quiet_since = 0.0
        self._client_slow = self._upstream_slow = self._streams = False
        self._rest = b""
        self._call: UpstreamCall | None = None
        self._login = 0
        self._seen: bytes | None = (
            None  # what is kept of the answer to read its usage; None where nothing can be read
        )
        self._seen_head = False
        self._passed: list[bytes] = []
        if credential is None:
            answer.refuse(NO_LOGIN)
            return
        if sent is not None:
            self._call = sent(self)
        else:
            try:
                request = route.adapter.request(answer.request, length)
            except ApiError as error:
                answer.refuse(error)
                return
            if health.breakers and self._left_alone():
                return
            authorized = route.policy.authorize(request, credential)
            self._call = answer.services.transport.send(authorized, (held,), self)
        self._login = credential.number
        answer.record.credential = credential.named
        self._sweep.add(self)

    # the client's end

    def body(self, data: bytes) -> None:
        if self._call is not None:
            self._call.write(data)

    def body_complete(self) -> None:
        """Nothing to do: the provider counts the announced bytes."""

    def client_left(self) -> None:
        self._drop_upstream()
        self._count()
        self._answer.close("client_left")

    def client_full(self) -> None:
        self._client_slow = True
        if self._call is not None:
            self._call.pause()

    def client_drained(self) -> None:
        self._client_slow = False
        if self._call is not None:
            self._call.resume()

    # the provider's end

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        if self._health.breakers:
            self._reached()
        if 300 <= status < 400:
            self._drop_upstream()
            self._answer.refuse(_redirected(status))
            return
        if status == 204:
            self._drop_upstream()
            self._answer.refuse(NO_CONTENT)
            return
        answer = self._answer
        shown, clear = self._read(headers)
        if clear:
            self._seen = b""
        answer.start(status, shown, length)
        self._streams = length is None

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        if status != 200:
            return False
        if self._health.breakers:
            self._reached()
        shown, clear = self._read(headers)
        if clear:
            record = self._answer.record
            record.input_tokens, record.output_tokens = usage_of(body)
        self._gone()
        self._answer.at_once(status, shown, body)
        return True

    def _read(self, headers: Sequence[Header]) -> tuple[Sequence[Header], bool]:
        """Note what an answer's headers say; those that the client is shown, and whether its body is in clear."""
        answer, told = self._answer, self._route.adapter.shown(tuple(map(_NAME, headers)))
        shown = told.pick(headers)
        if told.request_id is not None:
            answer.record.upstream_request_id = told.request_id(headers)[1].decode("latin-1")[:80]
        if told.plan is not None and answer.request.endpoint is Endpoint.MESSAGES:
            answer.told_plan(self._login, shown, told.plan(headers)[1])
        return shown, not told.encoded

    def _pass(self, chunk: bytes) -> None:
        """A chunk as it stands, which most events of a stream are: the client gets it at once, all else can wait."""
        write, passed = self._write, self._passed
        write(chunk)  # what an attribute holds is called faster by a name of its own
        passed.append(chunk)
        if len(passed) == TOGETHER:
            self._account()

    def _account(self) -> None:
        """Count what has passed, and look for its usage."""
        data = data_of(self._passed)
        self._passed.clear()
        self._answer.record.bytes_out += len(data)
        self._watch(data)

    def data(self, data: bytes) -> None:
        if self._passed:
            self._account()
        if self._seen is not None:
            self._watch(data)
        self._answer.write(data)
        if self._streams:
            self._let_pass()

    def rest(self, data: bytes) -> None:
        if self._passed:
            self._account()
        self._watch(data)
        self._rest = data

    def _let_pass(self) -> None:
        """The head and the first events have left: from here on chunks may pass as they stand."""
        self._streams = False
        write = self._answer.chunk_writer()
        if write is not None and self._call is not None:
            self._write = write
            self._call.pass_chunks(self._pass)

    def _watch(self, data: bytes) -> None:
        """Keep what may tell the usage: an answer's first bytes, and then its last ones."""
        seen = self._seen
        if seen is None:
            return
        if len(seen) + len(data) <= HEAD:
            self._seen = seen + data
        else:
            self._see(seen, data)

    def _see(self, seen: bytes, data: bytes) -> None:
        """Read the usage in an answer's first bytes, once they are there; from then on its last ones are kept."""
        if not self._seen_head:
            self._seen_head = True
            note_usage(self._answer.record, seen + data[: HEAD - len(seen)])
        self._seen = data[-TAIL:] if len(data) >= TAIL else (seen + data)[-TAIL:]

    def complete(self) -> None:
        if self._passed:
            self._account()
        self._call = None
        self._sweep.discard(self)
        if self._probe:
            self._health.released("", self._answer.now)
        if self._seen:
            note_usage(self._answer.record, self._seen)
        self._answer.end(rest=self._rest)

    def failed(self, error: ApiError) -> None:
        fault = retries.unconnected(error)
        if error.unsent and fault.counts:
            self._health.failed("", self._answer.now, probe=self._probe)
            self._probe = False
        elif self._health.breakers and fault is not Fault.OURS:
            self._reached()
        self._gone()
        self._fail(error)

    def _fail(self, error: ApiError) -> None:
        """An HTTP error while nothing was sent; otherwise the client's connection is cut like the provider's."""
        self._count()
        if self._answer.started:
            self._answer.abort()
        else:
            self._answer.refuse(error)

    def upstream_full(self) -> None:
        self._upstream_slow = True
        self._answer.pause_body()

    def upstream_drained(self) -> None:
        self._upstream_slow = False
        self._answer.resume_body()

    # time

    def look(self, now: float) -> None:
        """End an answer that has fallen silent. What counts is bytes that went by, so that no event costs anything."""
        if self._passed:
            self._account()
        record = self._answer.record
        moved = record.bytes_in + record.bytes_out
        if moved != self._moved or self._client_slow:
            self._moved, self._quiet_since = moved, now
        elif (error := self._verdict(now, now - self._quiet_since)) is not None:
            self._drop_upstream()
            self._fail(error)

    def _verdict(self, now: float, quiet: float) -> ApiError | None:
        """What is said of a silence of so many seconds; None while it may last."""
        answer, origin = self._answer, str(self._route.origin)
        if answer.started:
            return refusals.silent(IDLE, origin) if quiet >= IDLE else None
        if self._upstream_slow and quiet >= STALL:
            return refusals.stalled(STALL, origin)
        deadline = answer.deadline
        return refusals.late(deadline - answer.started_at, origin) if now >= deadline else None

    def _count(self) -> None:
        if self._seen:
            note_usage(self._answer.record, self._seen)

    def _gone(self) -> None:
        if self._passed:
            self._account()
        self._call = None
        self._sweep.discard(self)
        if self._probe:
            self._health.released("", self._answer.now)

    def _left_alone(self) -> bool:
        """Whether this request is answered here, because no connection could be made for the last ones."""
        refusal = self._health.admit("", self._answer.now)
        if refusal is not None:
            self._answer.refuse(refusal)
            return True
        self._probe = self._health.probes("")
        return False

    def _reached(self) -> None:
        """There was a connection: whatever comes of it is Anthropic's own answer."""
        self._probe = False
        self._health.answered("", self._answer.now)

    def _drop_upstream(self) -> None:
        call = self._call
        self._gone()
        if call is not None:
            call.cancel()


def _redirected(status: int) -> ApiError:
    return ApiError(
        502,
        "api_error",
        f"openClaude: api.anthropic.com answered with a redirect ({status}), and a login is never sent after one. "
        "hint: something between this machine and Anthropic rewrites answers",
        retry=False,
    )
