"""A handler that records what the server hands over and answers as a test tells it to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import InboundRequest
from openclaude.ports import ClientSide


@dataclass
class RecordedExchange:
    """One request as the handler saw it."""

    request: InboundRequest
    credential: ClientCredential | None
    client: ClientSide
    on_complete: Callable[["RecordedExchange"], None]
    pieces: list[bytes] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def body(self, data: bytes) -> None:
        self.pieces.append(data)

    def whole(self, data: bytes, start: int) -> None:
        self.body(data[start:])
        self.body_complete()

    def body_complete(self) -> None:
        self.events.append("complete")
        self.on_complete(self)

    def client_left(self) -> None:
        self.events.append("left")

    def client_full(self) -> None:
        self.events.append("full")

    def client_drained(self) -> None:
        self.events.append("drained")


def echo(exchange: RecordedExchange) -> None:
    """Answer with the request's body."""
    data = b"".join(exchange.pieces)
    exchange.client.start(200, [(b"content-type", b"application/octet-stream")], len(data))
    exchange.client.write(data)
    exchange.client.end()


class RecordingHandler:
    """Keeps every exchange."""

    def __init__(self, on_complete: Callable[[RecordedExchange], None] = echo) -> None:
        self.on_complete = on_complete
        self.exchanges: list[RecordedExchange] = []

    def begin(
        self, request: InboundRequest, credential: ClientCredential | None, client: ClientSide
    ) -> RecordedExchange:
        exchange = RecordedExchange(request, credential, client, self.on_complete)
        self.exchanges.append(exchange)
        return exchange
