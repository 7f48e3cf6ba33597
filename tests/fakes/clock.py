"""A clock that a test turns by hand."""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class FakeTimer:
    """A call that is still to come."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class FakeClock:
    """Starts at zero; `advance` runs what has become due, in order."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._queue: list[tuple[float, int, FakeTimer]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def call_later(self, seconds: float, action: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(action)
        heapq.heappush(self._queue, (self.seconds + seconds, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        end = self.seconds + seconds
        while self._queue and self._queue[0][0] <= end:
            self.seconds, _, timer = heapq.heappop(self._queue)
            if timer.action is not None:
                timer.action()
        self.seconds = end

    @property
    def pending(self) -> int:
        return sum(timer.action is not None for _, _, timer in self._queue)
