"""What the routes say of a fallback: the names it may have, and what has no meaning beside it."""

from collections.abc import Mapping
from typing import Any, Final

from openclaude.config.checks import Fault, name
from openclaude.config.lines import KeyPath
from openclaude.config.report import Report
from openclaude.domain.models import is_pattern, normalise
from openclaude.domain.routes import RouteTable

FALLBACK: Final = "fallback"
SPILL_AT: Final = "spill_at"
_MOST: Final = 8


def names(value: list[object]) -> Fault | None:
    """Model names, one at least, each once."""
    if not value or len(value) > _MOST:
        return f"must have 1 to {_MOST} model names", "leave the line out to have no fallback"
    if not all(isinstance(item, str) for item in value):
        return "must hold model names only", 'write them as in ["opus-on-bedrock"]'
    used = normalised(value)
    if len(set(used)) < len(used):
        return "names a model twice", "each is tried once: remove the second one"
    return next((fault for item in used if (fault := name(item))), None)


def share(value: float) -> Fault | None:
    """How full a window of the plan may become."""
    if 0 < value <= 1:
        return None
    return "must be more than 0 and at most 1", "0.95 leaves the plan when a window is 95 % full"


def normalised(value: Any) -> tuple[str, ...]:
    """The names in the form they are used in."""
    return tuple(normalise(str(item)) for item in value)


def report_fallbacks(report: Report, entries: list[Mapping[str, Any]]) -> None:
    """Report a fallback that leads nowhere or back. Says nothing of where while the pattern of a route is unknown."""
    for index, entry in enumerate(entries):
        _report_spill(report, ("routes", index, SPILL_AT), entry)
    if not all("match" in entry for entry in entries):
        return
    table = RouteTable([(entry["match"], index) for index, entry in enumerate(entries)])
    for index, entry in enumerate(entries):
        for model in normalised(entry.get(FALLBACK, ())):
            fault = _fault(table, index, entry, model)
            if fault:
                report.add(("routes", index, FALLBACK), fault)


def _report_spill(report: Report, path: KeyPath, entry: Mapping[str, Any]) -> None:
    if SPILL_AT not in entry:
        return
    if entry.get("to") == "bedrock":
        fault = "has a meaning on a route to anthropic only: no other route has a plan", "remove the line"
        report.add(path, fault)
    elif FALLBACK not in entry:
        hint = f'say where such requests go: {FALLBACK} = ["opus-on-bedrock"], or remove the line'
        report.add(path, (f"has a meaning beside {FALLBACK} only", hint))


def _fault(table: RouteTable[int], index: int, entry: Mapping[str, Any], model: str) -> Fault | None:
    found = table.decide(model)
    if found is None:
        return f'names "{model}", which no route takes', (
            f'add [[routes]] with match = "{model}", or name a model that a route takes'
        )
    # Another model of the plan is another place; the same Bedrock model under another name is not.
    if found.route == index and (entry.get("to") == "bedrock" or not is_pattern(entry["match"])):
        return f'names "{model}", which this very route takes', (
            "name a model of another route, or remove the name"
        )
    return None
