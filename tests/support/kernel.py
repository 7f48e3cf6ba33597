"""What the kernel saw a process send, by strace; and a tap in front of the simulators that sees the same bytes arrive."""

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from support.patience import DEADLINE

MISSING = "no strace on the PATH: run `make system` (Debian, as root) or install it, then the tests again"
CALLS = (
    "trace=connect,bind,write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg,sendfile,splice,io_uring_setup"
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_TARGET = re.compile(r"\d+<(.*?)>(?=[,)])")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_RESULT = re.compile(r"\) += (-?\d+)")


def strace() -> str:
    """The installed strace. Raises LookupError."""
    found = shutil.which("strace")
    if found is None:
        raise LookupError(MISSING)
    return found


def command(output: Path) -> list[str]:
    """What stands before a command line, so that all it and its children send is written down.

    The kernel refuses rings of system calls meanwhile: strace cannot look into them.
    """
    return [
        strace(),
        "-f",
        "-qq",
        "-yy",
        "-xx",
        "-s",
        "1000000",
        "-e",
        CALLS,
        "-e",
        "signal=none",
        "-e",
        "inject=io_uring_setup:error=ENOSYS",
        "-o",
        str(output),
    ]


@dataclass
class Seen:
    """What the kernel saw.

    Attributes:
        sent: bytes by the target's own name: `TCP:[from->to]`, a path, `pipe:[n]`; in order.
        connected: the addresses that were connected to, as strace writes them.
        calls: the system calls by name.
    """

    sent: dict[str, bytearray] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)

    def to(self, pattern: str) -> list[bytes]:
        """What was sent to each target whose name matches."""
        return [bytes(data) for name, data in self.sent.items() if re.search(pattern, name)]


def read(output: Path) -> Seen:
    """Read what strace wrote. Raises ValueError where bytes were left out."""
    seen = Seen()
    for call, rest in _calls(output.read_text().splitlines()):
        seen.calls.add(call)
        result = _RESULT.search(rest)
        if call == "connect":
            seen.connected.append(_plain(rest))
        if result is None or int(result[1]) <= 0 or call in {"connect", "bind", "io_uring_setup"}:
            continue
        strings = _STRING.findall(rest)
        if any(cut for _, cut in strings):
            raise ValueError("strace left bytes out")
        data = b"".join(bytes.fromhex(text.replace("\\x", "")) for text, _ in strings)
        target = _TARGET.match(rest)
        name = _plain(target[1]) if target is not None else rest[:40]
        seen.sent.setdefault(name, bytearray()).extend(data[: int(result[1])])
    return seen


def _plain(text: str) -> str:
    """strace shows names as hexadecimal, too."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _calls(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each call with its arguments and result; one that another thread interrupted is put together."""
    open_calls: dict[str, tuple[str, str]] = {}
    for line in lines:
        resumed = _RESUMED.match(line)
        if resumed is not None:
            call, begun = open_calls.pop(resumed[1])
            yield call, begun + resumed[2]
            continue
        found = _LINE.match(line)
        if found is None:
            continue
        if found[3].endswith("<unfinished ...>"):
            open_calls[found[1]] = (found[2], found[3].removesuffix("<unfinished ...>"))
        else:
            yield found[2], found[3]


class Tap:
    """A relay on loopback that keeps every byte as it is on the wire, connection by connection.

    `received` is what clients sent, `answered` what the server behind it said.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._streams: list[tuple[bytearray, bytearray]] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(DEADLINE)
        for connection in self._sockets:
            connection.close()

    @property
    def received(self) -> list[bytes]:
        return [bytes(stream) for stream, _ in self._streams]

    @property
    def answered(self) -> list[bytes]:
        return [bytes(stream) for _, stream in self._streams]

    def _start(self, work, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [client, server]
            self._streams.append(kept := (bytearray(), bytearray()))
            self._start(self._pump, client, server, kept[0])
            self._start(self._pump, server, client, kept[1])

    def _pump(self, source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                kept += data
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
