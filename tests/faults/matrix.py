"""Every cell by its id, and a way to play some of them in a process of their own: `python -m faults.play ID ...`."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from faults.cells import Result, play_fault
from faults.client_faults import CLIENT_FAULTS
from faults.faults import FAULTS
from faults.leaving import play_client_fault
from faults.lifecycle import HOST_FAULTS, LOADS, play_host_fault
from faults.modes import MODES, Mode
from faults.stand import Kit

Cell = Callable[[Kit, Path], Result]
EVERY = os.environ.get("FAULTS") == "all"
"""Whether every cell is played, as `make faults` does it, or a sample."""


def sample(cells: Mapping[str, Cell], width: int) -> dict[str, Cell]:
    """Two of the six modes of every fault (one of three loads), so that every fault and every mode is among them."""
    names = list(cells)
    taken = [
        row + (row // width + shift) % width
        for row in range(0, len(names), width)
        for shift in ((0, 3) if width > 3 else (0,))
    ]
    return {names[at]: cells[names[at]] for at in taken}


def provider_cells(modes: Sequence[Mode] = MODES) -> dict[str, Cell]:
    """S3: 32 faults of a provider in six modes."""
    return {
        f"S3-{number:02}-{fault.id}-{mode.id}": partial(play_fault, fault=fault, mode=mode)
        for number, fault in enumerate(FAULTS, 1)
        for mode in modes
    }


def client_cells(modes: Sequence[Mode] = MODES) -> dict[str, Cell]:
    """S4: 12 faults of a client in six modes."""
    return {
        f"S4-{number:02}-{fault.id}-{mode.id}": partial(play_client_fault, fault=fault, mode=mode)
        for number, fault in enumerate(CLIENT_FAULTS, 1)
        for mode in modes
    }


def host_cells() -> dict[str, Cell]:
    """S5: the faults of the host and of the gateway's life that are played here, under three loads."""
    return {
        f"S5-{fault.id}-{load}-streams": partial(play_host_fault, fault=fault, load=load)
        for fault in HOST_FAULTS
        for load in LOADS
    }
