"""The leak oracle over every test: what the test's secrets are, and every byte that arrived anywhere while it ran.

Helpers report here what they hand out and what they receive; a fixture in tests/conftest.py asks after each test. What
servers of a whole session got is looked at piece by piece, after the test in which it arrived.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet

from openclaude.demo.oracle import SHORTEST, Index
from openclaude.simulator.recorded import Log

ANTHROPIC, BEDROCK, AWS, ELSEWHERE = "anthropic", "bedrock", "other aws", "elsewhere"
CLIENT, OUTPUT, FILES, PROCESSES = "client", "output", "files", "processes"
SERVERS = {
    "anthropic": ANTHROPIC,
    "bedrock": BEDROCK,
    "mantle": BEDROCK,
    "platform": AWS,
    "sts": AWS,
    "bedrock-control": AWS,
}
_OWN = frozenset({"secret", "server.pem", "client.key"})
"""Files of the state folder whose purpose is to hold a secret; so is the client's settings file."""
_MOST = 2 * 1024 * 1024
"""Bytes of one stream that are looked into: large bodies are text of the test's own."""


@dataclass
class _Place:
    """How far a log has been read."""

    rows: int = 0


class Witness:
    """What is known of the tests of this process."""

    def __init__(self) -> None:
        self._secrets: dict[str, frozenset[str]] = {}
        self._lasting: dict[str, frozenset[str]] = {}
        self._arrived: list[tuple[str, bytes]] = []
        self._fresh: list[Log] = []
        self._logs: WeakSet[Log] = WeakSet()
        self._places: WeakKeyDictionary[Log, _Place] = WeakKeyDictionary()
        self._homes: dict[Path, dict[Path, tuple[int, int]]] = {}
        self._excused: set[str] = set()
        self.in_test = False

    # what helpers report

    def plant(self, secret: str, reaches: Iterable[str] = ()) -> str:
        """A secret, and the places it may be seen at. Outside of a test it is one of the whole session."""
        if len(secret) >= SHORTEST:
            (self._secrets if self.in_test else self._lasting)[secret] = frozenset(reaches)
        return secret

    def saw(self, sink: str, data: bytes | str) -> None:
        """Something arrived."""
        if data:
            self._arrived.append((sink, data.encode() if isinstance(data, str) else data))

    def home(self, folder: Path) -> None:
        """A folder in which the product keeps its files."""
        self._homes.setdefault(folder, {})

    def aws(self, env: Mapping[str, str]) -> None:
        """Keys that a gateway has in its own environment."""
        self.plant(env.get("AWS_SECRET_ACCESS_KEY", ""), (PROCESSES,))
        self.plant(env.get("AWS_SESSION_TOKEN", ""), (BEDROCK, AWS, PROCESSES))

    def process(self, pid: int) -> None:
        """A gateway's process, as other programs of the user see it."""
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                self.saw(PROCESSES, (Path("/proc") / str(pid) / name).read_bytes())

    def excuse(self, sink: str) -> None:
        """This test shows on purpose what happens without the product: that place is not looked at."""
        self._excused.add(sink)

    # what the fixture asks

    def begin(self) -> None:
        self._secrets, self._arrived, self._excused = {}, [], set()
        self.in_test = True

    def end(self) -> list[str]:
        """Each secret of the test at a place where it must not be: `NUMBER of its length at PLACE`."""
        self.in_test = False
        secrets = self._lasting | self._secrets
        arrived = [*self._arrived, *self._servers(), *self._files()]
        self._logs.update(self._fresh)
        self._fresh = []
        if not secrets or not arrived:
            return []
        index = Index({secret: secret for secret in secrets})
        by_sink: dict[str, bytearray] = {}
        for sink, data in arrived:
            by_sink.setdefault(sink, bytearray()).extend(data[:_MOST] + b"\0")
        return [
            f"a secret of the form {secret[:8]}... ({len(secret)} characters) was seen at {sink}"
            for sink, data in by_sink.items()
            if sink not in self._excused
            for secret in sorted(index.found(bytes(data)))
            if sink not in secrets[secret]
        ]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Know of every log that a simulator makes."""
        original: Callable[[Log], None] = Log.__init__
        fresh = self

        def init(log: Log) -> None:
            original(log)
            fresh._fresh.append(log)

        Log.__init__ = init  # type: ignore[method-assign]
        try:
            yield
        finally:
            Log.__init__ = original  # type: ignore[method-assign]

    def _servers(self) -> Iterator[tuple[str, bytes]]:
        for log in {*self._logs, *self._fresh}:
            place = self._places.setdefault(log, _Place())
            rows = log.requests()
            for row in rows[place.rows :]:
                head = row.request_line + b"\n" + b"\n".join(b": ".join(pair) for pair in row.headers)
                yield SERVERS.get(row.server, ELSEWHERE), head + b"\n\n" + (row.body or b"")[:_MOST]
            place.rows = len(rows)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for home, known in self._homes.items():
            # os.walk, because it does not mind folders that go away meanwhile
            for path in [Path(folder) / name for folder, _, names in os.walk(home) for name in names]:
                with suppress(OSError):
                    facts = path.lstat()
                    state = (facts.st_mtime_ns, facts.st_size)
                    if not stat.S_ISREG(facts.st_mode) or known.get(path) == state:
                        continue
                    known[path] = state
                    if path.name not in _OWN and not path.name.startswith("settings"):
                        yield FILES, path.name.encode() + b"\0" + path.read_bytes()[:_MOST]


WITNESS = Witness()
