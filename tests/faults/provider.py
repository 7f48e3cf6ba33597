"""Both providers below HTTP, on the loop of the test: real TLS under their names, and any bytes, or none, in answer.

A `Play` is what a provider does with one connection. Whatever arrives is kept, with the time at which the gateway left.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import cast

from faults.modes import HOSTS
from faults.turned import TurnedLoop
from openclaude.simulator.certs import Authority, Flaw

Play = Callable[["Peer"], Awaitable[None]]
Header = tuple[str, str]


class Certificates:
    """What the providers show: made once, since making keys takes longer than a cell."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        self.ca_file = authority.write_ca(folder / "providers-ca.pem")
        names = tuple(HOSTS.values())
        self.good = authority.server_context(*names)
        self.flawed = {flaw: authority.server_context(*names, flaw=flaw) for flaw in Flaw}


@dataclass
class Arrived:
    """One request that arrived whole or in part."""

    provider: str
    head: bytes
    body: bytes = b""


@dataclass
class Tally:
    """What the providers saw: connections accepted, requests whose head arrived, when each connection was left."""

    connections: int = 0
    requests: list[Arrived] = field(default_factory=list)
    arrived: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in HOSTS})


class Peer(asyncio.Protocol):
    """The provider's end of one connection."""

    def __init__(self, owner: "Provider", provider: str) -> None:
        self.loop = owner.loop
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.left_at: float | None = None
        self.provider = provider
        self._owner = owner
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.transport: asyncio.Transport | None = None

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self._owner.accepted(self)

    def data_received(self, data: bytes) -> None:
        self.loop.activity += 1
        self._buffer += data
        self._owner.tally.arrived[self.provider] += data
        self._more.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leave()
        self.transport = None
        self._owner.peers.discard(self)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    @property
    def has_room(self) -> bool:
        """Whether the gateway takes what is sent."""
        return self._room.is_set()

    def _leave(self) -> None:
        self.loop.activity += 1
        if not self.gone.done():
            self.left_at = self.loop.time()
            self.gone.set_result(None)
        self._more.set()
        self._room.set()

    # what a play does

    async def request(self) -> Arrived:
        """The next request, whole. Raises EOFError when the gateway leaves before its end."""
        while b"\r\n\r\n" not in self._buffer:
            await self._until_more()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        row = Arrived(self.provider, head)
        self._owner.tally.requests.append(row)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        length = int(lengths[0].partition(b": ")[2]) if lengths else 0
        while len(rest) < length:
            await self._until_more()
            rest = bytes(self._buffer).partition(b"\r\n\r\n")[2]
        row.body = rest[:length]
        self._buffer = bytearray(rest[length:])
        return row

    async def begun(self) -> None:
        """The head of a request is there."""
        while b"\r\n\r\n" not in self._buffer:
            await self._until_more()

    async def anything(self) -> None:
        """A first byte is there."""
        while not self._buffer:
            await self._until_more()

    async def _until_more(self) -> None:
        if self.gone.done():
            raise EOFError("the gateway has left")
        self._more.clear()
        await self._more.wait()

    async def send(self, data: bytes) -> None:
        """Write, as fast as the gateway reads."""
        self.loop.activity += 1
        if self.transport is not None and not self.gone.done():
            self.transport.write(data)
            await self._room.wait()

    async def hold(self) -> None:
        """Say nothing until the gateway leaves."""
        await asyncio.shield(self.gone)

    def close(self) -> None:
        """An orderly end."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """A RST."""
        if self.transport is not None:
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class Provider:
    """Both providers, each at a port of its own; what they do is changed by `play`."""

    def __init__(self, certificates: Certificates) -> None:
        self.loop = cast("TurnedLoop", asyncio.get_running_loop())
        self.loop.providers = frozenset(HOSTS.values())
        self.certificates = certificates
        self.tally = Tally()
        self.play: Play = good_bye
        self.peers: set[Peer] = set()
        self.everyone: list[Peer] = []
        self.entries: dict[tuple[str, int], tuple[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.servers: list[asyncio.AbstractServer] = []
        self.held: list[socket.socket] = []

    async def serve(self, context: ssl.SSLContext | None = None, *, tls: bool = True) -> None:
        """Answer under both names from now on, with this certificate, the good one, or no TLS at all."""
        for name, host in HOSTS.items():
            shown = (context or self.certificates.good) if tls else None
            server = await self.loop.create_server(
                lambda name=name: Peer(self, name), "127.0.0.1", 0, ssl=shown
            )
            self.servers.append(server)
            self._point(host, server.sockets[0].getsockname()[1])

    def refuse(self) -> None:
        """Nobody listens where the providers were."""
        for host in HOSTS.values():
            with socket.create_server(("127.0.0.1", 0)) as reserved:
                self._point(host, reserved.getsockname()[1])

    def swallow(self) -> None:
        """Somebody listens and accepts nobody: connections stay half open, as behind a firewall that drops."""
        for host in HOSTS.values():
            full = socket.socket()
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            self.held.append(full)
            for _ in range(4):
                waiting = socket.socket()
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
                self.held.append(waiting)
            self._point(host, full.getsockname()[1])

    def name(self, fate: str) -> None:
        """The names cannot be looked up: they are `unknown`, or the name server is `silent`."""
        for host in HOSTS.values():
            self.entries[(host, 443)] = ("lost.invalid", 443)
        self.loop.lost_names["lost.invalid"] = fate

    def _point(self, host: str, port: int) -> None:
        self.entries[(host, 443)] = ("127.0.0.1", port)

    @property
    def listening(self) -> int:
        """The descriptors that are the providers' own."""
        return len(self.servers) + len(self.held)

    def accepted(self, peer: Peer) -> None:
        self.loop.activity += 1
        self.tally.connections += 1
        self.peers.add(peer)
        self.everyone.append(peer)
        task = self.loop.create_task(self._perform(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, peer: Peer) -> None:
        try:
            await self.play(peer)
        except EOFError:
            peer.close()

    async def close(self) -> None:
        """End every connection, and listen no more."""
        for server in self.servers:
            server.close()
        for peer in tuple(self.peers):
            peer.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self.held:
            each.close()
        self.servers, self.held = [], []


async def good_bye(peer: Peer) -> None:
    """Close at once."""
    peer.close()


def head(
    status: int,
    headers: Sequence[Header],
    *,
    length: int | None = None,
    chunked: bool = False,
    at: float | None = None,
) -> bytes:
    """The head of an answer, with a date as every provider sends one."""
    lines = [f"HTTP/1.1 {status} Whatever", f"date: {formatdate(at, usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    if chunked:
        lines.append("transfer-encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answering(pieces: Sequence[bytes], kind: str, *, close: bool = True) -> Play:
    """Answers every request of a connection as it should be; `close` ends it after the first."""

    async def play(peer: Peer) -> None:
        ending = [("connection", "close")] if close else []
        while True:
            await peer.request()
            await peer.send(head(200, [("content-type", kind), *ending], chunked=True))
            await peer.send(b"".join(map(chunk, pieces)) + b"0\r\n\r\n")
            if close:
                peer.close()
                return

    return play
