"""`openclaude prove`: the promise as an experiment, on simulators or with the user's real set-up."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, explain, say, setup
from openclaude.cli.routes import aligned

if TYPE_CHECKING:
    from openclaude.proof.live import LiveProof
    from openclaude.proof.run import Proof


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "prove", help="plant invented credentials and show that each reaches its own provider only"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask each tier of your real set-up for one word, and show who answered",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the result as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Prove it. Returns 0; 1 when something is not as it has to be."""
    try:
        if args.live:
            return _live(args, env, stdout, stderr)
        return _simulated(args, env, stdout, stderr)
    except PROBLEMS as error:
        return explain(stderr, error)


def _simulated(args: argparse.Namespace, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    from openclaude.launcher.client import ClientError, find_client  # noqa: PLC0415 - only this command needs them
    from openclaude.proof.markdown import document  # noqa: PLC0415
    from openclaude.proof.run import prove  # noqa: PLC0415

    try:
        find_client(env, Path(sys.argv[0]))
        with_client = True
    except ClientError as error:
        with_client = False
        say(stderr, f"{error}: the proof is made without it")
    proof = prove(env, lambda text: say(stderr, text), with_client=with_client)
    if args.json:
        print(json.dumps(_as_json(proof)), file=stdout)
    else:
        _show(proof, stdout)
    if not _filed(args.report, document(proof), stderr):
        return FAILED
    if not proof.good:
        say(stderr, _complaint(proof))
        return FAILED
    say(stderr, f"{len(proof.canaries)} credentials, each at its own provider only ({proof.seconds:.0f} s)")
    return 0


def _complaint(proof: "Proof") -> str:
    """What is wrong with a proof, the worst first."""
    if proof.leaks:
        first = proof.leaks[0]
        return (
            f"{first.credential} was seen at: {first.destination}\n"
            "hint: do not use this build, and report it as SECURITY.md says; the table has every sighting"
        )
    broken = next((lane for lane in proof.lanes if not lane.good), None)
    if proof.missing or broken:
        named = broken.title if broken else f"{proof.missing[0].credential} did not arrive"
        return f"no credential leaked, but a way through the gateway does not work: {named}\nhint: openclaude demo"
    return (
        f"no credential leaked, but Claude Code did not do its part: {proof.client}\n"
        "hint: see whether `claude -p hello` works by itself"
    )


def _show(proof: "Proof", stdout: TextIO) -> None:
    from openclaude.proof.canaries import DESTINATIONS  # noqa: PLC0415
    from openclaude.proof.markdown import credential_rows, lane_rows  # noqa: PLC0415

    print("Each way through the gateway:\n", file=stdout)
    header = ("way", "answered by", "credential", "one piece", "stream", "faults told")
    print(aligned(header, lane_rows(proof)), file=stdout)
    print(f"\nClaude Code itself: {proof.client}", file=stdout)
    print("\nWhere each invented credential was seen, in any encoding:\n", file=stdout)
    print(aligned(("credential", *DESTINATIONS), credential_rows(proof)), file=stdout)


def _as_json(proof: "Proof") -> dict[str, Any]:
    return {
        "ok": proof.good,
        "version": proof.version,
        "made": proof.made.isoformat(),
        "seconds": round(proof.seconds, 1),
        "requests": proof.requests,
        "bytes_searched": proof.searched,
        "client": proof.client,
        "ways": [{**asdict(lane), "ok": lane.good} for lane in proof.lanes],
        "sightings": [{**asdict(cell), "verdict": cell.text} for cell in proof.cells],
    }


def _live(args: argparse.Namespace, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    from openclaude.proof.live import prove_live  # noqa: PLC0415
    from openclaude.proof.markdown import live_document, live_rows  # noqa: PLC0415

    found = setup(env)
    say(stderr, "asking each tier of your set-up for one word; the providers count it as a request")
    proof = prove_live(env, found.config, found.state.log_file, lambda text: say(stderr, text))
    if args.json:
        print(json.dumps(_live_json(proof)), file=stdout)
    else:
        header = (
            "tier",
            "model",
            "answered by",
            "model there",
            "credential",
            "stream",
            "first byte",
            "result",
        )
        print(aligned(header, live_rows(proof)), file=stdout)
    if not _filed(args.report, live_document(proof), stderr):
        return FAILED
    for row in proof.tiers:
        if row.problem:
            say(stderr, f"{row.tier}: {row.problem}\nhint: {row.hint}")
    return 0 if proof.good else FAILED


def _live_json(proof: "LiveProof") -> dict[str, Any]:
    return {
        "ok": proof.good,
        "version": proof.version,
        "made": proof.made.isoformat(),
        "tiers": [asdict(row) for row in proof.tiers],
    }


def _filed(path: Path | None, text: str, stderr: TextIO) -> bool:
    """Write the report; whether that was done, or not asked for."""
    if path is None:
        return True
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        say(stderr, f"{path} cannot be written: {error.strerror}\nhint: name another file with --report")
        return False
    say(stderr, f"wrote {path}")
    return True
