"""Dials the origin that an authorised request names, and unwraps its credential as the last thing before the socket.

Connections are kept and used again, one request at a time. A request whose bytes were written is never sent twice:
a model may already be generating.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin
from openclaude.edge.connection import Call, Report, UpstreamConnection
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressError, EgressWall, refusal
from openclaude.edge.trouble import reason, timed_out, trouble
from openclaude.ports import Receiver

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
"""How long an unused connection is kept; providers close theirs after a minute or more."""


class Pool:
    """The connections to one origin."""

    def __init__(self, origin: Origin, dial: DialMap, tls: ssl.SSLContext, report: Report) -> None:
        self.origin = origin
        self.report = report
        self._dial = dial
        self._tls = tls
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._loop = asyncio.get_running_loop()

    def take(self) -> UpstreamConnection | None:
        """The connection used last, if one is alive and fresh."""
        oldest = self._loop.time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def connect(self, call: Call) -> None:
        """Dial for a call; its receiver hears of every way this can fail."""
        host, port = self._dial.address(self.origin)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self),
                    host,
                    port,
                    ssl=self._tls,
                    server_hostname=self.origin.host,
                )
        except ssl.SSLCertVerificationError as error:
            call.failed(
                self.trouble(f"presented a certificate that is not valid for it ({error.verify_message})")
            )
        except TimeoutError:
            call.failed(timed_out(self.origin, CONNECT_SECONDS))
        except OSError as error:
            call.failed(self.trouble(f"cannot be reached ({reason(error)})"))
        else:
            self._hand_over(connection, call)

    def _hand_over(self, connection: UpstreamConnection, call: Call) -> None:
        """Give a fresh connection its call. A provider may have closed it in the turn of the loop since it was opened."""
        if connection.usable:
            self._all.add(connection)
            call.attach(connection)
        else:
            call.failed(self.trouble("closed the connection as soon as it was open"))

    def trouble(self, what: str) -> ApiError:
        return trouble(self.origin, what)

    def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()


class UpstreamTransport:
    """The only code that sends a request to a provider.

    Args:
        tls: gives a context that verifies, when the first connection is made; see edge/tls.py.
        dial: where origins are dialled.
        report: told of exceptions that no rule foresaw.
        wall: looks at every head.
    """

    def __init__(
        self, *, tls: Callable[[], ssl.SSLContext], dial: DialMap, report: Report, wall: EgressWall
    ) -> None:
        self._tls = tls
        self._wall = wall
        self._dial = dial
        self._report = report
        self._pools: dict[Origin, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def send(self, authorized: AuthorizedRequest, body: Sequence[bytes], receiver: Receiver) -> Call:
        """Send the head and the body bytes at hand to `authorized.origin`; the rest follows by `Call.write`."""
        if authorized.origin.scheme != "https":
            raise ValueError(f"a credential may not be sent to {authorized.origin}: it is not https")
        call = Call(receiver, authorized.request.content_length - sum(map(len, body)))
        try:
            head = self._wall.head(authorized)
        except EgressError as error:
            self._loop.call_soon(call.failed, refusal(error))
            return call
        pool = self._pools.get(authorized.origin)
        if pool is None:
            pool = self._pools[authorized.origin] = Pool(
                authorized.origin, self._dial, self._tls(), self._report
            )
        call.hold((head, *body))
        connection = pool.take()
        if connection is not None:
            call.attach(connection)
        else:
            task = self._loop.create_task(pool.connect(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            call.dial(task)
        return call

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
