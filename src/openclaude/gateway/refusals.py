"""What a Bedrock route sends, and what it reads off a refusal before anyone translates it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, SafeHeaders, UpstreamRequest
from openclaude.ports import ProviderCall

_OUTDATED = (b"ExpiredToken", b"RequestExpired", b"UnrecognizedClient", b"InvalidClientTokenId")


def upstream_request(call: ProviderCall) -> UpstreamRequest:
    return UpstreamRequest(
        method=b"POST",
        target=call.target,
        headers=SafeHeaders(call.headers),
        content_length=len(call.body),
        body_sha256=hashlib.sha256(call.body).hexdigest(),
    )


def outdated(headers: Sequence[Header], body: bytes) -> bool:
    """Whether AWS says that the credentials, rather than the request, are out of date: expired, rotated or revoked."""
    named = next((value for name, value in headers if name.lower() == b"x-amzn-errortype"), b"") or body[:512]
    return any(word in named for word in _OUTDATED)


def silent(limit: float, origin: str) -> ApiError:
    return ApiError(
        504,
        "timeout_error",
        f"openClaude: {origin} sent nothing for {limit:.0f} s. hint: try again; if it stays, look at the AWS Health page",
        retry=True,
    )


def time_told(headers: Sequence[Header], body: bytes) -> datetime | None:
    """AWS's time, from an answer that refuses a signature because of ours."""
    if b"Signature expired" not in body and b"not yet current" not in body:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to load, and seldom needed

    value = next((value for name, value in headers if name.lower() == b"date"), b"")
    try:
        return parsedate_to_datetime(value.decode("latin-1"))
    except ValueError:
        return None
