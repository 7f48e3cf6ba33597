"""What goes back on the wire: whole answers, streams in pieces, and every fault a real network shows."""

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Headers = tuple[tuple[str, str], ...]

FOREVER = 86_400.0
"""Seconds to hold or pause when the peer is expected to give up first."""


class Framing(enum.Enum):
    """How the end of a body is told: by its length, by a last chunk, or by the end of the connection."""

    LENGTH = "content-length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Ending(enum.Enum):
    """How a connection is cut: an orderly end (FIN, after close_notify on TLS) or a reset (RST)."""

    EOF = "eof"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds before the next piece."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes written as they are, outside the framing: a malformed chunk, rubbish after the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection here. What was written before is flushed first."""

    ending: Ending


Piece = bytes | Pause | Raw | Cut


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `pieces` are written one by one, each as one chunk when `framing` is CHUNKED.

    `hold` is seconds before the first byte of the head. `informational` are 1xx heads that go first.
    `declared_length` replaces the true content-length. Without `head` nothing is written before the pieces: for a
    connection that ends, or says rubbish, before an answer begins. The server adds `date` and the framing header, nothing else.
    """

    status: int = 200
    headers: Headers = ()
    pieces: Iterable[Piece] = ()
    framing: Framing = Framing.LENGTH
    hold: float = 0.0
    informational: tuple[tuple[int, Headers], ...] = ()
    declared_length: int | None = None
    head: bool = True


def json_reply(value: Any, *, status: int = 200, headers: Headers = (), hold: float = 0.0) -> Reply:
    """A whole JSON document with its content-length."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status, (("content-type", "application/json"), *headers), (body,), hold=hold)


def redirect(location: str, *, status: int = 307) -> Reply:
    """A redirect, which a caller that carries credentials must not follow."""
    return Reply(status, (("location", location),))


def resliced(pieces: Iterable[Piece], size: int) -> Iterable[Piece]:
    """The same bytes in pieces of `size` bytes that ignore the borders of events; what is no bytes keeps its place."""
    pending = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            pending += piece
            while len(pending) >= size:
                yield pending[:size]
                pending = pending[size:]
        else:
            if pending:
                yield pending
            pending = b""
            yield piece
    if pending:
        yield pending
