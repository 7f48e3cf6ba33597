"""How providers are doing, in words: for `openclaude status`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openclaude.launcher import control


def ask(run: Path) -> dict[str, Any]:
    """What the gateway says of providers it has asked: `health`, a row for each model and origin."""
    rows = (control.ask(run, "health") or {}).get("health")
    return {"health": [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []}


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each provider that is left alone or had to be asked twice; none while all is well."""
    return [text for row in rows for text in (_breaker(row), _retries(row)) if text]


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['model']} at {row['origin']}" if row["model"] else str(row["origin"])


def _breaker(row: Mapping[str, Any]) -> str:
    if row["breaker"] == "closed":
        return ""
    what = f"left alone for {row['wait']:.0f} s" if row["breaker"] == "open" else "tried with one request"
    return f"{_name(row)}: {what}, after {row['failures']} failures in a row"


def _retries(row: Mapping[str, Any]) -> str:
    retries = row["retries"]
    if not retries["spent"] and not retries["denied"]:
        return ""
    text = f"{_name(row)}: {retries['spent']} second attempts"
    return text + (f", {retries['denied']} not made for want of budget" if retries["denied"] else "")
