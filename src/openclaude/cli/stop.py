"""`openclaude stop`: ask the gateway to end, and see that it did."""

import argparse
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli.common import PROBLEMS, explain, setup
from openclaude.launcher import daemon


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    subparsers.add_parser("stop", help="stop the gateway; answers under way get a few seconds to finish")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Stop the gateway. Nothing else is touched, and no signal is sent to anything."""
    del args
    try:
        stopped = daemon.stop(setup(env).state)
    except PROBLEMS as error:
        return explain(stderr, error)
    print(
        "not running" if stopped is None else f"stopped (pid {stopped.pid}, port {stopped.port})", file=stdout
    )
    return 0
