"""`openclaude env`: what another client of the Anthropic API needs to use the running gateway."""

import argparse
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, Setup, explain, say, setup
from openclaude.launcher import daemon, way
from openclaude.launcher.daemon import Gateway
from openclaude.launcher.settings import merge_no_proxy
from openclaude.launcher.variables import EXTRA_AUTHORITIES

_MUTUAL: Final = (
    "the client needs the three files named here (mutual TLS), and brings its own login or API key\n"
    "hint: `openclaude env --http` is for clients that cannot show a certificate"
)
_HTTP: Final = (
    "plain HTTP: the URL holds this gateway's secret, and a program that takes the port of a gateway which ended gets what "
    "the client sends; the client brings its own login or API key"
)


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("env", help="print what leads another client to the running gateway")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--http",
        action="store_true",
        help="plain HTTP with a secret in the path, for clients without client certificates",
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print shell assignments that `eval` understands."""
    try:
        found = setup(env)
        daemon.renew(found.state)
        gateway = daemon.find(found.state, found.secrets)
        if gateway is None:
            say(stderr, "no gateway runs\nhint: `openclaude start`")
            return FAILED
        values = _variables(found, gateway, env, http=args.http)
    except PROBLEMS as error:
        return explain(stderr, error)
    if args.json:
        print(json.dumps(values), file=stdout)
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()), file=stdout)
        say(stderr, _HTTP if args.http else _MUTUAL)
    return 0


def _variables(found: Setup, gateway: Gateway, env: Mapping[str, str], *, http: bool) -> dict[str, str]:
    """What leads a client to the gateway. Raises `GatewayError` and `StateError`."""
    session = way.open_session(found.state, env, way.MUTUAL, keep=True)
    session.connection.close()
    if http:
        session = replace(session, token=found.secrets.base_path)
    chosen = way.HTTP if http else way.MUTUAL
    led = way.variables(found.state, gateway, session, chosen, env.get(EXTRA_AUTHORITIES, ""))
    return {**led, "NO_PROXY": merge_no_proxy(env.get("NO_PROXY", ""))}
