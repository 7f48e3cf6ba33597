"""Gateways as processes: started in a session of their own, measured through /proc, ended by their own ids (Linux)."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.paths import BenchError

_CPU_CLOCK: Final = (
    2  # CPUCLOCK_SCHED of a whole process: nanoseconds, where /proc/PID/stat counts in hundredths of a second
)
_LISTENING: Final = "0A"
GRACE_SECONDS: Final = 5.0


class Session:
    """A program and everything it starts.

    Args:
        command: what to run.
        env: its whole environment.
        folder: its working folder; its output goes to `output.log` there.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "output.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.id = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-600:].strip()

    def members(self) -> list[int]:
        """The ids of its processes that run now."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self.id and fields[0] != "Z":
                        found.append(int(entry.name))
        return found

    def cpu(self) -> float:
        """Seconds of CPU that its living processes have taken, user and system."""
        spent = 0.0
        for pid in self.members():
            with suppress(OSError):
                spent += time.clock_gettime((~pid << 3) | _CPU_CLOCK)
        return spent

    def memory(self) -> float:
        """MB: each process's own pages, and its share of those it shares (PSS)."""
        kilobytes = 0
        for pid in self.members():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kilobytes / 1024

    def listens_on(self, port: int) -> bool:
        """Whether the socket that listens on the port belongs to one of its processes."""
        sockets = {f"socket:[{inode}]" for inode in listeners(port)}
        for pid in self.members():
            with suppress(OSError):
                for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        if str(descriptor.readlink()) in sockets:
                            return True
        return False

    def stop(self) -> None:
        """End all its processes."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(OSError):
                os.killpg(self.id, number)
            deadline = time.monotonic() + GRACE_SECONDS
            while self.members() and time.monotonic() < deadline:
                self._process.poll()
                time.sleep(0.02)
        self._process.wait()


def listeners(port: int) -> set[str]:
    """The inodes of the sockets that listen on a TCP port of this machine."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A port nobody listens on; taken below the range the system hands out, so that no connection takes it meanwhile."""
    for _ in range(1000):
        port = 20_000 + secrets.randbelow(10_000)
        if port not in _given:
            _given.add(port)
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
    raise BenchError("no free port between 20000 and 30000")


_given: set[int] = set()


def wait_until_it_listens(session: Session, port: int, *, name: str, seconds: float = 120) -> None:
    """Return once the session itself listens on the port.

    Raises:
        BenchError: it ended or did not listen in time, or somebody else listens there.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not session.alive:
            raise BenchError(f"{name} ended at its start: {session.said()}")
        if _connects(port):
            if session.listens_on(port):
                return
            raise BenchError(f"{name}: port {port} is held by a process that is not part of it")
        time.sleep(0.005)
    raise BenchError(f"{name} did not listen on port {port} within {seconds:.0f} s: {session.said()}")
