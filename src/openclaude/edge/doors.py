"""The ways into a gateway: mutual TLS always, the others when a launcher asks for them.

| door | who it is for | what admits |
|---|---|---|
| `mutual` | Claude Code, by default | the client certificate |
| `tls` | a client that shows another server a certificate already | a secret path, behind TLS |
| `http` | clients that cannot do TLS | a secret path |

The ports of the last two are reserved from the start. Nothing listens on them before somebody has asked.
"""

import asyncio
import socket
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from openclaude.edge.admission import Door
from openclaude.edge.listener import Listener
from openclaude.edge.server import ClientConnection, Listening
from openclaude.edge.sockets import BACKLOG
from openclaude.edge.tls import Loopback
from openclaude.ports import Handler

MUTUAL: Final = "mutual"
TLS: Final = "tls"
HTTP: Final = "http"
REFRESH_SECONDS: Final = 600.0
"""How often it is seen whether the certificates have changed or are about to end."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What admits where mutual TLS does not.

    Attributes:
        secret: the installation's path segment.
        identity: the key of the identity proof, on plain HTTP.
        tokens: the path segments of running sessions, as they come and go.
    """

    secret: bytes = field(repr=False)
    identity: str = field(repr=False)
    tokens: Container[bytes] = field(default=frozenset(), repr=False)


class Doors:
    """The listeners of one gateway.

    Args:
        sockets: by door; `mutual` has to be there.
        tls: the certificates.
        keys: what admits elsewhere.
        handler: who answers requests.
        report: told of exceptions that no rule foresaw.
        arrived: told of each connection.
        connection: as `edge.listener.Listener` has it.
    """

    def __init__(
        self,
        sockets: Mapping[str, socket.socket],
        tls: Loopback,
        keys: Keys,
        handler: Handler,
        report: Callable[[BaseException], None],
        *,
        arrived: Callable[[], None] = lambda: None,
        connection: Callable[[Listening], ClientConnection] = ClientConnection,
    ) -> None:
        self._connection = connection
        self._sockets = sockets
        self._tls = tls
        self._keys = keys
        self._handler = handler
        self._report = report
        self._arrived = arrived
        self._listeners: dict[str, Listener] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._shut = False

    async def start(self) -> None:
        """Let clients in by mutual TLS, if that is still wanted."""
        if self._shut:
            return
        await self._listener(MUTUAL).start(self._sockets[MUTUAL], self._tls.mutual)
        self._refresh()

    def open(self, door: str) -> int | None:
        """Let clients in by another door too; the result is its port, None for one that does not exist or is shut for good."""
        if door not in self._sockets or self._shut:
            return None
        listening = self._sockets[door]
        if door not in self._listeners:
            listening.listen(BACKLOG)  # from here on nobody is refused
            context = self._tls.one_sided if door == TLS else None
            task = asyncio.get_running_loop().create_task(self._listener(door).start(listening, context))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        return int(listening.getsockname()[1])

    def refresh(self) -> None:
        """Take in certificates that were made meanwhile."""
        self._tls.refresh()

    def shut(self, *, grace: float, awaited: float = 0.0) -> None:
        """Accept nothing more, as of now; the arguments are those of `edge.listener.Listener.shut`."""
        self._shut = True
        if self._timer is not None:
            self._timer.cancel()
        for door in self._sockets.keys() - self._listeners.keys():
            self._sockets[door].close()
        for listener in self._listeners.values():
            listener.shut(grace=grace, awaited=awaited)

    async def stop(self, *, grace: float) -> None:
        """`shut` if that has not been done, and wait until what was accepted has been served."""
        if not self._shut:
            self.shut(grace=grace)
        await asyncio.gather(*self._starting)
        await asyncio.gather(*(listener.stop(grace=grace) for listener in self._listeners.values()))

    def handle(self, handler: Handler) -> None:
        """Have requests from now on answered by another handler."""
        self._handler = handler
        for listener in self._listeners.values():
            listener.handler = handler

    @property
    def connections(self) -> int:
        return sum(listener.connections for listener in self._listeners.values())

    def _listener(self, door: str) -> Listener:
        port = self._sockets[door].getsockname()[1]
        if door == MUTUAL:
            rules = Door(port, None, None)
        else:
            identity = self._keys.identity if door == HTTP else None
            rules = Door(port, self._keys.secret, identity, self._keys.tokens)
        self._listeners[door] = Listener(
            rules,
            self._handler,
            report=self._report,
            crowd=lambda: self.connections,
            arrived=self._arrived,
            connection=self._connection,
        )
        return self._listeners[door]

    def _refresh(self) -> None:
        try:
            self._tls.refresh()
        except Exception as error:  # noqa: BLE001  whatever is wrong on the disk, the certificates in use stay in use
            self._report(error)
        self._timer = asyncio.get_running_loop().call_later(REFRESH_SECONDS, self._refresh)
