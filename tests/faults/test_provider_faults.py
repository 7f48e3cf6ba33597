"""S3: 32 faults of a provider in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.faults import FAULTS
from faults.matrix import EVERY, Cell, provider_cells, sample
from faults.modes import MODES
from faults.stand import Kit

ALL = provider_cells()
SAMPLE = sample(ALL, len(MODES))
CELLS = ALL if EVERY else SAMPLE


def test_the_matrix_has_192_cells() -> None:
    assert (len({fault.id for fault in FAULTS}), len({mode.id for mode in MODES})) == (32, 6)
    assert len(ALL) == 192
    assert all(fault.of(mode) for fault in FAULTS for mode in MODES)


def test_the_sample_has_every_fault_and_every_mode() -> None:
    assert len(SAMPLE) == 64
    assert all(any(f"-{fault.id}-" in name for name in SAMPLE) for fault in FAULTS)
    assert all(sum(name.endswith(f"-{mode.id}") for name in SAMPLE) >= 10 for mode in MODES)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_fault_of_a_provider_ends_as_the_table_says(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))
