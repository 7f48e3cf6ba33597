"""Looks for a secret in bytes: raw, and in the encodings a leak might have.

The search runs over a whole byte stream, never over single pieces: a secret may be cut anywhere.
"""

import base64
import re
import zlib
from collections.abc import Iterator
from urllib.parse import quote

SHORTEST = 12
"""Characters of a secret whose appearance counts as a leak."""


def forms(secret: str) -> set[bytes]:
    """The secret and its encodings: base64 at three alignments, hex, percent, JSON escapes, HTML entities, reversed."""
    raw = secret.encode()
    found = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()}
    found |= set(_base64_forms(raw))
    found.add(quote(secret, safe="").encode())
    found.add("".join(f"\\u{ord(char):04x}" for char in secret).encode())
    found.add("".join(f"&#{ord(char)};" for char in secret).encode())
    return found


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    for shift in range(3):
        padded = base64.b64encode(b"\0" * shift + raw)
        # What depends on neighbouring bytes is cut off at both ends.
        core = padded[(shift * 4 + 2) // 3 + (1 if shift else 0) : len(padded) - 4]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


def pieces(secret: str) -> Iterator[bytes]:
    """Every run of `SHORTEST` characters of the secret's random part."""
    tail = secret[-32:] if len(secret) > 32 else secret
    for start in range(max(len(tail) - SHORTEST, 0) + 1):
        yield tail[start : start + SHORTEST].encode()


def holds(data: bytes, secret: str) -> bool:
    """Whether the bytes hold the secret, a part of it, or an encoding of it; compressed parts are looked into."""
    needles = forms(secret) | set(pieces(secret))
    return any(needle in view for view in _views(data) for needle in needles if len(needle) >= SHORTEST)


def _views(data: bytes) -> Iterator[bytes]:
    yield data
    for start in re.finditer(rb"\x1f\x8b\x08", data):
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[start.start() :], 64 * 1024 * 1024)
        except zlib.error:
            continue
