"""Chunked bodies (RFC 9112 §7.1), without what a gateway has no use for.

llhttp takes chunk extensions, trailers and endless size lines, and drops them. Whoever drops what the next server
reads is one half of a smuggling attack, and an extension without end passes every limit on bodies. So a request's
chunks are read here: sizes, data, and one empty line at the end.

An answer's chunks are read by llhttp, but for those that stand alone and as this gateway writes them itself: `head_of`.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from openclaude.wire.http1 import HeadError

MAX_CHUNKS: Final = 65_536
"""Of one body. 64 MiB in node's pieces of 16 KiB or more are 4,096; single bytes in chunks would only cost time."""

_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}\r\n")
_SIZE_SO_FAR: Final = re.compile(rb"[0-9A-Fa-f]{0,8}|[0-9A-Fa-f]{1,8}\r")
_END: Final = b"\r\n"
LONGEST: Final = 4096
"""Bytes of a chunk, framing included, up to which `head_of` is asked; it remembers what it said."""


@cache
def head_of(size: int) -> bytes:
    """The head of the one chunk that fills so many bytes, its size line and the end behind its data included.

    Where no chunk of any data does, the result is longer than `size`, and so no beginning of it.
    """
    for digits in range(1, 9):
        head = b"%x\r\n" % max(size - digits - 4, 0)
        if len(head) == digits + 2 and size > digits + 4:
            return head
    return bytes(size + 1)


def framed(data: bytes) -> bytes:
    """A chunk of some data."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def data_of(chunks: Iterable[bytes]) -> bytes:
    """What whole chunks without extensions hold."""
    return b"".join([chunk[chunk.index(b"\n") + 1 : -2] for chunk in chunks])


class ChunkedBody:
    """Bytes in, pieces of the body out. `done` tells the end; what followed it is in `rest`."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._held = b""
        self._left = 0
        self._chunks = 0
        self._line_due = False
        self._last = False

    def feed(self, data: bytes) -> list[bytes]:
        """Some bytes, cut anywhere. Raises `HeadError` for anything but plain chunks."""
        data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        at = 0
        while not self.done and at < len(data):
            if self._left:
                pieces.append(data[at : at + self._left])
                at += len(pieces[-1])
                self._left -= len(pieces[-1])
                continue
            taken = self._end_of_line(data, at) if self._line_due else self._size(data, at)
            if not taken:
                self._held = data[at:]
                return pieces
            at += taken
        self.rest = data[at:]
        return pieces

    def _size(self, data: bytes, at: int) -> int:
        """Read a size line at `at`; how long it is, 0 while it is not whole."""
        found = _SIZE.match(data, at)
        if found is None:
            if len(data) - at > 9 or _SIZE_SO_FAR.fullmatch(data, at) is None:
                raise HeadError(400, "a chunk's size line must be a hexadecimal number and nothing else")
            return 0
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise HeadError(400, f"more than {MAX_CHUNKS} chunks")
        self._left = int(found[0], 16)
        self._last = not self._left
        self._line_due = True
        return len(found[0])

    def _end_of_line(self, data: bytes, at: int) -> int:
        """Read the line end after a chunk's data, or after the last chunk; how long it is, 0 while it is not whole."""
        if data.startswith(_END, at):
            self._line_due = False
            self.done = self._last
            return len(_END)
        if data[at:] == b"\r":
            return 0
        raise HeadError(400, "a chunk must end where its size says, and trailers are not served here")
