"""The load client: one run of `load` against one gateway."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from benchmarks import bodies
from benchmarks.kinds import Row, Way
from benchmarks.paths import BenchError
from benchmarks.programs import program

PATIENCE: Final = 90
"""Seconds after which a run is given up, and as many more as a tenth of its connections."""


class Load:
    """A client whose connections are open and have answered once; `go` measures.

    Raises:
        BenchError: it did not even begin.
    """

    def __init__(self, way: Way, row: Row, *, seconds: float) -> None:
        amount = ["-n", str(row.requests)] if row.requests else ["-d", str(seconds)]
        self._process = _start(way, row, amount)
        self.state = _line(self._process)

    def go(self) -> dict[str, Any]:
        """Let it run to its end; the result is the JSON that `load.c` prints."""
        return _finish(self._process, self.state)


class OpenStreams:
    """Streams that are open, each having shown its first event, until `finish`."""

    def __init__(self, way: Way, row: Row) -> None:
        self._process = _start(way, row, ["-o"])
        self.state = _line(self._process)

    def finish(self) -> dict[str, Any]:
        """Read them to their ends; the result is the JSON that `load.c` prints."""
        return _finish(self._process, self.state)


def _start(way: Way, row: Row, amount: Sequence[str]) -> subprocess.Popen[str]:
    body = bodies.path(row.size, translated=row.translated, stream=row.events is not None)
    command = [str(program("load")), "-p", str(way.port), "-u", way.target, "-b", str(body)]
    command += ["-c", str(row.at_once), "-t", str(PATIENCE + row.at_once // 10), *amount]
    if row.events is not None:
        command += ["-e", str(row.events)]
    for header in way.headers:
        command += ["-H", header]
    if way.authority is not None:
        command += ["-A", str(way.authority)]
    if way.certificate is not None:
        command += ["-C", str(way.certificate), "-K", str(way.key)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said:
        process.wait()
        raise BenchError(f"the load client ended with {process.returncode} before it began")
    return said


def _finish(process: subprocess.Popen[str], state: str) -> dict[str, Any]:
    printed, _ = process.communicate("" if state == "late" else "go\n")
    lines = printed.strip().splitlines()
    if not lines:
        raise BenchError(f"the load client ended with {process.returncode} and no result")
    result: dict[str, Any] = json.loads(lines[-1])
    return result
