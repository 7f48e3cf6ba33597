"""What the process tells its allocator and its garbage collector: a relay moves large buffers and makes no old cycles."""

import gc
import mmap
import sys
from collections.abc import Callable
from typing import Final

_MALLOPT: Final = {
    -3: 4 * 1024 * 1024,  # M_MMAP_THRESHOLD
    -1: 16 * 1024 * 1024,  # M_TRIM_THRESHOLD
    -2: 1024 * 1024,  # M_TOP_PAD
}
"""glibc's mallopt(3). By default every buffer over 128 KiB is a fresh mapping: a page fault for each 4 KiB of a body,
every time (`tests/unit/edge/test_memory.py` counts the faults)."""

TRIM_AT: Final = 8 * 1024 * 1024
LOOK_SECONDS: Final = 15.0
SOON_SECONDS: Final = 0.1
GROWING: Final = 1024 * 1024
"""Whoever grows by less in `SOON_SECONDS` has stopped to."""
_YOUNG: Final = 20_000
"""Objects that come to be before the collector looks at them. A request's own go by reference counting; decoding a body
of 150 kB makes thousands, and the collector's default of 700 would walk them several times for nothing."""


def settle() -> None:
    """Call once, when everything is loaded: what exists now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    if sys.platform == "linux":
        _tune_malloc()


def _tune_malloc() -> None:
    import ctypes  # noqa: PLC0415  two milliseconds that only a gateway pays

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library than glibc: its defaults stay
    for name, value in _MALLOPT.items():
        mallopt(name, value)


Later = Callable[[float, Callable[[], None]], object]


class Trimmer:
    """Gives back to the system what glibc keeps of buffers that were freed.

    Connections that were full for a while leave holes behind which glibc never gives back by itself: a gateway would
    grow with every busy hour. It costs a millisecond for every 10 MiB (measured), so it is done seldom, and in portions:
    every few seconds, and while connections come, because their uploads may leave 150 MiB of holes within a second.

    Args:
        resident: bytes of memory this process has.
        trim: gives back; by default glibc's malloc_trim(3), and nothing with another C library.
        idle: whether nobody waits for this process.
    """

    def __init__(
        self,
        resident: Callable[[], int] | None = None,
        trim: Callable[[], object] | None = None,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        self._resident = resident or _resident
        self._trim = trim or _malloc_trim()
        self._idle = idle
        self._worked = self._soon = False
        self._begin = self._least = self._rest = self._seen = self._resident()

    def look(self) -> None:
        """Give back, if there is more by `TRIM_AT`, and by a quarter, than after the last time; and once after work."""
        now = self._resident()
        idle = self._idle()
        rested = idle and self._worked and now - self._begin >= TRIM_AT
        self._worked = not idle
        if rested or now - self._least >= max(TRIM_AT, self._least // 4):
            self._give_back()
        else:
            self._least = min(self._least, now)

    def soon(self, call_later: Later) -> None:
        """Connections come: give back what their burst leaves as soon as memory has stopped to grow."""
        if not self._soon:
            self._soon = True
            call_later(SOON_SECONDS, lambda: self._look_at_a_burst(call_later))

    def _look_at_a_burst(self, call_later: Later) -> None:
        """What grows is in use; when it has been used it is a hole, and the process is as large as before."""
        self._soon = False
        now, before = self._resident(), self._seen
        self._seen = now
        if now - before >= GROWING:
            self.soon(call_later)
        elif now - self._rest >= TRIM_AT:
            self._give_back()
            self.soon(call_later)

    def _give_back(self) -> None:
        self._trim()
        self._seen = self._rest = self._least = self._resident()

    def keep(self, call_later: Later) -> None:
        """Look every few seconds, as long as `call_later` calls."""
        self.look()
        call_later(LOOK_SECONDS, lambda: self.keep(call_later))


def _resident() -> int:
    """Zero where the system does not say it in Linux's way."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  every few seconds, for the life of the gateway
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError, ValueError):
        return 0


def _malloc_trim() -> Callable[[], object]:
    import ctypes  # noqa: PLC0415  see `_tune_malloc`

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda: None
    return lambda: trim(0)
