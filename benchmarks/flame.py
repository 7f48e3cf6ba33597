"""`make profile ROW=http:json-2k@16`: where openClaude's time goes in a row.

Writes a flame graph of the worker (py-spy) and a table of its system calls for each request (strace) to
`.cache/bench/profile`. The gateway forbids other programs to look into it, so this needs root.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import installing, measure, tables
from benchmarks.gateways import GATEWAYS
from benchmarks.kinds import Row
from benchmarks.paths import CACHE, ROOT, BenchError
from benchmarks.programs import Upstream
from benchmarks.results import LIMIT, OURS, number
from benchmarks.rows import BY_KEY
from benchmarks.run import named, say
from benchmarks.running import Running, started

FOLDER: Final = CACHE / "profile"
SECONDS: Final = 5.0
RATE: Final = 400
_CALL: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def worker(running: Running) -> int:
    """The id of the process that serves: of the gateway's two, the one that has used more CPU."""
    assert running.session is not None
    return max(running.session.members(), key=_ticks)


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def flame_graph(running: Running, row: Row, upstream: Upstream, output: Path) -> None:
    """Record the row into an SVG.

    Raises:
        BenchError: py-spy is missing or may not look.
    """
    trouble = installing.install("py-spy")
    if trouble:
        raise BenchError(f"py-spy {trouble}")
    found = str(installing.folder("py-spy") / "bin" / "py-spy")
    record = [found, "record", "-p", str(worker(running)), "-d", str(int(SECONDS)), "-r", str(RATE)]
    with tempfile.TemporaryFile() as said:
        spy = subprocess.Popen(
            [*record, "-n", "-o", str(output)], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        measure.run(running, row, upstream, seconds=SECONDS + 1)
        if spy.wait() != 0:
            said.seek(0)
            raise BenchError(
                f"py-spy cannot look into the gateway. hint: run it as root\n{said.read().decode()}"
            )


def system_calls(running: Running, row: Row, upstream: Upstream) -> dict[str, float]:
    """System calls of the serving process for each request of the row, after one run to warm up.

    Raises:
        BenchError: strace is missing or may not look.
    """
    measure.run(running, row, upstream, seconds=1)
    strace = shutil.which("strace")
    if strace is None:
        raise BenchError("strace not found. hint: `make system`")
    with tempfile.NamedTemporaryFile("r") as table:
        command = [strace, "-f", "-c", "-o", table.name, "-p", str(worker(running))]
        trace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert trace.stderr is not None
        trace.stderr.readline()  # "attached"
        figures = measure.run(running, row, upstream, seconds=2)
        trace.terminate()
        trace.communicate()
        requests = figures["requests"] + row.at_once  # those that opened the connections were traced as well
        return {name: count / requests for name, count in counted(table.read()).items()}


def counted(table: str) -> Mapping[str, int]:
    """Calls by name, from what `strace -c` writes."""
    found = [_CALL.match(line) for line in table.splitlines()]
    return {match[2]: int(match[1]) for match in found if match and match[2] != "total"}


def beside(row: Row, ours: Mapping[str, float], limit: Mapping[str, float]) -> str:
    """Both gateways' system calls for each request, the most frequent first."""
    names = sorted({*ours, *limit}, key=lambda name: -ours.get(name, 0.0))
    lines = [[name, number(ours.get(name, 0.0)), number(limit.get(name, 0.0))] for name in names]
    lines.append(["all", number(sum(ours.values())), number(sum(limit.values()))])
    return tables.markdown([f"{row.key}: system calls for each request", OURS, LIMIT], lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("row")
    args = parser.parse_args(argv)
    try:
        row = BY_KEY[named(args.row, list(BY_KEY), "row")[0]]
        FOLDER.mkdir(parents=True, exist_ok=True)
        graph = FOLDER / f"{row.key.replace(':', '-')}.svg"
        limit: Mapping[str, float] = {}
        with Upstream() as upstream:
            if not row.translated:
                with started(GATEWAYS[LIMIT], row.mode, upstream) as running:
                    limit = system_calls(running, row, upstream)
            with started(GATEWAYS[OURS], row.mode, upstream) as running:
                ours = system_calls(running, row, upstream)
                flame_graph(running, row, upstream, graph)
    except BenchError as error:
        say(f"profile: {error}")
        return 1
    print(beside(row, ours, limit))
    say(f"the flame graph is {graph.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
