"""`openclaude aws`: the IAM policy the configuration needs, a check of it against AWS, and the models of a region."""

import argparse
import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from openclaude import config
from openclaude.cli.common import FAILED, PROBLEMS, WRONG, explain, say
from openclaude.cli.routes import aligned

if TYPE_CHECKING:
    from openclaude.preflight.calling import Caller
    from openclaude.preflight.models import Model

_ATTACH: Final = "attach it to the user or role that the routes sign as (IAM console: Add permissions, Create inline policy, JSON)"
_STREAMS: Final = "streamed answers need the second action, InvokeModelWithResponseStream"
ROOTS: Final = "name a readable file with --ca-file, or install the package ca-certificates"
_NO_ROUTE: Final = "no route goes to Bedrock, so no policy is needed"
_ADD_ROUTE: Final = 'add a route with to = "bedrock" to config.toml (`openclaude config path`)'
_HEADER: Final = (
    "model",
    "called by",
    "streams",
    "life",
    "profile",
    "context",
    "output",
    "$ in",
    "$ out",
)


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("aws", help="the policy the Bedrock routes need, a check, the models")
    commands = parser.add_subparsers(dest="aws_command", metavar="policy|check|models", required=True)
    policy = commands.add_parser(
        "policy", help="print the least IAM policy for the configured Bedrock routes"
    )
    policy.add_argument(
        "--account", type=_account, metavar="ID", help="the account's 12 digits, for ARNs that have it"
    )
    policy.add_argument("--read-models", action="store_true", help="allow looking models up as well")
    policy.add_argument("--api-key", action="store_true", help="allow the use of a Bedrock API key as well")
    check = commands.add_parser(
        "check", help="try every Bedrock route with one token each; nothing is changed"
    )
    check.add_argument("--profile", metavar="NAME", help="use this AWS profile instead of the routes' own")
    models = commands.add_parser(
        "models", help="list a region's models with capability profile, limits and price"
    )
    models.add_argument("--region", metavar="R", help="a region; without it the first Bedrock route's")
    models.add_argument("--profile", metavar="NAME", help="use this AWS profile instead of the route's own")
    for command in (check, models):
        command.add_argument("--json", action="store_true", help="print one JSON object")
        add_network(command)


def add_network(command: Any) -> None:
    """The flags that lead to other servers than the names say; there is no variable and no setting for it."""
    command.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="HOST:PORT=ADDR:PORT",
        help="dial ADDR:PORT for HOST:PORT; TLS is still verified for HOST (may be repeated)",
    )
    command.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="trust these root certificates, and no others"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Do what was asked.

    Returns:
        0; 1 when the check found a problem, or there is nothing to print; 2 when the call or the configuration is wrong.
    """
    try:
        read = config.load(config.config_path(config.home(env)))
    except PROBLEMS as error:
        return explain(stderr, error)
    if args.aws_command == "policy":
        return _policy(args, read, env, stdout, stderr)
    from openclaude.edge.dial import DialError  # noqa: PLC0415 - the policy needs no network
    from openclaude.edge.tls import NoTrustStoreError  # noqa: PLC0415

    command = _check if args.aws_command == "check" else _models
    try:
        return command(args, read, env, stdout, stderr)
    except DialError as error:
        say(stderr, str(error))
        return WRONG
    except (NoTrustStoreError, OSError) as error:
        say(stderr, f"the root certificates cannot be read: {error}\nhint: {ROOTS}")
        return FAILED


def _policy(
    args: argparse.Namespace, read: config.Config, env: Mapping[str, str], stdout: TextIO, stderr: TextIO
) -> int:
    from openclaude.preflight.policy import policy  # noqa: PLC0415 - each of the three commands needs its own part

    used = dict.fromkeys(
        route.key_variable
        for route in read.routes
        if route.to == "bedrock" and route.profile is None and env.get(route.key_variable)
    )
    with_key = bool(args.api_key or used)
    found = policy(read.routes, account=args.account, read_models=args.read_models, api_key=with_key)
    if not found.document["Statement"]:
        say(stderr, _NO_ROUTE)
        print(f"hint: {_ADD_ROUTE}", file=stderr)
        return FAILED
    print(json.dumps(found.document, indent=2), file=stdout)
    invokes = found.document["Statement"][0]["Sid"] == "InvokeModels"
    say(stderr, f"{_ATTACH}; {_STREAMS}" if invokes else _ATTACH)
    for variable in used:
        say(stderr, f"{variable} is set, and routes without a profile send it: its use is allowed as well")
    for note in found.notes:
        say(stderr, note)
    return 0


def _check(
    args: argparse.Namespace, read: config.Config, env: Mapping[str, str], stdout: TextIO, stderr: TextIO
) -> int:
    from openclaude.preflight.check import Tools, check  # noqa: PLC0415
    from openclaude.preflight.lookup import probe  # noqa: PLC0415

    routes = read.routes
    if args.profile is not None:
        routes = tuple(replace(route, profile=args.profile) for route in routes)
    steps = []
    for step in check(routes, Tools(caller(args), probe, time.time, env)):
        steps.append(step)
        if not args.json:
            print(step, file=stdout, flush=True)
    problems = sum(step.verdict == "problem" for step in steps)
    if args.json:
        print(json.dumps({"ok": not problems, "steps": [asdict(step) for step in steps]}), file=stdout)
    elif problems:
        say(
            stderr,
            f"{problems} of {len(steps)} steps found a problem",
        )
    else:
        say(stderr, "no problem was found")
    return FAILED if problems else 0


def _models(
    args: argparse.Namespace, read: config.Config, env: Mapping[str, str], stdout: TextIO, stderr: TextIO
) -> int:
    from openclaude.domain.errors import ApiError  # noqa: PLC0415
    from openclaude.edge.oneshot import UnreachableError  # noqa: PLC0415
    from openclaude.preflight.lookup import find_now  # noqa: PLC0415
    from openclaude.preflight.models import models, prices  # noqa: PLC0415
    from openclaude.preflight.steps import problem_of  # noqa: PLC0415

    first = next((route for route in read.routes if route.to == "bedrock"), None)
    configured = first.region if first else env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    region = args.region or configured
    if not region:
        return _failed(stderr, "no region is known: no route goes to Bedrock", "name one with --region")
    profile = args.profile or (first.profile if first else None)
    found = find_now(profile, region, env)
    if found.signer is None:
        return _failed(stderr, found.seen, found.remedy)
    switches = {"fips": first.fips, "dualstack": first.dualstack} if first else {}
    try:
        listed, others = models(caller(args), found.signer, region, **switches)
    except ApiError as error:
        return _failed(stderr, *problem_of(error))
    except UnreachableError as error:
        return _failed(stderr, str(error), f"check the network, and that Bedrock is offered in {region}")
    if args.json:
        rows = [_json_row(model) for model in listed]
        print(json.dumps({"region": region, "prices_checked": prices()[1], "models": rows}), file=stdout)
        return 0
    print(aligned(_HEADER, [_cells(model) for model in listed]), file=stdout)
    say(stderr, f"{len(listed)} models of {region} that answer with text; left out, without text: {others}")
    say(
        stderr,
        "called by: `id` as it is, `us.` with that prefix. Context and output are openClaude's limits, in tokens",
    )
    say(stderr, f"prices are about: USD per million tokens, checked {prices()[1]}")
    return 0


def _failed(stderr: TextIO, what: str, hint: str) -> int:
    say(stderr, what)
    print(f"hint: {hint}", file=stderr)
    return FAILED


def caller(args: argparse.Namespace) -> "Caller":
    """What sends the requests of a command with `--connect-to` and `--ca-file`. Raises `DialError`, `NoTrustStoreError`, OSError."""
    from openclaude.edge import dial, tls  # noqa: PLC0415
    from openclaude.edge.oneshot import OneShot  # noqa: PLC0415
    from openclaude.preflight.calling import Caller  # noqa: PLC0415

    sender = OneShot(tls=tls.client_context(args.ca_file), dial=dial.parse(args.connect_to))
    return Caller(sender.send, time.time)


def _cells(model: "Model") -> tuple[str, ...]:
    prefixes = [name.removesuffix(model.id) for name in model.profiles]
    life = "active" if model.active else "legacy"
    price = [f"{amount:.3f}".removesuffix("0") for amount in model.price] if model.price else ["-", "-"]
    return (
        model.id,
        ", ".join([*(["id"] if model.on_demand else []), *prefixes]) or "-",
        "yes" if model.streams else "no",
        f"{life}, ends {model.ends}" if model.ends else life,
        model.capabilities.name,
        f"{model.capabilities.context:,}",
        f"{model.capabilities.max_output:,}",
        *price,
    )


def _json_row(model: "Model") -> dict[str, Any]:
    return {
        "id": model.id,
        "provider": model.provider,
        "called_by": list(model.called_by),
        "streams": model.streams,
        "on_demand": model.on_demand,
        "inference_profiles": list(model.profiles),
        "active": model.active,
        "ends": model.ends,
        "profile": model.capabilities.name,
        "context": model.capabilities.context,
        "max_output": model.capabilities.max_output,
        "usd_per_million": dict(zip(("input", "output"), model.price, strict=True)) if model.price else None,
    }


def _account(text: str) -> str:
    if re.fullmatch(r"\d{12}", text):
        return text
    raise argparse.ArgumentTypeError("an account is 12 digits, as `aws sts get-caller-identity` shows it")
