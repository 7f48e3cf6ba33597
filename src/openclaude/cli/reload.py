"""`openclaude reload`: the running gateway takes over the configuration as it is now."""

import argparse
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, explain, say, setup
from openclaude.launcher import control, daemon


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    subparsers.add_parser(
        "reload", help="take over a changed configuration; one with problems changes nothing"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Check the configuration here, so that problems are told with their lines, and hand it over."""
    del args
    try:
        found = setup(env)
        gateway = daemon.find(found.state, found.secrets)
    except PROBLEMS as error:
        return explain(stderr, error)
    if gateway is None:
        say(stderr, "no gateway runs\nhint: `openclaude start`")
        return FAILED
    answer = control.ask(found.state.run, "reload") or {"error": "the gateway does not answer"}
    if "error" in answer:
        say(stderr, f"the gateway keeps its configuration: {answer['error']}")
        return FAILED
    routes = len(found.config.routes)
    print(f"taken over: {routes} {'route' if routes == 1 else 'routes'}", file=stdout)
    if found.config.port != gateway.running.port:
        say(
            stderr,
            f"the gateway stays on port {gateway.running.port}\nhint: `openclaude restart` moves it to {found.config.port}",
        )
    return 0
