"""The proof as a document for somebody who has never seen the project."""

from collections.abc import Iterable, Sequence

from openclaude.proof.canaries import DESTINATIONS
from openclaude.proof.live import LiveProof
from openclaude.proof.run import LaneResult, Proof

_WHAT = """\
openClaude is a program on a user's own machine. It stands between Claude Code and two providers: requests for Claude
models go to the Anthropic API with the login that Claude Code sends; requests for other models are translated and go to
Amazon Bedrock, signed with AWS credentials. Its promise: **each credential reaches one provider only.** This document says
how that promise was tried, and what was seen."""
_HOW = """\
The experiment ran on this machine without any account. Simulated servers of both providers, under the providers' real names
and with certificates of their own, recorded every byte they received. The real gateway ran between them. An invented
credential of each kind was planted where a real one would be. Then every way a request can take was used: answered in one
piece, answered as a stream, and with every fault a provider can have, since leaks like to be in error messages and second
attempts. The environment named a proxy, and a provider answered with a redirect; whoever followed would have been seen.

After that, every byte that arrived anywhere was searched for every credential: as it is; in base64 (at each of its three
alignments, also for URLs), hex, percent encoding, JSON and HTML escapes; reversed; inside gzip and deflate; put together
again from the pieces of a stream; and for any 12 characters in a row of its random part."""
_LIMITS = """\
- The providers were simulated. `openclaude prove --live` asks the real ones.
- What another program of the same user could read from memory was not tried; that is outside of what openClaude promises.
- An experiment shows what happened in it. That a login cannot be given to the other provider is held by the types of the
  program and by its tests; SECURITY.md of the project says how."""


def document(proof: Proof) -> str:
    """The report of the experiment."""
    verdict = (
        f"**Passed.** {len(proof.canaries)} credentials, {len(DESTINATIONS)} destinations: every credential arrived where it "
        "has to arrive, and nowhere else."
        if proof.good
        else f"**Not passed.** {len(proof.leaks)} credentials were seen where they must not be, {len(proof.missing)} did not "
        f"arrive, {sum(not lane.good for lane in proof.lanes)} ways did not work."
    )
    lines = [
        "# Where credentials go: a test of openClaude",
        "",
        f"Made by openClaude {proof.version} on {proof.made:%d %B %Y, %H:%M} UTC, on {proof.system}, in {proof.seconds:.0f} s.",
        "",
        verdict,
        "",
        "## What was tested",
        "",
        _WHAT,
        "",
        "## How",
        "",
        _HOW,
        "",
        (
            f"{proof.requests} requests reached the simulated servers; {proof.searched:,} bytes were searched. "
            f"The real Claude Code: {proof.client}."
        ),
        "",
        "## Each credential at each destination",
        "",
        (
            "*arrived*: it was there and has to be. *-*: it was not there. *LEAKED*: it was there and must not be. *MISSING*: it "
            "was not there and has to be. An AWS secret signs requests and never travels."
        ),
        "",
        *_credentials(proof),
        "",
        "## Each way through the gateway",
        "",
        *_table(
            ("way", "answered by", "credential it carried", "one piece", "stream", "faults told as errors"),
            map(_lane, proof.lanes),
        ),
        "",
        "## What the words mean",
        "",
        *_table(("destination", "what was searched"), DESTINATIONS.items()),
        "",
        *_table(
            ("credential", "where it was planted"), ((canary.name, canary.about) for canary in proof.canaries)
        ),
        "",
        "## What this does not show",
        "",
        _LIMITS,
        "",
    ]
    return "\n".join(lines)


def live_document(proof: LiveProof) -> str:
    """The report of the real set-up."""
    header = ("tier", "model", "answered by", "model there", "credential", "stream", "first byte", "result")
    verdict = "**Passed.** Every tier answered." if proof.good else "**Not passed.** See the last column."
    return "\n".join(
        [
            "# Who answers: openClaude with a real set-up",
            "",
            f"Made by openClaude {proof.version} on {proof.made:%d %B %Y, %H:%M} UTC.",
            "",
            verdict,
            "",
            _WHAT,
            "",
            (
                "Claude Code was asked for one word on each of its tiers. The table is what the gateway's log says of the requests; "
                "the log holds kinds of credentials, never a credential."
            ),
            "",
            *_table(header, live_rows(proof)),
            "",
        ]
    )


def live_rows(proof: LiveProof) -> list[tuple[str, ...]]:
    """One row for each tier."""
    return [
        (
            row.tier,
            row.model,
            row.answered_by or "-",
            row.model_there or "-",
            row.credential or "-",
            "yes" if row.streamed else "no",
            f"{row.first_byte} s" if row.first_byte not in ("", "-") else "-",
            row.problem or "ok",
        )
        for row in proof.tiers
    ]


def credential_rows(proof: Proof) -> list[tuple[str, ...]]:
    """One row for each credential: its name, then what was seen at each destination."""
    names = dict.fromkeys(cell.credential for cell in proof.cells)
    return [(name, *(cell.text for cell in proof.cells if cell.credential == name)) for name in names]


def lane_rows(proof: Proof) -> list[tuple[str, ...]]:
    """One row for each way."""
    return [_lane(lane) for lane in proof.lanes]


def _credentials(proof: Proof) -> list[str]:
    return _table(("credential", *DESTINATIONS), credential_rows(proof))


def _lane(lane: LaneResult) -> tuple[str, ...]:
    return (
        lane.title,
        lane.answered_by,
        lane.credential,
        lane.whole or "answered",
        lane.streamed or f"answered, {lane.events} events",
        f"{lane.faults[0]} of {lane.faults[1]}",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [
        f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in line)} |" for line in lines
    ]
