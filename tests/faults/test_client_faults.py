"""S4: 12 faults of a client in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.client_faults import CLIENT_FAULTS
from faults.matrix import EVERY, Cell, client_cells, sample
from faults.modes import MODES
from faults.stand import Kit

ALL = client_cells()
SAMPLE = sample(ALL, len(MODES))
CELLS = ALL if EVERY else SAMPLE


def test_the_matrix_has_72_cells() -> None:
    assert len({fault.id for fault in CLIENT_FAULTS}) == 12
    assert len(ALL) == 72


def test_the_sample_has_every_fault_and_every_mode() -> None:
    assert len(SAMPLE) == 24
    assert all(any(f"-{fault.id}-" in name for name in SAMPLE) for fault in CLIENT_FAULTS)
    assert all(sum(name.endswith(f"-{mode.id}") for name in SAMPLE) == 4 for mode in MODES)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_client_that_goes_wrong_leaves_nothing_behind(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))
