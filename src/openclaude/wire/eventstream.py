"""The frames of `application/vnd.amazon.eventstream`: bytes in, frames out.

Layout, big-endian: u32 total length, u32 length of the headers, u32 CRC-32 of these eight bytes, headers, payload,
u32 CRC-32 of everything before it. botocore's decoder is the oracle of the tests; it is not used here because its
typed parser refuses the empty union `contentBlockStart.start = {}` that Bedrock sends, and because it copies its
whole buffer for each frame.
"""

import struct
from typing import Any, NamedTuple
from zlib import crc32

MAX_HEADERS = 128 * 1024
MAX_FRAME = 16 * 1024 * 1024 + MAX_HEADERS
"""Bedrock's largest payload is far smaller; the cap bounds what one stream can hold in memory."""

_PRELUDE = struct.Struct(">III")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_FIXED = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),  # a timestamp: milliseconds since the epoch
}
_CACHE_LIMIT = 256


class EventStreamError(ValueError):
    """The bytes are not an intact event stream; nothing behind them can be trusted."""


class Frame(NamedTuple):
    """One message. `headers` may be shared between frames: read only."""

    headers: dict[str, Any]
    payload: bytes


class EventStreamDecoder:
    """Cuts a stream into frames; how the bytes arrive makes no difference.

    Attributes:
        error: what is wrong with the stream, once something is; nothing behind that place is read.
    """

    __slots__ = ("_held", "_need", "_seen", "_size", "error")

    def __init__(self) -> None:
        self.error: EventStreamError | None = None
        # Pieces of an unfinished frame are joined once it is complete, not for each piece.
        self._held: list[bytes] = []
        self._size = 0
        self._need = 12
        # A stream repeats a handful of header blocks thousands of times.
        self._seen: dict[bytes, dict[str, Any]] = {}

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return self._size

    def feed(self, data: bytes) -> list[Frame]:
        """The intact frames that `data` completes; look at `error` afterwards."""
        if self.error is not None:
            return []
        if self._held:
            self._size += len(data)
            self._held.append(data)
            if self._size < self._need:
                return []
            data = b"".join(self._held)
        frames: list[Frame] = []
        try:
            self._cut(data, frames)
        except EventStreamError as error:
            # The frames before the damage are good, however the bytes were cut.
            self.error = error
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> None:
        start, size, need, view = 0, len(data), 12, memoryview(data)
        while size - start >= 12:
            total, header_length, checksum = _PRELUDE.unpack_from(data, start)
            if crc32(view[start : start + 8]) != checksum:
                raise EventStreamError("the checksum of a frame's length is wrong")
            if header_length > MAX_HEADERS or total > MAX_FRAME or total < 16 + header_length:
                raise EventStreamError(
                    f"a frame of {total} bytes with {header_length} bytes of headers is not possible"
                )
            if size - start < total:
                need = total
                break
            end, middle = start + total - 4, start + 12 + header_length
            if crc32(view[start:end]) != _U32.unpack_from(data, end)[0]:
                raise EventStreamError("the checksum of a frame is wrong")
            frames.append(Frame(self._headers(data[start + 12 : middle]), data[middle:end]))
            start += total
        self._held = [data[start:]] if start < size else []
        self._size, self._need = size - start, need

    def _headers(self, raw: bytes) -> dict[str, Any]:
        headers = self._seen.get(raw)
        if headers is None:
            headers = parse_headers(raw)
            if len(self._seen) < _CACHE_LIMIT:
                self._seen[raw] = headers
        return headers


def parse_headers(raw: bytes) -> dict[str, Any]:
    """The header block of a frame: u8 name length, name, u8 type, value.

    Raises:
        EventStreamError: cut short, an unknown type, a name that is not UTF-8, or a name given twice.
    """
    headers: dict[str, Any] = {}
    position = 0
    try:
        while position < len(raw):
            name_end = position + 1 + raw[position]
            name = raw[position + 1 : name_end].decode("utf-8")
            if name in headers:
                raise EventStreamError("a frame names one header twice")
            headers[name], position = _value(raw, raw[name_end], name_end + 1)
    except (IndexError, struct.error, UnicodeDecodeError):
        raise EventStreamError("the headers of a frame cannot be read") from None
    return headers


def _value(raw: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in (6, 7):
        end = at + 2 + _U16.unpack_from(raw, at)[0]
        value = _slice(raw, at + 2, end)
        return (value if kind == 6 else value.decode("utf-8")), end
    if kind in (0, 1):
        return kind == 0, at
    if kind == 9:
        return _slice(raw, at, at + 16), at + 16
    form = _FIXED.get(kind)
    if form is None:
        raise EventStreamError(f"a frame has a header of unknown type {kind}")
    return form.unpack_from(raw, at)[0], at + form.size


def _slice(raw: bytes, start: int, end: int) -> bytes:
    if end > len(raw):
        raise IndexError
    return raw[start:end]
