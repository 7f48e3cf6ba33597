"""The Anthropic API: the body is the client's bytes, the headers are an allowlist, the path is a constant.

What the client sends and what it reads: client sheet §2 and §6, and Anthropic's requirements for gateways
(versions and betas verbatim, `anthropic-*` and `x-claude-code-*` as open lists).
"""

import re
from collections.abc import Iterable, Sequence

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, InboundRequest, SafeHeaders, UpstreamRequest

REQUEST_NAMES = frozenset(
    {b"accept", b"accept-encoding", b"accept-language", b"content-type", b"user-agent", b"x-app"},
)
REQUEST_PREFIXES = (b"anthropic-", b"x-claude-code-", b"x-stainless-")
RESPONSE_NAMES = frozenset(
    {
        b"cache-control",
        b"cf-ray",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"date",
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"server",
        b"server-timing",
        b"vary",
        b"x-envoy-upstream-service-time",
        b"x-request-id",
        b"x-should-retry",
    },
)
RESPONSE_PREFIXES = (b"anthropic-",)
_QUERY = re.compile(rb"(\?beta=(true|false))?")


def _allowed(headers: Iterable[Header], names: frozenset[bytes], prefixes: tuple[bytes, ...]) -> list[Header]:
    kept = []
    for pair in headers:
        name = pair[0].lower()
        if name in names or name.startswith(prefixes):
            kept.append(pair)
    return kept


class AnthropicAdapter:
    """Requests for api.anthropic.com."""

    def request(self, inbound: InboundRequest, content_length: int) -> UpstreamRequest:
        """The request to send; `content_length` is the length of the body that will follow.

        Raises `ApiError` for a query the Anthropic API is not known to take from this client.
        """
        if _QUERY.fullmatch(inbound.query) is None:
            raise ApiError(400, "invalid_request_error", "the only query parameter served here is `beta`")
        return UpstreamRequest(
            method=b"POST",
            target=inbound.endpoint.path + inbound.query,
            headers=SafeHeaders(_allowed(inbound.headers, REQUEST_NAMES, REQUEST_PREFIXES)),
            content_length=content_length,
        )

    def response_headers(self, headers: Sequence[Header]) -> list[Header]:
        """What the client is shown of a response's head; framing headers are the server's own."""
        return _allowed(headers, RESPONSE_NAMES, RESPONSE_PREFIXES)
