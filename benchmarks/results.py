"""What a run found, as it is kept in `results.json`, and the arithmetic on it."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

OURS: Final = "openclaude"
LIMIT: Final = "nginx"


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the greatest of the repetitions."""

    median: float
    least: float
    most: float

    def text(self, digits: int = 2) -> str:
        """As it stands in a table."""
        return f"{number(self.median, digits)} ({number(self.least, digits)}–{number(self.most, digits)})"  # noqa: RUF001  a range


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def number(value: float, digits: int = 2) -> str:
    """A number with as many digits as are worth reading."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.{digits}f}" if abs(value) >= 0.1 else f"{value:.{digits + 1}f}"


@dataclass(slots=True)
class Results:
    """Everything one run found.

    Attributes:
        about: date, machine, versions, how it was run.
        gateways: by name: kind, version, size in bytes, and why it was not measured where it was not.
        rows: by row and gateway: the repetitions, each a mapping of `measure.run`'s figures.
        failures: by row and gateway: why there is no figure.
        memory: by mode, gateway and number of open streams ("0" is idle): MB of each repetition.
        cold: by gateway: wall-clock and CPU seconds to the first answer, of each repetition.
        launch: CPU seconds of `openclaude` before the client runs, of each repetition.
    """

    about: dict[str, str] = field(default_factory=dict)
    gateways: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    memory: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    cold: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    launch: list[float] = field(default_factory=list)

    def add(self, row: str, gateway: str, figures: Mapping[str, float]) -> None:
        """Note a repetition."""
        kept = {name: float(f"{value:.6g}") for name, value in figures.items()}
        self.rows.setdefault(row, {}).setdefault(gateway, []).append(kept)

    def fail(self, row: str, gateway: str, reason: str) -> None:
        """Note why a row has no figure for a gateway; what was measured before does not count either."""
        self.failures.setdefault(row, {})[gateway] = reason
        self.rows.get(row, {}).pop(gateway, None)

    def values(self, row: str, gateway: str, name: str) -> list[float]:
        """A figure of each repetition; empty where there is none."""
        return [run[name] for run in self.rows.get(row, {}).get(gateway, [])]

    def of(self, row: str, gateway: str, name: str) -> Spread | None:
        """A figure of a row."""
        values = self.values(row, gateway, name)
        return spread(values) if values else None

    def ratio(self, row: str, other: str, name: str = "cpu_ms", *, of: str = OURS) -> Spread | None:
        """One gateway's figure as a multiple of another's, both of the same moment; None where either is missing."""
        pairs = zip(self.values(row, of, name), self.values(row, other, name), strict=False)
        quotients = [ours / theirs for ours, theirs in pairs if theirs > 0]
        return spread(quotients) if quotients else None

    def difference(self, row: str, other: str, name: str, *, of: str = OURS) -> Spread | None:
        """How much more one gateway's figure is than another's of the same moment."""
        pairs = zip(self.values(row, of, name), self.values(row, other, name), strict=False)
        differences = [ours - theirs for ours, theirs in pairs]
        return spread(differences) if differences else None

    def megabytes(self, mode: str, gateway: str, streams: int) -> Spread | None:
        """Memory with so many open streams."""
        values = self.memory.get(mode, {}).get(gateway, {}).get(str(streams), [])
        return spread(values) if values else None

    def save(self, path: Path) -> None:
        """Write it as JSON, a line for each row and gateway."""
        path.write_text(_written(asdict(self), levels=3) + "\n")


def _written(value: Any, *, levels: int) -> str:
    """JSON with the outer levels of objects broken into lines."""
    if not levels or not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = (f"{json.dumps(name)}: {_written(each, levels=levels - 1)}" for name, each in value.items())
    return "{\n" + ",\n".join(inner) + "\n}"


def load(path: Path) -> Results:
    """Read what `save` wrote."""
    return Results(**json.loads(path.read_text()))
