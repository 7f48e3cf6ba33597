"""The tables in Markdown."""

from collections.abc import Sequence
from typing import Final

from benchmarks.results import LIMIT, Results, number

EMPTY: Final = "–"  # noqa: RUF001  an empty cell
TIMES: Final = "×"  # noqa: RUF001  a multiplication
RANGE: Final = "–"  # noqa: RUF001  from to


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; every column but the first is right-aligned."""
    rule = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def line(results: Results, row: str) -> str:
    """One row in one line, for whoever waits."""
    costs = [
        f"{name} {number(cost.median)}"
        for name in results.rows.get(row, {})
        if name != "direct" and (cost := results.of(row, name, "cpu_ms"))
    ]
    failed = [f"{name} failed" for name in results.failures.get(row, {})]
    return f"{row}  CPU ms: {', '.join([*costs, *failed])}"


def part(results: Results) -> str:
    """Every row that was measured, and what was not."""
    return "\n\n".join(f"{row}\n\n{of_row(results, row)}" for row in results.rows)


def of_row(results: Results, row: str) -> str:
    """One row: gateways below each other, what costs least first."""
    streams = any(value > 0 for name in results.rows[row] for value in results.values(row, name, "delay_p50"))
    head = [
        "gateway",
        "CPU ms a request",
        f"{TIMES} {LIMIT}",
        "requests/s",
        "first byte p50 ms",
        "added",
        "p99 ms",
    ]
    head += ["event delay p50 ms", "p99 ms"] if streams else []
    ordered = sorted(results.rows[row], key=lambda name: _cost(results, row, name))
    lines = [_cells(results, row, name, streams=streams) for name in ordered]
    return markdown(head, lines)


def _cost(results: Results, row: str, name: str) -> float:
    cost = results.of(row, name, "cpu_ms")
    return cost.median if cost else 0.0


def _cells(results: Results, row: str, name: str, *, streams: bool) -> list[str]:
    def spread_of(figure: str, digits: int = 2) -> str:
        found = results.of(row, name, figure)
        return found.text(digits) if found else EMPTY

    def median(figure: str) -> str:
        found = results.of(row, name, figure)
        return number(found.median) if found else EMPTY

    ratio = results.ratio(row, LIMIT, of=name)
    added = results.difference(row, "direct", "first_byte_p50", of=name) if name != "direct" else None
    cells = [name]
    if name == "direct":
        cells += [EMPTY, EMPTY]
    else:
        cells += [spread_of("cpu_ms", 3), ratio.text() if ratio else EMPTY]
    cells += [spread_of("per_second", 1), median("first_byte_p50")]
    cells += [number(added.median) if added else EMPTY, median("first_byte_p99")]
    return cells + ([median("delay_p50"), median("delay_p99")] if streams else [])


def memory(results: Results, mode: str) -> str:
    """Memory by the number of open streams."""
    found = results.memory.get(mode, {})
    counts = sorted({int(streams) for sizes in found.values() for streams in sizes})
    head = [
        "gateway",
        *("idle" if count == 0 else "1 stream" if count == 1 else f"{count:,} streams" for count in counts),
    ]
    lines = []
    for name in sorted(found, key=lambda name: found[name].get("0", [0.0])[0]):
        sizes = [results.megabytes(mode, name, count) for count in counts]
        lines.append([name, *(f"{number(size.median, 1)} MB" if size else "failed" for size in sizes)])
    return markdown(head, lines)


def starts(results: Results) -> str:
    """Cold starts and sizes."""
    lines = []
    for name, facts in results.gateways.items():
        cold = results.cold.get(name)
        size = facts["size"]
        lines.append(
            [
                name,
                _seconds(cold["wall"]) if cold else EMPTY,
                _seconds(cold["cpu"]) if cold else EMPTY,
                f"{number(size / 1e6, 1)} MB" if size else EMPTY,
                facts["version"] or EMPTY,
            ]
        )
    return markdown(
        ["gateway", "first answer after, s", "CPU until then, s", "installed", "version"],
        lines,
    )


def _seconds(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{number(ordered[len(ordered) // 2])} ({number(ordered[0])}{RANGE}{number(ordered[-1])})"


def failures(results: Results) -> str:
    """What was not measured, and why: each reason once, with the rows it applies to."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row, by_gateway in results.failures.items():
        for name, reason in by_gateway.items():
            reasons.setdefault((name, reason), []).append(row)
    lines = [
        [name, ", ".join(places), reason.replace("|", "/")] for (name, reason), places in reasons.items()
    ]
    lines += [
        [name, "everything", facts["missing"].replace("|", "/")]
        for name, facts in results.gateways.items()
        if facts["missing"]
    ]
    if not lines:
        return "Nothing."
    return markdown(["gateway", "rows", "why"], sorted(lines)).replace("---:", "---")
