"""Beyond the matrix: the same faults of providers and clients by AWS's own Messages endpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.matrix import EVERY, Cell, client_cells, provider_cells
from faults.modes import MESSAGES
from faults.stand import Kit

ALL = {
    name.replace("S3-", "S3M-").replace("S4-", "S4M-"): cell
    for name, cell in {**provider_cells(MESSAGES), **client_cells(MESSAGES)}.items()
}
CELLS = ALL if EVERY else dict(list(ALL.items())[::11])


def test_there_are_88_more_cells() -> None:
    assert len(ALL) == 88
    assert len(CELLS) >= 8


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_fault_by_the_messages_endpoint_ends_as_the_table_says(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))
