"""What every cell needs, made once for each process of the tests, and the report of `make faults`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.cells import Result
from faults.report import Row, summary, written
from faults.stand import Kit, make_kit

CELL = "cell"
"""The property under which a test hands its cell's result to the report."""


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return make_kit(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def judge(record_property: Callable[[str, object], None]) -> Callable[[Result], None]:
    """Put a cell into the report, then say what was wrong with it."""

    def judged(result: Result) -> None:
        record_property(CELL, result.row())
        assert not result.wrong, "\n".join(result.wrong)

    return judged


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With FAULTS_REPORT, the name of a file, write the table there."""
    target = os.environ.get("FAULTS_REPORT")
    if not target:
        return
    rows = [
        Row(report.nodeid.partition("[")[2].rstrip("]"), report.passed, **dict(report.user_properties)[CELL])
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call" and CELL in dict(report.user_properties)
    ]
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(rows))
    terminalreporter.write_line(summary(rows))
    terminalreporter.write_line(f"the table is in {path}")
