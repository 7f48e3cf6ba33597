"""Strict rules for HTTP/1.1 heads, over what llhttp has parsed.

llhttp decides what a message is; these rules decide which messages a gateway that carries a login accepts.
RFC 9112 allows more in several places (§3.2.2 absolute-form, §6.1 TE with CL); a gateway gains nothing from it.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from openclaude.domain.http import Header

MAX_HEAD_BYTES = 64 * 1024
"""nginx allows 32 KiB and node 16 KiB; Claude Code's heads stay under 4 KiB."""
MAX_HEADERS = 100
MAX_BODY_BYTES = 64 * 1024 * 1024
"""The Anthropic API refuses bodies over 32 MB itself, with a text the client understands."""

SINGLETONS = frozenset(
    {
        b"anthropic-version",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"transfer-encoding",
        b"upgrade",
        b"x-api-key",
    },
)
"""Names that may come once: two of them could be read in two ways."""
NOT_TO_IMITATE = SINGLETONS | {
    b"connection",
    b"cookie",
    b"proxy-authorization",
    b"x-amz-security-token",
}
"""Names whose spelling with an underscore is refused: some servers take it for the same header."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_GOOD_VALUE = bytes(byte for byte in range(256) if (byte >= 0x20 or byte == 0x09) and byte != 0x7F)
"""Every byte a header's value may hold."""
_TARGET = re.compile(rb"/[!-~]*")
_DIGITS = re.compile(rb"[0-9]{1,12}")


class HeadError(Exception):
    """A head that is refused. `status` and `message` are for the answer; the connection closes after it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestHead(NamedTuple):
    """What framing and policy need of a request's head.

    `content_length` is None when the body is chunked; it is 0 when there is none.
    """

    host: bytes
    content_length: int | None
    chunked: bool
    expects_continue: bool
    origin: bytes | None
    fetch_site: bytes | None
    content_type: bytes | None
    content_encoding: bytes | None


def check_request(method: bytes, version: str, target: bytes, headers: Sequence[Header]) -> RequestHead:
    """Check a request's head. Raises `HeadError`; every refusal names the rule, never a value."""
    if version != "1.1":
        raise HeadError(400, "only HTTP/1.1 is served here")
    if _TARGET.fullmatch(target) is None or b"#" in target:
        raise HeadError(400, "the request target must be a path in origin form")
    if len(headers) > MAX_HEADERS:
        raise HeadError(431, f"more than {MAX_HEADERS} headers")
    places = _places(tuple([name for name, _ in headers]))
    if _has_bad_value(headers):
        raise HeadError(400, "a header name or value has characters that are not allowed")
    singles = {name: headers[place][1] for name, place in places.items()}
    host = singles.get(b"host")
    if host is None:
        raise HeadError(400, "the Host header is missing")
    if b"upgrade" in singles or method == b"CONNECT":
        raise HeadError(400, "protocol upgrades are not served here")
    length, chunked = _framing(singles)
    expect = singles.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise HeadError(417, "the only expectation known here is 100-continue")
    return RequestHead(
        host,
        length,
        chunked,
        expect is not None,
        singles.get(b"origin"),
        singles.get(b"sec-fetch-site"),
        singles.get(b"content-type"),
        singles.get(b"content-encoding"),
    )


def head_end(before: bytes, data: bytes) -> int:
    """Where a head ends in `data`, just behind its empty line; the length of `data` when it goes on.

    `before` is what came before `data`, at least its last three bytes: the empty line may be cut anywhere.
    """
    tail = before[-3:]
    found = (tail + data[:3]).find(b"\r\n\r\n") if tail else -1
    if found >= 0:
        return found + 4 - len(tail)
    found = data.find(b"\r\n\r\n")
    return len(data) if found < 0 else found + 4


@functools.lru_cache(maxsize=64)
def _places(names: tuple[bytes, ...]) -> Mapping[bytes, int]:
    """Where the headers that framing and policy read stand, after every name was checked.

    A client sends the same names in the same order with every request, so most heads are looked up and not checked
    again. Raises `HeadError`; a refusal is not remembered.
    """
    places: dict[bytes, int] = {}
    for place, name in enumerate(names):
        key = name.lower()
        if _TOKEN.fullmatch(name) is None:
            raise HeadError(400, "a header name or value has characters that are not allowed")
        if key in SINGLETONS and key in places:
            raise HeadError(400, f"the {key.decode()} header appears more than once")
        if b"_" in key and key.replace(b"_", b"-") in NOT_TO_IMITATE:
            raise HeadError(400, "a header name with an underscore imitates one that matters")
        if key in SINGLETONS:
            places[key] = place
    return places


def _has_bad_value(headers: Sequence[Header]) -> bool:
    return bool(b"".join([value for _, value in headers]).translate(None, _GOOD_VALUE))


def _framing(singles: dict[bytes, bytes]) -> tuple[int | None, bool]:
    length = singles.get(b"content-length")
    coding = singles.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise HeadError(400, "Transfer-Encoding and Content-Length may not come together")
        if coding != b"chunked":
            raise HeadError(400, "the only transfer coding known here is `chunked`, spelt like that")
        return None, True
    if length is None:
        return 0, False
    if _DIGITS.fullmatch(length) is None:
        raise HeadError(400, "Content-Length is not a number")
    return int(length), False


class ResponseFraming(NamedTuple):
    """Where a response's body ends: after `length` bytes; without one by chunks, or `until_close` of the connection."""

    length: int | None
    until_close: bool


def check_response(status: int, headers: Sequence[Header]) -> ResponseFraming:
    """The framing of a response's body.

    Raises `HeadError` for a response whose framing could be read in two ways, that has too many headers, or one whose
    name or value could end a header line early when it is written out again.
    """
    if len(headers) > MAX_HEADERS:
        raise HeadError(502, f"more than {MAX_HEADERS} headers")
    names, values = zip(*headers, strict=True) if headers else ((), ())
    kinds = _framing_names(names)
    if b"".join(values).translate(None, _GOOD_VALUE):
        raise HeadError(502, "a header has characters that are not allowed")
    if status in (204, 304):
        return ResponseFraming(0, until_close=False)
    length: bytes | None = None
    chunked = False
    for place, key in kinds:
        value = headers[place][1]
        if key == b"content-length":
            if length is not None and length != value:
                raise HeadError(502, "two different Content-Length headers")
            length = value
        else:
            if chunked or value.lower() != b"chunked":
                raise HeadError(502, "a transfer coding other than chunked")
            chunked = True
    if chunked and length is not None:
        raise HeadError(502, "Transfer-Encoding and Content-Length together")
    if length is None:
        return ResponseFraming(None, not chunked)
    if _DIGITS.fullmatch(length) is None:
        raise HeadError(502, "Content-Length is not a number")
    return ResponseFraming(int(length), until_close=False)


@functools.lru_cache(maxsize=256)
def _framing_names(names: tuple[bytes, ...]) -> tuple[tuple[int, bytes], ...]:
    """Place and lower-case name of the headers that frame a body; providers send the same names again and again.

    Raises `HeadError` for a name that is none; a refusal is not remembered.
    """
    if not all(_TOKEN.fullmatch(name) for name in names):
        raise HeadError(502, "a header has characters that are not allowed")
    return tuple(
        (place, name.lower())
        for place, name in enumerate(names)
        if name.lower() in (b"content-length", b"transfer-encoding")
    )


_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_DATE = re.compile(rb"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")


def date(headers: Sequence[Header]) -> datetime | None:
    """The time a response's Date header tells (RFC 9110, IMF-fixdate), aware, in UTC; None without a readable one."""
    for name, value in headers:
        if name.lower() == b"date":
            return _read_date(value)
    return None


@functools.lru_cache(maxsize=16)
def _read_date(value: bytes) -> datetime | None:
    """A provider says the same for as long as a second lasts."""
    found = _DATE.fullmatch(value)
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS[found[2]], day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
