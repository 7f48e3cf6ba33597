"""S3: 32 faults of a provider in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.faults import FAULTS
from faults.matrix import Cell, provider_cells
from faults.modes import MODES
from faults.stand import Kit

CELLS = provider_cells()


def test_the_matrix_has_192_cells() -> None:
    assert (len({fault.id for fault in FAULTS}), len({mode.id for mode in MODES})) == (32, 6)
    assert len(CELLS) == 192
    assert all(fault.of(mode) for fault in FAULTS for mode in MODES)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_fault_of_a_provider_ends_as_the_table_says(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))
