"""One timer for all exchanges that are to be woken: most are over long before, and a timer of their own would cost each of them."""

import math
from typing import Final, Protocol

from openclaude.ports import Clock, Timer

SLACK: Final = 0.005
"""Seconds that an alarm may be early: loops count milliseconds."""
EACH: Final = 0.00025
"""Seconds between two looks for every alarm that is set; many are late by that much, so that looking stays cheap."""


class Sleeper(Protocol):
    """Something that has to be woken unless it says otherwise in time."""

    def wake(self) -> None:
        """Its time has come; the alarm is no longer set."""


class Alarms:
    """Wakes each at its time. A timer that nobody waits for any more runs out by itself."""

    __slots__ = ("_clock", "_due", "_next", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[Sleeper, float] = {}
        self._next = math.inf
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._due)

    def set(self, sleeper: Sleeper, due: float) -> None:
        """Wake it when the clock's monotonic time is `due`, and not at the time that was said before."""
        self._due[sleeper] = due
        if due < self._next:
            self._look_at(due)

    def unset(self, sleeper: Sleeper) -> None:
        """Let it sleep."""
        self._due.pop(sleeper, None)

    def _look_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = due
        self._timer = self._clock.call_later(max(0.0, due - self._clock.monotonic()), self._look)

    def _look(self) -> None:
        self._timer, self._next = None, math.inf
        now = self._clock.monotonic()
        late = now + SLACK
        try:
            for sleeper in [one for one, due in self._due.items() if due <= late]:
                if self._due.get(sleeper, math.inf) <= late:  # another one may have changed that
                    del self._due[sleeper]
                    sleeper.wake()
        finally:
            if self._due:
                earliest = max(min(self._due.values()), now + EACH * len(self._due))
                if earliest < self._next:
                    self._look_at(earliest)
