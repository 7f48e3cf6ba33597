"""Settings an organisation gives Claude Code: they outrank what a launcher gives, so some of them end the launch.

Seen in the client's documents, not tried: the files lie where only an administrator can write.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from openclaude.launcher.trouble import Trouble
from openclaude.launcher.variables import BASE_URL, HELPER_KEYS, PIN_OF, TRANSPORT, Pin

PLACES: Final[Mapping[str, tuple[Path, ...]]] = {
    "linux": (Path("/etc/claude-code/managed-settings.json"), Path("/etc/claude-code/managed-settings.d")),
    "darwin": (
        Path("/Library/Application Support/ClaudeCode/managed-settings.json"),
        Path("/Library/Application Support/ClaudeCode/managed-settings.d"),
    ),
}
"""Where they are: a file, and a folder of further ones."""


class ManagedError(Trouble):
    """An organisation's settings would take the session or its credential elsewhere. `path` names the file."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        super().__init__(path, names)
        self.path = path
        self.names = names
        self.hint = "ask your administrator; plain `claude` follows these settings"

    def __str__(self) -> str:
        return (
            f"{self.path}: your organisation's settings decide {', '.join(self.names)}, and they outrank openClaude's, so "
            "Claude Code would not use this gateway as it should"
        )


def refuse(places: Iterable[Path] = PLACES.get(sys.platform, ())) -> None:
    """See that no managed setting decides where Claude Code goes or with which credential. Raises `ManagedError`."""
    for place in places:
        for path in sorted(place.glob("*.json")) if place.is_dir() else [place]:
            names = _deciding(path)
            if names:
                raise ManagedError(path, names)


def _deciding(path: Path) -> tuple[str, ...]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return ()  # absent, or broken: the client itself speaks up about that
    env = told.get("env") if isinstance(told, dict) else None
    names = [
        f"env.{name}"
        for name, value in (env.items() if isinstance(env, dict) else ())
        if value and (name in (BASE_URL, *TRANSPORT) or PIN_OF.get(name) is Pin.NOTHING)
    ]
    keys = [key for key in HELPER_KEYS if isinstance(told, dict) and told.get(key)]
    return (*names, *keys)
