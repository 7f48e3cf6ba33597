"""Reads the `[[routes]]` entries, and finds those that cannot work together."""

import re
from collections.abc import Mapping
from typing import Any, Final

from openclaude.config.checks import Fault, hides_its_model, region_of_endpoint, region_of_model
from openclaude.config.dialects import report_dialect
from openclaude.config.lines import KeyPath
from openclaude.config.moves import condition_of
from openclaude.config.report import Report
from openclaude.config.schema import CAPABILITIES, ROUTES, TABLES
from openclaude.config.tables import example, read_table, unknown_capability, unknown_key
from openclaude.domain.models import covers, matches
from openclaude.domain.routes import Condition

Entry = Mapping[str, Any]

LOGIN_IS_BOUND: Final = (
    "the login goes to https://api.anthropic.com only and no setting can change that",
    "remove the line: Claude Code sends its own login and the gateway passes it on",
)
_ADDRESS: Final = re.compile(r"ur[il]|base|host|endpoint|origin|proxy|server")
_NO_REGION: Final = (
    'write region = "us-west-2", or another one in which your account has access to the model; no variable and no '
    "AWS profile takes its place"
)
_BEGIN: Final = "begin each route with a line that says [[routes]]"


def read_routes(report: Report, routes: object) -> list[Entry]:
    """The entries with what is right in them, in the order of the file."""
    if not isinstance(routes, list):
        report.add(("routes",), ("must be an array of tables", _BEGIN))
        return []
    if not routes:
        report.add(("routes",), ("has no entry, so every request would be refused", _BEGIN))
    entries = [_entry(report, ("routes", index), route) for index, route in enumerate(routes)]
    _report_unreachable(report, entries)
    return entries


def report_unrouted(report: Report, slots: Mapping[str, str], entries: list[Entry]) -> None:
    """Slots whose model would get a 404. Says nothing while the pattern of a route is unknown."""
    if not all("match" in entry for entry in entries):
        return
    for slot, name in slots.items():
        takers = [entry for entry in entries if matches(entry["match"], name)]
        if not takers:
            taken = ", ".join(entry["match"] for entry in entries)
            hint = f'add [[routes]] with match = "{name}", or use a name that a route takes: {taken}'
            report.add(("slots", slot), (f'no route takes "{name}"', hint))
        elif all(map(condition_of, takers)):
            hint = f'add [[routes]] with match = "{name}" and without agent and kinds'
            report.add(("slots", slot), (f'no route takes "{name}" whatever the request is', hint))


def goes_to_anthropic(route: object) -> bool:
    return isinstance(route, dict) and route.get("to") == "anthropic"


def _entry(report: Report, path: KeyPath, route: object) -> Entry:
    if goes_to_anthropic(route):
        entry = read_table(report, path, route, ROUTES["anthropic"], _unknown_beside_login)
    else:
        entry = read_table(report, path, route, TABLES["routes"])
    if "capabilities" in entry:
        inner = (*path, "capabilities")
        entry["capabilities"] = read_table(
            report, inner, entry["capabilities"], CAPABILITIES, unknown_capability
        )
    if isinstance(route, dict):
        _report_missing(report, path, route, entry)
        _report_regions(report, path, entry)
        _report_addressing(report, path, entry)
    if entry.get("to") == "bedrock" and "model" in entry:
        report_dialect(report, path, entry)
    return entry


def _unknown_beside_login(name: str) -> Fault:
    if _ADDRESS.search(name.lower()):
        return LOGIN_IS_BOUND
    if name in TABLES["routes"]:
        return 'has no meaning on a route to "anthropic"', 'remove the line, or write to = "bedrock"'
    return unknown_key("routes", name)


def _report_missing(report: Report, path: KeyPath, written: Entry, entry: Entry) -> None:
    needed = ["match", "to"]
    if entry.get("to") == "bedrock":
        needed.append("model")
        if not region_of_model(entry.get("model", "")):
            needed.append("region")
        if hides_its_model(entry.get("model", "")):
            needed.append("base_model")
    for name in needed:
        if name not in written:
            hint = _NO_REGION if name == "region" else example(name, TABLES["routes"][name])
            report.add((*path, name), ("is missing", hint))


def _report_regions(report: Report, path: KeyPath, entry: Entry) -> None:
    of_model = region_of_model(entry.get("model", ""))
    region = entry.get("region", of_model)
    if of_model and region != of_model:
        fault = f'is "{region}", but the model\'s ARN is in {of_model}', f'write region = "{of_model}"'
        report.add((*path, "region"), fault)
    of_endpoint = region_of_endpoint(entry.get("endpoint_url", ""))
    if of_endpoint and region and region != of_endpoint:
        fault = f"is an endpoint in {of_endpoint}, but the route's region is {region}", "make the two agree"
        report.add((*path, "endpoint_url"), fault)


def _report_addressing(report: Report, path: KeyPath, entry: Entry) -> None:
    """An endpoint of one's own is used as it is: botocore's rule set refuses the two switches beside one."""
    for key, named in (("fips", "FIPS"), ("dualstack", "dual-stack")):
        if entry.get(key) and "endpoint_url" in entry:
            fault = (
                f"cannot stand beside endpoint_url: the {named} endpoint is one of the region's public ones",
                f"remove the line, and name a {named} host in endpoint_url if that is what you need",
            )
            report.add((*path, key), fault)


def _report_unreachable(report: Report, entries: list[Entry]) -> None:
    seen: list[tuple[int, str, Condition]] = []
    for index, entry in enumerate(entries):
        if "match" not in entry:
            continue
        match, condition = entry["match"], condition_of(entry)
        first = next(
            (place for place, pattern, wide in seen if covers(pattern, match) and wide.covers(condition)),
            None,
        )
        if first is None:
            seen.append((index, match, condition))
            continue
        line = report.line(("routes", first))
        fault = (
            f'never gets a request: the route in line {line}, "{entries[first]["match"]}", takes them all before',
            "the first match wins: move this route up, or remove one of the two",
        )
        report.add(("routes", index, "match"), fault)
