"""A Messages event stream on its way through: the events pass as they came, only the model's name is the client's.

Shared by every way Claude streams on AWS; what differs is the framing around the events. An answer is finished by
`message_stop` only: whatever ends otherwise ends with an `error` event.
"""

from abc import ABC, abstractmethod
from typing import Any, Final

import msgspec

from openclaude.adapters.bedrock_converse.pieces import Json, string
from openclaude.adapters.bedrock_converse.synthesis import MESSAGE_STOP, STOP
from openclaude.domain.errors import STATUS_OF_TYPE, ApiError
from openclaude.domain.usage import Usage
from openclaude.wire import jsontext, sse

TRUNCATED: Final = "The Bedrock stream ended before messageStop."
"""The same sentence in every dialect."""

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_CACHE_COUNTS: Final = (
    ("cache_creation_input_tokens", "cacheWriteInputTokenCount"),
    ("cache_read_input_tokens", "cacheReadInputTokenCount"),
)
_RETRIED: Final = frozenset({"rate_limit_error", "api_error", "timeout_error", "overloaded_error"})


class _Head(msgspec.Struct):
    """What has to be known of every event."""

    type: str
    index: int = 0


_HEAD: Final = msgspec.json.Decoder(_Head)


class Relay(ABC):
    """One stream, from its first event to its last. A subclass cuts the provider's bytes into events.

    Attributes:
        failure: set when the stream failed before anything was emitted: the client can have a real HTTP error.
        started: something was emitted.
        finished: nothing will be emitted any more.
        usage: the token counts so far.
        stop_reason: of a finished message; None while it runs and when it failed.
        notes: codes of what was repaired.
    """

    def __init__(self, model: str) -> None:
        self.failure: ApiError | None = None
        self.started = False
        self.finished = False
        self.usage = Usage()
        self.stop_reason: str | None = None
        self.notes: list[str] = []
        self._model = model
        self._out: list[bytes] = []
        self._begun = False
        self._open: int | None = None
        self._blocks = 0
        self._delta: Json | None = None
        self._delta_text = b""
        self._counts: Json = {}

    @property
    def awaiting_metadata(self) -> bool:
        """Never: an answer of this kind is not finished before `message_stop`."""
        return False

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes. However the stream is cut, their bytes are the same."""
        if not self.finished:
            self._read(data)
        return self._taken()

    def start(self) -> bytes:
        """A ping now: the client has waited long enough. Empty when something is out already."""
        if not self.started and not self.finished:
            self.started = True
            self._out.append(sse.PING)
        return self._taken()

    def end(self) -> bytes:
        """The provider's stream is over."""
        if not self.finished:
            self._fail(ApiError(502, "api_error", TRUNCATED, retry=True))
        return self._taken()

    def fail(self, error: ApiError) -> bytes:
        """The provider is gone or silent: close what is open and say so. A second call says nothing."""
        if self.finished:
            return b""
        self._fail(error)
        if not self.started:
            self._error(error)
        return self._taken()

    @abstractmethod
    def _read(self, data: bytes) -> None:
        """Cut the bytes into events, each given to `_event`."""

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    def _event(self, raw: bytes) -> None:
        """One event as JSON text."""
        head, raw = _head_of(raw)
        if head is None:
            self._damaged("an event is not a JSON object with a type")
            return
        if not self._begun and head.type not in ("message_start", "ping", "error"):
            self._damaged(f"it begins with {head.type[:40]!r}")
            return
        if self._is_misplaced(head):
            # A frame is missing, doubled or in the wrong place: no client could put the answer together.
            self._damaged(f"{head.type} of block {head.index} is out of place")
            return
        self._flush_delta(before=head.type)
        match head.type:
            case "content_block_delta":
                self._pass("content_block_delta", raw)
            case "content_block_start":
                self._open = head.index
                self._blocks += 1
                self._pass(head.type, raw)
            case "content_block_stop":
                self._open = None
                self._pass(head.type, raw)
            case "message_start":
                self._message_start(raw)
            case "message_delta":
                self._message_delta(raw)
            case "message_stop":
                self._message_stop(raw)
            case "error":
                self._upstream_error(raw)
            case "ping" if not self.started:
                # Before the first real event the answer may still become an HTTP error.
                return
            case kind:
                self._pass(kind, raw)

    def _is_misplaced(self, head: _Head) -> bool:
        match head.type:
            case "content_block_delta" | "content_block_stop":
                return head.index != self._open
            case "content_block_start":
                return self._open is not None or head.index != self._blocks
            case "message_delta":
                return self._open is not None
            case _:
                return False

    def _pass(self, kind: str, raw: bytes) -> None:
        self.started = True
        self._out.append(sse.event(kind, raw))

    def _message_start(self, raw: bytes) -> None:
        event = jsontext.loads(raw)
        message = event.get("message")
        if self._begun or not isinstance(message, dict):
            self._damaged("message_start is not where or what it has to be")
            return
        self._begun = True
        self._counts = _object(message.get("usage"))
        self._keep_usage(self._counts)
        self._pass("message_start", jsontext.dumps({**event, "message": {**message, "model": self._model}}))

    def _message_delta(self, raw: bytes) -> None:
        """Held until the next event: cache counts may come as late as with `message_stop`."""
        self._delta = jsontext.loads(raw)
        self._delta_text = raw
        self._keep_usage(_object(self._delta.get("usage")))
        self.stop_reason = None

    def _flush_delta(self, *, before: str) -> None:
        if self._delta is not None and before != "message_stop":
            self._pass("message_delta", self._delta_text)
            self._delta = None

    def _message_stop(self, raw: bytes) -> None:
        event = jsontext.loads(raw)
        metrics = _object(event.pop(_METRICS, None))
        delta, self._delta = self._delta, None
        if delta is None:
            self._damaged("message_stop comes without message_delta")
            return
        self._pass("message_delta", self._with_cache_counts(delta, metrics))
        self._fill_usage(metrics)
        self._out.append(MESSAGE_STOP if event == {"type": "message_stop"} else _stop(event))
        self.stop_reason = string(_object(delta.get("delta")).get("stop_reason")) or "end_turn"
        self.finished = True

    def _with_cache_counts(self, delta: Json, metrics: Json) -> bytes:
        """The text of `message_delta`, with the cache counts that only its neighbours told."""
        usage = _object(delta.get("usage"))
        missing = {
            name: count
            for name, metric in _CACHE_COUNTS
            if name not in usage and (count := _count(self._counts, name) or _count(metrics, metric))
        }
        if not missing:
            return self._delta_text
        self._keep_usage(missing)
        return jsontext.dumps({**delta, "usage": {**usage, **missing}})

    def _keep_usage(self, counts: Json) -> None:
        for name in Usage.__dataclass_fields__:
            if isinstance(counts.get(name), int):
                setattr(self.usage, name, _count(counts, name))

    def _fill_usage(self, metrics: Json) -> None:
        self.usage.input_tokens = self.usage.input_tokens or _count(metrics, "inputTokenCount")
        self.usage.output_tokens = self.usage.output_tokens or _count(metrics, "outputTokenCount")

    def _upstream_error(self, raw: bytes) -> None:
        self._fail(error_of(jsontext.loads(raw)))

    def _damaged(self, reason: object) -> None:
        text = f"The Bedrock stream is damaged: {reason}. Retry the request."
        self._fail(ApiError(502, "api_error", text, retry=True))

    def _fail(self, error: ApiError) -> None:
        self.finished = True
        if not self.started:
            self.failure = error
            return
        self._flush_delta(before="error")
        if self._open is not None:
            self._out.append(STOP % self._open)
            self._open = None
        self._error(error)

    def _error(self, error: ApiError) -> None:
        shown = {"type": "error", "error": {"type": error.type, "message": error.message}}
        self._out.append(sse.event("error", jsontext.dumps(shown)))


def error_of(body: Any) -> ApiError:
    """The error in an `error` object of the Messages API."""
    error = _object(_object(body).get("error"))
    kind = string(error.get("type"))
    kind = kind if kind in STATUS_OF_TYPE else "api_error"
    text = string(error.get("message")) or "Bedrock reported an error without a text"
    return ApiError(STATUS_OF_TYPE[kind], kind, text, retry=kind in _RETRIED)


def _head_of(raw: bytes) -> tuple[_Head | None, bytes]:
    """An event's type and index, and its text on one line; None when it has no type."""
    try:
        head = _HEAD.decode(raw)
        one_line = b"\n" not in raw and b"\r" not in raw
        return head, raw if one_line else jsontext.dumps(jsontext.loads(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # An unpaired surrogate is the one thing that can be mended.
        return _mended(raw)


def _mended(raw: bytes) -> tuple[_Head | None, bytes]:
    try:
        text = jsontext.dumps(jsontext.loads(raw))
        return _HEAD.decode(text), text
    except (jsontext.JsonError, msgspec.MsgspecError):
        return None, raw


def _stop(event: Json) -> bytes:
    return sse.event("message_stop", jsontext.dumps(event))


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _count(holder: Json, key: str) -> int:
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
