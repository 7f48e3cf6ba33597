"""ConverseStream to the Messages event stream: event-stream bytes in, server-sent events out.

Bedrock sends no block start for text and reasoning, may interleave blocks, may change a block's kind and may leave out
stops; the Messages grammar has blocks that never overlap and indexes without gaps. Upstream indexes are therefore
only keys. An answer is finished only by `messageStop`: whatever ends otherwise ends with an `error` event.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from openclaude.adapters.bedrock_converse import errors
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, string
from openclaude.adapters.bedrock_converse.response import (
    ResponseState,
    blob_text,
    citation,
    cuts_short,
    empty_message,
    is_foreign_call,
    leaks_call,
    malformed,
    stop_reason,
    stop_sequence,
    usage_json,
    usage_of,
)
from openclaude.adapters.bedrock_converse.synthesis import MESSAGE_STOP, STOP
from openclaude.domain.errors import ApiError
from openclaude.domain.usage import Usage
from openclaude.wire import jsontext, sse
from openclaude.wire.eventstream import EventStreamDecoder, Frame

TRUNCATED: Final = "The Bedrock stream ended before messageStop."
SPOILED_CALL: Final = (
    "The model produced a malformed tool call: its input is not a JSON object. Retry the request."
)

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
_LEAK_TAIL = 16

_KNOWN = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_SHOWN_BY_DELTAS = frozenset({"text", "reasoningContent", "citationsContent"})
"""Kinds that a block start may name although it need not: their deltas say the same."""

_TEXT, _THINKING, _TOOL, _REDACTED = "text", "thinking", "tool_use", "redacted"


class _PlainUse(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    input: str


class _PlainContent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str | None = None
    toolUse: _PlainUse | None = None  # noqa: N815  Bedrock's name


class _PlainDelta(msgspec.Struct, gc=False):
    """The payload of a delta of text or of a tool's input, and nothing else."""

    contentBlockIndex: int  # noqa: N815  Bedrock's name
    delta: _PlainContent


_PLAIN_DELTA = msgspec.json.Decoder(_PlainDelta)
_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Open:
    """The block that is open: its own index is the decoder's, `upstream` is Bedrock's."""

    kind: str
    upstream: int
    signed: bool = False
    blobs: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)


class ConverseStreamDecoder:
    """One stream, from its first byte to its last.

    Attributes:
        failure: set when the stream failed before anything was emitted: the client can have a real HTTP error.
        started: `message_start` was emitted.
        finished: nothing will be emitted any more.
        usage: the token counts; zeros until metadata comes.
        stop_reason: of a finished message; None while it runs and when it failed.
        notes: codes of what was degraded or repaired.
    """

    def __init__(self, state: ResponseState, identity: str, place: errors.Place) -> None:
        self.failure: ApiError | None = None
        self.started = False
        self.finished = False
        self.usage = Usage()
        self.stop_reason: str | None = None
        self.notes: list[str] = []
        self._state = state
        self._identity = identity
        self._place = place
        self._frames = EventStreamDecoder()
        self._out: list[bytes] = []
        self._open: _Open | None = None
        self._index = 0
        self._waiting: list[tuple[str, Json]] = []
        self._skipped: set[int] = set()
        self._stop: Json | None = None
        self._metadata: Json | None = None
        self._saw_tool = False
        self._open_id = ""
        self._delta_headers: Json | None = None
        self._spoiled = False
        self._tail = ""
        self._degraded = Notes()
        self._noted = 0

    @property
    def awaiting_metadata(self) -> bool:
        """The message is complete and only its token counts are missing."""
        return self._stop is not None and not self.finished

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes. However the stream is cut, their bytes are the same."""
        if self.finished:
            return b""
        self._read(self._frames.feed(data))
        return self._taken()

    def _read(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.headers is self._delta_headers and self._plain_delta(frame.payload):
                continue
            self._frame(frame)
            if self.finished:
                return
        if self._frames.error is not None:
            self._fail(_damaged(self._frames.error))

    def _plain_delta(self, payload: bytes) -> bool:
        """Show a delta that only goes on with the open text or tool call, as nearly all do; False for every other.

        A copy of what `_event_frame` does with it, made for speed; a test compares the two.
        """
        block = self._open
        if block is None or self._stop is not None or self._tail:
            return False
        try:
            event = _PLAIN_DELTA.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if event.contentBlockIndex != block.upstream:
            return False
        text, use = event.delta.text, event.delta.toolUse
        if block.kind == _TEXT and text and use is None and "<" not in text:
            self._out.append(_DELTA % (self._index, b"text_delta", b"text", _ENCODE(text)))
            return True
        if block.kind == _TOOL and use is not None and use.input and text is None:
            block.inputs.append(use.input)
            self._out.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", _ENCODE(use.input)))
            return True
        return False

    def start(self) -> bytes:
        """`message_start` and a ping now: the client has waited long enough. Empty when they are out already."""
        if not self.started and not self.finished:
            self._start()
        return self._taken()

    def end(self) -> bytes:
        """The provider's stream is over."""
        if not self.finished:
            if self._stop is not None:
                self._finish()
            else:
                self._fail(ApiError(502, "api_error", TRUNCATED, retry=True))
        return self._taken()

    def fail(self, error: ApiError) -> bytes:
        """The provider is gone or silent: close what is open and say so. A second call says nothing."""
        if self.finished:
            return b""
        self._fail(error)
        if not self.started:
            self._emit("error", _error_json(error))
        return self._taken()

    def _taken(self) -> bytes:
        out, self._out = self._out, []
        if self._degraded.count > self._noted:
            self.notes += self._degraded.codes()[self._noted :]
            self._noted = self._degraded.count
        return out[0] if len(out) == 1 else b"".join(out)

    def _emit(self, kind: str, event: Json) -> None:
        self._out.append(sse.event(kind, jsontext.dumps(event)))

    def _start(self) -> None:
        self.started = True
        message = empty_message(self._state, self._identity)
        self._emit("message_start", {"type": "message_start", "message": message})
        self._out.append(sse.PING)

    def _frame(self, frame: Frame) -> None:
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            if headers.get(":event-type") == "contentBlockDelta":
                self._delta_headers = headers
            self._event_frame(str(headers.get(":event-type")), frame.payload)
        elif kind == "exception":
            payload = _object(frame.payload) or {}
            text = string(payload.get("message")) or string(payload.get("Message"))
            if original := string(payload.get("originalMessage")):
                text = f"{text} ({original})"
            self._fail(errors.in_stream(str(headers.get(":exception-type")), text, self._place))
        else:
            text = str(headers.get(":error-message") or headers.get(":error-code") or "no text")
            self._fail(errors.in_stream("internalServerException", text, self._place))

    def _event_frame(self, kind: str, payload: bytes) -> None:
        event = _object(payload) if kind in _KNOWN else {}
        if event is None:
            self._fail(_damaged("an event is not a JSON object"))
            return
        if not self.started:
            self._start()
        try:
            self._event(kind, event)
            if self._waiting and not self._is_tool_open():
                self._replay()
        except _DamageError as wrong:
            self._fail(_damaged(wrong))

    def _replay(self) -> None:
        """Show what waited for a block to end, in the order it came; some of it may have to wait again."""
        work = deque(self._waiting)
        self._waiting = []
        while work and not self.finished:
            self._event(*work.popleft())
            if self._waiting and not self._is_tool_open():
                work.extendleft(reversed(self._waiting))
                self._waiting = []

    def _is_tool_open(self) -> bool:
        return self._open is not None and self._open.kind == _TOOL

    def _event(self, kind: str, event: Json) -> None:
        if kind == "metadata":
            self._keep_metadata(event)
        elif self._state.discard and kind != "messageStop":
            return
        elif self._stop is not None:
            # The message is over; only its token counts may follow, or what adds nothing to it.
            _require_no_content(event)
        elif kind == "contentBlockDelta":
            if not self._must_wait(kind, event):
                self._delta(_index(event), _member(event, "delta"))
        elif kind == "contentBlockStart":
            if not self._must_wait(kind, event):
                self._block_start(_index(event), _member(event, "start"))
        elif kind == "contentBlockStop":
            if not self._must_wait(kind, event):
                self._block_stop(_index(event))
        elif kind == "messageStop":
            self._message_stop(event)

    def _keep_metadata(self, event: Json) -> None:
        self._metadata = event
        self.usage = usage_of(usage_json(event))
        if self._stop is not None:
            self._finish()

    def _must_wait(self, kind: str, event: Json) -> bool:
        """An open tool block ends by its own stop only: events of other blocks wait, in the order they came."""
        block = self._open
        if block is None or block.kind != _TOOL or block.upstream == _index(event):
            return False
        self._waiting.append((kind, event))
        return True

    def _block_start(self, index: int, start: Json) -> None:
        self._skipped.discard(index)
        if "toolUse" in start:
            self._tool_start(index, _member(start, "toolUse"))
        elif start.keys() - _SHOWN_BY_DELTAS:
            self._skip(index, next(kind for kind in start if kind not in _SHOWN_BY_DELTAS))

    def _tool_start(self, index: int, use: Json) -> None:
        if self._is_open(_TOOL, index) and self._open_id == use.get("toolUseId"):
            # The same start twice begins the call once.
            return
        self._close()
        if is_foreign_call(use, self._state, self._degraded):
            self._skipped.add(index)
            return
        name, identity = _string(use, "name"), _string(use, "toolUseId")
        if not name or not identity:
            raise _DamageError("a tool call has no name or no id")
        block = {
            "type": "tool_use",
            "id": identity,
            "name": self._state.tool_names.get(name, name),
            "input": {},
        }
        self._saw_tool = True
        self._open_id = identity
        self._begin(_TOOL, index, block)

    def _skip(self, index: int, kind: str) -> None:
        """A kind that has no Messages form: its events are passed over until its stop."""
        if self._open is not None and self._open.upstream == index:
            self._close()
        self._skipped.add(index)
        self._degraded.dropped(kind)

    def _delta(self, index: int, delta: Json) -> None:
        if index in self._skipped:
            return
        if "text" in delta:
            self._text(index, _string(delta, "text"))
        elif "toolUse" in delta:
            self._tool_input(index, _string(_member(delta, "toolUse"), "input"))
        elif "reasoningContent" in delta:
            self._reasoning(index, _member(delta, "reasoningContent"))
        elif "citation" in delta:
            self._cite(index, _member(delta, "citation"))
        elif delta:
            self._degraded.dropped(next(iter(delta)))

    def _text(self, index: int, text: str) -> None:
        if not text and not self._is_open(_TEXT, index):
            return
        self._switch(_TEXT, index)
        self._out.append(_DELTA % (self._index, b"text_delta", b"text", jsontext.dumps(text)))
        if "<" in text or self._tail:
            seen = self._tail + text
            self._tail = seen[-_LEAK_TAIL:]
            if leaks_call(seen):
                self._degraded.add("tool_call_in_text")

    def _tool_input(self, index: int, text: str) -> None:
        if not text:
            return
        block = self._open
        if block is None or block.kind != _TOOL or block.upstream != index:
            raise _DamageError("a tool call has input and no beginning")
        block.inputs.append(text)
        self._out.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", jsontext.dumps(text)))

    def _reasoning(self, index: int, reasoning: Json) -> None:
        if text := _string(reasoning, "text"):
            self._switch(_THINKING, index)
            self._out.append(_DELTA % (self._index, b"thinking_delta", b"thinking", jsontext.dumps(text)))
        if signature := _string(reasoning, "signature"):
            self._switch(_THINKING, index).signed = True
            self._sign(signature)
        if blob := _string(reasoning, "redactedContent"):
            # There is no delta for it: the block goes out whole when it ends.
            self._switch(_REDACTED, index).blobs.append(blob)

    def _sign(self, signature: str) -> None:
        self._out.append(_DELTA % (self._index, b"signature_delta", b"signature", jsontext.dumps(signature)))

    def _cite(self, index: int, cited: Json) -> None:
        shown = citation(cited)
        if shown is None:
            return
        self._switch(_TEXT, index)
        delta = {"type": "citations_delta", "citation": shown}
        self._emit(
            "content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta}
        )

    def _is_open(self, kind: str, index: int) -> bool:
        block = self._open
        return block is not None and block.kind == kind and block.upstream == index

    def _switch(self, kind: str, index: int) -> _Open:
        """The open block if it is of that kind and index; otherwise a new one in its place."""
        block = self._open
        if block is not None and block.kind == kind and block.upstream == index:
            return block
        self._close()
        if kind == _REDACTED:
            self._open = _Open(kind, index)
            return self._open
        empty = (
            {"type": "text", "text": ""}
            if kind == _TEXT
            else {"type": "thinking", "thinking": "", "signature": ""}
        )
        return self._begin(kind, index, empty)

    def _begin(self, kind: str, upstream: int, block: Json) -> _Open:
        self._open = _Open(kind, upstream)
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        self._emit("content_block_start", event)
        return self._open

    def _close(self) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        if block.kind == _REDACTED:
            shown = {"type": "redacted_thinking", "data": blob_text(block.blobs)}
            self._emit(
                "content_block_start",
                {"type": "content_block_start", "index": self._index, "content_block": shown},
            )
        elif block.kind == _THINKING and not block.signed:
            self._sign(self._state.signature)
        elif block.inputs and not _is_object("".join(block.inputs)):
            # Whether that is a fault or only a call cut short is told by the stop reason.
            self._spoiled = True
        self._out.append(STOP % self._index)
        self._index += 1
        self._tail = ""

    def _block_stop(self, index: int) -> None:
        self._skipped.discard(index)
        if self._open is not None and self._open.upstream == index:
            self._close()

    def _message_stop(self, event: Json) -> None:
        self._close()
        if self._waiting:
            # What waited for the open block is shown first; then the message stops.
            self._waiting.append(("messageStop", event))
            return
        reason = _string(event, "stopReason")
        problem = malformed(reason)
        if problem is None and self._spoiled and not cuts_short(reason):
            problem = ApiError(502, "api_error", SPOILED_CALL, retry=True)
        if problem is not None and not self._state.discard:
            self._fail(problem)
            return
        self._stop = event
        if self._metadata is not None:
            self._finish()

    def _finish(self) -> None:
        stop = self._stop or {}
        if self._state.discard:
            reason = "max_tokens"
        else:
            reason = stop_reason(string(stop.get("stopReason")), self._degraded, has_tool=self._saw_tool)
        sequence = stop_sequence(stop, self._state) if reason == "stop_sequence" else None
        if not (self._metadata and isinstance(self._metadata.get("usage"), dict)):
            self._degraded.add("usage_missing")
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        usage = usage_json(self._metadata or {})
        self._emit("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
        self._out.append(MESSAGE_STOP)
        self.stop_reason = reason
        self.finished = True

    def _fail(self, error: ApiError) -> None:
        self.finished = True
        if not self.started:
            self.failure = error
            return
        self._close()
        self._emit("error", _error_json(error))


def _object(payload: bytes) -> Json | None:
    try:
        value = jsontext.loads(payload)
    except jsontext.JsonError:
        return None
    return value if isinstance(value, dict) else None


def _is_object(text: str) -> bool:
    """Whether a text is a JSON object for some reader; the client's own need not be as strict as this one."""
    if _object(text.encode("utf-8", "replace")) is not None:
        return True
    try:
        return isinstance(json.loads(text), dict)
    except RecursionError:
        return True
    except ValueError:
        return False


class _DamageError(ValueError):
    """An event cannot stand where it stands, or holds what it cannot hold; to pass over it would lose something."""


def _require_no_content(event: Json) -> None:
    if any(_member(event, "delta").values()) or _member(event, "start"):
        raise _DamageError("content follows messageStop")


def _index(event: Json) -> int:
    index: Any = event.get("contentBlockIndex", 0)
    if isinstance(index, int):
        return index
    raise _DamageError("contentBlockIndex is not a number")


def _member(holder: Json, name: str) -> Json:
    """The object under `name`, empty when there is none."""
    value: Any = holder.get(name)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise _DamageError(f"{name} is not an object")


def _string(holder: Json, name: str) -> str:
    """The text under `name`, empty when there is none."""
    value: Any = holder.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise _DamageError(f"{name} is not a text")


def _error_json(error: ApiError) -> Json:
    return {"type": "error", "error": {"type": error.type, "message": error.message}}


def _damaged(reason: object) -> ApiError:
    return ApiError(
        502, "api_error", f"The Bedrock stream is damaged: {reason}. Retry the request.", retry=True
    )
