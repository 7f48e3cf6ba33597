"""Runs a row against one gateway, once, and decides whether the figure counts."""

import time
import zlib
from functools import cache
from typing import Any, Final

from benchmarks import bodies
from benchmarks.kinds import Mode, Row
from benchmarks.load import Load, OpenStreams
from benchmarks.programs import Upstream
from benchmarks.running import Running, UndeliveredError

SETTLE_SECONDS: Final = 0.3


@cache
def _crc(row: Row) -> str:
    path = bodies.path(row.size, translated=row.translated, stream=row.events is not None)
    return f"{zlib.crc32(path.read_bytes()):08x}"


def run(running: Running, row: Row, upstream: Upstream, *, seconds: float) -> dict[str, float]:
    """One repetition: CPU for each request first, then rates and times (milliseconds).

    Connections are opened and have answered one request before the clock starts.

    Raises:
        UndeliveredError: some answer, some event or some body was not whole.
    """
    upstream.control(events=2, pace=0, hold=0, crc=_crc(row), mark=bodies.MARK)
    load = Load(running.way(row), row, seconds=seconds)
    upstream.control(events=row.events or 0, pace=row.pace)
    before, spent = upstream.stats(), running.cpu()
    result = load.go()
    cpu, after = running.cpu() - spent, upstream.stats()
    seen = {name: after[name] - before[name] for name in ("requests", "same", "marked")}
    check(running, row, result, seen)
    if load.state != "ready":
        raise UndeliveredError(f"the first requests were refused: {result['trouble']}")
    return _figures(result, cpu)


def check(running: Running, row: Row, result: dict[str, Any], seen: dict[str, int]) -> None:
    """See that what the client got and what the upstream saw agree, to the last event and byte.

    Raises:
        UndeliveredError: they do not.
    """
    whole = result["whole"]
    if result["bad"] or result["unfinished"] or not whole:
        raise UndeliveredError(
            f"{whole} whole answers, {result['bad']} failed, {result['unfinished']} unfinished: {result['trouble'].strip()}"
        )
    if result["short_of_events"]:
        raise UndeliveredError(
            f"events were missing or doubled in {result['short_of_events']} of {whole} streams"
        )
    if seen["requests"] != whole:
        raise UndeliveredError(f"{whole} answers, but the provider saw {seen['requests']} requests")
    exact = running.gateway is None or running.gateway.exact
    if seen["marked"] != whole or (exact and not row.translated and seen["same"] != whole):
        raise UndeliveredError(f"only {min(seen['marked'], seen['same'])} of {whole} bodies arrived whole")


def _figures(result: dict[str, Any], cpu: float) -> dict[str, float]:
    elapsed = max(result["seconds"], 1e-9)
    return {
        "cpu_ms": 1000 * cpu / result["whole"],
        "per_second": result["whole"] / elapsed,
        "first_byte_p50": result["first_byte_p50"] / 1000,
        "first_byte_p99": result["first_byte_p99"] / 1000,
        "total_p50": result["total_p50"] / 1000,
        "total_p99": result["total_p99"] / 1000,
        "delay_p50": result["delay_p50"] / 1000,
        "delay_p99": result["delay_p99"] / 1000,
        "client_load": result["client_cpu"] / elapsed,
        "requests": result["whole"],
    }


def memory(running: Running, mode: Mode, streams: int, upstream: Upstream) -> float:
    """MB the gateway takes while so many streams are open, each after a request of 150 KB and one event.

    Raises:
        UndeliveredError: not all of them opened, or one did not end whole.
    """
    assert running.session is not None
    row = Row(f"open@{streams}", mode, "150k", streams, events=4)
    upstream.control(events=4, pace=0, hold=1, mark=bodies.MARK)
    held = OpenStreams(running.way(row), row)
    time.sleep(SETTLE_SECONDS)
    size = running.session.memory()
    upstream.release()
    result = held.finish()
    if held.state != "open" or result["whole"] != streams or result["short_of_events"]:
        raise UndeliveredError(
            f"{result['whole']} of {streams} streams were whole: {result['trouble'].strip()}"
        )
    return size
