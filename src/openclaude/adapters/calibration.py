"""How far the estimates of one model's tokens are off, learned from what its answers report.

Kept in the running process only. A sampled request is estimated as a count would be, and what the model reports for it
(fresh, cached and newly cached input together) is set against that.
"""

import math
from dataclasses import dataclass

from openclaude.domain.usage import Usage

_LOWEST, _HIGHEST = 0.5, 2.0
"""How far a correction may go."""
_MARGIN = 1.05
"""What the learned ratio is multiplied by, because a count that is too low costs a session and one too high a little."""
_FIRST_GUESS = 1000.0
"""Tokens that the estimate itself counts for: what was learned from fewer than these moves it little."""
_MEMORY, _MOST = 60_000.0, 20_000.0
"""Tokens of earlier requests that are remembered, and of one request that count."""
_UPWARDS = 3.0
"""How much more a request counts that was estimated too low."""
_ENOUGH = 400
"""Tokens from which on a request has taught something."""
_WANTED, _EAGER, _THEN_EVERY = 4, 16, 64
"""The first 16 requests are estimated until 4 have taught something; after that, one in 64."""


class Calibration:
    """The ratio of reported to estimated tokens, averaged over the requests by their size.

    Quick to rise and slow to fall; a small request, which says more about the model's frame than about its vocabulary,
    moves it little.
    """

    def __init__(self) -> None:
        self._ratio = 1.0
        self._mass = _FIRST_GUESS
        self._taught = False
        self._learned = 0
        self._asked = 0

    def is_due(self) -> bool:
        """Whether this request shall be estimated: the first ones, then one in 64."""
        self._asked += 1
        eager = self._learned < _WANTED and self._asked <= _EAGER
        return eager or self._asked % _THEN_EVERY == 0

    def learn(self, estimated: float, usage: Usage) -> None:
        """Take in what a model reported for a request that was estimated at so many tokens."""
        reported = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        if estimated <= 0 or reported <= 0:
            return
        ratio = min(max(reported / estimated, _LOWEST), _HIGHEST)
        weight = min(estimated, _MOST) * (_UPWARDS if ratio > self._ratio else 1.0)
        self._ratio += (ratio - self._ratio) * weight / (self._mass + weight)
        self._mass = min(self._mass + weight, _MEMORY)
        self._learned += estimated >= _ENOUGH
        self._taught = True

    def corrected(self, estimated: float) -> int:
        """An estimate in the light of what was learned; unchanged while nothing was."""
        factor = min(self._ratio * _MARGIN, _HIGHEST) if self._taught else 1.0
        return math.ceil(estimated * factor)

    def likely(self, estimated: float) -> float:
        """The most likely number of tokens, without the margin that makes a count err high."""
        return estimated * self._ratio if self._taught else estimated / _MARGIN


@dataclass(frozen=True, slots=True)
class Sample:
    """A request's estimate, waiting for what the model reports."""

    calibration: Calibration
    estimated: float

    def learn(self, usage: Usage) -> None:
        self.calibration.learn(self.estimated, usage)
