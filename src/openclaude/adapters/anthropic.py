"""The Anthropic API: the body is the client's bytes, the headers are an allowlist, the path is a constant.

What the client sends and what it reads: client sheet §2 and §6, and Anthropic's requirements for gateways
(versions and betas verbatim, `anthropic-*` and `x-claude-code-*` as open lists).
"""

import functools
import re
from collections.abc import Iterable, Sequence

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Endpoint, Header, InboundRequest, SafeHeaders, UpstreamRequest

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
        target, headers = _common(inbound.endpoint, inbound.query, inbound.headers)
        return UpstreamRequest(b"POST", target, headers, content_length)

    def response_headers(self, headers: Sequence[Header]) -> list[Header]:
        """What the client is shown of a response's head; framing headers are the server's own."""
        return [headers[place] for place in _shown(tuple([name for name, _ in headers]))]


@functools.lru_cache(maxsize=64)
def _common(endpoint: Endpoint, query: bytes, headers: SafeHeaders) -> tuple[bytes, SafeHeaders]:
    """Target and headers of a request, for headers that are the same object: a head that a client repeats."""
    if _QUERY.fullmatch(query) is None:
        raise ApiError(400, "invalid_request_error", "the only query parameter served here is `beta`")
    return endpoint.path + query, SafeHeaders(_allowed(headers, REQUEST_NAMES, REQUEST_PREFIXES))


@functools.lru_cache(maxsize=256)
def _shown(names: tuple[bytes, ...]) -> tuple[int, ...]:
    """Where in a response's head the headers stand that the client is shown; providers send the same names again."""
    shown = _allowed([(name, b"") for name in names], RESPONSE_NAMES, RESPONSE_PREFIXES)
    kept = {name for name, _ in shown}
    return tuple(place for place, name in enumerate(names) if name in kept)
