"""`openclaude service install|uninstall`: a gateway that the system starts at login and keeps running."""

import argparse
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli.common import PROBLEMS, explain, setup
from openclaude.launcher import daemon, service


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("service", help="keep the gateway running from login on")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("install", help="write a systemd user unit or a launchd agent, and start it")
    actions.add_parser("uninstall", help="stop it and remove what was written")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Install or remove the service; every file and command is printed."""
    try:
        found = setup(env)
        made = service.service(env, found.state.home)
        if args.action == "uninstall":
            return _uninstall(made, env, stdout)
        service.available(env)
        service.write(made)
        print(f"wrote    {made.path}", file=stdout)
        stopped = daemon.stop(found.state)  # two gateways cannot be: the service's own takes its place
        if stopped is not None:
            print(f"stopped  the gateway that ran (pid {stopped.pid})", file=stdout)
        service.tell(made.start, env)
    except PROBLEMS as error:
        return explain(stderr, error)
    for command in made.start:
        print(f"ran      {' '.join(command)}", file=stdout)
    return 0


def _uninstall(made: service.Service, env: Mapping[str, str], stdout: TextIO) -> int:
    """Stop it first: a unit whose file is gone cannot be told anything. Raises `ServiceError`."""
    if not made.path.exists():
        print(f"nothing is installed ({made.path} is not there)", file=stdout)
        return 0
    service.available(env)
    service.tell(made.stop, env)
    service.remove(made)
    for command in made.stop:
        print(f"ran      {' '.join(command)}", file=stdout)
    print(f"removed  {made.path}", file=stdout)
    return 0
