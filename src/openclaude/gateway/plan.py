"""What the Anthropic API says of a login's plan: how full its windows are, when they begin anew, and when it is used up.

Every answer to a plan's login carries `anthropic-ratelimit-unified-*` headers. Those of each login are kept as they came
and are read when somebody asks; nothing in them is believed that makes no sense. Logins are told apart by the number
their credential has in this process, so two accounts are never mixed, and a login that `/login` replaces or that is
refreshed begins with nothing known: its next answer tells. Nothing is kept on disk: a new worker knows nothing either.

Names of headers, windows and claims: what Claude Code 2.1.330 reads. `7d_oi` is its "seven_day_overage_included", which
it calls the Fable limit. Times are seconds since the epoch; a utilisation of 1 is a full window.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from openclaude.adapters.anthropic import PLAN_PREFIX, PLAN_STATUS
from openclaude.domain.http import Header
from openclaude.domain.models import SLOTS

PREFIX: Final = PLAN_PREFIX
STATUS: Final = PLAN_STATUS
REJECTED: Final = b"rejected"
LONGEST: Final = 32 * 86400.0
"""A window that begins anew later than this is not believed; usage credits are counted by the month."""
LONGEST_WALL: Final = 8 * 86400.0
"""How long a plan is left alone at most: its longest window has seven days."""
MOST_LOGINS: Final = 8
_MOST_MODELS: Final = 6
_MOST_FIELDS: Final = 64
_MOST_WALLS: Final = 16
_EVERY_MODEL: Final = frozenset({"5h", "7d"})
_CLAIMS: Final = {
    "five_hour": "5h",
    "seven_day": "7d",
    "seven_day_opus": "7d_opus",
    "seven_day_sonnet": "7d_sonnet",
    "seven_day_overage_included": "7d_oi",
}
_TIER_OF: Final = {"oi": "fable"}
_STATUSES: Final = frozenset({"allowed", "allowed_warning", "rejected"})
_WINDOW: Final = re.compile(r"(?P<window>[a-z0-9_-]{1,40})-(?:utilization|reset|status)")
_WORD: Final = re.compile(r"[a-z0-9_]{1,60}")
_NO_WINDOW: Final = frozenset({"overage", "slow", "slow-budget", "grace"})


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a plan. `name` is as in its headers: `5h`, `7d`, `7d_opus`; None is what was not said."""

    name: str
    status: str
    utilisation: float | None
    resets: float | None


@dataclass(frozen=True, slots=True)
class Wall:
    """Why a plan should be left alone for a model, and until when. `utilisation` is None where the plan has refused."""

    window: str
    utilisation: float | None
    until: float


@dataclass(slots=True)
class _Login:
    number: int
    heard: float = 0.0
    answers: dict[str, Sequence[Header]] = field(default_factory=dict)
    """The headers of the last answer for each model, the newest last: a tier's window stands in that tier's answers only."""
    refused: dict[str, Wall] = field(default_factory=dict)
    """By window; a refusal that names no window is kept under the model's name."""


class PlanQuota:
    """The plans of the logins that use this gateway."""

    def __init__(self) -> None:
        self._logins: dict[int, _Login] = {}
        self._met = 0

    def hear(self, login: int, model: str, headers: Sequence[Header], now: float, *, status: bytes) -> None:
        """An answer for `model` has come with these headers; `status` is what the plan's own one says."""
        known = self._logins.get(login) or self._meet(login)
        known.heard = now
        answers = known.answers
        answers.pop(model, None)
        answers[model] = headers
        if len(answers) > _MOST_MODELS:
            del answers[next(iter(answers))]
        if status == REJECTED:
            self._refused(known, model, now)
        elif known.refused:
            _allowed(known, model)

    def wall(self, login: int, model: str, spill_at: float | None, now: float) -> Wall | None:
        """What speaks against asking a login's plan for a model now: a refusal, or a window that is full to `spill_at`.

        Of several reasons the one that lasts longest. None for a login of which nothing is known.
        """
        known = self._logins.get(login)
        if known is None:
            return None
        found = [wall for window, wall in known.refused.items() if window == model or governs(window, model)]
        if spill_at is not None:
            found += [
                Wall(window.name, window.utilisation, window.resets)
                for window in windows(_texts(known), now)
                if window.utilisation is not None
                and window.resets is not None
                and window.utilisation >= spill_at
                and governs(window.name, model)
            ]
        lasting = [wall for wall in found if now < wall.until <= now + LONGEST_WALL]
        return max(lasting, key=lambda wall: wall.until, default=None)

    def shown(self, now: float) -> list[dict[str, Any]]:
        """What is known of each login, the one heard of last first. Logins are numbered as they were met."""
        logins = [known for known in self._logins.values() if now - known.heard <= LONGEST_WALL]
        return [_shown(known, now) for known in sorted(logins, key=lambda known: -known.heard)]

    def _meet(self, login: int) -> _Login:
        if len(self._logins) >= MOST_LOGINS:
            del self._logins[min(self._logins, key=lambda number: self._logins[number].heard)]
        self._met += 1
        return self._logins.setdefault(login, _Login(self._met))

    def _refused(self, known: _Login, model: str, now: float) -> None:
        texts = _texts(known)
        until = _time(texts.get("reset"), now)
        claim = texts.get("representative-claim", "")
        if until is not None and len(known.refused) < _MOST_WALLS:
            window = _CLAIMS.get(claim, model)
            known.refused[window] = Wall(
                _CLAIMS.get(claim, claim if _WORD.fullmatch(claim) else ""), None, until
            )


def _allowed(known: _Login, model: str) -> None:
    """The plan has served a model: what stood against it has gone."""
    for window in [name for name in known.refused if name == model or governs(name, model)]:
        del known.refused[window]


def governs(window: str, model: str) -> bool:
    """Whether a full window of this name stops requests for a model. Unknown windows stop none; they are only shown."""
    if window in _EVERY_MODEL:
        return True
    rest = window.partition("_")[2]
    tier = _TIER_OF.get(rest, rest)
    return tier in SLOTS and tier in model


def windows(fields: Mapping[str, str], now: float) -> tuple[Window, ...]:
    """The windows in a plan's headers (without their common beginning), in the order of their names.

    A number that is none, negative or beyond reason counts as not said; so does a time that is too far away.
    """
    names = {found["window"] for key in fields if (found := _WINDOW.fullmatch(key))} - _NO_WINDOW
    read = [_window(name, fields, now) for name in sorted(names)]
    return tuple(window for window in read if window.utilisation is not None or window.status)


def _window(name: str, fields: Mapping[str, str], now: float) -> Window:
    status = fields.get(f"{name}-status", "")
    return Window(
        name,
        status if status in _STATUSES else "",
        _number(fields.get(f"{name}-utilization"), 100.0),
        _time(fields.get(f"{name}-reset"), now),
    )


def _number(text: str | None, most: float) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= most else None


def _time(text: str | None, now: float) -> float | None:
    """A time that is not over, or not for long, and not too far away; None for anything else."""
    number = _number(text, now + LONGEST)
    return number if number is not None and number > now - LONGEST else None


def _texts(known: _Login) -> dict[str, str]:
    """The fields of a plan's headers, each as it was said last."""
    texts: dict[str, str] = {}
    for headers in known.answers.values():
        for name, value in headers:
            key = name.lower()
            if key.startswith(PREFIX) and len(texts) < _MOST_FIELDS:
                texts[key[len(PREFIX) :].decode("latin-1")] = value[:80].decode("latin-1").strip()
    return texts


def _shown(known: _Login, now: float) -> dict[str, Any]:
    texts = _texts(known)

    def word(name: str) -> str | None:
        value = texts.get(name, "")
        return value if _WORD.fullmatch(value) else None

    return {
        "login": known.number,
        "heard": known.heard,
        "status": word("status"),
        "claim": word("representative-claim"),
        "resets": _time(texts.get("reset"), now),
        "windows": [
            {
                "window": window.name,
                "status": window.status or None,
                "utilization": window.utilisation,
                "resets": window.resets,
            }
            for window in windows(texts, now)
        ],
        "overage": {
            "status": word("overage-status"),
            "resets": _time(texts.get("overage-reset"), now),
            "utilization": _number(texts.get("overage-utilization"), 100.0),
            "in_use": texts.get("overage-in-use") == "true",
            "disabled_reason": word("overage-disabled-reason"),
        },
    }
