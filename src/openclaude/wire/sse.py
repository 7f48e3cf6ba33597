"""Server-sent events: framing only (WHATWG HTML, section 9.2.6).

The Anthropic API writes one `event:` line and one `data:` line for each event; the reader here takes every form the
standard allows, cut anywhere.
"""

from dataclasses import dataclass

MAX_EVENT_BYTES = 16 * 1024 * 1024


class SseError(ValueError):
    """An event grew past `MAX_EVENT_BYTES`."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: `type` is `message` when the stream names none; `data` joins its lines with a newline."""

    type: str
    data: bytes


def event(kind: str, data: bytes) -> bytes:
    """The bytes of one event. `data` is one line: compact JSON never holds a raw line end."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


PING = event("ping", b'{"type":"ping"}')
"""What keeps a silent stream alive; the client ignores it."""


class SseDecoder:
    """Bytes in, events out; how the bytes are cut makes no difference."""

    __slots__ = ("_after_cr", "_data", "_line", "_size", "_type")

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._type = ""
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes.

        Raises:
            SseError: an event is longer than any provider sends.
        """
        found: list[SseEvent] = []
        if self._after_cr and data:
            # CR LF is one line end even when the cut falls between the two.
            self._after_cr = False
            data = data.removeprefix(b"\n")
        start = 0
        while (end := _line_end(data, start)) >= 0:
            self._line += data[start:end]
            self._end_of_line(found)
            start = end + 1
            if data[end] == 0x0D:
                if start == len(data):
                    self._after_cr = True
                elif data[start] == 0x0A:
                    start += 1
        self._line += data[start:]
        if self._size + len(self._line) > MAX_EVENT_BYTES:
            raise SseError(f"a server-sent event is longer than {MAX_EVENT_BYTES} bytes")
        return found

    def _end_of_line(self, found: list[SseEvent]) -> None:
        line = bytes(self._line)
        self._line.clear()
        if line:
            self._size += len(line)
            self._field(line)
            return
        if self._data:
            found.append(SseEvent(self._type or "message", b"\n".join(self._data)))
        self._data = []
        self._type = ""
        self._size = 0

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")


def _line_end(data: bytes, start: int) -> int:
    lf = data.find(b"\n", start)
    cr = data.find(b"\r", start, lf if lf >= 0 else len(data))
    return cr if cr >= 0 else lf
