"""A second thread that a test moves by hand."""

from collections import deque
from collections.abc import Callable
from typing import Any


class FakeWorker:
    """Keeps its jobs until `finish`."""

    def __init__(self) -> None:
        self.jobs: deque[tuple[int, Callable[[], Any], Callable[[Callable[[], Any]], None]]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self.jobs)

    def run(self, size: int, work: Callable[[], Any], then: Callable[[Callable[[], Any]], None]) -> None:
        self.jobs.append((size, work, then))

    def finish(self) -> int:
        """Do the first job and hand it back; how many bytes it was about."""
        size, work, then = self.jobs.popleft()
        then(work)
        return size

    def close(self) -> None:
        """There is nothing to end."""
