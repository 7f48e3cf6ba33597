"""Writes long data a slice at a time: TLS encrypts what it is given in one go, and the loop stands still meanwhile."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from openclaude.domain.http import Data

SLICE: Final = 256 * 1024
"""Bytes written in one turn of the loop; encrypting them takes less than a millisecond."""


class SlicedWriter:
    """The writing end of a transport.

    Attributes:
        left: what is not with the transport yet; while there is nothing, short data may be given to the transport itself.

    Args:
        transport: takes the bytes.
        filled: called when more than a slice waits for its turn: who writes has to stop until `drained`, however fast the
            other side reads.
        drained: called when everything is with the transport again, after it was not or the other side read slowly.
    """

    __slots__ = ("_drained", "_filled", "_full", "_loop", "_scheduled", "_transport", "left")

    def __init__(
        self,
        transport: asyncio.Transport,
        filled: Callable[[], None],
        drained: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._filled = filled
        self._drained = drained
        self._loop = asyncio.get_running_loop()
        self.left: deque[memoryview] = deque()
        self._scheduled = False
        self._full = False

    @property
    def full(self) -> bool:
        """Whether there is more than the other side takes, or than was written yet."""
        return self._full or bool(self.left)

    def writelines(self, pieces: Sequence[Data]) -> None:
        """As `write` for each; short ones leave together."""
        if not self.left and sum(map(len, pieces)) <= SLICE:
            self._transport.writelines(pieces)
            return
        for piece in pieces:
            self.write(piece)

    def write(self, data: Data) -> None:
        if not self.left and len(data) <= SLICE:
            self._transport.write(data)
            return
        view = memoryview(data)
        self.left += (view[start : start + SLICE] for start in range(0, len(data), SLICE))
        if not self._scheduled and not self._full:
            self._go_on()
        if sum(map(len, self.left)) > SLICE:
            self._filled()

    def pause(self) -> None:
        """The transport has more than the other side takes."""
        self._full = True

    def resume(self) -> None:
        """The other side has caught up."""
        self._full = False
        if not self.left:
            self._drained()
        elif not self._scheduled:
            self._go_on()

    def _go_on(self) -> None:
        self._scheduled = False
        if self._transport.is_closing():
            self.left.clear()
        elif self.left and not self._full:
            self._put_a_slice()
            self._plan_the_next()

    def _put_a_slice(self) -> None:
        """One piece, and those behind it with which it is no more than a slice: what came in small ones waits no longer."""
        room = SLICE
        while self.left and len(self.left[0]) <= room and not self._full:
            piece = self.left.popleft()
            room -= len(piece)
            self._transport.write(piece)

    def _plan_the_next(self) -> None:
        """A write may have filled the transport: then `resume` goes on."""
        if self._full:
            return
        if self.left:
            self._scheduled = True
            self._loop.call_soon(self._go_on)
        else:
            self._drained()
