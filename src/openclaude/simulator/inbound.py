"""Reads HTTP/1.1 requests strictly: bytes in, values out.

llhttp judges each head; the framing of bodies is read here, so that a body's last byte and the next request's
first byte are told apart exactly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httptools

HEAD_LIMIT = 256 * 1024
"""Bytes of request line and headers. Far above the 16 KiB that real providers accept, so that tests can go beyond."""

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?\r\n")


class MalformedError(ValueError):
    """Bytes that are not a request; the message says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers as they arrived. `length` is None for a chunked body."""

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    length: int | None
    keep_alive: bool
    expects_continue: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The request is complete."""


class _Callbacks:
    """What llhttp calls while it reads a head."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        # Asked here because llhttp forgets it once a message without body is complete.
        self.keep_alive = self.parser.should_keep_alive()


def read_head(block: bytes) -> Head:
    """Read a head that ends with an empty line.

    Raises:
        MalformedError: llhttp refuses it, or it asks for another protocol.
    """
    seen = _Callbacks()
    try:
        seen.parser.feed_data(block)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        raise MalformedError(f"llhttp refuses the head: {error}") from error
    fields = {name.lower(): value for name, value in seen.headers}
    chunked = b"transfer-encoding" in fields
    if chunked and fields[b"transfer-encoding"].lower() != b"chunked":
        raise MalformedError("a transfer-encoding other than chunked")
    return Head(
        line=block.partition(b"\r\n")[0],
        headers=tuple(seen.headers),
        length=None if chunked else int(fields.get(b"content-length", b"0")),
        keep_alive=seen.keep_alive,
        expects_continue=fields.get(b"expect", b"").lower() == b"100-continue",
    )


class Inbound:
    """The receiving side of one connection. Push bytes, take events; events that are not taken wait."""

    def __init__(self, body_limit: int) -> None:
        self._limit = body_limit
        self._buffer = bytearray()
        self._state = self._state_head
        self._left = 0
        self._size = 0

    def push(self, data: bytes) -> None:
        self._buffer += data

    def events(self) -> Iterator[Head | Part | End]:
        """What the pushed bytes amount to. May be abandoned after any event and called again.

        Raises:
            MalformedError: this is not HTTP, or it is too large.
        """
        while (event := self._state()) is not None:
            if event is not _AGAIN:
                yield event

    def _state_head(self) -> Head | Part | End | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end > HEAD_LIMIT or (end < 0 and len(self._buffer) > HEAD_LIMIT):
            raise MalformedError(f"a head of more than {HEAD_LIMIT} bytes")
        if end < 0:
            return None
        head = read_head(self._take(end + 4))
        self._size = 0
        self._left = head.length or 0
        self._state = self._state_chunk_size if head.length is None else self._state_length
        self._check_size(self._left)
        return head

    def _state_length(self) -> Head | Part | End | None:
        if self._left == 0:
            self._state = self._state_head
            return End()
        return self._part()

    def _state_chunk_size(self) -> Head | Part | End | None:
        line = _CHUNK_SIZE.match(self._buffer)
        if line is None:
            if b"\r\n" in self._buffer or len(self._buffer) > HEAD_LIMIT:
                raise MalformedError("a chunk without a readable size")
            return None
        self._left = int(line.group(1), 16)
        self._check_size(self._left)
        self._take(line.end())
        self._state = self._state_chunk_data if self._left else self._state_trailer
        return _AGAIN

    def _state_chunk_data(self) -> Head | Part | End | None:
        if self._left:
            return self._part()
        if len(self._buffer) < 2:
            return None
        if self._take(2) != b"\r\n":
            raise MalformedError("a chunk longer than its size")
        self._state = self._state_chunk_size
        return _AGAIN

    def _state_trailer(self) -> Head | Part | End | None:
        if len(self._buffer) < 2:
            return None
        if self._take(2) != b"\r\n":
            raise MalformedError("trailers, which neither provider takes")
        self._state = self._state_head
        return End()

    def _part(self) -> Part | None:
        data = self._take(min(self._left, len(self._buffer)))
        self._left -= len(data)
        return Part(data) if data else None

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _check_size(self, more: int) -> None:
        self._size += more
        if self._size > self._limit:
            raise MalformedError(f"a body of more than {self._limit} bytes")


_AGAIN = Part(b"")
"""A step that moved on without anything to report."""
