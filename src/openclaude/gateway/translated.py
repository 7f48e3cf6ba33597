"""The Bedrock route: collect the body, translate, sign, send; translate the answer as it arrives.

The client's response is held until the first frame, so that a refusal by Bedrock stays a real HTTP error; after
`HOLD` seconds the stream starts anyway, with pings. A broken stream ends with an `error` event and never with a cut
connection: the client answers the first with one more request and the second with up to ten (security sheet, E9).
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from openclaude.credentials.policies import KeyFor
from openclaude.credentials.sealed import AuthorizedRequest, RouteKey
from openclaude.domain.errors import MALFORMED_OUTPUT, ApiError
from openclaude.domain.http import Header
from openclaude.domain.models import normalise
from openclaude.domain.usage import Usage
from openclaude.gateway import refusals
from openclaude.gateway.exchange import Answer, Services
from openclaude.gateway.observers import with_usage
from openclaude.gateway.routes import SignedRoute
from openclaude.ports import Credential, ProviderCall, StreamDecoder, Timer, UpstreamCall
from openclaude.wire import http1
from openclaude.wire.sse import PING

HOLD: Final = 60.0
"""Seconds the client's response waits for the first frame."""
PING_EVERY: Final = 15.0
"""Seconds of silence after which the client gets a ping; its own watchdog ends a stream after 300."""
FIRST_BYTE: Final = 120.0
"""Seconds until the head of a stream, and between two frames (contract §F)."""
WHOLE_ANSWER: Final = 600.0
"""Seconds until the head of an answer that is not streamed: the client's own limit."""
METADATA_GRACE: Final = 2.0
"""Seconds that a finished stream waits for its token counts."""
UNREADABLE: Final = (
    "openClaude could not read Bedrock's answer. hint: try again; logs/gateway.err has the reason"
)
ERROR_BODY_LIMIT: Final = 256 * 1024
WHOLE_BODY_LIMIT: Final = 64 * 1024 * 1024


class TranslatedExchange:
    """One request on its way to Bedrock and back."""

    def __init__(
        self,
        services: Services,
        answer: Answer,
        route: SignedRoute,
        model: str,
    ) -> None:
        self._services = services
        self._answer = answer
        self._route = route
        self._model = model
        self._pieces: list[bytes] = []
        self._call: ProviderCall | None = None
        self._upstream: UpstreamCall | None = None
        self._decoder: StreamDecoder | None = None
        self._whole_head: tuple[int, Sequence[Header]] | None = None
        self._collected: list[bytes] = []
        self._collected_size = 0
        self._credential: Credential | None = None
        self._repeated: set[str] = set()
        self._timer: Timer | None = None
        self._asked_at = 0.0
        self._heard_at = 0.0
        self._shown_at = 0.0

    # the client's end

    def body(self, data: bytes) -> None:
        self._pieces.append(data)

    def body_complete(self) -> None:
        raw, self._pieces = b"".join(self._pieces), []
        self._asked_at = self._services.clock.monotonic()
        self._answer.record.upstream_model = self._route.upstream_model
        try:
            self._prepare(raw)
        except ApiError as error:
            self._refuse(error)

    def client_left(self) -> None:
        self._drop_upstream()
        self._disarm()
        self._note_usage()
        self._answer.close("client_left")

    def client_full(self) -> None:
        if self._upstream is not None:
            self._upstream.pause()

    def client_drained(self) -> None:
        if self._upstream is not None:
            self._upstream.resume()

    # the way out

    def _prepare(self, raw: bytes) -> None:
        request = self._answer.request
        betas = b",".join(request.headers.get_all(b"anthropic-beta"))
        version = request.headers.get(b"anthropic-version") or b""
        call = self._route.adapter.prepare(raw, betas=betas, version=version, request_id=request.id)
        if normalise(call.model) != self._model:
            raise ApiError(400, "invalid_request_error", "openClaude: the body names two different models")
        self._note(call.notes)
        if call.local_answer is not None:
            self._answer_whole(call, call.local_answer)
            return
        self._dispatch(call)

    def _dispatch(self, call: ProviderCall) -> None:
        """Authorise and send a translated request, for the first time or again."""
        self._call = call
        self._whole_head, self._collected, self._collected_size = None, [], 0
        self._route.keys.fetch(self._answer.request.session, partial(self._sign, call))

    def _sign(self, call: ProviderCall, credential: Credential | ApiError) -> None:
        if self._answer.over:
            return
        if isinstance(credential, ApiError):
            self._refuse(credential)
            return
        self._credential = credential
        request = refusals.upstream_request(call)
        if isinstance(credential, RouteKey):
            self._answer.record.credential = "bedrock key"
            self._send(KeyFor(credential).authorize(request))
            return
        self._answer.record.credential = f"aws signature ({credential.source})"
        now = self._services.clock.now() + self._services.skew_of(self._route.origin)
        self._send(self._route.policy.authorize(request, credential, now))

    def _send(self, authorized: AuthorizedRequest) -> None:
        call = self._expect_call()
        now = self._heard_at = self._shown_at = self._services.clock.monotonic()
        self._upstream = self._services.transport.send(authorized, (call.body,), self)
        self._arm(
            PING_EVERY if self._answer.started else min(PING_EVERY, max(0.0, self._asked_at + HOLD - now))
        )

    # the provider's end

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        del length
        self._heard_at = self._services.clock.monotonic()
        self._services.told_time(self._route.origin, http1.date(headers))
        for name, value in headers:
            if name.lower() == b"x-amzn-requestid":
                self._answer.record.upstream_request_id = value.decode("latin-1")[:80]
        call = self._expect_call()
        if status == 200 and call.streams:
            self._decoder = self._decoder or call.stream(headers)
        else:
            self._whole_head = (status, headers)

    def data(self, data: bytes) -> None:
        self._heard_at = self._services.clock.monotonic()
        if self._answer.over:
            return
        if self._decoder is None or self._whole_head is not None:
            self._collect(data)
            return
        self._show(self._decoder.feed(data))
        if self._decoder.failure is not None and not self._decoder.started:
            self._drop_upstream()
            self._once_more(self._decoder.failure)
        elif self._decoder.finished:
            self._finish_early()
        elif self._decoder.awaiting_metadata and self._first("metadata"):
            self._arm(METADATA_GRACE)

    def complete(self) -> None:
        self._upstream = None
        if self._answer.over:
            self._disarm()
            return
        if self._decoder is not None and self._whole_head is None:
            self._show(self._decoder.end())
            self._finish_stream()
            return
        status, headers = self._whole_head or (502, ())
        body, self._collected = b"".join(self._collected), []
        try:
            if status == 200:
                call = self._expect_call()
                self._answer_whole(call, call.whole(status, headers, body))
            else:
                self._failed_answer(status, headers, body)
        except ApiError as error:
            self._once_more(error)
        except Exception:
            self._refuse(refusals.unreadable())
            raise  # to be reported; the client does not wait for an answer that is not coming

    def _once_more(self, error: ApiError) -> None:
        """Repeat a request that was not understood, or whose answer makes no sense, while nothing was shown."""
        again: ProviderCall | None = None
        if not self._answer.started:
            call = self._expect_call()
            again = call.retry_without(*refusals.restated(error))
            if again is None and MALFORMED_OUTPUT in error.notes and self._first(MALFORMED_OUTPUT):
                again = call
        if again is None:
            self._refuse(error)
            return
        self._decoder = None
        self._note((*error.notes, *again.notes))
        self._dispatch(again)

    def failed(self, error: ApiError) -> None:
        self._upstream = None
        self._refuse(error)

    def upstream_full(self) -> None:
        """The whole body is at hand already: there is nothing to stop reading."""

    def upstream_drained(self) -> None:
        """See `upstream_full`."""

    # answers

    def _show(self, sse: bytes) -> None:
        """Send translated events; the response's head goes out with the first of them."""
        if not sse or self._answer.over:
            return
        if not self._answer.started:
            self._answer.stream(self._marks())
        self._shown_at = self._heard_at
        self._answer.write(sse)

    def _finish_early(self) -> None:
        """The last event is out: the client need not wait for the end of the provider's message."""
        self._finish_stream()
        # Behind damage nothing on this connection can be trusted.
        grace = METADATA_GRACE if self._answer.record.outcome == "complete" else 0
        self._timer = self._services.clock.call_later(grace, self._drop_upstream)

    def _finish_stream(self) -> None:
        self._disarm()
        self._note_usage()
        decoder = self._decoder
        if self._answer.over:
            return
        if decoder is not None and decoder.failure is not None and not self._answer.started:
            self._refuse(decoder.failure)
            return
        if not self._answer.started:
            self._answer.stream(self._marks())
        ended_well = decoder is not None and decoder.stop_reason is not None and decoder.failure is None
        if ended_well and decoder is not None:
            self._expect_call().learn(decoder.usage)
        self._answer.end("complete" if ended_well else "upstream_failed")

    def _answer_whole(self, call: ProviderCall, message: bytes) -> None:
        self._disarm()
        with_usage(self._answer.record, call.usage)
        if call.usage is not None:
            call.learn(call.usage)
        self._note(call.notes)
        if not call.wants_stream:
            self._answer.whole(200, message, self._marks())
            return
        events = call.synthesize(message)
        if self._answer.started:
            # A held stream has begun already: what is left comes behind the ping of its beginning.
            events = events.partition(PING)[2]
        else:
            self._answer.stream(self._marks())
        self._answer.write(events)
        self._answer.end()

    def _failed_answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Bedrock refused: learn from it, renew the keys once, or pass the reason on."""
        call = self._expect_call()
        amended = None if self._answer.started else call.retry_without(status, headers, body)
        if amended is not None:
            self._note(amended.notes)
            self._dispatch(amended)
        elif refusals.outdated(headers, body) and self._first("renewed keys"):
            refusal = call.failure(status, headers, body)
            renewed = partial(self._renewed, call, refusal)
            self._route.keys.renew(self._answer.request.session, self._credential, renewed)
        elif refusals.blames_the_time(body) and http1.date(headers) and self._first("corrected clock"):
            self._dispatch(call)
        else:
            self._refuse(self._told(call.failure(status, headers, body)))

    def _renewed(
        self, call: ProviderCall, refusal: ApiError, credential: Credential | ApiError | None
    ) -> None:
        """Send the request again with other keys; without any, the refusal stands."""
        self._whole_head, self._collected, self._collected_size = None, [], 0
        self._sign(call, credential or self._told(refusal))

    def _told(self, refusal: ApiError) -> ApiError:
        return refusals.for_source(refusal, self._route.profile, self._credential)

    def _first(self, reason: str) -> bool:
        """Whether a request has not been repeated for this reason yet; from now on it has."""
        if reason in self._repeated:
            return False
        self._repeated.add(reason)
        return True

    def _refuse(self, error: ApiError) -> None:
        """An HTTP error while nothing was sent; otherwise an `error` event and the end of the stream."""
        self._disarm()
        if self._answer.over:
            return
        if not self._answer.started:
            self._answer.refuse(error)
            return
        call = self._expect_call()
        decoder = self._decoder or call.stream()
        self._answer.write(decoder.fail(error))
        self._note_usage()
        self._answer.end("upstream_failed")

    # time

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self._services.clock.call_later(seconds, self._tick)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _tick(self) -> None:
        """Ping a silent stream, start a held one, end a dead one."""
        self._timer = None
        if self._answer.over:
            return
        now = self._services.clock.monotonic()
        if self._decoder is not None and self._decoder.awaiting_metadata:
            self._drop_upstream()
            self._show(self._decoder.end())
            self._finish_stream()
            return
        call = self._expect_call()
        limit = FIRST_BYTE if call.streams else WHOLE_ANSWER
        if now - self._heard_at >= limit:
            self._drop_upstream()
            self._refuse(refusals.silent(limit, str(self._route.origin)))
            return
        if call.wants_stream:
            self._keep_alive(call, now)
        self._arm(max(0.05, min(PING_EVERY - (now - self._shown_at), limit - (now - self._heard_at))))

    def _keep_alive(self, call: ProviderCall, now: float) -> None:
        if self._answer.started:
            if now - self._shown_at >= PING_EVERY:
                self._shown_at = now
                self._answer.write(PING)
        elif now - self._asked_at >= HOLD:
            self._shown_at = now
            self._answer.stream(self._marks())
            decoder = self._decoder or call.stream()
            self._decoder = decoder if call.streams else None
            self._answer.write(decoder.start())
        else:
            self._shown_at = now

    # small things

    def _marks(self) -> tuple[Header, ...]:
        return ((b"x-openclaude-upstream-model", self._route.upstream_model.encode()),)

    def _collect(self, data: bytes) -> None:
        status = self._whole_head[0] if self._whole_head is not None else 0
        self._collected_size += len(data)
        if self._collected_size <= (WHOLE_BODY_LIMIT if status == 200 else ERROR_BODY_LIMIT):
            self._collected.append(data)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()

    def _note_usage(self) -> None:
        usage: Usage | None = None
        if self._decoder is not None:
            usage = self._decoder.usage
            self._note(self._decoder.notes)
        with_usage(self._answer.record, usage)

    def _note(self, codes: Iterable[str]) -> None:
        record = self._answer.record
        record.notes += tuple(code for code in codes if code not in record.notes)

    def _expect_call(self) -> ProviderCall:
        if self._call is None:
            raise RuntimeError("a provider answered a request that was never translated")
        return self._call
