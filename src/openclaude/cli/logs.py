"""`openclaude logs`: the gateway's log, and with -f what is added to it."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from openclaude.cli.common import PROBLEMS, explain, say, setup

POLL_SECONDS = 0.25


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "logs", help="show the gateway's log: one line a request, no bodies, no secrets"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on and print what is added")
    parser.add_argument(
        "-n", "--lines", type=int, default=100, metavar="N", help="start with the last N (100)"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print the last lines; with --follow, stay."""
    try:
        state = setup(env).state
    except PROBLEMS as error:
        return explain(stderr, error)
    shown = _print_tail(state.log_file, max(args.lines, 0), stdout)
    if shown is None:
        say(stderr, f"there is no log yet ({state.log_file})\nhint: `openclaude start`")
    if args.follow:
        follow(state.log_file, shown or 0, stdout, pause=lambda: time.sleep(POLL_SECONDS))
    return 0


def _print_tail(path: Path, lines: int, stdout: TextIO) -> int | None:
    """Print the last lines; returns the file's size, or None when there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    for line in data.decode("utf-8", "replace").splitlines()[-lines:] if lines else []:
        print(line, file=stdout)
    stdout.flush()
    return len(data)


def follow(path: Path, position: int, stdout: TextIO, *, pause: Callable[[], None]) -> None:
    """Print what is appended, and find the new file after a rotation; ends when `pause` raises."""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                data = file.read()
            position += len(data)
            stdout.write(data.decode("utf-8", "replace"))
            stdout.flush()
        pause()
