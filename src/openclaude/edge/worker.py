"""The second thread: translates and hashes large bodies, so that the event loop goes on in the meantime.

There is one, so that two translations never run at the same time, and a job waits for the job before it. Python
switches between threads every few milliseconds, but not inside a call into C: JSON is read and written in pieces here,
and the garbage collector, which stops every thread for as long as it takes to look at a large body, rests.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from openclaude.domain.errors import ApiError
from openclaude.wire import jsontext

T = TypeVar("T")

LARGE: Final = 4 * 1024 * 1024
"""Bytes from which a single call into C, or a look of the collector, can take longer than a loop may stand still."""

SWITCH_SECONDS: Final = 0.001
"""How long the loop waits for its turn while a job computes; Python's own 5 ms would be paid for every event."""


class ThreadWorker:
    """Satisfies `ports.Worker`.

    Args:
        report: told of exceptions that no rule foresaw.
    """

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openclaude-worker")
        self._jobs = 0
        self.busy = False
        sys.setswitchinterval(SWITCH_SECONDS)

    def run(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], None]) -> None:
        self._jobs += 1
        self.busy = True
        self._threads.submit(self._do, size, work, then)

    def close(self) -> None:
        """Begin no further job."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], None]) -> None:
        outcome = _patiently(work) if size >= LARGE else _outcome(work)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._hand_over, outcome, then)

    def _hand_over(self, outcome: "T | Exception", then: Callable[[Callable[[], T]], None]) -> None:
        self._jobs -= 1
        self.busy = self._jobs > 0
        if isinstance(outcome, Exception):
            if not isinstance(outcome, ApiError):
                self._report(outcome)
                text = "openClaude: an internal error, see `openclaude logs`"
                outcome = ApiError(500, "api_error", text)
            then(_Failed(outcome))
        else:
            then(lambda: outcome)


@dataclass(frozen=True, slots=True)
class _Failed:
    """The outcome of work that raised."""

    error: Exception

    def __call__(self) -> NoReturn:
        raise self.error


def _outcome(work: Callable[[], T]) -> "T | Exception":
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - it is handed to the thread that asked
        return error


def _patiently(work: Callable[[], T]) -> "T | Exception":
    gc.disable()
    try:
        with jsontext.in_pieces():
            return _outcome(work)
    finally:
        gc.enable()
