"""Named set-ups beside the ordinary one: `profiles/NAME.toml`, with routes, slots and client of their own, on one gateway."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from openclaude.config.files import load_existing
from openclaude.config.lines import locate
from openclaude.config.values import Config, ConfigError, Problem

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def profile_path(folder: Path, name: str) -> Path:
    """Where a profile is, or would be.

    Raises:
        ConfigError: that is no name for one.
    """
    if NAME.fullmatch(name):
        return folder / "profiles" / f"{name}.toml"
    message = "is not the name of a profile"
    hint = "write up to 32 lower-case letters, digits, - and _, beginning with a letter or digit"
    raise ConfigError([Problem("--profile", 0, "", message, hint)])


def load_profile(folder: Path, name: str) -> Config:
    """A profile's configuration. Its port means nothing: the gateway is the one of `config.toml`.

    Raises:
        ConfigError: there is no such profile, or it has problems.
    """
    path = profile_path(folder, name)
    if not path.exists():
        known = ", ".join(names(folder)) or "none"
        hint = f"`openclaude config init --profile {name}` makes it; there are: {known}"
        raise ConfigError([Problem(str(path), 0, "", "does not exist", hint)])
    found = load_existing(path)
    text = path.read_text("utf-8-sig")
    if "gateway" in tomllib.loads(text):
        line = locate(text).get(("gateway",), 0)
        hint = "remove the table; config.toml has it"
        raise ConfigError([Problem(str(path), line, "gateway", "all profiles share one gateway", hint)])
    return found


def names(folder: Path) -> list[str]:
    """The profiles there are, broken ones included."""
    found = sorted((folder / "profiles").glob("*.toml"))
    return [path.stem for path in found if NAME.fullmatch(path.stem)]


def load_profiles(folder: Path) -> dict[str, Config]:
    """Every profile that has no problem: a broken one must not keep the others from working."""
    loaded = {}
    for name in names(folder):
        try:
            loaded[name] = load_profile(folder, name)
        except ConfigError:
            continue
    return loaded


def digest(main: Config, profiles: Mapping[str, Config]) -> str:
    """What changes when anything changes that the gateway runs with: lower-case hex."""
    if not profiles:
        return main.text_sha256
    parts = [main.text_sha256, *(f"{name}={profiles[name].text_sha256}" for name in sorted(profiles))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
