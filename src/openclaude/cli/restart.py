"""`openclaude restart`: stop, then start."""

import argparse
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli import start, stop


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    subparsers.add_parser(
        "restart", help="stop the gateway and start it again, with the configuration as it is now"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Stop and start."""
    code = stop.run(args, env=env, stdout=stdout, stderr=stderr)
    return code or start.run(args, env=env, stdout=stdout, stderr=stderr)
