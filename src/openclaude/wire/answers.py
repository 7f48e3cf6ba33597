"""A provider's answers are alike: a head with the names and framing of an earlier one need not be parsed anew.

What llhttp and `wire/http1` decide about a head hangs on its first line, on the names, and on the values of a few headers.
So a form is made of a head that they have accepted: all that is fixed in it, and for each header one line with one
value. What does not fit the form to the byte is theirs to read; so is everything with chunks.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Final

from openclaude.domain.http import Header
from openclaude.wire.http1 import MAX_HEAD_BYTES

_FIRST: Final = re.compile(rb"HTTP/1\.1 200 [ -~]*")
_VALUE: Final = rb"([!-~][ -~]*+)(?<! )"
_FRAMING: Final = {b"content-length": rb"(0|[1-9][0-9]{0,11})", b"connection": rb"(keep-alive)"}
"""What these may say for the answer to be as long as it says, and its connection to be used again. A length without
zeros in front leaves as it stands."""
_NOT_KNOWN: Final = frozenset({b"transfer-encoding", b"proxy-connection", b"upgrade"})


class Form:
    """The form of heads that differ in the values of their headers only; all of status 200 and with a length.

    Attributes:
        first: the first line.
        names: the headers' names, in order.
        length: which of them has the body's length.
    """

    __slots__ = ("_match", "first", "length", "names")

    def __init__(self, first: bytes, names: tuple[bytes, ...], length: int) -> None:
        self.first = first
        self.names = names
        self.length = length
        lines = b"".join(map(line, names))
        self._match: Callable[[bytes], re.Match[bytes] | None] = re.compile(
            b"%b\r\n%b\r\n" % (re.escape(first), lines)
        ).match

    def read(self, data: bytes) -> tuple[list[Header], int, int] | None:
        """Headers, length of the body and end of the head that `data` begins with, if it is whole and has this form."""
        found = self._match(data)
        if found is None:
            return None
        values = found.groups()
        end = found.end()
        if end > MAX_HEAD_BYTES:
            return None
        return list(zip(self.names, values)), int(values[self.length]), end  # noqa: B905  a group for each name


def line(name: bytes) -> bytes:
    """The pattern of a header's line in any form; its one group is the value."""
    return b"%b: %b\r\n" % (re.escape(name), _FRAMING.get(name.lower(), _VALUE))


def form(data: bytes, headers: Sequence[Header]) -> Form | None:
    """The form of the head that `data` begins with, for one that was accepted with these headers; None when it has none."""
    first = data[: data.find(b"\r\n")]
    made = _made(first, tuple([name for name, _ in headers]))
    read = None if made is None else made.read(data)
    return made if read is not None and read[0] == headers else None


@functools.lru_cache(maxsize=64)
def _made(first: bytes, names: tuple[bytes, ...]) -> Form | None:
    keys = [name.lower() for name in names]
    if _FIRST.fullmatch(first) is None or keys.count(b"content-length") != 1 or _NOT_KNOWN.intersection(keys):
        return None
    return Form(first, names, keys.index(b"content-length"))
