"""openClaude's own folder: who may read it, what does not belong there, and the space around it."""

import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient, owned

_FIX: Final = "openclaude doctor --fix"
_SCARCE: Final = 200 * 1024 * 1024
_TOO_LITTLE: Final = 20 * 1024 * 1024
_ISOLATED: Final = re.compile(r"claude(-[a-z0-9][a-z0-9_-]{0,31})?")


def files(patient: Patient) -> Iterator[Finding]:
    """Modes, owners and links of everything in the folder but for the client's own part of it."""
    folder = patient.folder
    if not os.path.lexists(folder):
        yield ok("files", f"{folder} is not there yet; the first session makes it")
        return
    if folder.is_symlink() or not folder.is_dir() or not owned(folder):
        yield problem(
            "files",
            f"{folder} is a link, no folder, or belongs to another user; it is not used",
            "remove it, or name another folder with OPENCLAUDE_HOME",
        )
        return
    found = [finding for path in _everything(folder) for finding in _look(path)]
    yield from found
    for entry in sorted(folder.iterdir()):
        if _ISOLATED.fullmatch(entry.name):
            yield from _dead_links(entry)
    if not found:
        yield ok("files", f"{folder} and what is in it are yours alone")


def disk(patient: Patient) -> Iterator[Finding]:
    """The space for the log, the settings and the client's own files."""
    free = patient.machine.free_bytes(patient.folder)
    megabytes = free // (1024 * 1024)
    remedy = f"make room on the disk of {patient.folder}"
    if free < _TOO_LITTLE:
        yield problem("disk", f"{megabytes} MB are free: files cannot be written", remedy)
    elif free < _SCARCE:
        yield warning("disk", f"{megabytes} MB are free", remedy)
    else:
        yield ok("disk", f"{megabytes} MB are free")


def _everything(folder: Path) -> Iterator[Path]:
    """The folder and all below it, links not followed; the client's own folder stands for what is in it."""
    yield folder
    for entry in sorted(folder.iterdir()):
        if stat.S_ISDIR(entry.lstat().st_mode) and _ISOLATED.fullmatch(entry.name) is None:
            yield from _everything(entry)
        else:
            yield entry


def _look(path: Path) -> Iterator[Finding]:
    found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    is_folder = stat.S_ISDIR(found.st_mode)
    wanted = 0o700 if is_folder else 0o600
    if found.st_uid != os.geteuid():
        yield problem("files", f"{path} belongs to another user", f"remove {path}")
    elif not (is_folder or stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
        what = "a link" if stat.S_ISLNK(found.st_mode) else "no ordinary file"
        yield problem("files", f"{path} is {what}: it is not used", f"remove {path}")
    elif mode & 0o077:
        verb = "opened" if is_folder else "read or changed"
        yield problem("files", f"{path} can be {verb} by other users", _FIX, partial(_close, path, wanted))


def _dead_links(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir() or folder.is_symlink():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.exists():
            yield warning("files", f"{path} leads to nothing", _FIX, partial(_unlink, path))


def _close(path: Path, mode: int) -> str:
    os.chmod(path, mode, follow_symlinks=os.chmod not in os.supports_follow_symlinks)  # noqa: PTH101 - links are not followed
    return f"chmod {mode:o} {path}"


def _unlink(path: Path) -> str:
    path.unlink()
    return f"removed {path}"
