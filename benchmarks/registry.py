"""What `gateways.py` is written with: the table of gateways, and where programs and packages are found."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

from benchmarks import installing
from benchmarks.kinds import Facts, Gateway, Mode, Place, Program

GATEWAYS: Final[dict[str, Gateway]] = {}
"""By name; `gateways.py` fills it."""


def gateway(
    name: str,
    *,
    modes: Sequence[Mode] = ("http",),
    translates: bool = False,
    exact: bool = False,
    kind: Literal["limit", "ours", "peer"] = "peer",
    facts: Facts | None = None,
) -> Callable[[Callable[[Place], Program]], Callable[[Place], Program]]:
    """Take a function in as a gateway; the arguments are the attributes of `Gateway`."""

    def known(make: Callable[[Place], Program]) -> Callable[[Place], Program]:
        GATEWAYS[name] = Gateway(name, make, modes, translates, exact, kind, facts or Facts())
        return make

    return known


def found(program: str) -> str:
    """The path of an installed program; Debian keeps servers out of an ordinary user's PATH."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return shutil.which(program, path=path) or program


def absent(program: str) -> str:
    return "" if "/" in found(program) else f"{program} not found. hint: `make bench-system`"


def peer(name: str) -> Facts:
    """Of a gateway that a file in `peers/` installs."""
    return Facts(partial(_pinned, name), partial(installing.size, name), partial(installing.install, name))


def _pinned(name: str) -> str:
    """The version a peer is pinned to."""
    text = installing.pinned(name).read_text()
    if text.startswith("{"):
        return str(next(iter(json.loads(text)["dependencies"].values())))
    wanted = next(line for line in text.splitlines() if line and not line.startswith("#"))
    return wanted.partition("==")[2]


def environment(place: Place, program: Program) -> dict[str, str]:
    """A gateway's whole environment: nothing of the caller's but PATH and the language."""
    base = {"PATH": os.environ["PATH"], "HOME": str(place.folder), "LANG": "C.UTF-8"}
    return base | dict(program.env)
