"""What the gateway knows of the Claude plan, in words: for `openclaude status` and the client's status line."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openclaude.launcher import control


def ask(run: Path, *, timeout: float = control.PATIENCE) -> dict[str, Any]:
    """What the gateway says of plans: `plan`, a row for each login. Empty when nobody answers."""
    answer = control.ask(run, "plan", timeout=timeout) or {}
    return {"plan": _rows(answer.get("plan"))}


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def plan_lines(rows: list[dict[str, Any]], now: datetime) -> list[str]:
    """The windows of each login, one in a line, and what the last answer said; times are local."""
    lines = []
    for row in rows:
        whose = f"login {row['login']}: " if len(rows) > 1 else ""
        lines += [f"{whose}{_window(window, now)}" for window in _rows(row.get("windows"))]
        said = f"{whose}{row.get('status') or 'nothing'} said at {clock(row['heard'], now)}"
        overage = row.get("overage")
        if isinstance(overage, dict) and overage.get("in_use"):
            said += "; usage credits are in use"
        lines.append(said)
    return lines


def _window(window: Mapping[str, Any], now: datetime) -> str:
    used, resets = window.get("utilization"), window.get("resets")
    level = "unknown" if used is None else percent(used)
    if resets is None:
        return f"{window['window']} at {level}"
    if resets <= now.timestamp():
        return f"{window['window']} has begun anew at {clock(resets, now)}, was at {level}"
    return f"{window['window']} at {level}, resets {clock(resets, now)}"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def clock(seconds: float, now: datetime) -> str:
    """A time of day where the user is, with the date when it is not today's."""
    then, today = datetime.fromtimestamp(seconds, UTC).astimezone(now.tzinfo), now.date()
    return f"{then:%H:%M}" if then.date() == today else f"{then:%a %d %b %H:%M}"


def local_now() -> datetime:
    """Now, in the user's time zone."""
    return datetime.now(UTC).astimezone()
