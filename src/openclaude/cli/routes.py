"""`openclaude routes`: which model goes where, with which credential, and what was normalised."""

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude import config
from openclaude.cli.common import PROBLEMS, explain
from openclaude.domain import aws
from openclaude.domain.models import CLIENT_DEFAULTS, SLOTS

_NOT_SHOWN = frozenset({"name", "prefixes"})


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("routes", help="show which model goes where, with which credential")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, capability profiles included"
    )
    parser.add_argument("--profile", metavar="NAME", help="show those of a named set-up")
    parser.add_argument(
        "--verbose", action="store_true", help="show what each Bedrock route takes its model to be able to do"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print the slot table and the route table of the configuration."""
    try:
        home = config.home(env)
        read = (
            config.load_profile(home, args.profile) if args.profile else config.load(config.config_path(home))
        )
    except PROBLEMS as error:
        return explain(stderr, error)
    tables = {"slots": slot_rows(read), "routes": route_rows(read), "normalised": dict(read.normalised)}
    if args.json:
        print(json.dumps(tables), file=stdout)
        return 0
    print(aligned(("slot", "model", "goes to"), [_slot_cells(row) for row in slot_rows(read)]), file=stdout)
    print(file=stdout)
    header = ("route", "goes to", "model there", "credential")
    cells = [
        (_taken(row), *(str(row[key] or "") for key in ("to", "model", "credential")))
        for row in route_rows(read)
    ]
    print(aligned(header, cells), file=stdout)
    if args.verbose:
        for row in route_rows(read):
            if row["profile"] is not None:
                print(f"\n{_profile_text(row)}\n{_moves(row)}", file=stdout)
    for route in read.routes:
        if route.fallback:
            print(f"\n{fallback(route)}", file=stdout)
    for written, used in read.normalised:
        print(f"\n`{written}` is used as `{used}`", file=stdout)
    return 0


def slot_rows(read: config.Config) -> list[dict[str, Any]]:
    """One row for each of the client's tiers."""
    table = read.table()
    rows = []
    for slot in SLOTS:
        model = read.slots.get(slot, CLIENT_DEFAULTS[slot])
        decision = table.decide(model)
        rows.append(
            {
                "slot": slot,
                "model": model,
                "configured": slot in read.slots,
                "to": destination(decision.route) if decision is not None else None,
            },
        )
    return rows


def route_rows(read: config.Config) -> list[dict[str, Any]]:
    """One row for each route, in order."""
    return [
        {
            "match": route.match,
            "to": destination(route),
            "model": route.model,
            "credential": credential(route),
            "profile": profile(route),
            "agent": route.agent,
            "kinds": None if route.kinds is None else sorted(kind.value for kind in route.kinds),
            "when_unsupported": route.when_unsupported,
            "reroute_safeguards": route.reroute_safeguards,
            "fallback": list(route.fallback),
            "spill_at": route.spill_at,
        }
        for route in read.routes
    ]


def profile(route: config.RouteConfig) -> dict[str, Any] | None:
    """What a Bedrock route takes its model to be able to do; None for another route.

    `name` is the entry of the built-in profiles, `members` are the values that apply, `overridden` names those of them
    that the route sets.
    """
    if route.to != "bedrock":
        return None
    found = config.capabilities(route)
    members = {
        entry.name: _plain(getattr(found, entry.name))
        for entry in dataclasses.fields(found)
        if entry.name not in _NOT_SHOWN
    }
    chosen = {
        "via": route.via,
        "reasoning_effort": route.reasoning,
        "service_tier": route.service_tier,
        "base_model": route.base_model,
    }
    said = {name for name, value in chosen.items() if value is not None}
    return {"name": found.name, "members": members, "overridden": sorted(said | route.capabilities.keys())}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def _profile_text(row: dict[str, Any]) -> str:
    """A route's profile, one member a line; `*` marks those the route sets."""
    shown = row["profile"]
    width = max(len(name) for name in shown["members"])
    head = f"{row['match']}: {row['model']}, profile {shown['name']} (* set by the route)"
    lines = [
        f"{'*' if name in shown['overridden'] else ' '} {name.ljust(width)}  {_cell(name, value)}"
        for name, value in shown["members"].items()
    ]
    return "\n".join([head, *lines])


def _taken(row: dict[str, Any]) -> str:
    """Which requests a route takes."""
    agents = {None: "", True: "sub-agents", False: "no sub-agents"}[row["agent"]]
    words = [word for word in (agents, ", ".join(row["kinds"] or ())) if word]
    return f"{row['match']} ({'; '.join(words)})" if words else str(row["match"])


def _moves(row: dict[str, Any]) -> str:
    """What becomes of requests the model of a route cannot serve."""
    if row["when_unsupported"] is None:
        return "what this model cannot serve is degraded with a note or refused (when_unsupported is not set)"
    safeguards = " (auto mode's check on the server included)" if row["reroute_safeguards"] else ""
    return f"what this model cannot serve{safeguards} goes to {row['when_unsupported']}"


def _cell(name: str, value: Any) -> str:
    if name == "betas" and value is None:
        return "the dialect's own list"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def destination(route: config.RouteConfig) -> str:
    """The origin a route's requests reach, as a URL."""
    if route.to == "anthropic":
        return "https://api.anthropic.com"
    if route.endpoint_url is not None:
        return route.endpoint_url
    region = route.region or ""
    if route.is_platform:
        return f"https://{aws.host(aws.PLATFORM, region, dualstack=True)}"
    if config.capabilities(route).via == "messages" and route.endpoint == "mantle":
        return f"https://{aws.host('bedrock-mantle', region, dualstack=True)}"
    return f"https://{aws.host('bedrock-runtime', region, fips=route.fips, dualstack=route.dualstack)}"


def credential(route: config.RouteConfig) -> str:
    """Which credential a route uses, in words."""
    if route.to == "anthropic":
        return "the login the client sends"
    source = f"AWS profile {route.profile}" if route.profile else "AWS default chain"
    return f"signature by {source}"


def fallback(route: config.RouteConfig) -> str:
    """Where a route's requests are tried that it cannot serve now, in a sentence."""
    early = (
        "" if route.spill_at is None else f", and before the plan from {route.spill_at:.0%} of a window on"
    )
    return f"`{route.match}` falls back to {', then '.join(f'`{name}`' for name in route.fallback)}{early}"


def aligned(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as they need to be, readable without colour."""
    widths = [max(len(row[index]) for row in [header, *rows]) for index in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _slot_cells(row: dict[str, Any]) -> tuple[str, ...]:
    model = row["model"] if row["configured"] else f"{row['model']} (client's default)"
    return (row["slot"], model, row["to"] or "no route: 404")
