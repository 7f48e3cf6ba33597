"""`openclaude explain`: what the translation does with a request, or with an answer."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from openclaude import config
from openclaude.cli.common import WRONG, say
from openclaude.domain.http import Header
from openclaude.explain.targets import Target, UsageError, choose

OK: Final = 0
REJECTED: Final = 3
STDIN: Final = "-"


class _InputError(ValueError):
    """A file that cannot be used; the message names it and says what to do."""


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "explain",
        help="show what becomes of a request, or of an answer",
        description="Show which route takes a Messages request and what exactly is sent there. Nothing is sent, "
        "no gateway has to run, and no credential is read. Exit code 3: the request would be rejected.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the request body; - or nothing reads stdin")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--profile", metavar="NAME", help="explain against this capability profile; JSON")
    parser.add_argument(
        "--response", metavar="FILE", help='explain an answer: {"status", "headers", "body"}; JSON'
    )
    parser.add_argument("--request", metavar="FILE", help="the request that --response answers")
    parser.add_argument("--model-id", metavar="ID", help="a model id or ARN, instead of the profile's own")
    parser.add_argument("--region", metavar="REGION", help="an AWS region, instead of us-east-1")
    parser.add_argument("--operation", metavar="NAME", help="Converse, ConverseStream, InvokeModel, ...")
    parser.add_argument(
        "--beta", action="append", default=[], metavar="NAME", help="an anthropic-beta value; may be repeated"
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="'NAME: VALUE'",
        help="a header the client sends; may be repeated",
    )


def run(
    args: argparse.Namespace,
    *,
    env: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
    stdin: BinaryIO | None = None,
) -> int:
    """Explain one thing.

    Returns:
        0; 2 when the call or its input is wrong; 3 when the request would be rejected.
    """
    reader = _Reader(stdin or sys.stdin.buffer, stderr)
    try:
        _check(args)
        if args.response is not None:
            shown = _answer(args, env, reader)
        elif args.profile is not None:
            shown = _against_profile(args, reader)
        else:
            return _routed(args, env, reader, stdout)
    except config.ConfigError as error:
        print(error, file=stderr)
        return WRONG
    except (UsageError, _InputError) as error:
        say(stderr, str(error))
        return WRONG
    _print_json(shown, stdout)
    return REJECTED if "reject" in shown else OK


def _check(args: argparse.Namespace) -> None:
    if args.response is None and args.request is not None:
        raise UsageError(
            "--request belongs to --response\nhint: a request to explain is named without --request"
        )
    if args.response is not None and args.request is not None and args.file is not None:
        raise UsageError("the request is named twice\nhint: leave out FILE or --request")
    if args.response is None and args.profile is None:
        for name in ("model_id", "region", "operation"):
            if getattr(args, name) is not None:
                option = "--" + name.replace("_", "-")
                raise UsageError(
                    f"{option} says nothing about a route\nhint: add --profile NAME or --response FILE, "
                    "or change the route in config.toml"
                )


def _routed(args: argparse.Namespace, env: Mapping[str, str], reader: "_Reader", stdout: TextIO) -> int:
    # The composition root is imported for this form only: it loads the whole gateway.
    from openclaude.explain import routing, text  # noqa: PLC0415

    read = config.load(config.config_path(config.home(env)))
    shown = routing.explained(reader.read(args.file or STDIN), read, headers=_headers(args), env=env)
    rejected = "reject" in shown
    if args.json and rejected:
        shown = {key: shown[key] for key in ("reject", "notes")}
    if args.json:
        _print_json(shown, stdout)
    else:
        _print(text.readable(shown), stdout)
    return REJECTED if rejected else OK


def _against_profile(args: argparse.Namespace, reader: "_Reader") -> dict[str, Any]:
    from openclaude.explain import requests  # noqa: PLC0415  see _routed

    return requests.against_profile(reader.read(args.file or STDIN), _target(args), _headers(args))


def _answer(args: argparse.Namespace, env: Mapping[str, str], reader: "_Reader") -> dict[str, Any]:
    from openclaude.explain import answers  # noqa: PLC0415  see _routed

    named = args.request or args.file
    try:
        asked = answers.read_request(reader.read(named)) if named is not None else {}
    except answers.AnswerError as error:
        raise _InputError(f"the request in {named}: {error}") from None
    try:
        answer = answers.read_answer(reader.read(args.response))
    except answers.AnswerError as error:
        raise _InputError(
            f"the answer in {args.response}: {error}\nhint: it is an object with status, headers and body, or "
            "with status, headers and stream_base64"
        ) from None
    return answers.explained(answer, asked, _target_of(asked, args, env), _headers(args))


def _target(args: argparse.Namespace) -> Target:
    return choose(profile=args.profile, model_id=args.model_id, region=args.region, operation=args.operation)


def _target_of(asked: Mapping[str, Any], args: argparse.Namespace, env: Mapping[str, str]) -> Target:
    """The options' target; where they leave it open, the Bedrock route that takes the request's model."""
    model = asked.get("model")
    if args.profile is None and args.model_id is None and isinstance(model, str):
        from openclaude.explain import routing  # noqa: PLC0415  see _routed

        read = config.load(config.config_path(config.home(env)))
        found = routing.target_of(model, read, region=args.region, operation=args.operation)
        if found is not None:
            return found
    return _target(args)


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip().isascii() or not name.strip():
        raise argparse.ArgumentTypeError("a header is written as 'name: value'")
    return name.strip().encode("ascii"), value.strip().encode("utf-8", "replace")


def _headers(args: argparse.Namespace) -> list[Header]:
    betas = [(b"anthropic-beta", name.encode("utf-8", "replace")) for name in args.beta]
    return [*args.header, *betas]


class _Reader:
    """Reads the files the call names; stdin only once."""

    def __init__(self, stdin: BinaryIO, stderr: TextIO) -> None:
        self._stdin: BinaryIO | None = stdin
        self._stderr = stderr

    def read(self, name: str) -> bytes:
        """The bytes of a file, or of stdin for `-`."""
        if name != STDIN:
            try:
                return Path(name).read_bytes()
            except (OSError, ValueError) as error:
                what = getattr(error, "strerror", None) or error
                raise _InputError(
                    f"{name} cannot be read: {what}\nhint: name a file, or - for stdin"
                ) from None
        stdin, self._stdin = self._stdin, None
        if stdin is None:
            raise _InputError("stdin can be read only once\nhint: name a file for one of the two")
        if stdin.isatty():
            say(self._stderr, "reading a request from the terminal; end it with ctrl-d")
        return stdin.read()


def _print_json(shown: dict[str, Any], stdout: TextIO) -> None:
    print(json.dumps(shown, indent=2 if stdout.isatty() else None), file=stdout)


def _print(text: str, stdout: TextIO) -> None:
    """A request may hold characters that the terminal cannot show."""
    encoding = stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stdout)
