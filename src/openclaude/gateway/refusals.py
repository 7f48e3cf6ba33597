"""What a Bedrock route sends, and what it reads off a refusal before anyone translates it."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from openclaude.credentials.sealed import RouteKey
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, SafeHeaders, UpstreamRequest
from openclaude.ports import Credential, ProviderCall, Sendable

_WITH_KEY = "sent with the API key in this session's environment, which may have expired or lack this right"
_made: Final = tuple.__new__
_BLANK: Final = hashlib.sha256()
_OUTDATED = (b"ExpiredToken", b"RequestExpired", b"UnrecognizedClient", b"InvalidClientTokenId")


class Outgoing(NamedTuple):
    """A call, and the request it makes, with its body's digest."""

    call: ProviderCall
    request: UpstreamRequest


def outgoing(call: ProviderCall) -> Outgoing:
    """Make the request of a call; hashing a large body takes a while."""
    return _made(Outgoing, (call, upstream_request(call)))


def upstream_request(call: Sendable) -> UpstreamRequest:
    body = call.body
    digest = _BLANK.copy()  # to look the algorithm up takes longer
    digest.update(body)
    fields = b"POST", call.target, _safe(call.headers), len(body), digest.hexdigest()
    return _made(UpstreamRequest, fields)


@functools.lru_cache(maxsize=64)
def _safe(headers: tuple[Header, ...]) -> SafeHeaders:
    """The requests of a route have the same headers, again and again."""
    return SafeHeaders(headers)


def outdated(headers: Sequence[Header], body: bytes) -> bool:
    """Whether AWS says that the credentials, rather than the request, are out of date: expired, rotated or revoked."""
    named = next((value for name, value in headers if name.lower() == b"x-amzn-errortype"), b"") or body[:512]
    return any(word in named for word in _OUTDATED)


def states_a_wait(headers: Sequence[Header]) -> bool:
    """Whether the provider itself says when to come back; otherwise the error's wait is a usual one."""
    return any(name.lower() == b"retry-after" for name, _ in headers)


def late(seconds: float, origin: str) -> ApiError:
    return ApiError(
        504,
        "timeout_error",
        f"openClaude: {origin} gave no answer within the {seconds:.0f} s that the client waits. hint: try again, or "
        "set API_TIMEOUT_MS (milliseconds) higher",
        retry=True,
    )


def stalled(limit: float, origin: str) -> ApiError:
    return ApiError(
        504,
        "timeout_error",
        f"openClaude: {origin} took nothing of the request for {limit:.0f} s. hint: check the network and try again",
        retry=True,
    )


def silent(limit: float, origin: str) -> ApiError:
    return ApiError(
        504,
        "timeout_error",
        f"openClaude: {origin} sent nothing for {limit:.0f} s. hint: try again; if it stays, look at the provider's status page",
        retry=True,
    )


def unreadable() -> ApiError:
    text = "openClaude could not read Bedrock's answer. hint: try again; logs/gateway.err has the reason"
    return ApiError(502, "api_error", text, retry=True)


def restated(error: ApiError) -> tuple[int, list[Header], bytes]:
    """An error that came inside a stream, in the form of a refusal: status, headers and body."""
    named = [(b"x-amzn-errortype", b"ValidationException")] if error.status == 400 else []
    return error.status, named, json.dumps({"message": error.message}).encode()


def blames_the_time(body: bytes) -> bool:
    """Whether AWS has refused a signature because of the time in it."""
    return b"Signature expired" in body or b"not yet current" in body


def for_source(error: ApiError, profile: str | None, credential: Credential | None) -> ApiError:
    """The error with what only this request knows: the credential's source, and the exact command to renew it."""
    flag = f" --profile {profile}" if profile else ""
    error.message = error.message.replace(" --profile NAME", flag)
    if isinstance(credential, RouteKey):
        if error.status in (401, 403):
            error.message += f" ({_WITH_KEY})"
    elif credential is not None and error.type == "authentication_error":
        where = f"profile {profile}" if profile else "the default credential chain"
        error.message += f" (their source: {where}, {credential.source})"
    return error
