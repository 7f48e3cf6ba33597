"""Writes `application/vnd.amazon.eventstream` frames, from AWS's description of the format.

A frame is: u32 total length, u32 length of the headers, u32 CRC-32 of those eight bytes, headers, payload,
u32 CRC-32 of everything before it; all big-endian. A header is: u8 length of the name, name, u8 type, value.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_STRING = 7
"""The header type of a UTF-8 string with a u16 length, the only one Bedrock sends."""


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame with string headers."""
    block = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    checked = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return checked + struct.pack(">I", zlib.crc32(checked))


def event(name: str, payload: Mapping[str, Any]) -> bytes:
    """A frame that carries one event of a stream as JSON."""
    return frame(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}, _json(payload)
    )


def exception(name: str, message: str) -> bytes:
    """A frame that ends a stream with a modelled exception, such as `throttlingException`."""
    return frame(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"},
        _json({"message": message}),
    )


def error(code: str, message: str) -> bytes:
    """A frame that ends a stream with an error outside the service's model."""
    return frame({":message-type": "error", ":error-code": code, ":error-message": message}, b"")


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(f">B{len(name)}sBH", len(name), name, _STRING, len(value)) + value


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
