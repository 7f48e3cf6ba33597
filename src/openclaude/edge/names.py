"""The names that requests get."""

import itertools
import os
from collections.abc import Callable
from typing import Final

_BYTES: Final = 12
_AT_ONCE: Final = 256
"""Names made with one system call."""


def _some() -> list[str]:
    digits = os.urandom(_BYTES * _AT_ONCE).hex()
    return [f"req_oc_{digits[start : start + 2 * _BYTES]}" for start in range(0, len(digits), 2 * _BYTES)]


request_id: Final[Callable[[], str]] = itertools.chain.from_iterable(iter(_some, [])).__next__
"""A name that no request had before, in this or another process: `req_oc_` and 24 random hex digits."""
