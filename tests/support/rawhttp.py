"""A client that shows every byte: requests are written as given, answers are kept as they arrived.

Blocking, one request at a time, every wait bounded by `DEADLINE`: an answer that never comes is a TimeoutError.
"""

import json
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from support.patience import DEADLINE
from support.trust import Target, base_url, context
from support.witness import CLIENT, WITNESS

Header = tuple[bytes, bytes]

_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)\r\n")


@dataclass(frozen=True)
class Head:
    """The head of an answer, headers in order with the bytes of their names."""

    status: int
    headers: tuple[Header, ...]

    def get(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True)
class Response(Head):
    """A whole answer; `whole` is False when the connection ended before the framing said so."""

    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        """The data of every server-sent event."""
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


class Client:
    """One connection to a gateway, by mutual TLS unless the target is a plain URL."""

    def __init__(self, target: Target, *, receive_buffer: int | None = None) -> None:
        url = urlsplit(base_url(target))
        self.prefix = url.path.encode()
        self.host = url.netloc.encode()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((url.hostname or "", url.port or 80))
        tls = context(target)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=url.hostname)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def leave(self, *, reset: bool = False) -> None:
        """Close the connection, with a FIN or with a RST."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def head(
        self, target: str, headers: Sequence[Header], length: int | None, method: bytes = b"POST"
    ) -> bytes:
        """A request's head; `length` None announces chunks."""
        framing = (
            (b"Content-Length", b"%d" % length) if length is not None else (b"Transfer-Encoding", b"chunked")
        )
        lines = [b"%b %b%b HTTP/1.1" % (method, self.prefix, target.encode()), b"Host: " + self.host]
        lines += [b"%b: %b" % pair for pair in (*headers, framing)]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def post(
        self, target: str, headers: Sequence[Header], body: bytes, *, cuts: Iterable[int] | None = None
    ) -> None:
        """Send a whole request: with its length, or in chunks that end at `cuts`."""
        if cuts is None:
            self.send(self.head(target, headers, len(body)) + body)
            return
        self.send(self.head(target, headers, None))
        start = 0
        for end in (*cuts, len(body)):
            if end > start:
                self.send(b"%x\r\n%b\r\n" % (end - start, body[start:end]))
            start = max(start, end)
        self.send(b"0\r\n\r\n")

    def read_head(self) -> Head:
        """The head of the next answer. Raises `EOFError` when the connection ends first."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = raw.split(b"\r\n")
        pairs = [line.partition(b": ") for line in lines]
        return Head(int(status.split(b" ")[1]), tuple((name, value) for name, _, value in pairs))

    def pieces(self, head: Head) -> Iterator[bytes]:
        """The body as it arrives, chunk by chunk where it comes in chunks. Raises `EOFError` when it is cut."""
        if head.get("transfer-encoding") == "chunked":
            yield from self._chunks()
            return
        left = int(head.get("content-length") or 0)
        while left:
            if not self._buffer:
                self._more()
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece

    def read(self) -> Response:
        """The next answer, whole or as far as it came."""
        head = self.read_head()
        received: list[bytes] = []
        try:
            received.extend(self.pieces(head))
        except EOFError:
            return Response(head.status, head.headers, b"".join(received), whole=False)
        return Response(head.status, head.headers, b"".join(received), whole=True)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            while (size := _CHUNK_SIZE.match(self._buffer)) is None:
                self._more()
            count, start = int(size[1], 16), size.end()
            wanted = start + count + 2
            if wanted > len(self._buffer):
                self._buffer += self._exactly(wanted - len(self._buffer))
            data = self._buffer[start : start + count]
            assert self._buffer[start + count : wanted] == b"\r\n"
            self._buffer = self._buffer[wanted:]
            if not count:
                return
            yield data

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count:
            piece = self._receive()
            pieces.append(piece)
            count -= min(count, len(piece))
        return b"".join(pieces)

    def _more(self) -> None:
        self._buffer += self._receive()

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(256 * 1024)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError("the connection ended")
        WITNESS.saw(CLIENT, data)
        return data


def ask(
    where: Target, headers: Sequence[Header], body: bytes, *, target: str = "/v1/messages?beta=true"
) -> Response:
    """One request on a connection of its own."""
    with Client(where) as client:
        client.post(target, headers, body)
        return client.read()
