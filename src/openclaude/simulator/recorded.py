"""What a simulator saw: every request exactly as it arrived, in a log that any thread may read.

Times are `time.monotonic()` seconds, so they compare with a test's own clock in the same machine.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request. `headers` keep the order, case and repetition in which they arrived.

    `body` is None while the request is incomplete and for bodies above the server's `record_limit`;
    `body_sha256` (lower-case hex) and `body_length` cover what has arrived in any case.
    `answered` is when the first byte of the answer was written, `finished` when the last one was.
    `aborted_after` is the seconds from the head's arrival until the peer closed the connection, when it did so
    before the request was whole or the answer was finished.
    """

    server: str
    number: int
    connection: int
    request_line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    arrived: float
    body: bytes | None = None
    body_sha256: str = ""
    body_length: int = 0
    received: float | None = None
    answered: float | None = None
    finished: float | None = None
    aborted_after: float | None = None

    @property
    def method(self) -> str:
        return self.request_line.split(b" ", 1)[0].decode("ascii")

    @property
    def target(self) -> bytes:
        """The raw request target: path and query, as sent."""
        return self.request_line.split(b" ")[1]

    @property
    def path(self) -> bytes:
        """The raw path, without the query."""
        return self.target.partition(b"?")[0]

    def values(self, name: str) -> tuple[bytes, ...]:
        """Every value of a header, in order of arrival. The name's case does not matter."""
        wanted = name.lower().encode("ascii")
        return tuple(value for key, value in self.headers if key.lower() == wanted)

    def header(self, name: str) -> bytes | None:
        """The first value of a header, or None."""
        return next(iter(self.values(name)), None)

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            ValueError: the body was not kept, or is not JSON.
        """
        if self.body is None:
            raise ValueError(
                f"request {self.number} at {self.server} has no stored body ({self.body_length} bytes)"
            )
        return json.loads(self.body)


Predicate = Callable[[tuple[Recorded, ...]], object]


class Log:
    """Requests of one or more servers, in order of arrival; safe to read and to wait on from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rows: list[Recorded] = []
        self._wires: dict[tuple[str, int], bytearray] = {}
        self._refused: list[str] = []

    def add(self, row: Recorded) -> int:
        """Append a request; the result is its place, for `amend`."""
        with self._changed:
            self._rows.append(row)
            self._changed.notify_all()
            return len(self._rows) - 1

    def amend(self, place: int, **changes: Any) -> Recorded:
        """Replace some members of a request by name; the result is the request as it is now."""
        with self._changed:
            row = self._rows[place] = replace(self._rows[place], **changes)
            self._changed.notify_all()
            return row

    def received(self, server: str, connection: int, data: bytes) -> None:
        """Keep raw received bytes (after TLS)."""
        with self._changed:
            self._wires.setdefault((server, connection), bytearray()).extend(data)

    def refuse(self, server: str, connection: int, reason: str) -> None:
        """Note a request that was not HTTP as this server understands it."""
        with self._changed:
            self._refused.append(f"{server}, connection {connection}: {reason}")
            self._changed.notify_all()

    def requests(self, server: str | None = None) -> tuple[Recorded, ...]:
        """All requests so far, or those of one server."""
        with self._changed:
            return tuple(row for row in self._rows if server in (None, row.server))

    def wires(self, server: str | None = None) -> Iterator[bytes]:
        """The whole byte stream of each connection, for servers that were told to keep it."""
        with self._changed:
            return iter([bytes(data) for (name, _), data in self._wires.items() if server in (None, name)])

    def refusals(self) -> tuple[str, ...]:
        """What arrived and was refused as malformed HTTP."""
        with self._changed:
            return tuple(self._refused)

    def wait_for(
        self, predicate: Predicate, timeout: float = 60.0, server: str | None = None
    ) -> tuple[Recorded, ...]:
        """Block until `predicate` holds for the requests (of `server`); the result is those requests.

        Raises:
            TimeoutError: it did not hold within `timeout` seconds; the message lists what was seen.
        """
        with self._changed:
            if self._changed.wait_for(lambda: predicate(self.requests(server)), timeout):
                return self.requests(server)
            seen = [row.request_line.decode("latin-1") for row in self.requests(server)]
            raise TimeoutError(f"not seen within {timeout} s; the simulator has seen {seen or 'no request'}")
