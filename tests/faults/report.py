"""The report of a run: one line that says everything, and a table with a row for each cell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One cell. `took` is in seconds of the turned clock."""

    id: str
    passed: bool
    status: int
    ends: str
    attempts: int
    took: float
    leaks: int
    hung: int
    lost_rows: int

    @property
    def suite(self) -> str:
        return self.id.partition("-")[0]


def summary(rows: Sequence[Row]) -> str:
    """`264/264 cells (S3 192/192, S4 72/72): 0 leaks, 0 hung, ...`."""
    every = Counter(row.suite for row in rows)
    good = Counter(row.suite for row in rows if row.passed)
    suites = ", ".join(f"{name} {good[name]}/{count}" for name, count in sorted(every.items()))
    slowest = max((row.took for row in rows if row.suite.startswith("S4")), default=0.0)
    extra = max((row.attempts for row in rows if row.suite.startswith("S3")), default=1) - 1
    return (
        f"{good.total()}/{every.total()} cells ({suites}): {sum(row.leaks for row in rows)} leaks, "
        f"{sum(row.hung for row in rows)} hung, {sum(row.lost_rows for row in rows)} lost log lines, "
        f"at most {extra} extra attempt, slowest abort after a client left {slowest:.2f} s"
    )


def written(rows: Sequence[Row]) -> str:
    """The whole report as Markdown, by cell."""
    lines = [
        "# Fault matrix",
        "",
        summary(rows),
        "",
        "Seconds are the gateway's own: its clock is turned. In S3 they are those until the answer was over, in S4 those",
        "from the client's end to the provider's.",
        "",
        "| cell | | status | ended | attempts | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.id} | {'ok' if row.passed else '**FAILED**'} | {row.status or '-'} | {row.ends} | {row.attempts} | "
        f"{row.took:.1f} |"
        for row in sorted(rows, key=lambda row: row.id)
    ]
    return "\n".join(lines) + "\n"
