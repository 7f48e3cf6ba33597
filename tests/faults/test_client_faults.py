"""S4: 12 faults of a client in six modes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.client_faults import CLIENT_FAULTS, ClientFault
from faults.leaving import play_client_fault
from faults.modes import MODES, Mode
from faults.stand import Kit

CELLS = [
    pytest.param(fault, mode, id=f"S4-{number:02}-{fault.id}-{mode.id}")
    for number, fault in enumerate(CLIENT_FAULTS, 1)
    for mode in MODES
]


def test_the_matrix_has_72_cells() -> None:
    assert (len(CLIENT_FAULTS), len(MODES)) == (12, 6)
    assert len({cell.id for cell in CELLS}) == len(CELLS) == 72


@pytest.mark.parametrize(("fault", "mode"), CELLS)
def test_a_client_that_goes_wrong_leaves_nothing_behind(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], fault: ClientFault, mode: Mode
) -> None:
    judge(play_client_fault(kit, tmp_path, fault, mode))
