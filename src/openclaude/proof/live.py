"""The same promise with the user's real set-up: one short answer for each tier, as the gateway's log tells it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from openclaude import __version__
from openclaude.config import Config, RouteConfig
from openclaude.domain.models import CLIENT_DEFAULTS
from openclaude.launcher import logread
from openclaude.launcher.client import find_client
from openclaude.launcher.logread import Entry

TIERS: Final = ("opus", "sonnet", "haiku")
LIMIT: Final = 180
"""Seconds a tier may take."""
_PROMPT: Final = "Answer with the one word: ok"
_SMALL: Final = ("--tools", "", "--system-prompt", "Answer in one word.")
"""Without tools and with a system prompt of its own, a request of Claude Code 2.1.330 is 2 kB instead of 49 kB."""
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("client login",),
    "bedrock": ("aws signature", "bedrock key"),
}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TierResult:
    """What became of one tier.

    Attributes:
        model: the name Claude Code sent.
        answered_by: the provider.
        model_there: the provider's name of the model.
        credential: the kind that was used, in the log's words.
        streamed: whether the answer came in pieces.
        first_byte: seconds from the request to its first byte, at the gateway.
        problem: what went wrong; empty when nothing did.
        hint: what to do about it.
    """

    tier: str
    model: str = ""
    answered_by: str = ""
    model_there: str = ""
    credential: str = ""
    streamed: bool = False
    first_byte: str = ""
    problem: str = ""
    hint: str = ""


@dataclass(slots=True)
class LiveProof:
    """The result of all tiers."""

    tiers: list[TierResult]
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: str = __version__

    @property
    def good(self) -> bool:
        return all(not tier.problem for tier in self.tiers)


def prove_live(env: Mapping[str, str], read: Config, log: Path, say: Say) -> LiveProof:
    """Ask each tier once, through `openclaude` and the installed Claude Code.

    Args:
        env: the user's environment.
        read: the configuration.
        log: the gateway's log.
        say: told what is being done.

    Raises:
        ClientError: Claude Code is not installed.
    """
    find_client(env, Path(sys.argv[0]))
    table = read.table()
    tiers = []
    for tier in TIERS:
        model = read.slots.get(tier, CLIENT_DEFAULTS[tier])
        decision = table.decide(model)
        if decision is None:
            hint = f"set {tier} under [slots] to a name a route takes"
            tiers.append(TierResult(tier, model, problem=f"no route takes {model}", hint=hint))
            continue
        say(f"{tier}: one short answer of {model}")
        tiers.append(_ask(tier, model, decision.route, env, log))
    return LiveProof(tiers)


def _ask(tier: str, model: str, route: RouteConfig, env: Mapping[str, str], log: Path) -> TierResult:
    before = log.stat().st_size if log.exists() else 0
    try:
        output, said = _run(tier, env)
    except subprocess.TimeoutExpired:
        return TierResult(tier, model, problem=f"no answer within {LIMIT} s", hint="openclaude logs")
    made = [
        row for row in logread.since(log, before) if row.get("kind") == "messages" and row.get("slot") == tier
    ]
    if not made:
        return TierResult(
            tier, model, problem=_last(said) or "Claude Code sent no request", hint="openclaude doctor"
        )
    return _judged(tier, model, route, made[-1], output)


def _judged(tier: str, model: str, route: RouteConfig, row: Entry, output: str) -> TierResult:
    streamed = output.count('"content_block_delta"') > 0
    kind = row.get("credential", "")
    problem, hint = "", ""
    if row.get("status") != "200" or row.get("outcome") != "complete":
        problem = f"HTTP {row.get('status', '-')}, {row.get('outcome', '-')}{_told(output)}"
        hint = "openclaude doctor"
    elif row.get("route") != route.to:
        problem, hint = f"answered by {row.get('route')}, not by {route.to}", "openclaude restart"
    elif not kind.lower().startswith(_KINDS[route.to]):
        problem, hint = f"the credential was {kind or 'none'}", "openclaude doctor"
    elif not streamed:
        problem, hint = "the answer did not come as a stream", "openclaude logs"
    return TierResult(
        tier,
        row.get("model", model),
        row.get("route", ""),
        row.get("upstream_model", row.get("model", "")),
        kind,
        streamed,
        row.get("first", ""),
        problem,
        hint,
    )


def _run(tier: str, env: Mapping[str, str]) -> tuple[str, str]:
    """Claude Code's output and errors, in a folder of its own: no project's settings have a say."""
    shape = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")
    command = [sys.executable, "-P", "-m", "openclaude", "-p", _PROMPT, "--model", tier, *shape, *_SMALL]
    with tempfile.TemporaryDirectory(prefix="openclaude-live-") as folder:
        done = subprocess.run(  # noqa: S603 - our own launcher
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT,
            check=False,
        )
    return done.stdout, done.stderr


def _told(output: str) -> str:
    """What Claude Code says of an error, from its last line of JSON."""
    try:
        found = json.loads(_last(output)).get("result", "")
    except (ValueError, AttributeError):
        return ""
    return f": {str(found)[:300]}" if found else ""


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
