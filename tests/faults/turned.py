"""The event loop of production with a clock that is turned by hand: ten minutes of silence pass in a second.

The sockets, TLS and callbacks are uvloop's. Only timers are kept here: time stands still until `advance` moves it, from one
timer to the next, and after each of them everything that is under way is let come to rest. So "within a second" means the
gateway's own seconds, however busy the machine is. Names are looked up here too: `lost_names` says which do not exist
("unknown") and for which nobody ever answers ("silent"). `dials` counts the connections to `providers` that were tried.
"""

import asyncio
import heapq
import itertools
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import uvloop

TURNS = 24
"""Turns of the loop without work that count as rest; a byte needs one or two from socket to socket."""
REST = 0.004
"""Real seconds that nothing may happen in before the clock is turned: the kernel may deliver a little later."""
GRACE = 0.25
"""Real seconds that a busy machine gets to deliver what is under way before the clock is turned for the first time."""
PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "20"))
"""Real seconds after which what needs no clock any more is not waited for; fewer where that is what has to happen."""
DEADLINE = 120.0
"""Real seconds after which a wait is given up; far above what a loaded machine needs."""


MOST_TIMERS = 3
"""Timers that may run in a second of waiting, and 50 at once: who waits costs next to nothing."""


class HungError(AssertionError):
    """What was waited for did not come."""


class TurnedLoop(uvloop.Loop):
    """Satisfies asyncio; every timer of whoever runs on it is turned by `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self.lost_names: dict[str, str] = {}
        self.providers: frozenset[str] = frozenset()
        self.dials = 0
        self.activity = 0
        self.busy: Callable[[], bool] = lambda: False

    # what asyncio asks for

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        if delay <= 0:
            return self.call_soon(callback, *args, context=context)
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is dropped when its time comes."""

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        self.dials += host in self.lost_names
        await self._look_up(host)
        return await super().getaddrinfo(host, port, **more)

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        self.dials += host is not None and more.get("server_hostname") in self.providers
        await self._look_up(host)
        return await super().create_connection(factory, host, port, **more)

    async def sock_connect(self, sock: Any, address: Any) -> Any:
        self.dials += 1
        return await super().sock_connect(sock, address)

    async def _look_up(self, host: object) -> None:
        fate = self.lost_names.get(str(host))
        if fate == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if fate == "silent":
            await self.create_future()

    # what a test asks for

    async def rest(self) -> None:
        """Return when nothing moves any more without the clock."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            before = self.activity
            await self._turns()
            await self.really_sleep(REST)
            await (
                self._turns()
            )  # timers come before sockets in a turn: what arrived during the sleep is seen now
            if self.activity == before and not self.busy():
                return
        raise HungError("the gateway does not come to rest")

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def really_sleep(self, seconds: float) -> None:
        """Seconds of the world outside."""
        future = self.create_future()
        super().call_later(seconds, lambda: future.done() or future.set_result(None))
        await future

    async def advance(self, seconds: float, until: Callable[[], object] = lambda: False) -> None:
        """Turn the clock on, timer by timer, at most `seconds` and not further than `until` holds.

        Raises `HungError` when somebody polls instead of waiting.
        """
        begin, ran = self._now, 0
        end = begin + seconds
        await self.rest()
        while not until() and (due := self._next(end)) is not None:
            self._now = max(self._now, due)
            while self._timers and self._timers[0][0] <= self._now:
                handle = heapq.heappop(self._timers)[2]
                if not handle.cancelled():
                    ran += 1
                    self.call_soon(handle._run)
            await self.rest()
            if ran > 50 + MOST_TIMERS * (self._now - begin):
                raise HungError(f"{ran} timers ran in {self._now - begin:.0f} s of waiting")
        if not until():
            self._now = max(self._now, end)

    def leap(self, seconds: float) -> None:
        """The machine slept: the clock is later, and every timer that is due meanwhile runs now."""
        self._now += seconds
        self.call_soon(lambda: None)

    def _next(self, end: float) -> float | None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers and self._timers[0][0] <= end else None

    async def happens(self, what: str, condition: Callable[[], object], within: float = 0.0) -> None:
        """Wait for a condition, at most `within` seconds of the turned clock. Raises `HungError`."""
        await self.rest()
        if within and not await self._really(GRACE, condition):
            await self.advance(within, condition)
        if not await self._really(PATIENCE, condition):
            raise HungError(f"{what}: not within {within:.0f} s")

    async def _really(self, seconds: float, condition: Callable[[], object]) -> bool:
        """Whether a condition comes to hold while the clock stands still, within seconds of the world outside."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            await self.really_sleep(0.002)
        return True
