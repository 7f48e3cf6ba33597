"""Many open streams for a while, and how the gateway bears it: `make soak`, or `python -m load.soak --help`.

Three processes: the gateway (load.gateway), both providers (load.provider), and the clients here. A stream counts as lost
when no fault was planned for it and it does not arrive whole, in order and to its end.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from load.clients import Client, Door, Tally
from openclaude.launcher import certificates, control
from openclaude.launcher.hygiene import raise_descriptors
from openclaude.launcher.state import open_state
from support.patience import DEADLINE

MIB = 1024 * 1024
ORDINARY = 320 * 1024
"""Bytes of memory that a stream may cost the gateway after large uploads (ARCHITECTURE.md, "Overload")."""
STALLED = MIB
"""Bytes that a stream may cost whose client has stopped to read."""
LATE_P99 = 50
"""Milliseconds by which the loop may be late at the 99th percentile."""
GROWTH, GROWING_BLOCKS = 16 * MIB, 0.05
"""What the gateway may have grown between the first and the last third of a run: memory, or a tenth of all, since it is given back
in portions, and Python's small objects, in which a leak shows first."""
LONG = 300.0
"""Seconds from which a run says something of growth: before, buffers are still being used for the first time."""
RAMP = 0.05
"""Seconds between two new clients."""
SETTLED = 50.0
"""Seconds after the last stream until unused connections to providers are closed."""
CONFIG = """
[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
"""
SHOWN = 100
"""Lines of the log in a report."""
_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Load:
    """What is to be borne: `streams` at a time, `stalled` of them with a reader that has stopped; `lifetime` is a stream's seconds."""

    seconds: float
    streams: int
    stalled: int
    lifetime: tuple[float, float]
    faults: float = 0.0
    settled: float = SETTLED


@dataclass
class Report:
    """How it was borne. Memory in bytes, lateness in milliseconds; slopes are per hour of the time with all streams open."""

    load: Load
    whole: int = 0
    events: int = 0
    faulty: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    blocks: dict[str, float] = field(default_factory=dict)
    descriptors: dict[str, float] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    """What the gateway's log says beside streams that ended well."""

    def broken(self) -> list[str]:
        """The bounds that do not hold."""
        found = [f"lost: {line}" for line in self.lost]
        if self.memory["streams"] > self.memory["bound"]:
            found.append(f"the streams cost {self.memory['streams'] / MIB:.1f} MiB")
        if self.memory["growth"] > max(GROWTH, self.memory["most"] / 10) and self.load.seconds >= LONG:
            found.append(f"the gateway grew by {self.memory['growth'] / MIB:.1f} MiB")
        if self.blocks["growth"] > GROWING_BLOCKS * self.blocks["mean"] and self.load.seconds >= LONG:
            found.append(f"Python's objects have grown by {self.blocks['growth']:.0f} blocks")
        if self.descriptors["end"] > self.descriptors["begin"] and self.load.settled >= SETTLED:
            found.append(
                f"{self.descriptors['end'] - self.descriptors['begin']:.0f} descriptors were left open"
            )
        if self.late["p99"] >= LATE_P99 and self.load.seconds >= LONG:
            found.append(f"the loop is {self.late['p99']} ms late at the 99th percentile")
        return found


class Gateway:
    """A gateway process and what it says of itself."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.port = port
        self._process = process
        self.lines: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def join(self) -> None:
        """Read to the end; the process has ended."""
        self._thread.join()

    async def next_line(self) -> dict[str, Any]:
        """The first line that is said from now on."""
        seen = len(self.lines)
        async with asyncio.timeout(DEADLINE):
            while len(self.lines) <= seen:
                await asyncio.sleep(0.1)
        return self.lines[seen]


@contextmanager
def program(*arguments: str, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """One of our processes; it ends when its standard input does."""
    command = [sys.executable, "-m", *arguments]
    told = {**env, "PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=told
    ) as process:
        try:
            yield process
        finally:
            end(process)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()


def first_line(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@contextmanager
def stage(folder: Path) -> Iterator[tuple[Gateway, Door]]:
    """A gateway between the two providers."""
    env = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    ca_file, told = folder / "ca.pem", folder / "told.json"
    state = open_state(folder / "state")
    pairs = certificates.ensure(state)
    with program("load.provider", str(ca_file), env=env) as provider:
        port = first_line(provider)
        names = ("api.anthropic.com", "bedrock-runtime.us-west-2.amazonaws.com")
        told.write_text(
            json.dumps(
                {
                    "config": CONFIG,
                    "folder": str(folder),
                    "connect_to": [f"{name}:443=127.0.0.1:{port}" for name in names],
                    "ca_file": str(ca_file),
                    "env": {
                        **env,
                        "AWS_ACCESS_KEY_ID": "AKIA" + secrets.token_hex(8).upper(),
                        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
                    },
                }
            )
        )
        with program("load.gateway", str(told), env=env) as process:
            gateway = Gateway(process, first_line(process))
            login = "sk-ant-" + "oat01-" + secrets.token_hex(24)
            try:
                yield gateway, Door(gateway.port, control.client_context(pairs), login)
            finally:
                end(process)
                gateway.join()


async def bear(load: Load, gateway: Gateway, door: Door, seed: int, *, say: bool = False) -> Report:
    """Put the load on the gateway; the result says how it bore it."""
    loop, tally = asyncio.get_running_loop(), Tally()
    for route in ("anthropic", "bedrock"):  # what is loaded at a first use is no stream's memory
        await Client(door, tally, random.Random(seed), route=route, stalls=False).run(
            loop.time() + 3, (2, 2), 0
        )
    await asyncio.sleep(1)
    before = await gateway.next_line()
    end = loop.time() + load.streams * RAMP + load.seconds
    clients = []
    for number in range(load.streams):
        route = "bedrock" if number % 4 == 3 else "anthropic"
        stalls = number * load.stalled % load.streams < load.stalled  # evenly among the others
        client = Client(door, tally, random.Random(seed + number), route=route, stalls=stalls)
        clients.append(loop.create_task(client.run(end, load.lifetime, load.faults)))
        await asyncio.sleep(RAMP)
    full = await gateway.next_line()
    telling = loop.create_task(_tell(gateway, tally)) if say else None
    await asyncio.sleep(end - loop.time() - 2)
    last = await gateway.next_line()
    await asyncio.gather(*clients)
    await asyncio.sleep(load.settled)
    after = await gateway.next_line()
    if telling is not None:
        telling.cancel()
    warm = full["at"] + (last["at"] - full["at"]) / 5
    lines = [line for line in gateway.lines if warm <= line["at"] <= last["at"]]
    return _report(load, tally, before, lines, after)


async def _tell(gateway: Gateway, tally: Tally) -> None:
    while True:
        line = gateway.lines[-1]
        last = tally.lost[-1] if tally.lost else ""
        sys.stderr.write(
            f"{time.strftime('%H:%M:%S')} open {tally.open} whole {tally.whole} faulty {tally.faulty.total()} "
            f"lost {len(tally.lost)} rss {line['rss'] / MIB:.1f} MiB descriptors {line['descriptors']} {last}\n"
        )
        await asyncio.sleep(30)


def _report(
    load: Load, tally: Tally, before: dict[str, Any], lines: Sequence[dict[str, Any]], after: dict[str, Any]
) -> Report:
    rss, blocks, files = ([line[name] for line in lines] for name in ("rss", "blocks", "descriptors"))
    at = [line["at"] for line in lines]
    report = Report(load, tally.whole, tally.events, dict(tally.faulty), tally.lost)
    report.memory = {
        "begin": before["rss"],
        "most": max(rss),
        "end": after["rss"],
        "streams": max(rss) - before["rss"],
        "bound": (load.streams - load.stalled) * ORDINARY + load.stalled * STALLED,
        "growth": _growth(rss),
        "slope": _slope(at, rss),
    }
    report.blocks = {
        "mean": sum(blocks) / len(blocks),
        "growth": _growth(blocks),
        "slope": _slope(at, blocks),
    }
    report.descriptors = {
        "begin": before["descriptors"],
        "most": max(files),
        "end": after["descriptors"],
        "slope": _slope(at, files),
    }
    report.late, report.held = (_percentiles(line[name] for line in lines) for name in ("late", "held"))
    return report


def _growth(values: Sequence[float]) -> float:
    """By how much the last third is more than the first, on average."""
    third = max(1, len(values) // 3)
    return (sum(values[-third:]) - sum(values[:third])) / third


def _slope(at: Sequence[float], values: Sequence[float]) -> float:
    """The rise in an hour of the line that fits best."""
    mean_at, mean = sum(at) / len(at), sum(values) / len(values)
    spread = sum((when - mean_at) ** 2 for when in at)
    rise = sum((when - mean_at) * (value - mean) for when, value in zip(at, values, strict=True))
    return rise / spread * 3600 if spread else 0.0


def _percentiles(tables: Iterator[dict[str, int]]) -> dict[str, int]:
    """The milliseconds under which 50, 99 and 99.9 of a hundred ticks are, and the most."""
    counts: Counter[int] = Counter()
    for table in tables:
        counts.update({int(milliseconds): count for milliseconds, count in table.items()})
    total, seen, found = counts.total(), 0, {}
    wanted = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("most", 1.0)]
    for milliseconds in sorted(counts):
        seen += counts[milliseconds]
        while wanted and seen >= wanted[0][1] * total:
            found[wanted.pop(0)[0]] = milliseconds
    return found


def run(load: Load, folder: Path, *, seed: int = 1, say: bool = False) -> Report:
    """A gateway of its own under this load."""
    raise_descriptors()
    with stage(folder) as (gateway, door):
        report = uvloop.run(bear(load, gateway, door, seed, say=say))
    lines = (folder / "gateway.log").read_text().splitlines()
    report.log = [line for line in lines if " status=200 outcome=complete " not in line]
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="load.soak", description="many open streams for a while")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--stalled", type=int, default=200, help="readers that stop after a few events")
    parser.add_argument(
        "--faults", type=float, default=0, help="streams of a hundred in which something goes wrong"
    )
    parser.add_argument(
        "--short", action="store_true", help="streams of half a minute instead of one to the end"
    )
    args = parser.parse_args()
    seconds = args.minutes * 60
    lifetime = (10.0, 40.0) if args.short else (seconds * 2, seconds * 2)
    load = Load(seconds, args.streams, args.stalled, lifetime, args.faults / 100)
    with tempfile.TemporaryDirectory(prefix="openclaude-soak-") as folder:
        report = run(load, Path(folder), say=True)
    report.log = report.log[:: max(1, len(report.log) // SHOWN)]
    sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    broken = report.broken()
    for line in broken:
        sys.stderr.write(f"{line}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
