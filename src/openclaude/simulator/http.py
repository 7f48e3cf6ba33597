"""A small strict HTTP/1.1 server on loopback that records every byte and can misbehave on demand.

A handler turns a recorded request into a `Reply`; the server writes it, faults included, and notes when the peer
leaves before the end.
"""

import asyncio
import hashlib
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast

from openclaude.simulator.inbound import End, Head, Inbound, MalformedError, Part
from openclaude.simulator.recorded import Log, Predicate, Recorded
from openclaude.simulator.replies import Cut, Ending, Framing, Headers, Pause, Raw, Reply, json_reply

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of a request body this server takes at all; Anthropic takes 32 MB, Bedrock 25 MB."""

RECORD_LIMIT = 1024 * 1024
"""Bytes up to which a body is kept in the log; above it only its digest and length are."""

_CLOSE_TIMEOUT = 10.0

Handler = Callable[[Recorded, bytes], Reply]

_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def head_bytes(status: int, headers: Headers) -> bytes:
    """A status line and headers as bytes, the empty line included. Unassigned status codes get an empty reason."""
    reason = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Connection(asyncio.Protocol):
    """One accepted connection: requests in, one at a time, and their answers out."""

    def __init__(self, server: "Server", number: int) -> None:
        self._server = server
        self._number = number
        self._inbound = Inbound(server.body_limit)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)  # set before any other call
        self._writable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._place: int | None = None
        self._arrived = 0.0
        self._body = bytearray()
        self._digest = hashlib.sha256()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # One: a write has left this process before the next one, so times and cuts are exact. Zero would do so too,
        # but asyncio's TLS layer (3.11) takes an empty buffer for a full one then, and never resumes.
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._writable.set()
        self._server.connections.add(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._server.keep_raw:
            self._server.log.received(self._server.name, self._number, data)
        self._inbound.push(data)
        if self._task is None:
            self._advance()

    def eof_received(self) -> None:
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gone()
        self._writable.set()
        self._server.connections.discard(self)

    def abort(self) -> None:
        """Drop the connection without a word; its request stays unfinished in the log."""
        self._place = None
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def _advance(self) -> None:
        try:
            for event in self._inbound.events():
                if isinstance(event, Head):
                    self._begin(event)
                elif isinstance(event, Part):
                    self._body += event.data
                    self._digest.update(event.data)
                else:
                    self._complete(event)
                    return
        except MalformedError as error:
            self._refuse(str(error))

    def _begin(self, head: Head) -> None:
        self._head = head
        self._body = bytearray()
        self._digest = hashlib.sha256()
        self._arrived = time.monotonic()
        name = self._server.name
        row = Recorded(
            name, self._server.next_number(), self._number, head.line, head.headers, arrived=self._arrived
        )
        self._place = self._server.log.add(row)
        if head.expects_continue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _complete(self, _: End) -> None:
        body = bytes(self._body)
        self._body.clear()
        row = self._server.log.amend(
            cast("int", self._place),
            body=body if len(body) <= self._server.record_limit else None,
            body_sha256=self._digest.hexdigest(),
            body_length=len(body),
            received=time.monotonic(),
        )
        self._task = asyncio.get_running_loop().create_task(self._answer(row, body))

    def _refuse(self, reason: str) -> None:
        self._server.log.refuse(self._server.name, self._number, reason)
        self._finish_log()
        text = reason.encode()
        headers = (
            ("content-type", "text/plain"),
            ("content-length", str(len(text))),
            ("connection", "close"),
        )
        self._transport.write(head_bytes(400, headers) + text)
        self._transport.close()

    async def _answer(self, row: Recorded, body: bytes) -> None:
        reply = self._server.handle(row, body)
        head = cast("Head", self._head)
        stays = head.keep_alive and reply.framing is not Framing.CLOSE
        if await self._write(reply, method=row.method):
            self._finish_log()
            self._task = None
            if stays:
                self._advance()
            else:
                self._transport.close()

    async def _write(self, reply: Reply, *, method: str) -> bool:
        """Write a reply; False when it cut the connection."""
        if reply.hold:
            await asyncio.sleep(reply.hold)
        for status, headers in reply.informational:
            await self._send(head_bytes(status, headers))
        silent = method == "HEAD" or reply.status in _NO_BODY
        if reply.framing is Framing.LENGTH:
            # A list, because the length is told before the first piece is written.
            reply = replace(reply, pieces=list(reply.pieces))
        self._server.log.amend(cast("int", self._place), answered=time.monotonic())
        if reply.head:
            await self._send(head_bytes(reply.status, self._headers(reply)))
        return silent or await self._pieces(reply)

    def _headers(self, reply: Reply) -> Headers:
        names = {name.lower() for name, _ in reply.headers}
        extra: list[tuple[str, str]] = [] if "date" in names else [("date", formatdate(usegmt=True))]
        if reply.status in _NO_BODY:
            pass
        elif reply.framing is Framing.CHUNKED:
            extra.append(("transfer-encoding", "chunked"))
        elif reply.framing is Framing.CLOSE:
            extra.append(("connection", "close"))
        else:
            true_length = sum(len(piece) for piece in reply.pieces if isinstance(piece, bytes))
            length = true_length if reply.declared_length is None else reply.declared_length
            extra.append(("content-length", str(length)))
        return (*reply.headers, *extra)

    async def _pieces(self, reply: Reply) -> bool:
        chunked = reply.framing is Framing.CHUNKED
        for piece in reply.pieces:
            match piece:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Cut(ending):
                    self._cut(ending)
                    return False
                case Raw(data):
                    await self._send(data)
                case data:
                    await self._send(b"%x\r\n%b\r\n" % (len(data), data) if chunked and data else data)
        if chunked:
            await self._send(b"0\r\n\r\n")
        return True

    async def _send(self, data: bytes) -> None:
        self._transport.write(data)
        # A turn of the loop for each write, so that a peer that left is noticed between two pieces.
        await asyncio.sleep(0)
        await self._writable.wait()

    def _cut(self, ending: Ending) -> None:
        self._finish_log()
        if ending is Ending.RESET:
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _finish_log(self) -> None:
        if self._place is not None:
            self._server.log.amend(self._place, finished=time.monotonic())
            self._place = None

    def _gone(self) -> None:
        if self._place is not None:
            row = self._server.log.amend(self._place, aborted_after=time.monotonic() - self._arrived)
            if row.received is None:
                self._server.log.amend(
                    self._place, body_sha256=self._digest.hexdigest(), body_length=len(self._body)
                )
            self._place = None
        if self._task is not None:
            self._task.cancel()


@dataclass(frozen=True, slots=True)
class Setup:
    """How a server listens and what it remembers.

    `tls` makes it an HTTPS server. `log` is shared with other servers if given. Bodies above `record_limit` bytes are
    logged by digest and length only. `keep_raw` also keeps every byte each connection received.
    """

    tls: ssl.SSLContext | None = None
    log: Log | None = None
    record_limit: int = RECORD_LIMIT
    keep_raw: bool = False


class Server:
    """An HTTP/1.1 server on 127.0.0.1 that gives each request to `handler` and records it in `log` under `name`."""

    def __init__(
        self,
        handler: Handler,
        *,
        name: str,
        setup: Setup | None = None,
    ) -> None:
        setup = setup or Setup()
        self.name = name
        self.log = setup.log or Log()
        self.body_limit = BODY_LIMIT
        self.record_limit = setup.record_limit
        self.keep_raw = setup.keep_raw
        self.connections: set[_Connection] = set()
        self.port = 0
        self._handler = handler
        self._tls = setup.tls
        self._listener: asyncio.Server | None = None
        self._requests = 0
        self._accepted = 0

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a free port, which `port` then tells."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, "127.0.0.1", 0, ssl=self._tls, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection.

        Raises:
            TimeoutError: a connection did not end when it was told to.
        """
        if self._listener is not None:
            self._listener.close()
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            while self.connections:
                for connection in tuple(self.connections):
                    connection.abort()
                await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def requests(self) -> tuple[Recorded, ...]:
        """The requests so far, from any thread."""
        return self.log.requests(self.name)

    def wait_for(self, predicate: Predicate, timeout: float = 60.0) -> tuple[Recorded, ...]:
        """Block this thread until `predicate(requests)` holds. Not for the loop the server runs in: see `seen`."""
        return self.log.wait_for(predicate, timeout, self.name)

    async def seen(self, predicate: Predicate, timeout: float = 60.0) -> tuple[Recorded, ...]:  # noqa: ASYNC109 - the twin of wait_for
        """Wait until `predicate(requests)` holds, without blocking the loop."""
        return await asyncio.to_thread(self.wait_for, predicate, timeout)

    def next_number(self) -> int:
        """Number the requests from 0."""
        self._requests += 1
        return self._requests - 1

    def handle(self, row: Recorded, body: bytes) -> Reply:
        """Ask the handler. A handler that raises becomes a 500 that quotes it and a line in the log's refusals."""
        try:
            return self._handler(row, body)
        except Exception as error:  # noqa: BLE001 - a broken script must show up in its test, not hang it
            self.log.refuse(self.name, row.connection, f"the handler raised {error!r}")
            message = f"the simulator's script raised {error!r}"
            return json_reply({"message": message}, status=500, headers=(("x-should-retry", "false"),))

    def _accept(self) -> asyncio.Protocol:
        self._accepted += 1
        return _Connection(self, self._accepted - 1)
