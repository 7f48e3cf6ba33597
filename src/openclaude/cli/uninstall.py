"""`openclaude uninstall`: stop the gateway, remove what openClaude made, and say what is left."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from openclaude import config
from openclaude.cli.common import FAILED, PROBLEMS, explain, say
from openclaude.launcher import control, daemon, removal
from openclaude.launcher.state import open_state


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "uninstall", help="stop the gateway and remove everything openClaude made; says what is left"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and change nothing"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Remove it.

    Returns:
        0 when everything is gone; 1 when something of openClaude's is left, or the user said no.
    """
    try:
        home = config.home(env)
        todo = removal.plan(home, env)
        if args.dry_run or not todo.entries:
            return _show(todo, home, stdout)
        _warn(home, stderr)
        if not args.yes and not _agreed(todo, stderr):
            return FAILED
        _end_services(todo, env, stderr)
        if home.is_dir():
            stopped = daemon.stop(open_state(home))
            if stopped is not None:
                print(f"stopped   the gateway (pid {stopped.pid}, port {stopped.port})", file=stdout)
        # Asked again: the gateway's last words may have made or removed files.
        done = removal.remove(removal.plan(home, env))
    except PROBLEMS as error:
        return explain(stderr, error)
    return _report(done, home, stdout, stderr)


def _show(todo: removal.Removal, home: Path, stdout: TextIO) -> int:
    for path, what in todo.entries:
        print(f"would remove  {path}  ({what})", file=stdout)
    for path, reason in todo.left:
        print(f"would leave   {path}  ({reason})", file=stdout)
    if not todo.entries:
        print(f"nothing of openClaude's is at {home}", file=stdout)
    print(f"would leave   the program  (remove it with: {removal.package_command()})", file=stdout)
    return 0


def _warn(home: Path, stderr: TextIO) -> None:
    running = control.status(home / "run") if (home / "run").is_dir() else None
    if running is not None and (running.in_flight or running.connections):
        say(stderr, f"{running.connections} connections to the gateway are open; their sessions lose it")


def _end_services(todo: removal.Removal, env: Mapping[str, str], stderr: TextIO) -> None:
    """Tell the system to let go of the services; one that it does not know is none."""
    import subprocess  # noqa: PLC0415 - few set-ups have a service

    for command in removal.service_commands(todo):
        try:
            subprocess.run(command, env=dict(env), capture_output=True, timeout=60, check=False)  # noqa: S603 - fixed words
        except (OSError, subprocess.TimeoutExpired) as error:
            say(stderr, f"{command[0]} did not end the service: {error}\nhint: {' '.join(command)}")


def _agreed(todo: removal.Removal, stderr: TextIO) -> bool:
    for path, what in todo.entries:
        print(f"  {path}  ({what})", file=stderr)
    if not sys.stdin.isatty():
        say(stderr, "nothing was removed: nobody can be asked here")
        print("hint: `openclaude uninstall --yes`, or `--dry-run` to look first", file=stderr)
        return False
    print("remove all of this? [y/N] ", end="", file=stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say(stderr, "nothing was removed")
    return False


def _report(done: removal.Removal, home: Path, stdout: TextIO, stderr: TextIO) -> int:
    for path, what in done.entries:
        print(f"removed   {path}  ({what})", file=stdout)
    for path, reason in done.left:
        print(f"left      {path}  ({reason})", file=stdout)
    print(f"left      the program  (remove it with: {removal.package_command()})", file=stdout)
    print("left      ~/.claude and ~/.aws, which openClaude never changes", file=stdout)
    if done.left:
        say(
            stderr,
            f"{home} is not empty, so it was left\nhint: look at what is named above, and remove it by hand",
        )
        return FAILED
    return 0
