"""The names that requests get."""

import os
from collections.abc import Callable, Iterator
from typing import Final

_BYTES: Final = 12
_AT_ONCE: Final = 256
"""Names made with one system call."""


def _request_ids() -> Iterator[str]:
    while True:
        digits = os.urandom(_BYTES * _AT_ONCE).hex()
        for start in range(0, len(digits), 2 * _BYTES):
            yield f"req_oc_{digits[start : start + 2 * _BYTES]}"


request_id: Final[Callable[[], str]] = _request_ids().__next__
"""A name that no request had before, in this or another process: `req_oc_` and 24 random hex digits."""
