"""What the gateway knows of the Claude plan, in words: for `openclaude status` and the client's status line."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openclaude.launcher import control


def ask(run: Path, *, timeout: float = control.PATIENCE) -> dict[str, Any]:
    """What the gateway says of plans; empty when nobody answers.

    `plan` has a row for each login, `elsewhere` one for each model that another route than its own answers at the moment.
    """
    answer = control.ask(run, "plan", timeout=timeout) or {}
    return {name: _rows(answer.get(name)) for name in ("plan", "elsewhere")}


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


def elsewhere_lines(rows: list[dict[str, Any]], now: datetime) -> list[str]:
    """Where models' requests go that their own routes do not take now, and why."""
    return [_elsewhere(row, now) for row in rows]


def _elsewhere(row: Mapping[str, Any], now: datetime) -> str:
    if row.get("until") is not None:
        said = f"{row['why']}, {row['model']} goes to {row['to']} until {clock(row['until'], now)}"
    else:
        said = f"{row['model']} was answered by {row['to']} at {clock(row['at'], now)} ({row['why']})"
    return "".join(char if char.isprintable() else "?" for char in said)  # a client chose the model's name


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
