"""A client that keeps what it is sent."""

from collections.abc import Callable, Sequence

from openclaude.domain.http import Header


class FakeClient:
    """The client's end of one request."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.body = b""
        self.events: list[str] = []
        self._begun = False

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.length = length
        self.events.append("start")

    def write(self, data: bytes) -> None:
        self.body += data
        self._begun = True

    def chunk_writer(self) -> Callable[[bytes], None] | None:
        return self._chunk if self.length is None and self._begun else None

    def _chunk(self, chunk: bytes) -> None:
        size, _, data = chunk.partition(b"\r\n")
        assert int(size, 16) == len(data) - 2
        self.body += data[:-2]

    def end(self, rest: bytes = b"") -> None:
        self.body += rest
        self.events.append("end")

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        self.start(status, headers, len(body))
        self.write(body)
        self.end()

    def abort(self) -> None:
        self.events.append("abort")

    def pause_body(self) -> None:
        self.events.append("pause")

    def resume_body(self) -> None:
        self.events.append("resume")
