"""S3: 32 faults of a provider in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result, play_fault
from faults.faults import FAULTS, Fault
from faults.modes import MODES, Mode
from faults.stand import Kit

CELLS = [
    pytest.param(fault, mode, id=f"S3-{number:02}-{fault.id}-{mode.id}")
    for number, fault in enumerate(FAULTS, 1)
    for mode in MODES
]


def test_the_matrix_has_192_cells() -> None:
    assert (len(FAULTS), len(MODES)) == (32, 6)
    assert len({cell.id for cell in CELLS}) == len(CELLS) == 192
    assert all(fault.of(mode) for fault in FAULTS for mode in MODES)


@pytest.mark.parametrize(("fault", "mode"), CELLS)
def test_a_fault_of_a_provider_ends_as_the_table_says(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], fault: Fault, mode: Mode
) -> None:
    judge(play_fault(kit, tmp_path, fault, mode))
