"""What openClaude sets out to reach, and whether a run reached it. A target that is missed is shown as missed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import LIMIT, OURS, Results, Spread, number, spread

LARGE: Final = "nginx-256k"
FLOORS: Final = ("python-copy", "python-http", "python-duties")
"""Programs in Python that do less, the least first; TLS is uvloop's for them."""
RIVALS: Final = ("litellm", "claude-code-router", "portkey")


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table.

    Attributes:
        what: the workload or cost.
        limit: what the median may be at most.
        unit: what stands behind both numbers.
        found: what was measured, None where something is missing.
        digits: after the point.
        floor: the same figure of those who do less, as text.
    """

    what: str
    limit: float
    unit: str
    found: Spread | None
    digits: int = 2
    floor: str = ""

    @property
    def met(self) -> bool:
        return self.found is not None and self.found.median <= self.limit

    def cells(self) -> list[str]:
        """Its line in the table."""
        verdict = "met" if self.met else "not measured" if self.found is None else "**not met**"
        measured = "–" if self.found is None else self.found.text(self.digits)  # noqa: RUF001  an empty cell
        return [
            self.what,
            f"≤ {self.limit:.3g} {self.unit}",
            measured,
            verdict,
            self.floor,
        ]


def targets(results: Results) -> list[Target]:
    """All of them, in the order in which they were set."""
    return [
        *_plain(results),
        *_encrypted(results),
        *_bedrock(results),
        *_rivals(results),
        *_delays(results),
        *_starts(results),
        *_memory(results),
    ]


def _times(results: Results, what: str, row: str, limit: float, other: str = LIMIT) -> Target:
    floor = _floor(results, row, other, FLOORS)
    return Target(f"{what}: CPU", limit, f"× {other}", results.ratio(row, other), floor=floor)  # noqa: RUF001  times


def _floor(results: Results, row: str, other: str, names: Sequence[str], digits: int = 2) -> str:
    found = [(name, results.ratio(row, other, of=name)) for name in names]
    return ", ".join(f"{name} {number(ratio.median, digits)}" for name, ratio in found if ratio)


def _plain(results: Results) -> Iterator[Target]:
    for at_once in (16, 64):
        yield _times(results, f"HTTP, JSON 2 KB, {at_once} at once", f"http:json-2k@{at_once}", 1.5)
    for size, name, limit in (("150k@16", "150 KB", 0.6), ("1m@1", "1 MB", 0.5), ("10m@1", "10 MB", 0.6)):
        yield _times(results, f"HTTP, JSON {name}", f"http:json-{size}", limit)
        yield _times(results, f"HTTP, JSON {name}", f"http:json-{size}", 1.5, LARGE)
    yield _times(results, "HTTP, paced stream, 150 KB in, 16 at once", "http:paced-150k@16", 1.3)


def _encrypted(results: Results) -> Iterator[Target]:
    for mode, name, limits in (
        ("tls", "TLS to the provider", (1.35, 1.9, 0.95)),
        ("mutual", "TLS on both sides", (1.35, 1.9, 1.2)),
    ):
        works = (
            ("paced stream, 150 KB in", "paced-150k@16"),
            ("JSON 2 KB", "json-2k@16"),
            ("JSON 150 KB", "json-150k@16"),
        )
        for (what, row), limit in zip(works, limits, strict=True):
            yield _times(results, f"{name}, {what}, 16 at once", f"{mode}:{row}", limit)
    yield Target(
        "TLS on both sides, 256 open streams: memory for each",
        300,
        "KB",
        _for_each(results, "mutual", 256),
        0,
    )


def _for_each(results: Results, mode: str, streams: int) -> Spread | None:
    memory = results.memory.get(mode, {}).get(OURS, {})
    pairs = list(zip(memory.get(str(streams), []), memory.get("0", []), strict=False))
    return spread([1024 * (full - idle) / streams for full, idle in pairs]) if pairs else None


def _bedrock(results: Results) -> Iterator[Target]:
    for what, row, part in (
        ("JSON 2 KB", "bedrock:json-2k@16", 15),
        ("150 KB and a stream of 100 events", "bedrock:burst-150k@1", 8),
        ("JSON 1 MB", "bedrock:json-1m@1", 8),
    ):
        best = _best_peer(results, row)
        unit = f"× {best or 'the best peer'} (1/{part})"  # noqa: RUF001  times
        found = results.ratio(row, best) if best else None
        yield Target(f"Bedrock, {what}: CPU", 1 / part, unit, found, 3)


def _best_peer(results: Results, row: str) -> str:
    """The peer that takes least CPU, empty where no peer did the work."""
    costs = {
        name: cost.median
        for name, facts in results.gateways.items()
        if facts["kind"] == "peer" and (cost := results.of(row, name, "cpu_ms"))
    }
    return min(costs, key=lambda name: costs[name]) if costs else ""


def _rivals(results: Results) -> Iterator[Target]:
    for rival in RIVALS:
        found = {
            row: ratio
            for row in results.rows
            if not row.startswith("bedrock:") and (ratio := results.ratio(row, rival))
        }
        worst = max(found, key=lambda row: found[row].median, default="")
        yield Target(
            f"Every pass-through row that {rival} delivers ({len(found)}), the worst ({worst}): CPU",
            0.1,
            f"× {rival}",  # noqa: RUF001  times
            found.get(worst),
            3,
            _floor(results, worst, rival, (LIMIT, *FLOORS), 3),
        )


def _delays(results: Results) -> Iterator[Target]:
    yield Target(
        "Added time to first byte, 150 KB, 1 at once, TLS to the provider, p50",
        0.6,
        "ms more than nginx",
        results.difference("tls:burst-150k@1", LIMIT, "first_byte_p50"),
    )
    yield Target(
        "Delay of an event, paced, 16 streams, HTTP, p99",
        1.5,
        "× nginx",  # noqa: RUF001  times
        results.ratio("http:paced-150k@16", LIMIT, "delay_p99"),
    )


def _starts(results: Results) -> Iterator[Target]:
    ours, theirs = results.cold.get(OURS, {}), results.cold.get("litellm", {})
    pairs = zip(ours.get("wall", []), theirs.get("wall", []), strict=False)
    quotients = [mine / other for mine, other in pairs]
    wall = spread(quotients) if quotients else None
    yield Target("Cold start to the first answer, wall clock", 1 / 20, "× litellm (1/20)", wall, 3)  # noqa: RUF001  times
    cpu = ours.get("cpu", [])
    yield Target("Cold start to the first answer, CPU", 0.35, "s", spread(cpu) if cpu else None)
    launch = spread(results.launch) if results.launch else None
    yield Target("Launch before the client runs, with a gateway there, CPU", 0.15, "s", launch, 3)


def _memory(results: Results) -> Iterator[Target]:
    for streams, what, limit in (
        (0, "idle", 40),
        (256, "256 open streams", 80),
        (1000, "1,000 open streams", 130),
    ):
        yield Target(f"Memory, HTTP, {what}", limit, "MB", results.megabytes("http", OURS, streams), 1)
