"""How a route is doing: its budget for repetitions, and a breaker for each account that has met failures lately.

A failure is a provider that was not reached, did not answer, or said that it could not: 5xx, a model that is not
ready, silence before the first byte. A refusal of the request, throttling, and whatever comes after the first byte are
answers: the provider is there. On the Anthropic route only connections count, so that no answer of Anthropic's is
ever hidden. A route without failures has no breaker, and its requests pay nothing for any of this.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

from openclaude.domain.errors import ApiError
from openclaude.gateway.breaker import Breaker, Pace, State
from openclaude.gateway.retries import Budget
from openclaude.ports import AccessLog

LADDER: Final = 120.0
"""Seconds that the client's own attempts span. Where the wait is longer, it had better show the reason at once."""
MOST: Final = 1024
"""Accounts with a breaker at most; the oldest gives way."""
_WORST: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


@dataclass(slots=True)
class Health:
    """Of one model at one origin. An account is a session's name: sessions with the same AWS environment have the same."""

    origin: str
    model: str
    pace: Pace
    log: AccessLog
    budget: Budget = field(default_factory=Budget)
    breakers: dict[str, Breaker] = field(default_factory=dict)

    def admit(self, account: str, now: float) -> ApiError | None:
        """None for a request that may go out, else its answer."""
        breaker = self.breakers.get(account)
        if breaker is None:
            return None
        before = breaker.state
        wait = breaker.admit(now)
        self._tell(breaker, before)
        return self._left_alone(breaker, wait) if wait > 0 else None

    def resting(self, account: str) -> bool:
        """Whether the provider is left alone, by all but probes."""
        breaker = self.breakers.get(account)
        return breaker is not None and breaker.state is not State.CLOSED

    def probes(self, account: str) -> bool:
        """Whether a request that was just let out is the probe."""
        breaker = self.breakers.get(account)
        return breaker is not None and breaker.state is State.HALF_OPEN

    def answered(self, account: str, now: float) -> None:
        """The provider is there."""
        breaker = self.breakers.get(account)
        if breaker is None:
            return
        before = breaker.state
        breaker.answered(now)
        self._tell(breaker, before)
        if breaker.forgotten(now):
            del self.breakers[account]

    def failed(self, account: str, now: float, *, probe: bool) -> None:
        """The provider failed."""
        breaker = self.breakers.get(account)
        if breaker is None:
            if len(self.breakers) >= MOST:
                del self.breakers[next(iter(self.breakers))]
            breaker = self.breakers[account] = Breaker(self.pace)
        before = breaker.state
        breaker.failed(now, probe=probe)
        self._tell(breaker, before)

    def released(self, account: str, now: float) -> None:
        """A probe has ended without an answer or a failure."""
        breaker = self.breakers.get(account)
        if breaker is not None:
            breaker.released(now)

    def shown(self, now: float) -> dict[str, Any]:
        """For `status`: the worst of the breakers, and what was spent on repetitions."""
        worst = max(self.breakers.values(), key=lambda each: _WORST[each.state], default=None)
        budget = self.budget
        return {
            "origin": self.origin,
            "model": self.model,
            "breaker": (worst.state if worst else State.CLOSED).value,
            "failures": worst.failures if worst else 0,
            "wait": max(0.0, worst.until - now) if worst else 0.0,
            "retries": {"spent": budget.spent, "denied": budget.denied, "tokens": budget.tokens},
        }

    def _left_alone(self, breaker: Breaker, wait: float) -> ApiError:
        seconds = math.ceil(wait)
        what = f"{self.origin} failed {breaker.failures} times in a row" if breaker.failures else self.origin
        text = (
            f"openClaude: {what}{f' for {self.model}' if self.model else ''}, and is left alone for {seconds} s. "
            "hint: `openclaude status` shows more, `openclaude reload` tries at once"
        )
        return ApiError(529, "overloaded_error", text, retry=wait <= LADDER, retry_after=seconds)

    def _tell(self, breaker: Breaker, before: State) -> None:
        if breaker.state is before:
            return
        wait = {"wait": f"{breaker.wait:.0f}"} if breaker.state is State.OPEN else {}
        self.log.event(
            "breaker",
            origin=self.origin,
            **({"model": self.model} if self.model else {}),
            state=breaker.state.value,
            failures=str(breaker.failures),
            **wait,
        )
