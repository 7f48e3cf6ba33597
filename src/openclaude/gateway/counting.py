"""`count_tokens` on a Bedrock route: AWS counts where it counts for the model, otherwise the answer is an estimate.

The client asks in the background and shows the number as it comes, so whatever goes wrong upstream ends in the
estimate and never in an error.
"""

from collections.abc import Callable, Sequence
from typing import Final

from openclaude.credentials.policies import KeyFor
from openclaude.credentials.sealed import RouteKey
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from openclaude.gateway.exchange import HEAVY, Answer, Services, joined, weight
from openclaude.gateway.late import is_ready
from openclaude.gateway.refusals import upstream_request
from openclaude.gateway.routes import SignedRoute
from openclaude.ports import CountCall, Credential, Receiver, Timer, TokenCount, UpstreamCall

PATIENCE: Final = 10.0
"""Seconds for credentials and every attempt together."""
ESTIMATED: Final[Header] = (b"x-openclaude-token-count", b"estimate")
_ANSWER_LIMIT: Final = 64 * 1024


class CountExchange(Receiver):
    """One request for a count."""

    def __init__(self, services: Services, answer: Answer, route: SignedRoute, model: str) -> None:
        del model
        self._services = services
        self._answer = answer
        self._route = route
        self._pieces: list[bytes] = []
        self._estimate = 0
        self._calls: list[CountCall] = []
        self._credential: Credential | None = None
        self._upstream: UpstreamCall | None = None
        self._timer: Timer | None = None
        self._head: tuple[int, Sequence[Header]] = (0, ())
        self._collected: list[bytes] = []
        self._collected_size = 0

    # the client's end

    def body(self, data: bytes) -> None:
        self._pieces.append(data)

    def body_complete(self) -> None:
        pieces, self._pieces = self._pieces, []
        size = weight(pieces) if is_ready(self._route.adapter) else HEAVY
        self._services.apart(size, lambda: self._count(joined(pieces)), self._counted)

    def _count(self, raw: bytes) -> TokenCount:
        headers = self._answer.request.headers
        return self._route.adapter.count_tokens(
            raw,
            betas=b",".join(headers.get_all(b"anthropic-beta")),
            version=headers.get(b"anthropic-version") or b"",
        )

    def _counted(self, outcome: Callable[[], TokenCount]) -> None:
        if self._answer.over:
            return
        try:
            found = outcome()
        except ApiError as error:
            self._answer.refuse(error)
            return
        self._estimate, self._calls = found.estimate, list(found.calls)
        health = self._services.health_of(self._route.origin, self._route.upstream_model)
        if not self._calls or health.resting(self._answer.request.session):
            self._give_up()
            return
        self._timer = self._services.clock.call_later(PATIENCE, self._give_up)
        self._route.keys.fetch(self._answer.request.session, self._attempt)

    def client_left(self) -> None:
        self._stop()
        self._answer.close("client_left")

    def client_full(self) -> None:
        """The answer is one small write."""

    def client_drained(self) -> None:
        """The answer is one small write."""

    # the way out

    def _attempt(self, credential: Credential | ApiError) -> None:
        if self._answer.over:
            return
        if isinstance(credential, ApiError) or not self._calls:
            self._give_up()
            return
        call = self._calls[0]
        request = upstream_request(call)
        if isinstance(credential, RouteKey):
            self._answer.record.credential = "bedrock key"
            authorized = KeyFor(credential).authorize(request)
        else:
            self._answer.record.credential = credential.named
            now = self._services.clock.now() + self._services.skew_of(self._route.origin)
            authorized = self._route.policy.authorize(request, credential, now)
        self._credential = credential
        self._head, self._collected, self._collected_size = (0, ()), [], 0
        self._upstream = self._services.transport.send(authorized, (call.body,), self)

    # the provider's end

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        del length
        self._head = status, headers

    def data(self, data: bytes) -> None:
        self._collected_size += len(data)
        if self._collected_size <= _ANSWER_LIMIT:
            self._collected.append(data)

    def complete(self) -> None:
        self._upstream = None
        if self._answer.over:
            return
        status, headers = self._head
        counted = self._calls.pop(0).counted(status, headers, b"".join(self._collected))
        if counted is not None:
            self._say(counted)
        elif 400 <= status < 429 and self._credential is not None:
            self._attempt(self._credential)
        else:
            self._give_up()

    def failed(self, error: ApiError) -> None:
        del error
        self._upstream = None
        self._give_up()

    def upstream_full(self) -> None:
        """The whole body is at hand already: there is nothing to stop reading."""

    def upstream_drained(self) -> None:
        """See `upstream_full`."""

    # answers

    def _give_up(self) -> None:
        self._say(self._estimate, ESTIMATED)

    def _say(self, tokens: int, *headers: Header) -> None:
        self._stop()
        if not self._answer.over:
            self._answer.whole(200, b'{"input_tokens":%d}' % tokens, headers)

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()
