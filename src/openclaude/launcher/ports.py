"""Which port the gateway can have, and who has the one it wanted."""

import errno
import re
import socket
from pathlib import Path

TRIES = 50
"""How many ports after the configured one are tried."""


def is_free(port: int) -> bool:
    """Whether the loopback port can be bound. Nothing is sent to whatever holds it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def next_free(after: int) -> int | None:
    """The first free port behind `after`, or None."""
    candidates = range(after + 1, min(after + 1 + TRIES, 65536))
    return next((port for port in candidates if is_free(port)), None)


def holder(port: int) -> str | None:
    """Who listens on the port, as `name (pid N)`; None where it cannot be told (another user's process, macOS)."""
    inode = _listening_inode(port)
    if inode is None:
        return None
    target = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) == target for entry in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{re.sub(r'[^ -~]', '?', name)} (pid {process.name})"
        except OSError:
            continue
    return None


def _listening_inode(port: int) -> str | None:
    """The inode of the socket that listens on a port, from the kernel's tables; None without such tables."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                return fields[9]
    return None
