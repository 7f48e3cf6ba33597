"""`openclaude statusline`: one line on what goes elsewhere at the moment, or nothing; Claude Code shows it below its prompt.

The client runs it again and again, so it imports little, waits for nobody, and never fails: without an answer there is
nothing to say.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

from openclaude import config
from openclaude.cli import quota

if TYPE_CHECKING:
    import argparse

PATIENCE: Final = 1.0
"""Seconds to wait for the gateway."""


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "statusline", help="print what Claude Code's status line shows of the plan and the fallback"
    )
    parser.add_argument("--profile", metavar="NAME", default="", help="for sessions of a named set-up")


def run(args: "argparse.Namespace", *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print the line, if there is one."""
    del stderr
    try:
        rows = quota.ask(config.home(env) / "run", timeout=PATIENCE)["elsewhere"]
    except config.ConfigError:
        return 0
    lines = quota.elsewhere_lines(
        [row for row in rows if row.get("profile", "") == args.profile], quota.local_now()
    )
    if lines:
        print(f"openClaude: {'; '.join(lines)}", file=stdout)
    return 0
