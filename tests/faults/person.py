"""A client on the loop of the test: mutual TLS, requests byte by byte, and every byte of the answer with how it ended."""

import asyncio
import json
import re
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Any, cast

from faults.turned import TurnedLoop

_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)\r\n")


@dataclass(frozen=True)
class Seen:
    """What a client has of an answer. `whole` means that the framing says so; `closed` that the connection has ended."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    closed: bool
    extra: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


KEPT = 1024 * 1024
"""Bytes of a connection that the leak oracle looks into: what is longer is text of the test's own."""


def parsed(data: bytes, *, closed: bool) -> Seen:
    """An answer as far as it has come; interim answers are skipped."""
    raw, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return Seen(0, {}, b"", whole=False, closed=closed, extra=data)
    first, *lines = raw.split(b"\r\n")
    status = int(first.split(b" ")[1])
    if status < 200:
        return parsed(rest, closed=closed)
    pairs = [line.decode("latin-1").partition(": ") for line in lines]
    headers = {name.lower(): value for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body, whole, extra = _unchunked(rest)
    else:
        length = int(headers.get("content-length", "0"))
        body, whole, extra = rest[:length], len(rest) >= length, rest[length:]
    return Seen(status, headers, body, whole, closed, extra)


def _unchunked(data: bytes) -> tuple[bytes, bool, bytes]:
    body = bytearray()
    while (size := _CHUNK_SIZE.match(data)) is not None:
        count, start = int(size[1], 16), size.end()
        if not count:
            return bytes(body), data[start : start + 2] == b"\r\n", data[start + 2 :]
        body += data[start : start + count]
        if len(data) < start + count + 2:
            break
        data = data[start + count + 2 :]
    return bytes(body), False, b""


@dataclass
class Person(asyncio.Protocol):
    """One connection of a client."""

    host: bytes
    login: str
    received: bytearray = field(default_factory=bytearray)
    everything: bytearray = field(default_factory=bytearray)
    closed: bool = False
    plain: socket.socket | None = None
    transport: asyncio.Transport | None = None
    loop: TurnedLoop | None = None

    __hash__ = object.__hash__

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = cast("TurnedLoop", asyncio.get_running_loop())

    def data_received(self, data: bytes) -> None:
        self._moved()
        self.received += data
        if len(self.everything) < KEPT:
            self.everything += data

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._moved()
        self.closed = True
        self.transport = None

    def _moved(self) -> None:
        if self.loop is not None:
            self.loop.activity += 1

    # requests

    def head(self, target: str, length: int | None) -> bytes:
        """As the real client sends it, with its login."""
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
        lines = (
            b"POST %b HTTP/1.1" % target.encode(),
            b"Host: " + self.host,
            b"Accept: application/json",
            b"Authorization: Bearer " + self.login.encode(),
            b"Content-Type: application/json",
            b"User-Agent: claude-cli/2.1.330 (external, sdk-cli)",
            b"anthropic-beta: claude-code-20250219,oauth-2025-04-20",
            b"anthropic-version: 2023-06-01",
            b"x-app: cli",
            b"X-Stainless-Retry-Count: 0",
            framing,
        )
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def ask(self, target: str, body: bytes) -> None:
        """A whole request."""
        self.send(self.head(target, len(body)) + body)

    # answers

    @property
    def seen(self) -> Seen:
        return parsed(bytes(self.received), closed=self.closed)

    @property
    def answered(self) -> bool:
        """Whether there is an answer and no more of it to come."""
        if len(self.received) > KEPT and b"transfer-encoding: chunked" in self.received[:1024]:
            return self.closed or self.received.endswith(
                b"\r\n0\r\n\r\n"
            )  # parsing it each time takes too long
        return self.closed or self.seen.whole

    # ways to leave

    def leave(self) -> None:
        """An orderly end."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """A RST."""
        if self.transport is not None:
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def vanish(self) -> None:
        """A FIN without a word of TLS, as a process that was killed leaves it."""
        if self.plain is not None:
            self.plain.shutdown(socket.SHUT_WR)

    def deaf(self) -> None:
        """Read no more."""
        if self.transport is not None:
            self.transport.pause_reading()

    def hear(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()


async def connect(port: int, context: ssl.SSLContext, login: str, *, deaf: bool = False) -> Person:
    """A client that has been let in; one that is `deaf` has a small buffer and does not read from it."""
    loop = asyncio.get_running_loop()
    plain = socket.socket()
    if deaf:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    plain.connect(("127.0.0.1", port))
    plain.setblocking(False)
    _, person = await loop.create_connection(
        lambda: Person(b"127.0.0.1:%d" % port, login), sock=plain, ssl=context, server_hostname="127.0.0.1"
    )
    person.plain = plain
    if deaf:
        person.deaf()
    return person
