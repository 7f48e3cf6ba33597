"""`openclaude env`: what another client of the Anthropic API needs to use the running gateway."""

import argparse
import json
import shlex
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, explain, say, setup
from openclaude.launcher import control, daemon
from openclaude.launcher.settings import merge_no_proxy


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "env", help="print the base URL of the running gateway, its secret included"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print shell assignments that `eval` understands."""
    try:
        found = setup(env)
        gateway = daemon.find(found.state, found.secrets)
    except PROBLEMS as error:
        return explain(stderr, error)
    if gateway is None:
        say(stderr, "no gateway runs\nhint: `openclaude start`")
        return FAILED
    base_url = gateway.base_url
    if control.has_credentials(env):
        opened = control.open_session(found.state.run, env, keep=True)
        if opened is not None:
            base_url = gateway.base_url_of(opened[0])
            opened[1].close()
    values = {"ANTHROPIC_BASE_URL": base_url, "NO_PROXY": merge_no_proxy(env.get("NO_PROXY", ""))}
    if args.json:
        print(json.dumps(values), file=stdout)
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()), file=stdout)
        say(stderr, "the URL holds this gateway's secret; the client brings its own login or API key")
    return 0
