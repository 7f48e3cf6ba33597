"""Run the benchmark: `make bench`, or for a part of it `make bench ROWS=http:json-2k@16 GATEWAYS=nginx,openclaude REPS=5`.

A whole run writes `results.json`, `RESULTS.md`, the plot and the README's table. A part is printed, and changes nothing.
"""

import argparse
import datetime as dt
import os
import platform
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks import installing, measure, report, rows, starts, tables
from benchmarks.gateways import GATEWAYS
from benchmarks.kinds import MODES, Gateway, Mode, Row
from benchmarks.paths import CACHE, RESULTS, ROOT, BenchError
from benchmarks.programs import Upstream
from benchmarks.results import Results
from benchmarks.running import Running, UndeliveredError, check_delivery, direct, started

REPETITIONS: Final = 5
SECONDS: Final = 0.6
LAUNCHES: Final = 7
PEER_REPETITIONS: Final = 2
"""Peers are an order of magnitude away and take most of the time, so they are repeated less."""
TOO_SLOW: Final = 20.0
"""Seconds to open streams, after which more of them are not tried."""


Reasons = dict[tuple[str, bool, bool], str]
"""Why a gateway does not deliver, empty when it does; by name, whether it translates, whether it streams."""


class Bench:
    """One run: what is asked for, and what was found so far."""

    def __init__(
        self, upstream: Upstream, *, repetitions: int, seconds: float, peer_repetitions: int | None = None
    ) -> None:
        self.results = Results()
        self._peer_repetitions = peer_repetitions or repetitions
        self._upstream = upstream
        self._repetitions = repetitions
        self._seconds = seconds

    def introduce(self, gateways: Sequence[Gateway]) -> list[Gateway]:
        """Note versions and sizes; the result is those that can be measured."""
        able = []
        for gateway in gateways:
            missing = gateway.facts.missing()
            self.results.gateways[gateway.name] = {
                "kind": gateway.kind,
                "version": gateway.facts.version(),
                "size": None if missing else gateway.facts.size(),
                "missing": missing,
            }
            if not missing:
                able.append(gateway)
        return able

    def mode(self, mode: Mode, gateways: Sequence[Gateway], wanted: Sequence[Row], *, memory: bool) -> None:
        """Start the gateways side by side, and run the mode's rows through them in turn."""
        with ExitStack() as stack:
            running = []
            for gateway in gateways:
                if mode not in gateway.modes:
                    continue
                try:
                    running.append(stack.enter_context(started(gateway, mode, self._upstream)))
                except BenchError as error:
                    self._fail(wanted, gateway.name, f"does not start: {error}")
            for each in running if memory else ():
                self._memory(each, mode)
            reasons: Reasons = {}
            for row in wanted:
                able = [each for each in running if self._delivers(each, row, reasons)]
                alone = [] if row.translated else [direct(self._upstream, mode)]
                self._row(row, [*alone, *able])

    def _delivers(self, running: Running, row: Row, reasons: Reasons) -> bool:
        """Whether a gateway may take part in a row; what was found out before is in `reasons`."""
        if row.translated and not (running.gateway and running.gateway.translates):
            return False
        kind = (running.name, row.translated, row.events is not None)
        if kind not in reasons:
            reasons[kind] = ""
            try:
                check_delivery(running, self._upstream, translated=row.translated, stream=kind[2])
            except UndeliveredError as error:
                reasons[kind] = str(error)
        if reasons[kind]:
            self.results.fail(row.key, running.name, reasons[kind])
        return not reasons[kind]

    def _row(self, row: Row, taking_part: list[Running]) -> None:
        for repetition in range(self._repetitions):
            for each in tuple(taking_part):
                if repetition >= self._peer_repetitions and each.gateway and each.gateway.kind == "peer":
                    continue
                try:
                    figures = measure.run(each, row, self._upstream, seconds=self._seconds)
                except (UndeliveredError, BenchError) as error:
                    self.results.fail(row.key, each.name, str(error))
                    taking_part.remove(each)
                else:
                    self.results.add(row.key, each.name, figures)
        self.results.save(CACHE / "last.json")  # a run that breaks off leaves what it has
        say(tables.line(self.results, row.key))

    def _memory(self, running: Running, mode: Mode) -> None:
        """Idle, and with ever more open streams."""
        assert running.session is not None
        time.sleep(measure.SETTLE_SECONDS)
        found = self.results.memory.setdefault(mode, {}).setdefault(running.name, {})
        found["0"] = [running.session.memory()]
        took = 0.0
        for streams in rows.STREAMS[mode]:
            began = time.monotonic()
            try:
                found[str(streams)] = [self._held(running, mode, streams, before=took)]
            except (UndeliveredError, BenchError) as error:
                self.results.fail(f"{mode}:memory@{streams}", running.name, str(error))
                break  # it would not do better with more
            took = time.monotonic() - began
        say(f"{mode}:memory {running.name} {found}")

    def _held(self, running: Running, mode: Mode, streams: int, *, before: float) -> float:
        """MB with so many open streams. Raises `UndeliveredError`, also when fewer took too long."""
        if before > TOO_SLOW:
            raise UndeliveredError(f"fewer streams took {before:.0f} s to open; so many were not tried")
        return measure.memory(running, mode, streams, self._upstream)

    def starts(self, gateways: Sequence[Gateway]) -> None:
        """Cold starts, and the launch of the client."""
        for gateway in gateways:
            try:
                often = self._peer_repetitions if gateway.kind == "peer" else self._repetitions
                self.results.cold[gateway.name] = starts.cold(gateway, self._upstream, repetitions=often)
                say(f"cold start {gateway.name} {self.results.cold[gateway.name]}")
            except BenchError as error:
                self.results.fail("cold start", gateway.name, str(error))
        self.results.launch = starts.launches(repetitions=LAUNCHES)

    def _fail(self, wanted: Sequence[Row], name: str, reason: str) -> None:
        for row in wanted:
            self.results.fail(row.key, name, reason)


def say(text: str) -> None:
    """Tell how it goes; results are elsewhere."""
    print(text, file=sys.stderr, flush=True)


def about(args: argparse.Namespace) -> dict[str, str]:
    """When, where and with what."""
    cpu = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    cores = len(os.sched_getaffinity(0))
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "machine": f"{cores} cores of {', '.join(sorted(cpu)) or platform.machine()}, {system}, Linux {platform.release()}",
        "python": f"CPython {platform.python_version()}, uvloop {metadata.version('uvloop')}, {ssl.OPENSSL_VERSION}",
        "node": installing.node_version(),
        "commit": commit(),
        "how": f"{args.reps} repetitions of {args.seconds:g} s ({min(args.reps, args.peer_reps)} of other gateways), interleaved",
    }


def commit() -> str:
    """Which state of the project was measured; empty outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def named(names: str, known: Sequence[str], what: str) -> list[str]:
    """The names asked for, in the order known; all of them where none is named.

    Raises:
        BenchError: there is no such name.
    """
    asked = [name for name in names.replace(",", " ").split() if name]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise BenchError(f"no {what} {unknown[0]!r}. hint: one of {', '.join(known)}")
    return [name for name in known if not asked or name in asked]


def whole_run(bench: Bench, gateways: Sequence[Gateway], wanted: Sequence[Row], *, extras: bool) -> None:
    """Everything, mode after mode; the longest, without TLS, comes last."""
    if extras:
        bench.starts(gateways)
    for mode in reversed(MODES):
        chosen = [row for row in wanted if row.mode == mode]
        if chosen:
            bench.mode(mode, gateways, chosen, memory=extras and bool(rows.STREAMS[mode]))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rows", default="", help="names of rows, with commas")
    parser.add_argument("--gateways", default="", help="names of gateways, with commas")
    parser.add_argument("--reps", type=int, default=REPETITIONS)
    parser.add_argument("--peer-reps", type=int, default=PEER_REPETITIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args(argv)
    try:
        wanted = [rows.BY_KEY[name] for name in named(args.rows, list(rows.BY_KEY), "row")]
        chosen = [GATEWAYS[name] for name in named(args.gateways, list(GATEWAYS), "gateway")]
        whole = not args.rows and not args.gateways
        with Upstream() as upstream:
            bench = Bench(
                upstream, repetitions=args.reps, seconds=args.seconds, peer_repetitions=args.peer_reps
            )
            bench.results.about = about(args)
            able = bench.introduce(chosen)
            whole_run(bench, able, wanted, extras=not args.rows)
        bench.results.save(RESULTS if whole else CACHE / "last.json")
        if whole:
            report.write(bench.results)
        else:
            print(tables.part(bench.results))
    except BenchError as error:
        say(f"bench: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
