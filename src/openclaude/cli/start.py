"""`openclaude start`: the gateway in the background."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from openclaude.cli.common import PROBLEMS, explain, say, setup
from openclaude.launcher import daemon


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    subparsers.add_parser("start", help="start the gateway in the background")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Start the gateway unless it runs."""
    del args
    return begin((), env=env, stdout=stdout, stderr=stderr)


def begin(flags: Sequence[str], *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Start the gateway unless it runs, with further flags of `openclaude serve`."""
    try:
        found = setup(env)
        gateway = daemon.ensure(
            found.state,
            found.secrets,
            port=found.config.port,
            config=found.config.source,
            env=env,
            say=lambda text: say(stderr, text),
            lingers=False,
            flags=flags,
        )
    except PROBLEMS as error:
        return explain(stderr, error)
    state = "started" if gateway.started_now else "already running"
    print(f"{state} on 127.0.0.1:{gateway.running.port} (pid {gateway.running.pid})", file=stdout)
    return 0
