"""The event loop's time and the wall clock."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from openclaude.ports import Timer


class LoopClock:
    """Time as the running event loop sees it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.monotonic: Callable[[], float] = self._loop.time  # read several times for each request
        self.now: Callable[[], datetime] = partial(datetime.now, UTC)

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        return self._loop.call_later(seconds, action)
