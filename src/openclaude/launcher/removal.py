"""What `openclaude uninstall` takes away: the files openClaude made, in its own folder, and nothing else.

A link is removed as a link, never followed. What is not known by its name, or belongs to somebody else, is left and named,
and so is the folder it lies in.
"""

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaude.launcher.service import MARK
from openclaude.launcher.trouble import Trouble

KNOWN: Final = {
    "config.toml": "your configuration",
    "config.draft.toml": "an edit that was not finished",
    "backups": "copies of your configuration",
    "secret": "the installation's secret",
    "settings.json": "the client's settings",
    "run": "locks, sockets and sessions' settings",
    "logs": "the gateway's log",
    "tls": "the installation's certificates",
    "profiles": "your named set-ups",
    "claude": "the client's own folder in isolated mode",
}
"""Everything openClaude keeps at the top of its folder, in the order in which it is removed."""
_MARKS: Final = ("config.toml", "secret", "run")
_OF_PROFILE: Final = re.compile(r"claude-[a-z0-9][a-z0-9_-]{0,31}")
_TEMPORARY: Final = re.compile(r"\.config-\w+\.toml|\.[\w.-]+\.[0-9a-f]{12}")
_UNITS: Final = (
    (".config/systemd/user", re.compile(r"openclaude[\w.@-]*\.(service|socket)")),
    ("Library/LaunchAgents", re.compile(r"[\w.-]*openclaude[\w.-]*\.plist")),
)


@dataclass(slots=True)
class RemovalError(Trouble):
    """The folder is not one that may be removed. `hint` says what to do."""

    what: str
    hint: str

    def __str__(self) -> str:
        return self.what


@dataclass(slots=True)
class Removal:
    """What is to go, or went.

    Attributes:
        entries: path and what it is.
        left: path and why it stays.
    """

    entries: list[tuple[Path, str]] = field(default_factory=list)
    left: list[tuple[Path, str]] = field(default_factory=list)


def plan(home: Path, env: Mapping[str, str]) -> Removal:
    """What there is to remove. Nothing is changed.

    Args:
        home: openClaude's folder.
        env: for HOME, and where Claude Code keeps its own folder.

    Raises:
        RemovalError: the folder is a surprising one, or not openClaude's.
    """
    found = Removal()
    user = Path(env.get("HOME", "/"))
    _units(found, user, env)
    if not os.path.lexists(home):
        return found
    _refuse_surprises(home, user, env)
    names = sorted((path.name for path in home.iterdir()), key=lambda name: (_order(name), name))
    if names and not any(name in _MARKS for name in names):
        raise RemovalError(
            f"{home} has nothing in it that openClaude makes, and is left alone",
            "look into it; OPENCLAUDE_HOME names the folder that is meant",
        )
    for name in names:
        path = home / name
        if reason := _stranger(path):
            found.left.append((path, reason))
        elif name in KNOWN or _TEMPORARY.fullmatch(name):
            found.entries.append((path, KNOWN.get(name, "a file that was being written")))
        elif _OF_PROFILE.fullmatch(name):
            found.entries.append((path, f"{KNOWN['claude']}, of a profile"))
        else:
            found.left.append((path, "openClaude did not make it"))
    if not found.left:
        found.entries.append((home, "the folder itself"))
    return found


def service_commands(todo: Removal) -> list[list[str]]:
    """What ends the services whose files are to go, so that nothing starts the gateway again."""
    commands = []
    for path, _ in todo.entries:
        if path.suffix in (".service", ".socket") and path.parent.name == "user":
            commands.append(["systemctl", "--user", "disable", "--now", path.name])
        elif path.suffix == ".plist" and path.parent.name == "LaunchAgents":
            commands.append(["launchctl", "bootout", f"gui/{os.getuid()}/{path.stem}"])
    return commands


def remove(todo: Removal) -> Removal:
    """Remove what the plan says; the result is what went and what stayed."""
    done = Removal(left=list(todo.left))
    for path, what in todo.entries:
        stayed = list(_remove(path))
        if stayed:
            done.left += stayed
        else:
            done.entries.append((path, what))
    return done


def package_command() -> str:
    """How the program itself is removed, by the way it was installed."""
    parts = Path(sys.prefix).parts
    if "pipx" in parts:
        return "pipx uninstall openclaude"
    if "uv" in parts and "tools" in parts:
        return "uv tool uninstall openclaude"
    return f"{sys.executable} -m pip uninstall openclaude"


def _refuse_surprises(home: Path, user: Path, env: Mapping[str, str]) -> None:
    hint = "OPENCLAUDE_HOME names the folder that is meant; remove what you want gone by hand"
    if home.is_symlink():
        raise RemovalError(f"{home} is a symbolic link", hint)
    if not home.is_dir():
        raise RemovalError(f"{home} is no folder", hint)
    real = home.resolve()
    claude = Path(env.get("CLAUDE_CONFIG_DIR") or user / ".claude").resolve()
    above = {Path("/"), user.resolve(), Path.cwd(), *user.resolve().parents}
    if real in above or real == claude or claude in real.parents or real in claude.parents:
        raise RemovalError(f"{home} holds more than openClaude's files", hint)
    if (home / ".git").exists():
        raise RemovalError(f"{home} is somebody's repository", hint)
    if home.lstat().st_uid != os.geteuid():
        raise RemovalError(f"{home} belongs to another user", hint)


def _units(found: Removal, user: Path, env: Mapping[str, str]) -> None:
    """Service files that name openClaude, where `openclaude service install` or a user puts them."""
    for folder, pattern in _UNITS:
        under = Path(env["XDG_CONFIG_HOME"]) if env.get("XDG_CONFIG_HOME") and "systemd" in folder else None
        place = under / "systemd" / "user" if under else user / folder
        try:
            names = sorted(path.name for path in place.iterdir())
        except OSError:
            continue
        for path in (place / name for name in names if pattern.fullmatch(name)):
            reason = _stranger(path) or _not_ours(path)
            if reason:
                found.left.append((path, reason))
            else:
                found.entries.append((path, "the service that starts the gateway"))


def _not_ours(unit: Path) -> str:
    """Why a service file is not one that openClaude wrote; empty when it is."""
    try:
        written = not unit.is_symlink() and unit.is_file() and MARK in unit.read_text(errors="replace")
    except OSError:
        written = False
    return "" if written else "openClaude did not write it"


def _order(name: str) -> int:
    return list(KNOWN).index(name) if name in KNOWN else len(KNOWN)


def _stranger(path: Path) -> str:
    return "" if path.lstat().st_uid == os.geteuid() else "it belongs to another user"


def _remove(path: Path) -> Iterator[tuple[Path, str]]:
    """Remove a file, or a folder with everything in it; gives what could not be removed, and why."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            stayed = [kept for inner in list(path.iterdir()) for kept in _remove(inner)]
            yield from stayed
            if not stayed:
                path.rmdir()
        elif reason := _stranger(path):
            yield path, reason
        else:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        with suppress(OSError):
            path.lstat()
            yield path, error.strerror or "it cannot be removed"
