"""S5: faults of the host and of the gateway's life, under three loads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.cells import Result
from faults.lifecycle import ELSEWHERE, HOST_FAULTS, LOADS
from faults.matrix import EVERY, Cell, host_cells, sample
from faults.stand import Kit
from faults.stopped import play_stopped
from support.staging import Stage, staged

ALL = host_cells()
CELLS = ALL if EVERY else sample(ALL, len(LOADS))
STOPPED = "stopped"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway process between both simulators."""
    with staged(tmp_path_factory.mktemp("stopped") / "home") as running:
        yield running


def test_fourteen_faults_are_tried_and_seven_of_them_here_under_three_loads() -> None:
    assert len({fault.id for fault in HOST_FAULTS} | {STOPPED} | ELSEWHERE.keys()) == 14
    assert len(LOADS) == 3
    assert len(ALL) + len(LOADS) == 21


@pytest.mark.parametrize(("file", "name"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_others_try_is_tried_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("cell", [pytest.param(cell, id=name) for name, cell in CELLS.items()])
def test_a_fault_of_the_host_costs_no_answer_that_is_under_way(
    kit: Kit, tmp_path: Path, judge: Callable[[Result], None], cell: Cell
) -> None:
    judge(cell(kit, tmp_path))


@pytest.mark.parametrize(
    "load",
    [pytest.param(load, id=f"S5-{STOPPED}-{load}-streams") for load in (LOADS if EVERY else LOADS[1:2])],
)
def test_a_gateway_that_stood_still_goes_on_where_it_was(
    stage: Stage, judge: Callable[[Result], None], load: int
) -> None:
    judge(play_stopped(stage, load))
