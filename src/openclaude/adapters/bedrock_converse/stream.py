"""ConverseStream to the Messages event stream: event-stream bytes in, server-sent events out.

Bedrock sends no block start for text and reasoning, may interleave blocks, may change a block's kind and may leave out
stops; the Messages grammar has blocks that never overlap and indexes without gaps (`stream_blocks`). An answer is
finished only by `messageStop`: whatever ends otherwise ends with an `error` event.
"""

from collections import deque
from typing import Final

from openclaude.adapters.bedrock_converse import errors
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, string
from openclaude.adapters.bedrock_converse.response import (
    ResponseState,
    cuts_short,
    empty_message,
    malformed,
    stop_reason,
    stop_sequence,
    usage_json,
    usage_of,
)
from openclaude.adapters.bedrock_converse.stream_blocks import TOOL, StreamBlocks
from openclaude.adapters.bedrock_converse.stream_members import (
    DamageError,
    index_of,
    member,
    object_of,
    require_no_content,
    text_of,
)
from openclaude.adapters.bedrock_converse.synthesis import MESSAGE_STOP
from openclaude.domain.errors import ApiError
from openclaude.domain.usage import Usage
from openclaude.wire import sse
from openclaude.wire.eventstream import EventStreamDecoder, Frame

TRUNCATED: Final = "The Bedrock stream ended before messageStop."
SPOILED_CALL: Final = (
    "The model produced a malformed tool call: its input is not a JSON object. Retry the request."
)

_KNOWN = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)


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
        self._waiting: list[tuple[str, Json]] = []
        self._stop: Json | None = None
        self._metadata: Json | None = None
        self._delta_headers: Json | None = None
        self._degraded = Notes()
        self._blocks = StreamBlocks(state, self._degraded)
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
            if frame.headers is self._delta_headers and self._blocks.goes_on(frame.payload):
                continue
            self._frame(frame)
            if self.finished:
                return
        if self._frames.error is not None:
            self._fail(_damaged(self._frames.error))

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
            self._blocks.emit("error", _error_json(error))
        return self._taken()

    def _taken(self) -> bytes:
        blocks = self._blocks
        out, blocks.out = blocks.out, []
        if self._degraded.count > self._noted:
            self.notes += self._degraded.codes()[self._noted :]
            self._noted = self._degraded.count
        return out[0] if len(out) == 1 else b"".join(out)

    def _start(self) -> None:
        self.started = True
        message = empty_message(self._state, self._identity)
        self._blocks.emit("message_start", {"type": "message_start", "message": message})
        self._blocks.out.append(sse.PING)

    def _frame(self, frame: Frame) -> None:
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            if headers.get(":event-type") == "contentBlockDelta":
                self._delta_headers = headers
            self._event_frame(str(headers.get(":event-type")), frame.payload)
        elif kind == "exception":
            payload = object_of(frame.payload) or {}
            text = string(payload.get("message")) or string(payload.get("Message"))
            if original := string(payload.get("originalMessage")):
                text = f"{text} ({original})"
            self._fail(errors.in_stream(str(headers.get(":exception-type")), text, self._place))
        else:
            text = str(headers.get(":error-message") or headers.get(":error-code") or "no text")
            self._fail(errors.in_stream("internalServerException", text, self._place))

    def _event_frame(self, kind: str, payload: bytes) -> None:
        event = object_of(payload) if kind in _KNOWN else {}
        if event is None:
            self._fail(_damaged("an event is not a JSON object"))
            return
        if not self.started:
            self._start()
        try:
            self._event(kind, event)
            if self._waiting and not self._is_tool_open():
                self._replay()
        except DamageError as wrong:
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
        block = self._blocks.open
        return block is not None and block.kind == TOOL

    def _event(self, kind: str, event: Json) -> None:
        if kind == "metadata":
            self._keep_metadata(event)
        elif self._state.discard and kind != "messageStop":
            return
        elif self._stop is not None:
            # The message is over; only its token counts may follow, or what adds nothing to it.
            require_no_content(event)
        elif kind == "contentBlockDelta":
            if not self._must_wait(kind, event):
                self._blocks.delta(index_of(event), member(event, "delta"))
        elif kind == "contentBlockStart":
            if not self._must_wait(kind, event):
                self._blocks.block_start(index_of(event), member(event, "start"))
        elif kind == "contentBlockStop":
            if not self._must_wait(kind, event):
                self._blocks.block_stop(index_of(event))
        elif kind == "messageStop":
            self._message_stop(event)

    def _keep_metadata(self, event: Json) -> None:
        self._metadata = event
        self.usage = usage_of(usage_json(event))
        if self._stop is not None:
            self._finish()

    def _must_wait(self, kind: str, event: Json) -> bool:
        """An open tool block ends by its own stop only: events of other blocks wait, in the order they came."""
        block = self._blocks.open
        if block is None or block.kind != TOOL or block.upstream == index_of(event):
            return False
        self._waiting.append((kind, event))
        return True

    def _message_stop(self, event: Json) -> None:
        self._blocks.close()
        if self._waiting:
            # What waited for the open block is shown first; then the message stops.
            self._waiting.append(("messageStop", event))
            return
        reason = text_of(event, "stopReason")
        problem = malformed(reason)
        if problem is None and self._blocks.spoiled and not cuts_short(reason):
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
            reason = stop_reason(
                string(stop.get("stopReason")), self._degraded, has_tool=self._blocks.saw_tool
            )
        sequence = stop_sequence(stop, self._state) if reason == "stop_sequence" else None
        if not (self._metadata and isinstance(self._metadata.get("usage"), dict)):
            self._degraded.add("usage_missing")
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        usage = usage_json(self._metadata or {})
        self._blocks.emit("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
        self._blocks.out.append(MESSAGE_STOP)
        self.stop_reason = reason
        self.finished = True

    def _fail(self, error: ApiError) -> None:
        self.finished = True
        if not self.started:
            self.failure = error
            return
        self._blocks.close()
        self._blocks.emit("error", _error_json(error))


def _error_json(error: ApiError) -> Json:
    return {"type": "error", "error": {"type": error.type, "message": error.message}}


def _damaged(reason: object) -> ApiError:
    return ApiError(
        502, "api_error", f"The Bedrock stream is damaged: {reason}. Retry the request.", retry=True
    )
