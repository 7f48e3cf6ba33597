"""The end of a turn of the loop: short messages wait for it, and leave together.

A write wakes the process it is for when that sleeps, which costs as much as a third of a short request. Of the messages of
one turn the first one wakes it, and it is still at work when the others come.
"""

import asyncio
from collections.abc import Callable


class Turn:
    """What is put off to the end of the loop's turn, by everybody who shares this."""

    __slots__ = ("_loop", "_put_off")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._put_off: list[Callable[[], None]] = []

    def last(self, action: Callable[[], None]) -> None:
        """Do this when everything that was read in this turn has been looked at."""
        put_off = self._put_off
        if not put_off:
            self._loop.call_soon(self._end)
        put_off.append(action)

    def _end(self) -> None:
        put_off, self._put_off = self._put_off, []
        for action in put_off:
            try:
                action()
            except Exception as error:  # noqa: BLE001  the others' messages leave all the same
                self._loop.call_exception_handler({"message": "a message did not leave", "exception": error})
