"""`openclaude status`: whether the gateway runs, where, and since when."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from openclaude import __version__
from openclaude.cli.common import PROBLEMS, Setup, explain, say, setup
from openclaude.launcher import daemon
from openclaude.launcher.control import Running

NOT_RUNNING = 3
"""The exit code of a service that is not running, as init scripts have it."""


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "status", help="show whether the gateway runs; exit code 3 when it does not"
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
        print("\n".join(_lines(running)), file=stdout)
    if running is not None:
        _warn(found, running, stderr)
    return 0 if running is not None else NOT_RUNNING


def _as_json(found: Setup, running: Running | None) -> dict[str, Any]:
    if running is None:
        return {"running": False}
    facts = {name: value for name, value in asdict(running).items() if name != "config"}
    return {"running": True, **facts, "config_current": running.config == found.config.text_sha256}


def _lines(running: Running) -> list[str]:
    minutes, seconds = divmod(int(running.uptime), 60)
    hours, minutes = divmod(minutes, 60)
    return [
        f"running     127.0.0.1:{running.port} (pid {running.pid}, version {running.version})",
        f"up          {hours} h {minutes:02} min {seconds:02} s",
        f"requests    {running.served} served, {running.in_flight} under way",
        f"clients     {running.connections} connections",
    ]


def _warn(found: Setup, running: Running, stderr: TextIO) -> None:
    if running.config != found.config.text_sha256:
        say(
            stderr,
            "the configuration has changed since the gateway started\nhint: `openclaude restart` takes it over",
        )
    if running.version != __version__:
        say(
            stderr,
            f"the gateway is version {running.version}, this command is {__version__}\nhint: openclaude restart",
        )
