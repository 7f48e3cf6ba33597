"""Every cell by its id, and a way to play some of them in a process of their own: `python -m faults.play ID ...`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.cells import Result, play_fault
from faults.client_faults import CLIENT_FAULTS
from faults.faults import FAULTS
from faults.leaving import play_client_fault
from faults.modes import MODES
from faults.stand import Kit

Cell = Callable[[Kit, Path], Result]


def provider_cells() -> dict[str, Cell]:
    """S3: 32 faults of a provider in six modes."""
    return {
        f"S3-{number:02}-{fault.id}-{mode.id}": partial(play_fault, fault=fault, mode=mode)
        for number, fault in enumerate(FAULTS, 1)
        for mode in MODES
    }


def client_cells() -> dict[str, Cell]:
    """S4: 12 faults of a client in six modes."""
    return {
        f"S4-{number:02}-{fault.id}-{mode.id}": partial(play_client_fault, fault=fault, mode=mode)
        for number, fault in enumerate(CLIENT_FAULTS, 1)
        for mode in MODES
    }
