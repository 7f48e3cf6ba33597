"""What the gateway needs of the world: sockets, secrets and time, as protocols.

A Handler begins an Exchange for each request; the Exchange gets the body's bytes as they arrive and answers
through the ClientSide. It reaches a provider through the Transport, which reports to a Receiver.
All of it is synchronous callbacks on one thread: a relay hands bytes on, it does not wait.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, ClientCredential, RouteKey
from openclaude.domain.access import AccessRecord
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data, Header, InboundRequest
from openclaude.domain.usage import Usage

T = TypeVar("T")


class ClientSide(Protocol):
    """The client's end of one request."""

    __slots__ = ()

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        """Send the response head; without a length the body is sent in chunks. With `CLOSE` the connection ends after it.

        It leaves with the body's first bytes if they are written in this turn of the loop, or else at the end of that.
        """

    def write(self, data: bytes) -> None:
        """Send body bytes; they leave at once."""

    def chunk_writer(self) -> Callable[[bytes], None] | None:
        """What takes whole chunks of a body that is sent in chunks, framing included; None for any other body.

        There is one from the body's first bytes on.
        """

    def end(self, rest: bytes = b"") -> None:
        """The body is complete with these last bytes of it."""

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """`start`, `write` and `end` at once, for a body that is there as a whole."""

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


class Begun(Exchange, Protocol):
    """An exchange as the handler begins it: its body may be there already."""

    __slots__ = ()

    def whole(self, data: bytes, start: int) -> None:
        """`body` with the whole body, which is `data` from `start` on, and `body_complete`."""


class Handler(Protocol):
    """What the server calls for each request it has accepted."""

    def begin(
        self,
        request: InboundRequest,
        credential: ClientCredential | None,
        client: ClientSide,
    ) -> Begun:
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

    def pass_chunks(self, take: Callable[[bytes], None]) -> None:
        """Hand the response's chunks over as they stand where they are framed as `ClientSide` does it.

        One that does not come alone and whole is none of them: `Receiver.data` gets it as before.
        """


class Receiver(Protocol):
    """Who is told what a provider answers. Exactly one of `whole`, `complete` and `failed` ends it."""

    __slots__ = ()

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """A whole response that came at once; False from those who want to hear of it by `head`, `data` and `complete`."""
        del status, headers, body
        return False

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        """The response's head."""

    def data(self, data: bytes) -> None:
        """Some bytes of the response's body."""

    def rest(self, data: bytes) -> None:
        """As `data`, with the response's last bytes: what follows at once is `complete`."""
        self.data(data)

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

    def send(self, authorized: AuthorizedRequest, body: Sequence[Data], receiver: Receiver) -> UpstreamCall:
        """Send the head and the given body bytes; the rest follows by `UpstreamCall.write`."""


class StreamDecoder(Protocol):
    """Turns a provider's stream into server-sent events; knows no socket and no clock.

    Attributes:
        failure: set when the stream failed before anything was emitted: the client can have a real HTTP error.
        started: the first event was emitted.
        finished: nothing will be emitted any more.
        stop_reason: of a finished message; None while it runs and when it failed.
        usage: the token counts so far.
        notes: codes of what was degraded or repaired.
    """

    failure: ApiError | None
    started: bool
    finished: bool
    stop_reason: str | None
    usage: Usage
    notes: list[str]

    @property
    def awaiting_metadata(self) -> bool:
        """Whether the message has ended but for its token counts."""

    def feed(self, data: bytes) -> bytes:
        """Some bytes of the provider's stream, as server-sent events; cut anywhere, they give the same events."""

    def start(self) -> bytes:
        """Open the stream before the provider does."""

    def end(self) -> bytes:
        """The provider's stream has ended."""

    def fail(self, error: ApiError) -> bytes:
        """The provider is gone: close what is open and end with an `error` event."""


class Sendable(Protocol):
    """What is sent to a provider; `target` is percent-encoded, `body` is whole."""

    target: bytes
    headers: tuple[Header, ...]
    body: bytes


class ProviderCall(Sendable, Protocol):
    """One request in a provider's dialect, and the reading of its answer.

    Attributes:
        model: the string the client asked for.
        notes: codes of what was degraded.
        wants_stream: whether the client wants a stream.
        local_answer: a whole Messages answer when nothing has to be asked.
        usage: the token counts of a whole answer, once it was read.
    """

    model: str
    notes: tuple[str, ...]
    wants_stream: bool
    local_answer: bytes | None
    usage: Usage | None

    @property
    def streams(self) -> bool:
        """Whether the provider answers with a stream; a stream the client wants is emulated otherwise."""

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bytes:
        """The Messages answer for a whole answer. Raises `ApiError`."""

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> ApiError:
        """The Anthropic error for an answer that is not 200."""

    def stream(self, headers: Sequence[Header] = ()) -> StreamDecoder:
        """A decoder for the answer's stream."""

    def synthesize(self, message: bytes) -> bytes:
        """The server-sent events of a finished Messages answer."""

    def retry_without(self, status: int, headers: Sequence[Header], body: bytes) -> "ProviderCall | None":
        """The same call without what the refusal says the model does not take, or None."""

    def learn(self, usage: Usage) -> None:
        """What the model reported for the request; estimates of later ones are better for it."""


class CountCall(Sendable, Protocol):
    """One way to have a provider count a prompt's tokens."""

    def counted(self, status: int, headers: Sequence[Header], body: bytes) -> int | None:
        """The count in an answer; None when there is none. What the answer says of this way is remembered."""


class TokenCount(Protocol):
    """How many tokens a prompt has."""

    @property
    def estimate(self) -> int:
        """A local estimate; errs high."""

    @property
    def calls(self) -> Sequence[CountCall]:
        """The ways to have the provider count, to be tried in order; none for a model that nobody counts for."""


class Dialect(Protocol):
    """How one route speaks to its provider."""

    def prepare(
        self, raw: bytes, *, betas: bytes = b"", version: bytes = b"", request_id: str = ""
    ) -> ProviderCall:
        """The call for a client's whole request body. Raises `ApiError`.

        `betas` and `version` are the values of its `anthropic-beta` and `anthropic-version` headers.
        """

    def count_tokens(self, raw: bytes, *, betas: bytes = b"", version: bytes = b"") -> TokenCount:
        """How a prompt's tokens are counted. Raises `ApiError` for a body that is not JSON and for nothing else."""


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


class Worker(Protocol):
    """Does elsewhere what would hold the gateway's own thread up."""

    @property
    def busy(self) -> bool:
        """Whether there is work that has not been handed back."""

    def run(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], None]) -> None:
        """Do `work` on `size` bytes, one job after the other; then call `then` on the gateway's own thread.

        What `then` gets is called for the result of the work, or raises what the work raised.
        """

    def close(self) -> None:
        """Begin no further job."""


Credential = AwsKeys | RouteKey


class SigningKeys(Protocol):
    """Where a signed route's credential comes from: AWS keys, or a Bedrock API key bound to the route's origin."""

    def at_hand(self, session: str) -> Credential | None:
        """What `fetch` would hand over at once, where that is known already; None where it has to be asked."""

    def fetch(self, session: str, then: Callable[[Credential | ApiError], None]) -> None:
        """Hand over what is valid now for a session: at once when it is at hand, else later on the same thread."""

    def renew(
        self, session: str, stale: object, then: Callable[[Credential | ApiError | None], None]
    ) -> None:
        """Hand over something other than `stale`, which the provider has refused; None when there is nothing else."""


class AccessLog(Protocol):
    """Where a line for each request goes. It never raises."""

    def write(self, record: AccessRecord) -> None:
        """Write one line."""

    def line_of(self, make: Callable[..., str], values: tuple[object, ...]) -> None:
        """Write the line that `make` gives for some values: of nothing but what a record has. It may be asked a little later."""

    def event(self, name: str, **fields: str) -> None:
        """Write a line about something that is no request."""
