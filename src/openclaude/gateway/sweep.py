"""One timer for all exchanges that are watched for silence: an event that goes by costs nothing, not even a look at the clock."""

from typing import Final, Protocol

from openclaude.ports import Clock

EVERY: Final = 2.0
"""Seconds between two looks; a limit is kept with this much too long twice over."""


class Watched(Protocol):
    """Something under way that could fall silent."""

    def look(self, now: float) -> None:
        """See whether anything has happened since the last look; end it when nothing has for too long."""


class Sweep:
    """Looks at everything that is under way. Without anything no timer runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: set[Watched] = set()
        self._running = False

    def add(self, watched: Watched) -> None:
        """Look at it from now on."""
        self._watched.add(watched)
        if not self._running:
            self._running = True
            self._clock.call_later(EVERY, self._look)

    def discard(self, watched: Watched) -> None:
        """Look at it no more."""
        self._watched.discard(watched)

    def _look(self) -> None:
        now = self._clock.monotonic()
        for watched in tuple(self._watched):
            watched.look(now)
        self._running = bool(self._watched)
        if self._running:
            self._clock.call_later(EVERY, self._look)
