"""What a process that holds credentials tells the system: no memory dumps, and no looks into it."""

import os
import resource
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


def harden() -> None:
    """New files are private, a crash leaves no core, and other programs of this user cannot read memory or environment.

    Call it once in each process: a forked child keeps all of it, a program that is executed keeps all but the last.
    The last is Linux's; macOS gives a program's memory to its user's debuggers only with their consent.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  two milliseconds that only a gateway pays

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_descriptors() -> None:
    """As many open files as the system allows: connections that say nothing hold one each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        wanted = 65_536 if most == resource.RLIM_INFINITY else min(most, 65_536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
