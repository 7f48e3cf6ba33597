"""How far the estimates of one model's tokens are off, learned from what its answers report.

Kept in the running process only. A sampled request is estimated as a count would be, and what the model reports for it
(fresh, cached and newly cached input together) is set against that.
"""

import math
from dataclasses import dataclass

from openclaude.domain.usage import Usage

_LOWEST, _HIGHEST = 0.5, 2.0
"""How far a correction may go."""
_MARGIN = 0.05
"""What is added to the learned ratio, because a count that is too low costs a session and one that is too high a bit."""
_LEAST = 400
"""Tokens below which a request says more about the model's frame than about its vocabulary."""
_RISE, _FALL = 0.5, 0.2
_ALL_OF_THE_FIRST, _THEN_EVERY = 4, 16


class Calibration:
    """The smoothed ratio of reported to estimated tokens; up it goes quickly, down slowly."""

    def __init__(self) -> None:
        self._ratio = 1.0
        self._learned = 0
        self._asked = 0

    def is_due(self) -> bool:
        """Whether this request shall be estimated: the first ones, then one in sixteen."""
        self._asked += 1
        eager = self._learned < _ALL_OF_THE_FIRST and self._asked <= _THEN_EVERY
        return eager or self._asked % _THEN_EVERY == 0

    def learn(self, estimated: float, usage: Usage) -> None:
        """Take in what a model reported for a request that was estimated at so many tokens."""
        reported = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        if estimated < _LEAST or reported <= 0:
            return
        ratio = min(max(reported / estimated, _LOWEST), _HIGHEST)
        pace = _RISE if ratio > self._ratio else max(_FALL, 1 / (self._learned + 2))
        self._ratio += pace * (ratio - self._ratio)
        self._learned += 1

    def corrected(self, estimated: float) -> int:
        """An estimate in the light of what was learned; unchanged while nothing was."""
        factor = min(self._ratio + _MARGIN, _HIGHEST) if self._learned else 1.0
        return math.ceil(estimated * factor)


@dataclass(frozen=True, slots=True)
class Sample:
    """A request's estimate, waiting for what the model reports."""

    calibration: Calibration
    estimated: float

    def learn(self, usage: Usage) -> None:
        self.calibration.learn(self.estimated, usage)
