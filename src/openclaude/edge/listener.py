"""The listening socket and the connections it accepted."""

import asyncio
import math
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Final

from openclaude.edge.admission import Door
from openclaude.edge.reading import HEAD_SECONDS
from openclaude.edge.secure import SecureTransport
from openclaude.edge.server import ClientConnection, Listening
from openclaude.edge.sockets import BACKLOG
from openclaude.ports import Handler

MAX_CONNECTIONS: Final = 2048
"""Connections of clients at a time, and so requests under way: a connection has one."""
SPARE_FILES: Final = 64
"""Descriptors that are no request's: the log, the doors, the look-up of credentials."""
SWEEP_SECONDS: Final = 5.0
STEP_SECONDS: Final = 0.02
"""How often a listener that is shut looks whether it is over."""


def most_connections() -> int:
    """As many connections as this process has descriptors for; each may have one to a provider beside it.

    Beyond its descriptors a process cannot even accept a connection in order to refuse it.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, (files - SPARE_FILES) // 2))


class Listener:
    """Serves a handler on a socket.

    Args:
        door: what requests are checked against.
        handler: who answers them.
        report: told of exceptions that no rule foresaw.
        most: connections at a time.
        crowd: how many there are, where other listeners have some of them.
        arrived: told of each connection.
        connection: makes what a connection of the loop belongs to.
    """

    def __init__(
        self,
        door: Door,
        handler: Handler,
        *,
        report: Callable[[BaseException], None],
        most: int | None = None,
        crowd: Callable[[], int] | None = None,
        arrived: Callable[[], None] = lambda: None,
        connection: Callable[[Listening], ClientConnection] = ClientConnection,
    ) -> None:
        self._connection = connection
        self.most = most_connections() if most is None else most
        self._crowd = crowd or (lambda: self.connections)
        self.door = door
        self.handler = handler
        self._report = report
        self._arrived = arrived
        self.loop = asyncio.get_running_loop()
        self._connections: dict[ClientConnection, None] = {}
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._shaking: dict[asyncio.Future[None], SecureTransport] = {}
        self._deadline = math.inf
        self._awaited = 0.0
        self._awaited_until = math.inf

    async def start(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a socket, behind TLS where a context is given."""
        if self._shut:
            listening.close()
            return
        self._server = await self.loop.create_server(
            lambda: self._accepted(tls), sock=listening, backlog=BACKLOG
        )
        self._sweep()

    def _accepted(self, tls: ssl.SSLContext | None) -> asyncio.Protocol:
        connection = self._connection(self)
        if tls is None:
            return connection
        ready = self.loop.create_future()
        secure = SecureTransport(tls, connection, seconds=HEAD_SECONDS, ready=ready)
        self._shaking[ready] = secure
        ready.add_done_callback(self._shaken)
        return secure

    def _shaken(self, ready: "asyncio.Future[None]") -> None:
        self._shaking.pop(ready)
        ready.exception()  # a handshake that failed is its client's affair

    @property
    def _shut(self) -> bool:
        return self._deadline < math.inf

    def shut(self, *, grace: float, awaited: float = 0.0) -> None:
        """Accept nothing more, as of now. Called again, the shorter times count.

        Args:
            grace: seconds that answers under way get at most.
            awaited: seconds in which a connection that was accepted and has not had a request may still bring its one.
        """
        self._deadline = min(self._deadline, self.loop.time() + grace)
        self._awaited = awaited
        self._awaited_until = min(self._awaited_until, self.loop.time() + awaited)
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close_after_answer()

    async def stop(self, *, grace: float) -> None:
        """`shut` if that has not been done, wait until what was accepted has been served, and cut what is left in the end."""
        if not self._shut:
            self.shut(grace=grace)
        while (self._connections or self._shaking) and self.loop.time() < self._deadline:
            await asyncio.sleep(STEP_SECONDS)
            self._let_go()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            connection.close()
        for secure in tuple(self._shaking.values()):
            secure.abort()
        await asyncio.sleep(0)

    def _let_go(self) -> None:
        """Close those of which nothing is expected. The loop has read their sockets since the end: no request waits there."""
        over = self.loop.time() >= self._awaited_until
        for connection in tuple(self._connections):
            if connection.rests or (over and connection.idle):
                connection.leave()
        for secure in tuple(self._shaking.values()) if over else ():
            secure.abort()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def report(self, error: BaseException) -> None:
        self._report(error)

    def register(self, connection: ClientConnection) -> bool:
        """Take note of a connection; False when there are too many and none of them is idle.

        The idle one that came first gives way, and so do those that were refused: connections that say nothing must not keep
        others out.
        """
        if self._crowd() >= self.most:
            idle = next((other for other in self._connections if other.idle), None)
            if idle is not None:
                self.forget(idle)
                idle.close()
        crowd = self._crowd()
        self._connections[connection] = None
        self._arrived()
        if self._shut:  # it was accepted before; its request has its own time after the handshake's
            connection.close_after_answer()
            self._awaited_until = max(self._awaited_until, self.loop.time() + self._awaited)
        return crowd < self.most

    def forget(self, connection: ClientConnection) -> None:
        self._connections.pop(connection, None)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in tuple(self._connections):
            if connection.overdue(now):
                connection.close()
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)
