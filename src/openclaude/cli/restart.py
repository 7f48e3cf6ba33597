"""`openclaude restart`: a new worker on the same port; answers under way are finished by the old one."""

import argparse
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli import start, stop
from openclaude.cli.common import FAILED, PROBLEMS, explain, say, setup
from openclaude.launcher import daemon


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    subparsers.add_parser(
        "restart", help="begin anew, with the configuration as it is now; no answer under way is cut"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Replace the worker where the gateway can stay on its port, else stop and start."""
    try:
        found = setup(env)
        try:
            running = daemon.find(found.state, found.secrets)
        except daemon.GatewayError as error:
            say(stderr, str(error))
            running = None
        if running is None or running.running.port != found.config.port:
            flags = daemon.flags(found.state)
            code = stop.run(args, env=env, stdout=stdout, stderr=stderr)
            return code or start.begin(flags, env=env, stdout=stdout, stderr=stderr)
        problem = daemon.restart(found.state, lambda text: say(stderr, text))
        if problem is not None:
            say(stderr, f"the gateway goes on as it was: {problem}\nhint: openclaude logs")
            return FAILED
        after = daemon.find(found.state, found.secrets)
    except PROBLEMS as error:
        return explain(stderr, error)
    if after is None:
        say(stderr, "the gateway has gone\nhint: openclaude logs")
        return FAILED
    facts = after.running
    print(f"restarted on 127.0.0.1:{facts.port} (pid {facts.pid}, worker {facts.worker})", file=stdout)
    return 0
