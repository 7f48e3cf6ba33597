"""A provider that fails again and again is left alone for a while, then tried with one request.

A breaker is closed while requests go out, open while they are answered from here, half open while one of them, the
probe, finds out whether the provider is back. What counts as a failure is decided by its caller (gateway/health.py).
It knows no clock: every method is told the time, in seconds that never go back.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

IN_A_ROW: Final = 5
WINDOW: Final = 30.0
LEAST: Final = 20
"""So many answers in `WINDOW` seconds, more than half of them failures, open a breaker as well."""
SOON: Final = 5.0
"""Seconds after which the others ask again while a probe is under way, at most."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a breaker stays open.

    Attributes:
        first: seconds; after each probe that fails twice as long.
        longest: seconds, at most.
        probe: seconds after which another probe goes out, should nothing have been heard of the last one.
        counts: whether more than half of many failing opens it, or only failures in a row.
    """

    first: float
    longest: float
    probe: float
    counts: bool


TRANSLATED: Final = Pace(first=10.0, longest=160.0, probe=30.0, counts=True)
CONNECTIONS: Final = Pace(first=5.0, longest=5.0, probe=2.0, counts=False)
"""Of the Anthropic route, where only connections count: whoever is offline for a minute must not wait for long behind it."""


class State(Enum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True)
class Breaker:
    """The breaker of one route and account.

    Attributes:
        failures: in a row.
        until: when it is half open, or, if it is that, when the next probe may go out.
        wait: how long it is open this time.
        recent: when answers came while it was closed, and which of them were failures.
    """

    pace: Pace
    state: State = State.CLOSED
    failures: int = 0
    until: float = 0.0
    wait: float = 0.0
    recent: deque[tuple[float, bool]] = field(default_factory=deque)

    def admit(self, now: float) -> float:
        """0 for a request that may go out, else the seconds until the next one may. In any state but closed it is the probe."""
        if self.state is State.CLOSED:
            return 0.0
        if now < self.until:
            left = self.until - now
            return left if self.state is State.OPEN else min(left, SOON)
        self.state = State.HALF_OPEN
        self.until = now + self.pace.probe
        return 0.0

    def answered(self, now: float) -> None:
        """The provider is there."""
        self.failures = 0
        if self.state is State.CLOSED:
            self._note(now, failed=False)
        else:
            self.state = State.CLOSED
            self.recent.clear()

    def failed(self, now: float, *, probe: bool) -> None:
        """A request failed. What was sent before the breaker opened says nothing new."""
        if self.state is State.CLOSED:
            self.failures += 1
            self._note(now, failed=True)
            if self.failures >= IN_A_ROW or self._mostly_failing():
                self._open(now, self.pace.first)
        elif self.state is State.HALF_OPEN and probe:
            self.failures += 1
            self._open(now, min(self.wait * 2, self.pace.longest))

    def released(self, now: float) -> None:
        """A probe ended without anything having been learned: the next request may be one."""
        if self.state is State.HALF_OPEN:
            self.until = now

    def forgotten(self, now: float) -> bool:
        """Whether nothing is left that would be worth keeping."""
        self._shorten(now)
        return self.state is State.CLOSED and not any(failed for _, failed in self.recent)

    def _open(self, now: float, wait: float) -> None:
        self.state, self.wait, self.until = State.OPEN, wait, now + wait
        self.recent.clear()

    def _note(self, now: float, *, failed: bool) -> None:
        if self.pace.counts:
            self._shorten(now)
            self.recent.append((now, failed))

    def _shorten(self, now: float) -> None:
        while self.recent and self.recent[0][0] <= now - WINDOW:
            self.recent.popleft()

    def _mostly_failing(self) -> bool:
        failures = sum(failed for _, failed in self.recent)
        return len(self.recent) >= LEAST and 2 * failures > len(self.recent)
