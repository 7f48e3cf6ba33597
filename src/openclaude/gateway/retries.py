"""When a request may be sent once more after its provider failed, how long that waits, and what it costs its route.

The client has a ladder of eleven attempts of its own, so there is one attempt more at most, before the first byte of
the answer, and only where the model cannot have begun to work on it (security sheet, section 3). None of this is for
the Anthropic route, which never repeats a request.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from openclaude.domain.errors import MALFORMED_OUTPUT, ApiError
from openclaude.domain.http import SafeHeaders

MOST_SENT: Final = 4
"""How often one request is sent in all, whatever the reasons: fields that were refused, keys, the clock, a fault."""
PATIENT: Final = 2.0
"""Seconds of waiting the gateway takes upon itself. A provider that asks for more is passed on with its `retry-after`."""
TOKENS: Final = 100.0
SHARE: Final = 0.2
ALWAYS: Final = 2
"""Of the requests of a route under way a fifth may be repetitions, and two of them in any case."""
USUAL_PATIENCE: Final = 600.0
_PATIENCE: Final = (1.0, 3600.0)


class Fault(Enum):
    """How an attempt failed: the price of another one, the seconds before that at most, and whether the provider is down.

    Without a price there is no other attempt.
    """

    THROTTLED = (5.0, PATIENT, False)
    TRANSIENT = (14.0, 0.5, True)
    """It did not begin: it was not reached, or said that it could not."""
    GARBLED = (14.0, 0.0, False)
    """It answered with nothing that makes sense."""
    LOST = (0.0, 0.0, True)
    """It may have begun, or may still be at it."""
    OURS = (0.0, 0.0, False)
    """The reason lies on this side, and says nothing of the provider."""

    @property
    def price(self) -> float:
        """Tokens of the route's budget."""
        return self.value[0]

    @property
    def repeatable(self) -> bool:
        return self.price > 0

    @property
    def counts(self) -> bool:
        """Whether a breaker counts it (gateway/health.py)."""
        return self.value[2]

    def delay(self, stated: float, chance: float) -> float:
        """Seconds until the next attempt: full jitter, but no earlier than the provider's own `stated` seconds.

        `chance` is a random number from 0 to 1.
        """
        return stated + (max(stated, self.value[1]) - stated) * chance


def refused(status: int, error: ApiError) -> Fault | None:
    """The fault behind a provider's HTTP answer of this status; None where the request itself was refused."""
    if error.type == "rate_limit_error":
        return Fault.THROTTLED if error.retry else None
    if status in (408, 504):
        return Fault.LOST
    return Fault.TRANSIENT if status >= 500 or error.status == 529 else None


def framed(error: ApiError) -> Fault | None:
    """The fault behind an error in the first frame of a stream."""
    if MALFORMED_OUTPUT in error.notes:
        return Fault.GARBLED
    if error.type == "rate_limit_error":
        return Fault.THROTTLED if error.retry else None
    if error.status == 504:
        return Fault.LOST
    # 502 is damage, or the model's own failure in the middle of its work.
    return Fault.TRANSIENT if error.status in (500, 529) else None


def unconnected(error: ApiError) -> Fault:
    """The fault behind a connection that failed."""
    if not error.retry or error.status == 529:
        return Fault.OURS
    # A timeout has used up the time of a second attempt.
    return Fault.TRANSIENT if error.unsent and error.status == 502 else Fault.LOST


def patience(headers: SafeHeaders) -> float:
    """Seconds the client waits for an answer to begin: what its SDK says, else what that says as a rule."""
    said = headers.get(b"x-stainless-timeout") or b""
    if not said.isdigit() or len(said) > 9:
        return USUAL_PATIENCE
    return min(max(float(said), _PATIENCE[0]), _PATIENCE[1])


@dataclass(slots=True)
class Budget:
    """What a route has for repetitions.

    Attributes:
        tokens: what is left of `TOKENS`; a success brings one back.
        in_flight: its requests under way.
        repeating: how many of them are repetitions.
        spent: repetitions so far.
        denied: repetitions that there was no budget for.
    """

    tokens: float = TOKENS
    in_flight: int = 0
    repeating: int = 0
    spent: int = 0
    denied: int = 0

    def take(self, price: float) -> bool:
        """Pay for one repetition; False when there is not enough, or too many are under way."""
        if self.tokens < price or self.repeating >= max(ALWAYS, SHARE * self.in_flight):
            self.denied += 1
            return False
        self.tokens -= price
        self.repeating += 1
        self.spent += 1
        return True

    def earn(self) -> None:
        """A request of the route has succeeded."""
        if self.tokens < TOKENS:
            self.tokens = min(TOKENS, self.tokens + 1)
