"""An encoder of event-stream frames, written without looking at the decoder."""

import base64
import json
import struct
import zlib
from typing import Any

Header = tuple[str, int, Any]
_FIXED = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


def frame(headers: list[Header], payload: bytes) -> bytes:
    """One frame; a header is (name, type number, value)."""
    block = b"".join(_header(*header) for header in headers)
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return head + struct.pack(">I", zlib.crc32(head))


def _header(name: str, kind: int, value: Any) -> bytes:
    raw = name.encode()
    return bytes([len(raw)]) + raw + bytes([kind]) + _value(kind, value)


def _value(kind: int, value: Any) -> bytes:
    if kind in (0, 1):
        return b""
    if kind in _FIXED:
        return struct.pack(_FIXED[kind], value)
    raw = value.encode() if kind == 7 else value
    return raw if kind == 9 else struct.pack(">H", len(raw)) + raw


def event(kind: str, payload: dict[str, Any]) -> bytes:
    return _message(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload
    )


def exception(kind: str, payload: dict[str, Any]) -> bytes:
    return _message(
        {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload
    )


def error(code: str, message: str) -> bytes:
    names = {":message-type": "error", ":error-code": code, ":error-message": message}
    return frame([(name, 7, value) for name, value in names.items()], b"")


def _message(names: dict[str, str], payload: dict[str, Any]) -> bytes:
    return frame([(name, 7, value) for name, value in names.items()], json.dumps(payload).encode())


def encoded(frames: list[dict[str, Any]]) -> bytes:
    """The bytes of a stream case's frames; a `chunk` is one event of InvokeModel's stream."""
    return b"".join(_encoded(item) for item in frames)


def _encoded(item: dict[str, Any]) -> bytes:
    if "event" in item:
        return event(item["event"], item["payload"])
    if "exception" in item:
        return exception(item["exception"], item["payload"])
    if "chunk" in item:
        inner = base64.b64encode(json.dumps(item["chunk"]).encode()).decode()
        return event("chunk", {"bytes": inner, "p": "abc"})
    return error(item["error"]["code"], item["error"]["message"])
