"""InvokeModelWithResponseStream to server-sent events: a Messages event in base64 in each frame."""

import binascii
from typing import Any

import msgspec

from openclaude.adapters.bedrock_converse import errors
from openclaude.adapters.bedrock_converse.pieces import Json, string
from openclaude.adapters.bedrock_invoke.relay import Relay
from openclaude.wire import jsontext
from openclaude.wire.eventstream import EventStreamDecoder, Frame


class _Chunk(msgspec.Struct):
    bytes: str


_CHUNK = msgspec.json.Decoder(_Chunk)


class InvokeStreamDecoder(Relay):
    """One stream of frames."""

    def __init__(self, model: str, place: errors.Place) -> None:
        super().__init__(model)
        self._place = place
        self._frames = EventStreamDecoder()

    def _read(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            self._frame(frame)
            if self.finished:
                return
        if self._frames.error is not None:
            self._damaged(self._frames.error)

    def _frame(self, frame: Frame) -> None:
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            # What is no chunk is an event of a kind that does not exist yet.
            if headers.get(":event-type") == "chunk":
                self._chunk(frame.payload)
        elif kind == "exception":
            payload = _object(frame.payload)
            text = string(payload.get("message")) or string(payload.get("Message"))
            if original := string(payload.get("originalMessage")):
                text = f"{text} ({original})"
            self._fail(errors.in_stream(str(headers.get(":exception-type")), text, self._place))
        else:
            text = str(headers.get(":error-message") or headers.get(":error-code") or "no text")
            self._fail(errors.in_stream("internalServerException", text, self._place))

    def _chunk(self, payload: bytes) -> None:
        try:
            raw = binascii.a2b_base64(_CHUNK.decode(payload).bytes, strict_mode=True)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            self._damaged("a chunk holds no event")
            return
        self._event(raw)


def _object(payload: bytes) -> Json:
    try:
        value: Any = jsontext.loads(payload)
    except jsontext.JsonError:
        return {}
    return value if isinstance(value, dict) else {}
