"""The configuration's place on disk: where it is, how it is read, how a new one is written."""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from openclaude.config.checks import shown
from openclaude.config.presets import PRESETS, REGION, preset_text
from openclaude.config.reading import parse, parse_bytes
from openclaude.config.values import Config, ConfigError, Problem

_MOST_BYTES: Final = 256 * 1024


def home(env: Mapping[str, str]) -> Path:
    """The folder of everything openClaude keeps: `OPENCLAUDE_HOME`, or `~/.openClaude`.

    Raises:
        ConfigError: the folder cannot be told, or is not absolute. A relative one would be found in whatever
            project the user stands in, and a project must not bring its own configuration.
    """
    chosen = env.get("OPENCLAUDE_HOME", "")
    if chosen.startswith("~/"):
        return _user_home(env) / chosen[2:]
    return _absolute("OPENCLAUDE_HOME", chosen) if chosen else _user_home(env) / ".openClaude"


def config_path(folder: Path) -> Path:
    """The configuration file in openClaude's folder."""
    return folder / "config.toml"


def load(path: Path) -> Config:
    """The configuration in `path`; the built-in mixed one when there is no such file.

    Raises:
        ConfigError: the file cannot be read, can be changed by other users, or has problems.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        # The text a first launch writes, so that a gateway started before runs with what the file then says.
        return replace(parse(PRESETS["mixed"], str(path)), source=None)
    except OSError as error:
        raise _unusable(
            path, f"cannot be read: {error.strerror}", "make it a file that you can read"
        ) from None
    return parse_bytes(data, str(path))


def load_existing(path: Path) -> Config:
    """As `load`, for a file the user named: that it is missing is a problem.

    Raises:
        ConfigError: the file is missing, or as in `load`.
    """
    config = load(path)
    if config.source is None:
        raise _unusable(path, "does not exist", "`openclaude config init` writes a file to start from")
    return config


def ensure_written(folder: Path) -> tuple[Path, bool]:
    """Write the mixed preset into openClaude's folder unless a configuration is there.

    Returns:
        The configuration's path, and whether it was written now.

    Raises:
        ConfigError: it cannot be written.
    """
    path = config_path(folder)
    if os.path.lexists(path):
        return path, False
    return write_preset(folder, "mixed"), True


def write_preset(folder: Path, preset: str, region: str = REGION) -> Path:
    """Write a preset into openClaude's folder, in place of a configuration that is there.

    Its Bedrock routes are in `region`.
    The folder is made with mode 0700 when it is missing, the file has mode 0600. Who reads the file at the same time
    finds the whole old text or the whole new one.

    Returns:
        The configuration's path.

    Raises:
        ConfigError: it cannot be written.
    """
    return write_text(folder, preset_text(preset, region))


def write_text(folder: Path, text: str, path: Path | None = None) -> Path:
    """As `write_preset`, for any text that is a configuration, or that of a profile at `path`. Raises `ConfigError`."""
    path = path or config_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _replace(path, text.encode())
    except OSError as error:
        raise unwritable(path, error) from None
    return path


def unwritable(path: Path, error: OSError) -> ConfigError:
    """What to say of a file that cannot be written."""
    hint = "make the folder writable, or set OPENCLAUDE_HOME to another one"
    return _unusable(path, f"cannot be written: {error.strerror}", hint)


def others_can_write(mode: int) -> bool:
    """Whether `mode` (`st_mode`) is that of an ordinary file every user of the machine can change."""
    return stat.S_ISREG(mode) and bool(mode & stat.S_IWOTH)


def _user_home(env: Mapping[str, str]) -> Path:
    return _absolute("HOME", env.get("HOME", ""))


def _absolute(variable: str, value: str) -> Path:
    if Path(value).is_absolute():
        return Path(value)
    message = f"must be an absolute path, but is {shown(value)}" if value else "is not set"
    hint = (
        "set HOME, or set OPENCLAUDE_HOME to the folder openClaude may keep its files in, as an absolute path"
    )
    raise ConfigError([Problem("environment", 0, variable, message, hint)])


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if others_can_write(os.fstat(file.fileno()).st_mode):
            message = "can be changed by every user of this machine"
            raise _unusable(path, message, f"take that right away: chmod go-w '{path}'")
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise _unusable(
            path,
            f"has more than {_MOST_BYTES} bytes",
            "a configuration is a few lines: is it the right file?",
        )
    return data


def _replace(path: Path, data: bytes) -> None:
    import tempfile  # noqa: PLC0415 - only the first use writes

    handle, temporary = tempfile.mkstemp(prefix=".config-", suffix=".toml", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _unusable(path: Path, message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(str(path), 0, "", message, hint)])
