"""Bodies that are there as a whole: an answer that is read to its end, a request whose body is at hand."""

from collections.abc import Sequence
from typing import Final

from openclaude.domain.http import Header

ERROR_BODY_LIMIT: Final = 256 * 1024
WHOLE_BODY_LIMIT: Final = 64 * 1024 * 1024


class WholeAnswer:
    """Collects the body of an answer with this head, as far as one is sensible."""

    __slots__ = ("_headers", "_pieces", "_size", "_status")

    def __init__(self, status: int, headers: Sequence[Header]) -> None:
        self._status, self._headers = status, headers
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= (WHOLE_BODY_LIMIT if self._status == 200 else ERROR_BODY_LIMIT):
            self._pieces.append(data)

    def take(self) -> tuple[int, Sequence[Header], bytes]:
        """Status, headers and body; the body is not kept."""
        body, self._pieces = b"".join(self._pieces), []
        return self._status, self._headers, body


class BodyAtHand:
    """A receiver whose request has been written as a whole: there is nothing to stop reading."""

    def upstream_full(self) -> None:
        """The provider reads slowly."""

    def upstream_drained(self) -> None:
        """The provider caught up."""
