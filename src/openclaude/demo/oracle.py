"""Looks for a secret in bytes: raw, and in the encodings a leak might have.

The search runs over a whole byte stream, never over single pieces: a secret may be cut anywhere.
"""

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

SHORTEST = 12
"""Characters of a secret whose appearance counts as a leak."""
_LARGEST = 64 * 1024 * 1024
_ZLIB = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_STRING = re.compile(rb'"(text|thinking|partial_json|input|bytes)"\s*:\s*"((?:[^"\\]|\\.)*)"')


def forms(secret: str) -> set[bytes]:
    """The secret and its encodings: base64 at three alignments, hex, percent, JSON escapes, HTML entities, reversed."""
    raw = secret.encode()
    found = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()}
    found |= set(_base64_forms(raw))
    found.add(quote(secret, safe="").encode())
    for each in (
        "%{:02x}",
        "%{:02X}",
        "\\u{:04x}",
        "\\u{:04X}",
        "&#{};",
        "&#x{:x};",
        "&#x{:X};",
        "\\x{:02x}",
    ):
        found.add("".join(each.format(ord(char)) for char in secret).encode())
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
    return seen(views(data), secret)


def seen(found: Iterable[bytes], secret: str) -> bool:
    """As `holds`, for what `views` gave: it is the same for every secret."""
    needles = [needle for needle in forms(secret) | set(pieces(secret)) if len(needle) >= SHORTEST]
    return any(needle in view for view in found for needle in needles)


class Index:
    """Many secrets at once, in one pass over the bytes: what `holds` says for each of them.

    Every needle has `SHORTEST` bytes or more, so wherever it stands it covers one of the grams that a text is cut
    into every `_STEP` bytes. Only where a gram is known the needles themselves are looked for.
    """

    _GRAM = 8
    _STEP = SHORTEST - _GRAM + 1

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = {name: secret for name, secret in secrets.items() if len(secret) >= SHORTEST}
        self._grams: dict[bytes, set[str]] = {}
        for name, secret in self._secrets.items():
            for needle in forms(secret) | set(pieces(secret)):
                if len(needle) < SHORTEST:
                    continue
                for at in range(self._STEP):
                    self._grams.setdefault(needle[at : at + self._GRAM], set()).add(name)

    def found(self, data: bytes) -> set[str]:
        """The names of the secrets that the bytes hold."""
        names: set[str] = set()
        for view in views(data):
            cut = {view[at : at + self._GRAM] for at in range(0, len(view) - self._GRAM + 1, self._STEP)}
            suspects = {name for gram in cut & self._grams.keys() for name in self._grams[gram]} - names
            names |= {name for name in suspects if seen((view,), self._secrets[name])}
        return names


def views(data: bytes) -> tuple[bytes, ...]:
    """The bytes, what is compressed in them, and the texts of their events joined: a secret may be cut between two."""
    unpacked = [data, *_unpacked(data)]
    return (*unpacked, *(joined for view in unpacked for joined in _joined(view) if joined))


def _unpacked(data: bytes) -> Iterator[bytes]:
    for start in _ZLIB.finditer(data):
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data[start.start() :], _LARGEST)
        except zlib.error:
            continue


def _joined(data: bytes) -> Iterator[bytes]:
    """The pieces of streamed texts one after the other, of server-sent events and of Bedrock's frames alike."""
    carried = b""
    texts: dict[bytes, bytearray] = {}
    for name, piece in _STRING.findall(data):
        if name == b"bytes":
            carried += _from_base64(piece)
        else:
            texts.setdefault(name, bytearray()).extend(piece)
    yield from map(bytes, texts.values())
    if carried:
        yield carried
        yield from _joined(carried)


def _from_base64(piece: bytes) -> bytes:
    try:
        return base64.b64decode(piece, validate=True)
    except ValueError:
        return b""
