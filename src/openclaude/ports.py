"""What the gateway needs of the world: sockets, secrets and time, as protocols.

A Handler begins an Exchange for each request; the Exchange gets the body's bytes as they arrive and answers
through the ClientSide. It reaches a provider through the Transport, which reports to a Receiver.
All of it is synchronous callbacks on one thread: a relay hands bytes on, it does not wait.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, ClientCredential
from openclaude.domain.access import AccessRecord
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, InboundRequest


class ClientSide(Protocol):
    """The client's end of one request."""

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        """Send the response head; without a length the body is sent in chunks."""

    def write(self, data: bytes) -> None:
        """Send body bytes; they leave at once."""

    def end(self) -> None:
        """The body is complete."""

    def abort(self) -> None:
        """Cut the connection, so that a broken answer cannot pass for a whole one."""

    def pause_body(self) -> None:
        """Stop reading the request's body until `resume_body`."""

    def resume_body(self) -> None:
        """Go on reading the request's body."""


class Exchange(Protocol):
    """The gateway's end of one request."""

    def body(self, data: bytes) -> None:
        """Some bytes of the request's body."""

    def body_complete(self) -> None:
        """The request is complete."""

    def client_left(self) -> None:
        """The client closed its connection; nothing more can be answered."""

    def client_full(self) -> None:
        """The client reads too slowly: stop reading the provider."""

    def client_drained(self) -> None:
        """The client caught up."""


class Handler(Protocol):
    """What the server calls for each request it has accepted."""

    def begin(
        self,
        request: InboundRequest,
        credential: ClientCredential | None,
        client: ClientSide,
    ) -> Exchange:
        """Start an exchange for a request whose head passed every check."""


class UpstreamCall(Protocol):
    """One request to a provider, under way."""

    def write(self, data: bytes) -> None:
        """More bytes of the request's body."""

    def cancel(self) -> None:
        """Close the connection; the receiver hears nothing more."""

    def pause(self) -> None:
        """Stop reading the response."""

    def resume(self) -> None:
        """Go on reading the response."""


class Receiver(Protocol):
    """Who is told what a provider answers. Exactly one of `complete` and `failed` ends it."""

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        """The response's head."""

    def data(self, data: bytes) -> None:
        """Some bytes of the response's body."""

    def complete(self) -> None:
        """The response ended as it announced."""

    def failed(self, error: ApiError) -> None:
        """The connection failed; no byte of the answer follows."""

    def upstream_full(self) -> None:
        """The provider reads too slowly: stop reading the client."""

    def upstream_drained(self) -> None:
        """The provider caught up."""


class Transport(Protocol):
    """Dials the origin an authorised request names. There is no address argument."""

    def send(self, authorized: AuthorizedRequest, body: Sequence[bytes], receiver: Receiver) -> UpstreamCall:
        """Send the head and the given body bytes; the rest follows by `UpstreamCall.write`."""


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """It will not come."""


class Clock(Protocol):
    """Time, so that tests can turn it."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Run `action` once, after `seconds`."""


class SigningKeys(Protocol):
    """Where a signed route's AWS keys come from."""

    def fetch(self, then: Callable[[AwsKeys | ApiError], None]) -> None:
        """Hand over keys that are valid now: at once when they are at hand, otherwise later on the same thread."""

    def renew(self, then: Callable[[AwsKeys | ApiError], None]) -> None:
        """Hand over keys read anew, after the provider called the last ones expired."""


class AccessLog(Protocol):
    """Where a line for each request goes. It never raises."""

    def write(self, record: AccessRecord) -> None:
        """Write one line."""
