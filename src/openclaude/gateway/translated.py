"""The Bedrock route: collect the body, translate, sign, send; translate the answer as it arrives.

The client's response is held until the first frame, so that a refusal by Bedrock stays a real HTTP error; after
`HOLD` seconds the stream starts anyway, with pings. A broken stream ends with an `error` event and never with a cut
connection: the client answers the first with one more request and the second with up to ten (security sheet, E9).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Final

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, SafeHeaders
from openclaude.domain.models import normalise
from openclaude.domain.usage import Usage
from openclaude.gateway import refusals, retries
from openclaude.gateway.again import SendingAgain
from openclaude.gateway.exchange import HEAVY, LIGHT, joined, weight
from openclaude.gateway.late import is_ready
from openclaude.gateway.observers import with_usage
from openclaude.gateway.retries import Fault
from openclaude.gateway.whole import WholeAnswer
from openclaude.ports import ProviderCall, Receiver, UpstreamCall
from openclaude.wire import http1
from openclaude.wire.sse import PING

HOLD: Final = 60.0
"""Seconds the client's response waits for the first frame."""
PING_EVERY: Final = 15.0
"""Seconds of silence after which the client gets a ping; its own watchdog ends a stream after 300."""
FIRST_BYTE: Final = 120.0
"""Seconds until the head of a stream, and between two frames (contract §F)."""
WHOLE_ANSWER: Final = 600.0
"""Seconds until the head of an answer that is not streamed, in a stream that has been started for the client already."""
METADATA_GRACE: Final = 2.0
"""Seconds that a finished stream waits for its token counts."""
ANSWERED_HERE: Final = "no model needed"
"""The reason of an answer for which nothing is sent: the client's quota probe, a cache warm-up without a cache."""
UNREADABLE: Final = (
    "openClaude could not read Bedrock's answer. hint: try again; logs/gateway.err has the reason"
)


@lru_cache(maxsize=64)
def _model_header(model: str) -> tuple[Header, ...]:
    return ((b"x-openclaude-upstream-model", model.encode()),)


@lru_cache(maxsize=64)
def _dialect_of(headers: SafeHeaders) -> tuple[bytes, bytes]:
    """The values of `anthropic-beta` and `anthropic-version`. A head that a client repeats has the same headers (edge/known)."""
    return b",".join(headers.get_all(b"anthropic-beta")), headers.get(b"anthropic-version") or b""


class TranslatedExchange(SendingAgain, Receiver):
    """One request on its way to Bedrock and back."""

    _upstream: UpstreamCall | None = None
    _paused = False
    _begun = False
    _asked_at = 0.0
    _heard_at = 0.0
    _shown_at = 0.0

    # the client's end

    def body(self, data: bytes) -> None:
        self._pieces.append(data)

    def body_complete(self) -> None:
        pieces, self._pieces = self._pieces, []
        services = self._services
        self._asked_at = services.clock.monotonic()
        ready, worker = is_ready(self._route.adapter), services.worker
        if ready and len(pieces) == 1 and len(pieces[0]) < LIGHT and (worker is None or not worker.busy):
            # What `apart` does with this much, in fewer steps.
            try:
                outgoing = self._translated(pieces[0])
            except ApiError as error:
                self._refuse(error)
            else:
                self._prepared(outgoing)
            return
        size = weight(pieces) if ready else HEAVY
        services.apart(size, partial(self._prepare, pieces), partial(self._done, self._prepared))

    def client_left(self) -> None:
        self._drop_upstream()
        self._disarm()
        self._note_usage()
        self._answer.close("client_left")
        self._let_go()

    def client_full(self) -> None:
        self._paused = True
        if self._upstream is not None:
            self._upstream.pause()

    def client_drained(self) -> None:
        self._paused = False
        self._heard_at = self._services.clock.monotonic()
        if self._upstream is not None:
            self._upstream.resume()

    # the way out

    def _prepare(self, pieces: list[bytes]) -> refusals.Outgoing:
        return self._translated(joined(pieces))

    def _translated(self, raw: bytes) -> refusals.Outgoing:
        """The translation of a body. It runs apart, so it only reads what this exchange has."""
        request = self._answer.request
        betas, version = _dialect_of(request.headers)
        call = self._route.adapter.prepare(raw, betas=betas, version=version, request_id=request.id)
        if call.model != self._model and normalise(call.model) != self._model:
            raise ApiError(400, "invalid_request_error", "openClaude: the body names two different models")
        return refusals.outgoing(call)

    def _prepared(self, ready: refusals.Outgoing) -> None:
        call = ready.call
        if call.notes:
            self._note(call.notes)
        if call.local_answer is not None:
            self._answer.answered_here(ANSWERED_HERE)
            self._answer_whole(call, call.local_answer)
        else:
            self._begin(ready)

    def _send(self, authorized: AuthorizedRequest, call: ProviderCall) -> None:
        services = self._services
        now = self._heard_at = self._shown_at = services.clock.monotonic()
        self._sent += 1
        self._upstream = services.transport.send(authorized, (call.body,), self)
        due = now + PING_EVERY
        if not self._answer.started:
            due = min(due, self._asked_at + HOLD)
            if self._sent > 1:
                due = min(due, self._answer.deadline)
        services.alarms.set(self, due)

    # the provider's end

    def upstream_full(self) -> None:
        """A further part of the body has left: a slow line is not a silent provider."""
        self._heard_at = self._services.clock.monotonic()

    def upstream_drained(self) -> None:
        """All of it has left; from here on the provider is waited for."""
        self._heard_at = self._services.clock.monotonic()

    def head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        del length
        self._heard_at = self._services.clock.monotonic()
        self._note_head(headers)
        ready = self._expect_ready()
        if status == 200 and ready.call.streams:
            self._decoder = self._decoder or ready.call.stream(headers)
        else:
            self._whole = WholeAnswer(status, headers)

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        if status != 200 or self._answer.over or self._expect_call().streams:
            return False
        self._upstream = None
        self._note_head(headers)
        self._answered(headers, body)
        return True

    def data(self, data: bytes) -> None:
        self._heard_at = self._services.clock.monotonic()
        if self._answer.over:
            return
        if self._whole is not None:
            self._whole.add(data)
            return
        if self._decoder is None:
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
        whole = self._whole
        if whole is None and self._decoder is not None:
            self._show(self._decoder.end())
            self._finish_stream()
            return
        status, headers, body = whole.take() if whole is not None else (502, (), b"")
        if status == 200:
            self._answered(headers, body)
        else:
            self._failed_answer(status, headers, body)

    def failed(self, error: ApiError) -> None:
        self._upstream = None
        self._disarm()
        self._failed(error, retries.unconnected(error))

    # answers

    def _note_head(self, headers: Sequence[Header]) -> None:
        for name, value in headers:
            key = name.lower()
            if key == b"x-amzn-requestid":
                self._answer.record.upstream_request_id = value.decode("latin-1")[:80]
            elif key == b"date":
                self._services.told_time(self._route.origin, http1.date(((name, value),)))

    def _answered(self, headers: Sequence[Header], body: bytes) -> None:
        """The provider has answered, and that is all of it."""
        try:
            call = self._expect_call()
            message = call.whole(200, headers, body)
            if self._health.breakers:
                self._answers()
            else:
                self._heard_of = True
            self._answer_whole(call, message)
        except ApiError as error:
            self._once_more(error)
        except Exception:
            self._refuse(refusals.unreadable())
            self._heard_of = True  # it did answer, whatever else is said of this
            raise  # to be reported; the client does not wait for an answer that is not coming

    def _show(self, sse: bytes) -> None:
        """Send translated events; the response's head goes out with the first of them."""
        if not sse or self._answer.over:
            return
        if not self._answer.started:
            self._answers()
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
            self._answers()
            self._expect_call().learn(decoder.usage)
            self._health.budget.earn()
        self._answer.end("complete" if ended_well else "upstream_failed")
        self._let_go()

    def _answer_whole(self, call: ProviderCall, message: bytes) -> None:
        self._services.alarms.unset(self)
        if self._timer is not None:
            self._disarm()
        record, usage, notes = self._answer.record, call.usage, call.notes
        if usage is not None:
            record.input_tokens, record.output_tokens = usage.input_tokens, usage.output_tokens
            call.learn(usage)
            budget = self._health.budget
            if budget.tokens < retries.TOKENS:
                budget.earn()
        if notes is not record.notes:
            self._note(notes)
        if not call.wants_stream:
            self._answer.whole(200, message, _model_header(self._route.upstream_model))
            self._let_go()
            return
        events = call.synthesize(message)
        if not self._answer.started:
            self._answer.stream(self._marks())
        elif self._begun:
            # A held stream: what is left comes behind the ping of its beginning.
            events = events.partition(PING)[2]
        self._answer.end(rest=events)
        self._let_go()

    def _refuse(self, error: ApiError) -> None:
        """An HTTP error while nothing was sent; otherwise an `error` event and the end of the stream."""
        self._disarm()
        if self._answer.over:
            return
        if not self._answer.started:
            self._answer.refuse(error)
        else:
            decoder = self._decoder or self._expect_call().stream()
            self._answer.write(decoder.fail(error))
            self._note_usage()
            self._answer.end("upstream_failed")
        self._let_go()

    # time

    def _arm(self, seconds: float) -> None:
        self._disarm()
        services = self._services
        services.alarms.set(self, services.clock.monotonic() + seconds)

    def _disarm(self) -> None:
        self._services.alarms.unset(self)
        timer = self._timer
        if timer is not None:
            self._timer = None
            timer.cancel()

    def wake(self) -> None:
        """Ping a silent stream, start a held one, end a dead one."""
        if self._answer.over:
            return
        now = self._services.clock.monotonic()
        if self._decoder is not None and self._decoder.awaiting_metadata:
            self._drop_upstream()
            self._show(self._decoder.end())
            self._finish_stream()
            return
        call = self._expect_call()
        if self._paused:
            self._heard_at = self._shown_at = now  # the client is the slow one, and nothing is read
        left, verdict = self._left(call, now)
        if left <= 0:
            self._drop_upstream()
            self._failed(verdict, Fault.LOST)
            return
        if call.wants_stream:
            self._keep_alive(call, now)
        else:
            self._shown_at = now  # there is nothing to show before the whole answer
        self._arm(max(0.05, min(PING_EVERY - (now - self._shown_at), left)))

    def _left(self, call: ProviderCall, now: float) -> tuple[float, ApiError]:
        """Seconds that may still pass without a byte, and the error when they have."""
        answer, origin = self._answer, str(self._route.origin)
        limit = FIRST_BYTE if call.streams else WHOLE_ANSWER
        silent = self._heard_at + limit - now, refusals.silent(limit, origin)
        if answer.started:
            return silent
        deadline = answer.deadline
        late = deadline - now, refusals.late(deadline - answer.started_at, origin)
        return min(silent, late, key=lambda item: item[0]) if call.streams else late

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
            beginning = decoder.start()
            self._begun = beginning != PING
            self._answer.write(beginning)
        else:
            self._shown_at = now

    # small things

    def _marks(self) -> tuple[Header, ...]:
        return _model_header(self._route.upstream_model)

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
        if not record.notes:
            record.notes = tuple(codes)
        elif codes != record.notes:
            record.notes += tuple([code for code in codes if code not in record.notes])
