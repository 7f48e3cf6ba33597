"""The names that requests get."""

import itertools
import os
from collections.abc import Callable
from typing import Final

_BYTES: Final = 12
_AT_ONCE: Final = 256
"""Names made with one system call."""


def _some() -> list[str]:
    names = os.urandom(_BYTES * _AT_ONCE).hex(" ", _BYTES).replace(" ", " req_oc_")
    return f"req_oc_{names}".split(" ")


request_id: Final[Callable[[], str]] = itertools.chain.from_iterable(iter(_some, [])).__next__
"""A name that no request had before, in this or another process: `req_oc_` and 24 random hex digits."""
