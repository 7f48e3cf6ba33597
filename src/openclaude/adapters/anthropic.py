"""The Anthropic API: the body is the client's bytes, the headers are an allowlist, the path is a constant.

What the client sends and what it reads: client sheet §2 and §6, and Anthropic's requirements for gateways
(versions and betas verbatim, `anthropic-*` and `x-claude-code-*` as open lists).
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

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
PLAN_PREFIX = b"anthropic-ratelimit-unified-"
"""Begins the names of the headers that tell of a login's plan."""
PLAN_STATUS = PLAN_PREFIX + b"status"
"""The one header that every answer to a plan's login has."""
_REQUEST_ID = b"request-id"
_QUERY = re.compile(rb"(\?beta=(true|false))?")


def _allowed(headers: Iterable[Header], names: frozenset[bytes], prefixes: tuple[bytes, ...]) -> list[Header]:
    kept = []
    for pair in headers:
        name = pair[0].lower()
        if name in names or name.startswith(prefixes):
            kept.append(pair)
    return kept


@dataclass(frozen=True, slots=True)
class Shown:
    """What the names of a response's headers tell.

    Attributes:
        pick: gives those of the headers that the client is shown.
        request_id: gives the header with the provider's name of the request, the last of them; None without one.
        plan: gives the first one with the plan's status; None without one.
        encoded: whether the body is coded, so that nothing can be read in it.
    """

    pick: Callable[[Sequence[Header]], tuple[Header, ...]]
    request_id: Callable[[Sequence[Header]], Header] | None
    plan: Callable[[Sequence[Header]], Header] | None
    encoded: bool


def _picking(places: Sequence[int]) -> Callable[[Sequence[Header]], tuple[Header, ...]]:
    """What takes the headers at these places; `itemgetter` gives a tuple for two places and more."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda headers: tuple(headers[place] for place in places)


class AnthropicAdapter:
    """Requests for api.anthropic.com."""

    def request(self, inbound: InboundRequest, content_length: int) -> UpstreamRequest:
        """The request to send; `content_length` is the length of the body that will follow.

        Raises `ApiError` for a query the Anthropic API is not known to take from this client.
        """
        known = inbound.headers.sent_as
        if known is None or known[0] is not inbound.endpoint or known[1] != inbound.query:
            known = inbound.headers.sent_as = _common(inbound)
        # As its constructor would make it, without a call of Python.
        return tuple.__new__(UpstreamRequest, (b"POST", known[2], known[3], content_length, ""))

    @staticmethod
    @functools.lru_cache(maxsize=256)
    def shown(names: tuple[bytes, ...]) -> Shown:
        """What the client is shown of a response with headers of these names; framing headers are the server's own.

        Providers send the same names again and again.
        """
        keys = [name.lower() for name in names]
        kept = [
            place
            for place, key in enumerate(keys)
            if key in RESPONSE_NAMES or key.startswith(RESPONSE_PREFIXES)
        ]
        identities = [place for place, key in enumerate(keys) if key == _REQUEST_ID]
        return Shown(
            _picking(kept),
            itemgetter(identities[-1]) if identities else None,
            itemgetter(keys.index(PLAN_STATUS)) if PLAN_STATUS in keys else None,
            b"content-encoding" in keys,
        )


def _common(inbound: InboundRequest) -> tuple[Endpoint, bytes, bytes, SafeHeaders]:
    """What a request's head becomes, see `SafeHeaders.sent_as`."""
    if _QUERY.fullmatch(inbound.query) is None:
        raise ApiError(400, "invalid_request_error", "the only query parameter served here is `beta`")
    target = inbound.endpoint.path + inbound.query
    headers = SafeHeaders(_allowed(inbound.headers, REQUEST_NAMES, REQUEST_PREFIXES))
    return inbound.endpoint, inbound.query, target, headers
