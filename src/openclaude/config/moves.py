"""What the routes say of one another: where requests go that a model cannot serve, and on which conditions."""

from collections.abc import Mapping
from typing import Any

from openclaude.config.lines import KeyPath
from openclaude.config.report import Report
from openclaude.domain.kinds import Kind
from openclaude.domain.routes import Condition, RouteTable

_KEY = "when_unsupported"


def condition_of(entry: Mapping[str, Any]) -> Condition:
    """What an entry asks of a request beside its model."""
    kinds = entry.get("kinds")
    return Condition(entry.get("agent"), None if kinds is None else frozenset(map(Kind, kinds)))


def report_moves(report: Report, entries: list[Mapping[str, Any]]) -> None:
    """Report a `when_unsupported` that leads nowhere, or back. Says nothing while the pattern of a route is unknown."""
    for index, entry in enumerate(entries):
        if entry.get("reroute_safeguards") and _KEY not in entry:
            fault = (
                f"has a meaning beside {_KEY} only",
                f'remove the line, or say where such requests go: {_KEY} = "claude-haiku-5-5"',
            )
            report.add(("routes", index, "reroute_safeguards"), fault)
    if not all("match" in entry for entry in entries):
        return
    table = RouteTable(
        [(entry["match"], index) for index, entry in enumerate(entries)],
        dict(enumerate(map(condition_of, entries))),
    )
    next_of = {
        index: decision.route
        for index, entry in enumerate(entries)
        if _KEY in entry and (decision := table.decide(entry[_KEY])) is not None
    }
    for index, entry in enumerate(entries):
        if _KEY in entry:
            _report_move(report, ("routes", index, _KEY), entry[_KEY], index, next_of)


def _report_move(report: Report, path: KeyPath, name: str, index: int, next_of: Mapping[int, int]) -> None:
    if index not in next_of:
        hint = f'add [[routes]] with match = "{name}", or name a model that a route takes'
        report.add(path, (f'names "{name}", which no route takes', hint))
        return
    if next_of[index] == index:
        fault = (
            f'names "{name}", which this very route takes',
            "name a model of another route, or remove the line",
        )
        report.add(path, fault)
        return
    passed, place = [index], next_of[index]
    while place in next_of and place not in passed:
        passed.append(place)
        place = next_of[place]
    if place == index:
        lines = ", ".join(str(report.line(("routes", other))) for other in passed[1:])
        fault = (
            f"leads back to this route, by way of the route in line {lines}",
            "a request would go in a circle: remove one of the lines",
        )
        report.add(path, fault)
