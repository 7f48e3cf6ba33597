"""`openclaude status`: whether the gateway runs, where, since when, and how it is."""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TextIO

from openclaude import __version__
from openclaude.cli import health, quota
from openclaude.cli.common import PROBLEMS, Setup, explain, say, setup
from openclaude.cli.routes import destination
from openclaude.launcher import control, daemon, logread
from openclaude.launcher.control import Running
from openclaude.launcher.logread import Entry

NOT_RUNNING = 3
"""The exit code of a service that is not running, as init scripts have it."""
_LINES: Final = 1000
_SHOWN: Final = 5
_RECENT: Final = timedelta(hours=24)


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "status", help="show whether the gateway runs, and how it is; exit code 3 when it does not run"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Ask the gateway, and check that it is ours."""
    try:
        found = setup(env)
        gateway = daemon.find(found.state, found.secrets)
    except PROBLEMS as error:
        return explain(stderr, error)
    running = None if gateway is None else gateway.running
    if args.json:
        print(json.dumps(_as_json(found, running)), file=stdout)
    elif running is None:
        print("not running", file=stdout)
    else:
        print("\n".join(_lines(found, running)), file=stdout)
    if running is not None:
        _warn(found, running, stderr)
    return 0 if running is not None else NOT_RUNNING


def _as_json(found: Setup, running: Running | None) -> dict[str, Any]:
    errors = [{name: value for name, value in row.items() if name != "request"} for row in _errors(found)]
    if running is None:
        return {"running": False} | ({"last_errors": errors} if errors else {})
    facts = {name: value for name, value in asdict(running).items() if name != "config"}
    routes = {route.match: destination(route) for route in found.config.routes}
    return {
        "running": True,
        **facts,
        "config_current": running.config == found.digest,
        "routes": routes,
        "certificate_ends": _certificate_end(found),
        "credentials": _credentials(found),
        **quota.ask(found.state.run),
        **health.ask(found.state.run),
        "last_errors": errors,
    }


def _lines(found: Setup, running: Running) -> list[str]:
    minutes, seconds = divmod(int(running.uptime), 60)
    hours, minutes = divmod(minutes, 60)
    lines = [
        f"running     127.0.0.1:{running.port} (pid {running.pid}, version {running.version})",
        f"up          {hours} h {minutes:02} min {seconds:02} s",
        f"requests    {running.served} served, {running.in_flight} under way",
        f"clients     {running.connections} connections, {running.sessions} sessions of the gateway's own",
    ]
    lines += _listed("routes", [f"{route.match} to {destination(route)}" for route in found.config.routes])
    lines += _listed("certificate", [_certificate_line(_certificate_end(found))])
    lines += _listed(
        "keys", [_key_line(row) for row in _credentials(found)] or ["none is held at the moment"]
    )
    known, now = quota.ask(found.state.run), quota.local_now()
    lines += _listed("plan", quota.plan_lines(known["plan"], now))
    lines += _listed("elsewhere", quota.elsewhere_lines(known["elsewhere"], now))
    lines += _listed("providers", health.lines(health.ask(found.state.run)["health"]))
    errors = [_error_line(row) for row in _errors(found)]
    return lines + _listed("errors", errors or ["none in the last 24 h"])


def _listed(title: str, texts: list[str]) -> list[str]:
    return [f"{title if not number else '':<12}{text}" for number, text in enumerate(texts)]


def _certificate_end(found: Setup) -> int | None:
    """When the newest pair ends, in seconds since the epoch; None without one."""
    from openclaude.doctor.certificate import installed  # noqa: PLC0415 - only what is printed is looked up

    return max((pair.ends for pair in installed(found.state.home)), default=None)


def _certificate_line(end: int | None) -> str:
    if end is None:
        return "none"
    days = int((end - time.time()) // 86400)
    return f"valid until {datetime.fromtimestamp(end, UTC):%d %B %Y}, {days} days left"


def _credentials(found: Setup) -> list[dict[str, Any]]:
    """The AWS credentials the gateway holds: profile, how they were found, and when they end; never a key."""
    answer = control.ask(found.state.run, "credentials") or {}
    rows = answer.get("credentials")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _key_line(row: Mapping[str, Any]) -> str:
    profile = f"profile {row.get('profile')}" if row.get("profile") else "AWS's default chain"
    ends = row.get("expires")
    if not isinstance(ends, int | float):
        return f"{profile}, by {row.get('method')}, without an end"
    minutes = int(ends - time.time()) // 60
    left = "ended" if minutes < 0 else f"{minutes} min left" if minutes < 120 else f"{minutes // 60} h left"
    return f"{profile}, by {row.get('method')}, {left}"


def _errors(found: Setup) -> list[Entry]:
    """The last requests that did not end well, of the last day, oldest first."""
    since = (datetime.now(UTC) - _RECENT).strftime("%Y-%m-%dT%H:%M:%S")
    rows = [
        row for row in logread.tail(found.state.log_file, _LINES) if row["time"] >= since and _failed(row)
    ]
    return rows[-_SHOWN:]


def _failed(row: Entry) -> bool:
    status = row.get("status", "")
    return (
        row.get("event") in ("internal-error", "egress-stopped")
        or row.get("outcome") == "upstream_failed"
        or status[:1] in ("4", "5")
    )


def _error_line(row: Entry) -> str:
    if "event" in row:
        what = [row.get(name, "") for name in ("kind", "where", "found", "origin")]
        return f"{row['time']}  {row['event']} {' '.join(filter(None, what))}".rstrip()
    where = f"{row.get('model', '-')} at {row.get('route', '-')}"
    return f"{row['time']}  {where}: HTTP {row.get('status', '-')}, {row.get('outcome', '-')}"


def _warn(found: Setup, running: Running, stderr: TextIO) -> None:
    if running.config != found.digest:
        say(
            stderr,
            "the configuration has changed since the gateway started\nhint: `openclaude reload` takes it over",
        )
    if running.version != __version__:
        say(
            stderr,
            f"the gateway is version {running.version}, this command is {__version__}\nhint: openclaude restart",
        )
