"""Who is examined: a user's environment, folders and settings, read once and never written."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from openclaude import config
from openclaude.config import Config, ConfigError, RouteConfig
from openclaude.launcher import isolated
from openclaude.launcher.managed import PLACES

_VERSION_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Source:
    """One settings file of Claude Code's.

    Attributes:
        kind: "managed", "local", "project" or "user"; in Claude Code the first of them wins.
        path: where it is.
        content: what it says; None when it cannot be read as a JSON object.
        trouble: why not.
    """

    kind: str
    path: Path
    content: Mapping[str, Any] | None
    trouble: str = ""

    @property
    def env(self) -> Mapping[str, str]:
        """The variables it sets, those with a value."""
        found = (self.content or {}).get("env")
        values = found.items() if isinstance(found, Mapping) else ()
        return {str(name): str(value) for name, value in values if value not in ("", None)}


def version_of(client: Path, env: Mapping[str, str]) -> str:
    """What `claude --version` prints; empty when it prints nothing or does not end. Raises OSError."""
    try:
        done = subprocess.run(  # noqa: S603 - the client itself, found on the user's PATH
            [str(client), "--version"],
            env=dict(env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def free_bytes(folder: Path) -> int:
    """Free space where the folder is, or would be."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


@dataclass(slots=True, weakref_slot=True)
class Machine:
    """How the machine is asked."""

    platform: str = sys.platform
    managed: Sequence[Path] = PLACES.get(sys.platform, ())
    version_of: Callable[[Path, Mapping[str, str]], str] = version_of
    free_bytes: Callable[[Path], int] = free_bytes
    now: Callable[[], float] = time.time
    program: Path = field(default_factory=lambda: Path(sys.argv[0]))


@dataclass
class Patient:
    """One user in one folder.

    Attributes:
        env: the environment of the shell.
        cwd: the project that is looked at.
        folder: openClaude's own folder.
    """

    env: Mapping[str, str]
    cwd: Path
    folder: Path
    machine: Machine = field(default_factory=Machine)

    @property
    def home(self) -> Path:
        return Path(self.env.get("HOME", "/"))

    @property
    def own(self) -> isolated.Originals:
        """Where the user's own configuration of Claude Code is."""
        return isolated.originals(self.env, self.home)

    @cached_property
    def _loaded(self) -> Config | ConfigError:
        try:
            return config.load(config.config_path(self.folder))
        except ConfigError as error:
            return error

    @property
    def config(self) -> Config | None:
        """The configuration; None when it has problems."""
        return None if isinstance(self._loaded, ConfigError) else self._loaded

    @property
    def digest(self) -> str:
        """What a gateway says that runs with the configuration and the profiles as they are; empty with a problem."""
        return config.digest(self.config, config.load_profiles(self.folder)) if self.config else ""

    @property
    def config_error(self) -> ConfigError | None:
        return self._loaded if isinstance(self._loaded, ConfigError) else None

    @property
    def routes(self) -> tuple[RouteConfig, ...]:
        """The routes; none when the configuration has problems."""
        return self.config.routes if self.config else ()

    def route_of(self, model: str) -> RouteConfig | None:
        """The route that takes a model."""
        decision = self.config.table().decide(model) if self.config else None
        return decision.route if decision else None

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Claude Code's settings files that are there, the one that wins first."""
        managed: list[Path] = []
        for path in self.machine.managed:
            managed += sorted(path.glob("*.json")) if path.is_dir() else [path]
        places = [("managed", path) for path in managed]
        project = self.cwd / ".claude"
        if project.absolute() != self.own.folder.absolute():
            places += [("local", project / "settings.local.json"), ("project", project / "settings.json")]
        places.append(("user", self.own.settings))
        return tuple(source for kind, path in places if (source := _source(kind, path)) is not None)


def _source(kind: str, path: Path) -> Source | None:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        return Source(kind, path, None, f"is not JSON (line {error.lineno}, column {error.colno})")
    except (OSError, ValueError) as error:
        return Source(
            kind, path, None, f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        )
    if not isinstance(found, dict):
        return Source(kind, path, None, "is not a JSON object")
    return Source(kind, path, found)


def owned(path: Path) -> bool:
    """Whether the path, not what it leads to, belongs to this user."""
    return path.lstat().st_uid == os.geteuid()
