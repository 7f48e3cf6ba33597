"""AWS Signature Version 4 for a request whose target is already percent-encoded.

Written from AWS's description of the algorithm; a test compares every signature with botocore's signer.
The target that is signed is the target that is sent: it is encoded once more for the canonical request
(every service but S3 does that), so `:` sent as `%3A` is signed as `%253A`.
"""

import functools
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from openclaude.domain.http import Header

SIGNED_NAMES = frozenset({b"content-type"})
"""Ordinary headers that take part in the signature. Proxies on the way may change the others."""


class Scope(NamedTuple):
    """Where and when a signature is valid. `now` is an aware time in UTC."""

    region: str
    service: str
    now: datetime


class Signable(NamedTuple):
    """The parts of a request that are signed. `body_sha256` is a lower-case hex digest."""

    method: bytes
    host: str
    target: bytes
    headers: tuple[Header, ...]
    body_sha256: str


@functools.lru_cache(maxsize=16)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@functools.lru_cache(maxsize=64)
def _constant_part(
    method: bytes, host: str, target: bytes, headers: tuple[Header, ...]
) -> tuple[str, Mapping[str, str]]:
    """The request line of the canonical request and its signed headers: what a route's requests have in common."""
    signed = {"host": host}
    for name, value in headers:
        if name.lower() in SIGNED_NAMES:
            signed[name.lower().decode()] = " ".join(value.decode("latin-1").split())
    path, _, query = target.decode("ascii").partition("?")
    return f"{method.decode()}\n{quote(path, safe='/-_.~')}\n{query}\n", signed


def canonical_request(request: Signable, extra: dict[str, str]) -> tuple[str, str]:
    """The canonical request and its list of signed header names."""
    start, signed = _constant_part(request.method, request.host, request.target, request.headers)
    pairs = sorted([*signed.items(), *extra.items()])
    names = ";".join([name for name, _ in pairs])
    lines = "".join([f"{name}:{value}\n" for name, value in pairs])
    return f"{start}{lines}\n{names}\n{request.body_sha256}", names


@functools.lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")


def sign(scope: Scope, request: Signable, *, access_key: str, secret_key: str, token: str | None) -> bytes:
    """The header lines that prove the signature, each ended by CRLF: date, token where there is one, authorization."""
    stamp = _stamp(int(scope.now.timestamp()))
    day = stamp[:8]
    extra = {"x-amz-date": stamp}
    if token is not None:
        extra["x-amz-security-token"] = token
    canonical, names = canonical_request(request, extra)
    credential_scope = f"{day}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{credential_scope}\n{digest}"
    key = _signing_key(secret_key, day, scope.region, scope.service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={access_key}/{credential_scope}, SignedHeaders={names}, Signature={signature}"
    token_line = f"X-Amz-Security-Token: {token}\r\n" if token is not None else ""
    return f"X-Amz-Date: {stamp}\r\n{token_line}Authorization: {authorization}\r\n".encode()
