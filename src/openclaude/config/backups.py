"""Copies of the configuration from before it was changed: `backups/config-TIME.toml` in openClaude's folder."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from openclaude.config.files import config_path, unwritable, write_text
from openclaude.config.reading import parse_bytes
from openclaude.config.values import ConfigError, Problem

_NAME: Final = re.compile(r"config-(\d{8}T\d{6}Z(?:-\d+)?)\.toml")


def backups(folder: Path) -> list[Path]:
    """Every copy, the newest first."""
    try:
        found = [
            path for path in (folder / "backups").iterdir() if _NAME.fullmatch(path.name) and path.is_file()
        ]
    except OSError:
        return []
    return sorted(found, key=_age, reverse=True)


def back_up(folder: Path, now: Callable[[], float] = time.time) -> Path | None:
    """Copy the configuration, mode 0600; None when there is none, the newest copy when that says the same.

    Raises:
        ConfigError: the copy cannot be written, or the configuration cannot be read.
    """
    path = config_path(folder)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), 0, "", f"cannot be read: {error.strerror}", "make it readable")]
        ) from None
    newest = next(iter(backups(folder)), None)
    if newest is not None and newest.read_bytes() == data:
        return newest
    target = folder / "backups"
    try:
        target.mkdir(mode=0o700, exist_ok=True)
        return _write_new(target, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now())), data)
    except OSError as error:
        raise unwritable(target, error) from None


def restore(folder: Path, name: str | None) -> tuple[Path, Path | None]:
    """Make a copy the configuration again, and keep what it replaces as a copy.

    Args:
        folder: openClaude's folder.
        name: the copy's file name, or its time alone; None for the newest that says something else than the
            configuration.

    Returns:
        The copy that was taken, and the copy of what it replaced.

    Raises:
        ConfigError: there is no such copy, or it has problems: then nothing was changed.
    """
    chosen = _chosen(folder, name)
    data = chosen.read_bytes()
    parse_bytes(data, str(chosen))
    kept = back_up(folder)
    write_text(folder, data.decode())
    return chosen, kept


def _chosen(folder: Path, name: str | None) -> Path:
    found = backups(folder)
    if name is None:
        there = config_path(folder)
        now = there.read_bytes() if there.is_file() else b""
        fitting = [path for path in found if path.read_bytes() != now]
    else:
        fitting = [path for path in found if name in (path.name, _NAME.sub(r"\1", path.name))]
    if fitting:
        return fitting[0]
    what = "has no copy that says something else" if name is None else "has no copy of that name"
    hint = "`openclaude config restore --list` shows the copies; `openclaude config backup` makes one"
    raise ConfigError([Problem(str(folder / "backups"), 0, "", what, hint)])


def _age(path: Path) -> tuple[str, int]:
    moment, _, number = _NAME.sub(r"\1", path.name).partition("-")
    return moment, int(number or 1)


def _write_new(folder: Path, moment: str, data: bytes) -> Path:
    number = 1
    while True:
        path = folder / (f"config-{moment}.toml" if number == 1 else f"config-{moment}-{number}.toml")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return path
