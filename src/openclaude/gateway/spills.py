"""Which requests go elsewhere at the moment, because a plan is full or a route has just failed: told once for each change."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from openclaude.gateway.plan import Wall
from openclaude.ports import AccessLog

_MOST: Final = 64
RECENT: Final = 300.0
"""Seconds for which a request that another route answered is still worth a word."""


class Whose(NamedTuple):
    """Whose requests: those of a set-up for a model, as the client names it."""

    profile: str
    model: str


@dataclass(frozen=True, slots=True)
class _Away:
    target: str
    wall: Wall


@dataclass(frozen=True, slots=True)
class _Fell:
    target: str
    why: str
    at: float


class Spills:
    """What has been announced, to `log`."""

    def __init__(self, log: AccessLog) -> None:
        self._log = log
        self._away: dict[Whose, _Away] = {}
        self._fell: dict[Whose, _Fell] = {}

    def away(self, whose: Whose, target: str, wall: Wall) -> None:
        """A request was answered elsewhere, because of the plan; the next ones will be, until the window begins anew."""
        before = self._away.get(whose)
        if before is not None and before.target == target and before.wall.until == wall.until:
            return
        if len(self._away) >= _MOST and whose not in self._away:
            self._away.pop(next(iter(self._away)))
        self._away[whose] = _Away(target, wall)
        self._say("plan-away", whose, to=target, why=said(wall), until=f"{wall.until:.0f}")

    def back(self, whose: Whose, now: float) -> None:
        """The plan has answered a request again."""
        before = self._away.pop(whose, None)
        if before is not None:
            self._say("plan-back", whose, why="served again" if before.wall.until > now else "begun anew")

    def fell(self, whose: Whose, target: str, why: str, now: float) -> None:
        """A request was answered elsewhere, because its own route could not."""
        before = self._fell.pop(whose, None)
        if len(self._fell) >= _MOST:
            self._fell.pop(next(iter(self._fell)))
        self._fell[whose] = _Fell(target, why, now)
        if before is None or before.target != target or now - before.at > RECENT:
            self._say("fallback", whose, to=target, why=why)

    def shown(self, now: float) -> list[dict[str, Any]]:
        """What goes elsewhere now, and what has gone elsewhere in the last minutes."""
        rows: list[dict[str, Any]] = [
            {
                **whose._asdict(),
                "to": away.target,
                "why": said(away.wall),
                "window": away.wall.window,
                "utilization": away.wall.utilisation,
                "until": away.wall.until,
            }
            for whose, away in self._away.items()
            if away.wall.until > now
        ]
        return rows + [
            {**whose._asdict(), "to": fell.target, "why": fell.why, "at": fell.at}
            for whose, fell in self._fell.items()
            if now - fell.at <= RECENT
        ]

    def _say(self, event: str, whose: Whose, **fields: str) -> None:
        named = {"profile": whose.profile} if whose.profile else {}
        self._log.event(event, model=whose.model, **named, **fields)


def said(wall: Wall) -> str:
    """Why a plan is left alone, in a few words."""
    window = wall.window or "plan"
    return f"{window} used up" if wall.utilisation is None else f"{window} at {wall.utilisation * 100:.0f} %"
