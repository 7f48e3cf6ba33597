"""What openClaude keeps between two commands: the installation's secret, the locks, the last port.

Everything lies under one folder of mode 0700. Nothing here is worth a backup: what is missing is made again.
"""

import errno
import fcntl
import hmac
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaude.launcher.files import StateError, private_dir, read_private, refuse_stranger, write_private

_SECRET: Final = re.compile(rb"[0-9a-f]{64}")
_REMEDY: Final = "remove it and try again"
_NO_ROOM: Final = "check the free space, and that the disk can be written to"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Two secrets made from the installation's one: neither tells the other.

    Attributes:
        base_path: the first path segment of the base URL; tools the model runs can read it.
        identity: the key of the gateway's identity proof; it never leaves this user's processes.
    """

    base_path: str = field(repr=False)
    identity: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """The folders, made and checked."""

    home: Path
    run: Path
    logs: Path

    @property
    def log_file(self) -> Path:
        return self.logs / "gateway.log"

    @property
    def stderr_file(self) -> Path:
        return self.logs / "gateway.err"

    def secrets(self) -> Secrets:
        """The installation's secrets; made at first use. Raises `StateError`."""
        path = self.home / "secret"
        with self.lock("secret.lock"):
            data = read_private(path)
            if data is None or _SECRET.fullmatch(data.strip()) is None:
                data = os.urandom(32).hex().encode()
                write_private(path, data)
        key = data.strip()
        return Secrets(_derived(key, "base-path")[:40], _derived(key, "identity"))

    def last_port(self) -> int | None:
        """The port of a gateway that did not end in good order, so that its running sessions find the next one."""
        data = read_private(self.run / "port")
        port = int(data) if data is not None and data.strip().isdigit() and len(data) < 9 else 0
        return port if 0 < port < 65536 else None

    def remember_port(self, port: int) -> None:
        write_private(self.run / "port", b"%d\n" % port)

    def forget_port(self) -> None:
        """A gateway that ends in good order leaves no port behind; one that crashed does, for its sessions' sake."""
        (self.run / "port").unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold an exclusive lock, waiting for it. The kernel lets go of it when the process ends, however it ends."""
        handle = _open_lock(self.run / name)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def try_gateway_lock(self) -> int | None:
        """The lock a gateway holds for life, as an open descriptor; None when another process has it."""
        handle = _open_lock(self.run / "gateway.lock")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def gateway_alive(self) -> bool:
        """Whether some process holds the gateway's lock."""
        handle = self.try_gateway_lock()
        if handle is None:
            return True
        os.close(handle)
        return False


def open_state(home: Path) -> State:
    """Make the folders, check them and what a gateway opens in them. Raises `StateError`."""
    state = State(private_dir(home), private_dir(home / "run"), private_dir(home / "logs"))
    for path in (*state.logs.glob("gateway.*"), *state.run.glob("*.lock")):
        refuse_stranger(path)
    _refuse_other_than_socket(state.run / "control.sock")
    return state


def _refuse_other_than_socket(path: Path) -> None:
    """A socket that a dead gateway left behind is replaced; anything else was put there by somebody."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise StateError(path, "is not a socket", _REMEDY)


def _derived(key: bytes, purpose: str) -> str:
    return hmac.digest(key, f"openclaude-{purpose}".encode(), "sha256").hex()


def _open_lock(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | flags, 0o600))
        return os.open(path, os.O_RDWR | flags)
    except OSError as error:
        if error.errno == errno.EROFS and path.exists():
            return os.open(path, os.O_RDONLY | flags)  # a disk that became read-only: the lock is as good
        remedy = _NO_ROOM if error.errno in (errno.EROFS, errno.ENOSPC) else _REMEDY
        raise StateError(path, f"cannot be locked: {error.strerror}", remedy) from error
