"""Dials the origin that an authorised request names, and unwraps its credential as the last thing before the socket.

Connections are kept and used again, one request at a time. A request whose bytes were written is never sent twice:
a model may already be generating.
"""

import asyncio
import functools
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data, Origin
from openclaude.edge import reach
from openclaude.edge.call import Call
from openclaude.edge.connection import Line, Report, UpstreamConnection
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressError, EgressWall, refusal
from openclaude.edge.secure import SecureTransport
from openclaude.edge.trouble import exhausted, reason, timed_out, trouble
from openclaude.ports import Receiver

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
"""How long an unused connection is kept; providers close theirs after a minute or more."""
MAX_AGE: Final = 300.0
"""Seconds after which a connection is not used again, so that a name that moved is followed however busy a session is."""
QUIET_SECONDS: Final = 1.0
"""A connection unused for longer than this may have lost its network in the meantime."""
_COUNTS_SLEEP: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux the monotonic clock stands still while the machine sleeps, on macOS CLOCK_MONOTONIC does not."""


Resolve = Callable[[str, int], Awaitable[list[reach.Address]]]


waking_clock: Final[Callable[[], float]] = functools.partial(time.clock_gettime, _COUNTS_SLEEP)
"""Seconds on a clock that goes on while the machine sleeps: sleeping counts as being unused."""


class Pool:
    """The connections to one origin.

    Args:
        clock: seconds, also while the machine sleeps.
        resolve: where a name leads; asked for each connection.
        make_room: closes connections that carry nothing, wherever they lead, and says how many.

    Attributes:
        connection: makes what a connection of the loop belongs to.
    """

    def __init__(
        self,
        origin: Origin,
        dial: DialMap,
        tls: ssl.SSLContext,
        report: Report,
        *,
        clock: Callable[[], float] = waking_clock,
        resolve: Resolve = reach.resolve,
        make_room: Callable[[], int] | None = None,
    ) -> None:
        self.origin = origin
        self.report = report
        self._dial = dial
        self._tls = tls
        self._clock = clock
        self._resolve = resolve
        self._make_room = make_room or self.close_unused
        self.connection: Callable[[Pool], UpstreamConnection] = UpstreamConnection
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._pruning: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def take(self) -> UpstreamConnection | None:
        """The connection used last, if one is alive and fresh. Those that are not are closed."""
        idle, clock = self._idle, self._clock  # a name of its own is faster to call, see fastpath/connections
        while idle:
            connection, now = idle.pop(), clock()
            transport, line = connection.transport, connection.line
            unused, stirrings = now - line.idle_since, line.stirrings
            if (
                transport is not None
                and now - line.opened <= MAX_AGE
                and (unused <= QUIET_SECONDS or (unused <= IDLE_SECONDS and reach.still_the_way(line.socket)))
                and not transport.is_closing()
                and not stirrings()
            ):
                return connection
            connection.close()
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        clock = self._clock
        connection.line.idle_since = clock()
        self._idle.append(connection)
        if self._pruning is None:
            self._pruning = self._loop.call_later(IDLE_SECONDS, self._prune)

    def _prune(self) -> None:
        """Close what was not used again, so that a busy hour leaves neither memory nor descriptors behind."""
        oldest = self._clock() - IDLE_SECONDS
        for connection in [idle for idle in self._idle if idle.line.idle_since <= oldest]:
            self._idle.remove(connection)
            connection.close()
        self._pruning = self._loop.call_later(IDLE_SECONDS / 2, self._prune) if self._idle else None

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close_unused(self) -> int:
        """Close every connection that carries nothing; how many there were."""
        unused, self._idle = self._idle, []
        for connection in unused:
            connection.close()
        return len(unused)

    async def connect(self, call: Call) -> None:
        """Dial for a call; its receiver hears of every way this can fail."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection, line = await self._open_somehow()
        except ssl.SSLCertVerificationError as error:
            call.failed(
                self.trouble(f"presented a certificate that is not valid for it ({error.verify_message})")
            )
        except TimeoutError:
            call.failed(timed_out(self.origin, CONNECT_SECONDS))
        except OSError as error:
            call.failed(self._unreachable(error))
        else:
            self._hand_over(connection, line, call)

    async def _open_somehow(self) -> tuple[UpstreamConnection, Line]:
        """A connection, if need be at the expense of those that carry nothing."""
        try:
            return await self._open()
        except OSError as error:
            if not _is_exhausted(error) or not self._make_room():
                raise
        await asyncio.sleep(0)  # a closed connection gives its descriptor back a turn later
        return await self._open()

    async def _open(self) -> tuple[UpstreamConnection, Line]:
        """A connection behind TLS. An address that accepts but breaks off the handshake gives way to the others, once."""
        addresses = await self._resolve(*self._dial.address(self.origin))
        answered, plain = await reach.race(addresses)
        others = [address for address in addresses if address != answered]
        try:
            return await self._secured(plain)
        except ssl.SSLCertVerificationError:
            raise
        except OSError:
            if not others:
                raise
            return await self._secured((await reach.race(others)).socket)

    async def _secured(self, plain: socket.socket) -> tuple[UpstreamConnection, Line]:
        connection, ready = self.connection(self), self._loop.create_future()
        secure = SecureTransport(
            self._tls, connection, name=self.origin.host, seconds=CONNECT_SECONDS, ready=ready
        )
        try:
            await self._loop.create_connection(lambda: secure, sock=plain)
            await ready
        except BaseException:
            secure.abort()
            plain.close()
            raise
        now = self._clock()
        return connection, Line(plain, now, now)

    def _hand_over(self, connection: UpstreamConnection, line: Line, call: Call) -> None:
        """Give a fresh connection its call. A provider may have closed it in the turn of the loop since it was opened."""
        if connection.usable:
            connection.line = line
            self._all.add(connection)
            call.attach(connection)
        else:
            call.failed(self.trouble("closed the connection as soon as it was open"))

    def _unreachable(self, error: OSError) -> ApiError:
        if _is_exhausted(error):
            return exhausted(self.origin)
        return self.trouble(f"cannot be reached ({reason(error)})")

    def trouble(self, what: str) -> ApiError:
        return trouble(self.origin, what)

    def close(self) -> None:
        if self._pruning is not None:
            self._pruning.cancel()
        for connection in tuple(self._all):
            connection.close()


def _is_exhausted(error: OSError) -> bool:
    return reach.is_exhausted(error) or (isinstance(error, socket.gaierror) and reach.no_descriptor_left())


class UpstreamTransport:
    """The only code that sends a request to a provider.

    Args:
        tls: gives a context that verifies, when the first connection is made; see edge/tls.py.
        dial: where origins are dialled.
        report: told of exceptions that no rule foresaw.
        wall: looks at every head.
        clock, resolve, connection: as `Pool` has them.
    """

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext],
        dial: DialMap,
        report: Report,
        wall: EgressWall,
        clock: Callable[[], float] = waking_clock,
        resolve: Resolve = reach.resolve,
        connection: Callable[[Pool], UpstreamConnection] = UpstreamConnection,
    ) -> None:
        self._tls = tls
        self._wall = wall
        self._dial = dial
        self._report = report
        self._clock = clock
        self._resolve = resolve
        self._connection = connection
        self._pools: dict[Origin, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def send(self, authorized: AuthorizedRequest, body: Sequence[Data], receiver: Receiver) -> Call:
        """Send the head and the body bytes at hand to `authorized.origin`; the rest follows by `Call.write`."""
        pool = self._pools.get(authorized.origin)
        if pool is None and authorized.origin.scheme != "https":
            raise ValueError(f"a credential may not be sent to {authorized.origin}: it is not https")
        left = authorized.request.content_length
        for piece in body:
            left -= len(piece)
        call = Call(receiver, left)
        try:
            head = self._wall.head(authorized)
        except EgressError as error:
            self._loop.call_soon(call.failed, refusal(error))
            return call
        if pool is None:
            pool = self._open(authorized.origin)
        connection = pool.take()
        if connection is not None:
            call.connection = connection
            connection.begin(call, (head, *body))
        else:
            call.hold((head, *body))
            self._dial_for(call, pool)
        return call

    def pool_of(self, origin: Origin) -> Pool | None:
        """The connections to an origin; None before the first request to it."""
        return self._pools.get(origin)

    def _open(self, origin: Origin) -> Pool:
        pool = self._pools[origin] = Pool(
            origin,
            self._dial,
            self._tls(),
            self._report,
            clock=self._clock,
            resolve=self._resolve,
            make_room=self._make_room,
        )
        pool.connection = self._connection
        return pool

    def _dial_for(self, call: Call, pool: Pool) -> None:
        task = self._loop.create_task(pool.connect(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        call.dial(task)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _make_room(self) -> int:
        return sum(pool.close_unused() for pool in self._pools.values())
