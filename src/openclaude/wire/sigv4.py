"""AWS Signature Version 4 for a request whose target is already percent-encoded.

Written from AWS's description of the algorithm; a test compares every signature with botocore's signer.
The target that is signed is the target that is sent: it is encoded once more for the canonical request
(every service but S3 does that), so `:` sent as `%3A` is signed as `%253A`.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from urllib.parse import quote

from openclaude.domain.http import Header, SafeHeaders, UpstreamRequest

SIGNED_NAMES = frozenset({b"content-type"})
"""Ordinary headers that take part in the signature. Proxies on the way may change the others."""


class Scope(NamedTuple):
    """Where a signature is valid."""

    region: str
    service: str
    host: str


_MOST_BEGUN = 16
"""Signatures that keys have begun at a time; a second, an operation and a model make another one."""


class Keys(Protocol):
    """What signs."""

    @property
    def begun(self) -> "dict[object, Begun]":
        """Kept with the keys, so that nothing which is made of them outlives them."""

    @property
    def access_key(self) -> str:
        """The public half."""

    @property
    def secret_key(self) -> str:
        """The other half."""

    @property
    def token(self) -> str | None:
        """The session token of keys that are lent."""


def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class Begun(NamedTuple):
    """A signature as far as it is the same for all requests of a second that differ in nothing but their bodies.

    Attributes:
        canonical: digest of the canonical request, all but the body's own digest, which is its end.
        inner: the inner digest of the HMAC, of the string to sign without the canonical request's digest, its end.
        outer: the outer one, without the inner.
        lines: the header lines, up to the signature.
    """

    canonical: "hashlib._Hash"
    inner: "hashlib._Hash"
    outer: "hashlib._Hash"
    lines: str


def sign(scope: Scope, request: UpstreamRequest, keys: Keys, now: datetime) -> bytes:
    """The header lines that prove the signature, each ended by CRLF: date, token where there is one, authorization.

    `now` is an aware time in UTC.
    """
    method, target, headers, _, body_sha256 = request
    place = int(now.timestamp()), scope, method, target, headers
    begun = keys.begun.get(place)
    if begun is None:
        if len(keys.begun) >= _MOST_BEGUN:
            keys.begun.clear()
        begun = keys.begun[place] = _begin(place, keys)
    canonical, inner, outer, lines = begun
    canonical, inner, outer = canonical.copy(), inner.copy(), outer.copy()
    canonical.update(body_sha256.encode())
    inner.update(canonical.hexdigest().encode())
    outer.update(inner.digest())
    return f"{lines}{outer.hexdigest()}\r\n".encode()


def _begin(place: tuple[int, Scope, bytes, bytes, SafeHeaders], keys: Keys) -> Begun:
    second, (region, service, host), method, target, headers = place
    token = keys.token
    stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host, "x-amz-date": stamp}
    if token is not None:
        signed["x-amz-security-token"] = token
    canonical, names = _canonical_start(method, target, headers.pairs, signed)
    credential_scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    inner, outer = _keyed(_signing_key(keys.secret_key, stamp[:8], region, service))
    inner.update(f"AWS4-HMAC-SHA256\n{stamp}\n{credential_scope}\n".encode())
    token_line = f"X-Amz-Security-Token: {token}\r\n" if token is not None else ""
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{credential_scope}, SignedHeaders={names}, Signature="
    )
    lines = f"X-Amz-Date: {stamp}\r\n{token_line}Authorization: {authorization}"
    return Begun(hashlib.sha256(canonical.encode()), inner, outer, lines)


def _canonical_start(
    method: bytes, target: bytes, headers: tuple[Header, ...], signed: dict[str, str]
) -> tuple[str, str]:
    """The canonical request without the body's digest, and its list of signed header names."""
    for name, value in headers:
        if name.lower() in SIGNED_NAMES:
            signed[name.lower().decode()] = " ".join(value.decode("latin-1").split())
    pairs = sorted(signed.items())
    names = ";".join(name for name, _ in pairs)
    lines = "".join(f"{name}:{value}\n" for name, value in pairs)
    path, _, query = target.decode("ascii").partition("?")
    return f"{method.decode()}\n{quote(path, safe='/-_.~')}\n{query}\n{lines}\n{names}\n", names


def _keyed(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The two digests of an HMAC, to copy and add a text to: less than half of what OpenSSL takes for a whole one."""
    block = key.ljust(64, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
"""The paddings of HMAC (RFC 2104), as tables."""
