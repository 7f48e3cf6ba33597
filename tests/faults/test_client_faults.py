"""S4: 12 faults of a client in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.client_faults import CLIENT_FAULTS
from faults.matrix import Cell, client_cells
from faults.stand import Kit

CELLS = client_cells()


def test_the_matrix_has_72_cells() -> None:
    assert len({fault.id for fault in CLIENT_FAULTS}) == 12
    assert len(CELLS) == 72


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_client_that_goes_wrong_leaves_nothing_behind(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))
