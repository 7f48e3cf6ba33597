"""Private files of this user: the state folder and what lies in it.

A folder is 0700 and a file 0600, both owned by the user who runs us. Anything else found at a path (a link, a folder,
a pipe, another user's file) was put there by somebody else: it is refused and left as it is. Writing is atomic, so
a reader sees the old content or the new one.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openclaude.launcher.trouble import Trouble

_NOT_OURS = "remove it, or set OPENCLAUDE_HOME to a folder of your own"


@dataclass(slots=True)
class StateError(Trouble):
    """Something in the state folder is not as we would have made it.

    Attributes:
        path: where.
        what: what is wrong with it.
        hint: what the user can do.
    """

    path: Path
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def private_dir(path: Path) -> Path:
    """Make the folder (and missing parents) if needed and close it to everyone else.

    Returns:
        The same path, for chaining.

    Raises:
        StateError: it is a link, not a folder, belongs to someone else, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except FileExistsError:
        raise StateError(path, "is not a folder", _NOT_OURS) from None
    except OSError as error:
        raise _failed(path, "cannot be made", error) from error
    if stat.S_ISLNK(found.st_mode):
        raise StateError(path, "is a symbolic link", "use a real folder; OPENCLAUDE_HOME can name it")
    _check_owner(path, found)
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Replace the file's content in one step; the folder must exist.

    Raises:
        StateError: what is there is no regular file of ours, or the disk refuses.
    """
    refuse_stranger(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            os.fchmod(file.fileno(), 0o600)  # whatever the umask says
            file.write(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # on a disk that is read-only even what is not there cannot be removed
            temporary.unlink(missing_ok=True)
        raise _failed(path, "cannot be written", error) from error


def read_private(path: Path) -> bytes | None:
    """The file's content, or None when there is no such file.

    Raises:
        StateError: it is a link, not a regular file, belongs to someone else, or others may read or write it.
    """
    try:
        # O_NONBLOCK: a pipe planted here must not hang us before we see that it is one.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse_stranger(path)
        raise _failed(path, "cannot be read", error) from error
    try:
        found = os.fstat(handle)
        _check_regular(path, found)
        _check_owner(path, found)
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise StateError(path, "can be read or written by other users", f"chmod 600 {path}")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def refuse_stranger(path: Path) -> None:
    """See that the path is free or has a regular file of ours. Raises `StateError`."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(path, "cannot be looked at", error) from error
    _check_regular(path, found)
    _check_owner(path, found)


def _check_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise StateError(path, "is a symbolic link", _NOT_OURS)
    if not stat.S_ISREG(found.st_mode):
        raise StateError(path, "is not a regular file", _NOT_OURS)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise StateError(path, f"belongs to another user (uid {found.st_uid})", _NOT_OURS)


def _failed(path: Path, what: str, error: OSError) -> StateError:
    return StateError(path, f"{what}: {error.strerror}", "check the folder's permissions and the free space")
