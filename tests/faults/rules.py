"""What a client may expect of a fault: the rules of the reliability sheet in the words of the checks.

"§2" is the security sheet's table of faults, "§3" its rules of retries. The rules are written from them, not from the code.
"""

from dataclasses import dataclass
from typing import Literal

from faults.modes import Family

Ends = Literal["error", "relayed", "cut", "sse-error", "complete", "estimate"]
"""How an answer ends: an error of the gateway's own; the provider's answer, byte for byte; a connection that is cut; an
`error` event; a good answer; a count that was estimated."""

IDLE = 300.0
"""Seconds without a byte after which a pass-through answer that has begun is given up (§2: idle timeout between events)."""
FRAME = 120.0
"""Seconds without a frame after which a stream of Bedrock's is given up (Bedrock contract, section F)."""
PATIENCE = 600.0
"""Seconds a client waits for an answer to begin (§3.4: its own `x-stainless-timeout`, 600 by default)."""
DIAL = 10.0
"""Seconds for a connection (§2)."""
COUNT = 10.0
"""Seconds for a count, after which it is estimated."""
SLACK = 5.0
"""Seconds beyond a limit after which a request counts as hung (§2, definitions)."""


@dataclass(frozen=True)
class Expect:
    """What one cell has to show.

    Attributes:
        kind: the error type, in a body or an `error` event.
        retry: `x-should-retry`; None for an answer that is not the gateway's own.
        after: `retry-after`.
        attempts: how often a provider was tried.
        limit: seconds within which it is over, if nothing comes.
    """

    ends: Ends
    status: int = 200
    kind: str = ""
    retry: bool | None = None
    after: str | None = None
    attempts: int = 1
    limit: float = 0.0

    @property
    def outcome(self) -> str:
        """How the log says it ended."""
        return "upstream_failed" if self.ends in ("cut", "sse-error") else "complete"


Rule = dict[Family, Expect]
"""A fault's rule: what each family of modes has to show."""

COMPLETE = Expect("complete")
ESTIMATE = Expect("estimate")
CUT = Expect("cut")


def error(status: int, kind: str, *, retry: bool = True, **more: object) -> Expect:
    return Expect("error", status, kind, retry, **more)  # type: ignore[arg-type]


def sse_error(kind: str = "api_error", **more: object) -> Expect:
    return Expect("sse-error", 200, kind, **more)  # type: ignore[arg-type]


def relayed(status: int, **more: object) -> Expect:
    """The pass-through route shows what the provider said, `x-should-retry` and `retry-after` included (§2)."""
    return Expect("relayed", status, **more)  # type: ignore[arg-type]


def rule(passed: Expect, stream: Expect, whole: Expect | None = None, count: Expect = ESTIMATE) -> Rule:
    """`passed` for both pass-through modes; `stream` and `whole` for Bedrock."""
    return {
        "pass-stream": passed,
        "pass-whole": passed,
        "stream": stream,
        "whole": whole or stream,
        "count": count,
    }


def unreached(status: int = 502, kind: str = "api_error", *, again: bool = True, limit: float = 0.0) -> Rule:
    """No connection: nothing was sent. Bedrock is tried once more (§3.2), the Anthropic route never is (§3.1).

    A dial that ran into its limit is not repeated: it used up the time of a second attempt.
    """
    first = error(status, kind, limit=limit)
    second = error(status, kind, limit=limit, attempts=2 if again else 1)
    return rule(first, second, second, Expect("estimate", limit=min(limit, COUNT)))


def lost() -> Rule:
    """The request was sent and no answer began: it may be under way, so it is never repeated (§2, §3.1, §3.2)."""
    return rule(error(502, "api_error"), error(502, "api_error"))


def silent() -> Rule:
    """Nothing comes (§2: idle timeout; a client of Bedrock's stream is held by pings and told by an event)."""
    return rule(
        error(504, "timeout_error", limit=PATIENCE),
        sse_error("timeout_error", limit=FRAME),
        error(504, "timeout_error", limit=PATIENCE),
        Expect("estimate", limit=COUNT),
    )


def broken_off() -> Rule:
    """An answer breaks off: the pass-through route cuts, so that nothing looks whole; Bedrock's stream ends with an
    `error` event (§2, §3.7), its whole answer becomes an error. Nothing is repeated after the request was sent."""
    return rule(CUT, sse_error(), error(502, "api_error"))


def refused(
    status: int, shown: int, kind: str, *, retry: bool, attempts: int = 1, after: str | None = None
) -> Rule:
    """The provider says no: relayed by the pass-through route, put into the API's words by Bedrock's (§2)."""
    told = error(shown, kind, retry=retry, attempts=attempts, after=after)
    return rule(relayed(status), told)


def garbled() -> Rule:
    """Well-framed rubbish: the pass-through route is byte-faithful, Bedrock's says that it cannot be read (§2)."""
    return rule(relayed(200), sse_error(), error(502, "api_error"))
