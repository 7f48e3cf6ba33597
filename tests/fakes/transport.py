"""A transport that sends nothing: it records what it was given and lets a test play the provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from openclaude.ports import Receiver


@dataclass
class FakeCall:
    """One request under way; the test calls `head`, `data`, `complete` and `fail` as the provider would."""

    authorized: AuthorizedRequest
    pieces: list[bytes]
    receiver: Receiver
    events: list[str] = field(default_factory=list)
    take: Callable[[bytes], None] | None = None

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def cancel(self) -> None:
        self.events.append("cancelled")

    def pause(self) -> None:
        self.events.append("paused")

    def resume(self) -> None:
        self.events.append("resumed")

    def pass_chunks(self, take: Callable[[bytes], None]) -> None:
        self.take = take

    def chunk(self, data: bytes) -> None:
        """A chunk that stands alone, in the form in which it may pass."""
        if self.take is None:
            self.receiver.data(data)
        else:
            self.take(b"%x\r\n%b\r\n" % (len(data), data))

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def answer(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        self.receiver.head(status, headers, len(body))
        self.receiver.rest(body)
        self.receiver.complete()

    def answer_at_once(self, body: bytes, headers: Sequence[Header] = ()) -> None:
        """A whole answer of status 200 in one read."""
        assert self.receiver.whole(200, headers, body)

    def fail(self, error: ApiError) -> None:
        self.receiver.failed(error)


class FakeTransport:
    """Keeps every call."""

    def __init__(self) -> None:
        self.calls: list[FakeCall] = []

    def send(self, authorized: AuthorizedRequest, body: Sequence[bytes], receiver: Receiver) -> FakeCall:
        self.calls.append(FakeCall(authorized, list(body), receiver))
        return self.calls[-1]
