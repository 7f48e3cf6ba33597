"""What the process tells its allocator and its garbage collector: a relay moves large buffers and makes no old cycles."""

import gc
import sys
from typing import Final

_MALLOPT: Final = {
    -3: 4 * 1024 * 1024,  # M_MMAP_THRESHOLD
    -1: 16 * 1024 * 1024,  # M_TRIM_THRESHOLD
    -2: 1024 * 1024,  # M_TOP_PAD
}
"""glibc's mallopt(3). By default every buffer over 128 KiB is a fresh mapping: a page fault for each 4 KiB of a body,
every time (`tests/unit/edge/test_memory.py` counts the faults)."""

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
