"""`openclaude doctor`: everything that could be wrong, looked at in one go, each with its exact remedy."""

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from openclaude import config
from openclaude.cli.aws import ROOTS, add_network, caller
from openclaude.cli.common import FAILED, PROBLEMS, WRONG, explain, say

if TYPE_CHECKING:
    from openclaude.doctor.aws import Preflight
    from openclaude.doctor.findings import Finding


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "doctor", help="look for everything that could be wrong; exit code 1 with a problem"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--fix", action="store_true", help="mend what is openClaude's own and safe to mend")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="do not ask AWS; without it each Bedrock route is tried with one token",
    )
    add_network(parser)


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Examine this user in this folder.

    Returns:
        0; 1 with a problem that was not mended; 2 when the call is wrong.
    """
    from openclaude.doctor.examine import examine  # noqa: PLC0415 - only this command needs it
    from openclaude.doctor.patient import Patient  # noqa: PLC0415

    try:
        patient = Patient(env, Path.cwd(), config.home(env))
        preflight = None if args.offline else _preflight(args, env)
    except PROBLEMS as error:
        return explain(stderr, error)
    except _CallError as error:
        say(stderr, str(error))
        return WRONG
    rows = []
    for finding in examine(patient, preflight):
        rows.append((finding, _mended(finding) if args.fix else ""))
        if not args.json:
            print(_line(*rows[-1]), file=stdout, flush=True)
    return _conclude(args, rows, stdout, stderr)


class _CallError(Exception):
    """The flags cannot be followed; str() says why."""


def _preflight(args: argparse.Namespace, env: Mapping[str, str]) -> "Preflight | None":
    """What asks AWS; None without root certificates, which the examination tells."""
    from openclaude.edge.dial import DialError  # noqa: PLC0415
    from openclaude.edge.tls import NoTrustStoreError  # noqa: PLC0415
    from openclaude.preflight.check import Tools, check  # noqa: PLC0415
    from openclaude.preflight.lookup import probe  # noqa: PLC0415

    try:
        tools = Tools(caller(args), probe, time.time, env)
    except DialError as error:
        raise _CallError(str(error)) from None
    except (NoTrustStoreError, OSError) as error:
        if args.ca_file is None:
            return None
        raise _CallError(f"the root certificates cannot be read: {error}\nhint: {ROOTS}") from None

    def ask(routes: tuple[config.RouteConfig, ...]) -> Iterable[Any]:
        return check(routes, tools)

    return ask


def _mended(finding: "Finding") -> str:
    """What was done about it; empty when nothing could be."""
    if finding.fix is None or finding.verdict == "ok":
        return ""
    try:
        return finding.fix()
    except (OSError, *PROBLEMS):
        return ""


def _line(finding: "Finding", mended: str) -> str:
    return f"{finding}. fixed: {mended}" if mended else str(finding)


def _conclude(
    args: argparse.Namespace, rows: "list[tuple[Finding, str]]", stdout: TextIO, stderr: TextIO
) -> int:
    left = [finding for finding, mended in rows if not mended]
    problems = sum(finding.verdict == "problem" for finding in left)
    warnings = sum(finding.verdict == "warning" for finding in left)
    if args.json:
        listed = [
            {
                "check": finding.check,
                "verdict": finding.verdict,
                "seen": finding.seen,
                "remedy": finding.remedy,
                "fixed": mended,
            }
            for finding, mended in rows
        ]
        print(json.dumps({"ok": not problems, "findings": listed}), file=stdout)
    else:
        say(stderr, _counted(problems, warnings))
        if not args.fix and any(finding.fix for finding in left if finding.verdict != "ok"):
            print("hint: `openclaude doctor --fix` mends what is openClaude's own", file=stderr)
    return FAILED if problems else 0


def _counted(problems: int, warnings: int) -> str:
    if not problems and not warnings:
        return "nothing is wrong"
    named = [(problems, "problem"), (warnings, "warning")]
    return " and ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in named if number)
