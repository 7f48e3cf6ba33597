"""One timer for all exchanges that are watched for silence: an event that goes by costs nothing, not even a look at the clock."""

from collections.abc import Callable
from typing import Final, Protocol

from openclaude.ports import Clock

EVERY: Final = 2.0
"""Seconds between two looks; a limit is kept with this much too long twice over."""


class Watched(Protocol):
    """Something under way that could fall silent."""

    def look(self, now: float) -> None:
        """See whether anything has happened since the last look; end it when nothing has for too long."""


class Sweep:
    """Looks at everything that is under way. Without anything no timer runs.

    Attributes:
        add: look at something from now on.
        discard: look at it no more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: set[Watched] = set()
        # Both are called for each request: while the timer runs they are the set's own.
        self.add: Callable[[Watched], None] = self._begin
        self.discard: Callable[[Watched], None] = self._watched.discard

    def _begin(self, watched: Watched) -> None:
        self.add = self._watched.add
        self.add(watched)
        self._clock.call_later(EVERY, self._look)

    def _look(self) -> None:
        now = self._clock.monotonic()
        for watched in tuple(self._watched):
            watched.look(now)
        if self._watched:
            self._clock.call_later(EVERY, self._look)
        else:
            self.add = self._begin
