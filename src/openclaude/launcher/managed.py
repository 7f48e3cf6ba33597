"""Settings an organisation gives Claude Code: they outrank what a launcher gives, so some of them end the launch.

Tried with the client (2.1.330): what is named here took a session or its credential away, or left it without an
answer. A proxy alone does not, since NO_PROXY is given beside it.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from openclaude.launcher.settings import LOOPBACK, loses_headers
from openclaude.launcher.trouble import Trouble
from openclaude.launcher.variables import (
    BASE_URL,
    CUSTOM_HEADERS,
    HELPER_KEYS,
    NO_PROXY,
    PIN_OF,
    TRANSPORT,
    Pin,
)

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
        proxy = "; NO_PROXY has to name 127.0.0.1" if {f"env.{name}" for name in NO_PROXY} & {*names} else ""
        self.hint = f"ask your administrator; plain `claude` follows these settings{proxy}"

    def __str__(self) -> str:
        return (
            f"{self.path}: your organisation's settings decide {', '.join(self.names)}, and they outrank openClaude's, so "
            "Claude Code would not use this gateway as it should"
        )


def refuse(places: Iterable[Path] = PLACES.get(sys.platform, ())) -> None:
    """See that no managed setting decides where Claude Code goes or with which credential. Raises `ManagedError`."""
    for place in places:
        for path in sorted(place.glob("*.json")) if place.is_dir() else [place]:
            names = deciding(_read(path))
            if names:
                raise ManagedError(path, names)


def deciding(told: Mapping[str, object]) -> tuple[str, ...]:
    """The names, never values, of what in such settings decides where the client goes or with which credential.

    An empty value outranks openClaude's as well: it leaves the client without the gateway, or without a way to it.
    """
    env = told.get("env")
    names = [
        f"env.{name}"
        for name, value in (env.items() if isinstance(env, dict) else ())
        if value is not None and _decides(name, str(value))
    ]
    return (*names, *(key for key in HELPER_KEYS if told.get(key)))


def _decides(name: str, value: str) -> bool:
    if name in NO_PROXY:
        return not {"*", LOOPBACK[0]} & {host.strip() for host in value.split(",")}
    if name == CUSTOM_HEADERS:
        return loses_headers(value)
    return name in (BASE_URL, *TRANSPORT) or (bool(value) and PIN_OF.get(name) is Pin.NOTHING)


def _read(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # absent, or broken: the client itself speaks up about that
    return told if isinstance(told, dict) else {}
