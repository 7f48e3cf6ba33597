"""Failures in the form of the Anthropic API, and the two texts every one of them carries.

Error types and their statuses: the Anthropic API's documented set, as its official SDK maps them.
"""

import json
from dataclasses import dataclass, field

from openclaude.domain.http import Header

STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


COME_BACK = 2
"""Seconds after which a client of an overloaded gateway may try again: a request or two have ended by then."""

MALFORMED_OUTPUT = "malformed_output"
"""The note of an error that the same request, sent once more, may not meet again."""


@dataclass(slots=True)
class ApiError(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        type: one of the keys of `STATUS_OF_TYPE`.
        message: what happened, where, and what to do; the client shows this text.
        retry: whether the client may try again; becomes `x-should-retry`. None leaves it unsaid.
        retry_after: seconds for `retry-after`, or None.
        notes: codes of what was degraded or learned on the way.
        unsent: of a failed connection: no byte of the request has left for the provider.
    """

    status: int
    type: str
    message: str
    retry: bool | None = False
    retry_after: int | None = None
    notes: tuple[str, ...] = field(default=())
    unsent: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.type}: {self.message}"

    def body(self, request_id: str) -> bytes:
        return error_body(self.type, self.message, request_id)

    def headers(self) -> list[Header]:
        """The response headers this error asks for, content headers excluded."""
        found: list[Header] = []
        if self.retry is not None:
            found.append((b"x-should-retry", b"true" if self.retry else b"false"))
        if self.retry_after is not None:
            found.append((b"retry-after", str(self.retry_after).encode()))
        return found


def error_body(kind: str, message: str, request_id: str) -> bytes:
    """The JSON body of an error, in the Anthropic API's shape."""
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id},
        ensure_ascii=False,
    ).encode("utf-8", "replace")


def invalid_request(message: str) -> ApiError:
    return ApiError(400, "invalid_request_error", message)


def upstream_unreachable(message: str) -> ApiError:
    return ApiError(502, "api_error", message, retry=True)


def overloaded(what: str) -> ApiError:
    """The gateway has no room for this request now; nothing was sent, and the client may come back soon."""
    return ApiError(529, "overloaded_error", f"openClaude: {what}", retry=True, retry_after=COME_BACK)
