"""Who is let in: the rules a request's head must pass before any routing, and the one split of its credential.

The order is: well-formed, secret, host, origin, path, query, body. Without the secret nothing else is answered. Where
mutual TLS has already told who the client is, there is no secret to ask for.
"""

import enum
import functools
import hmac
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import (
    CREDENTIAL_HEADERS,
    LOGIN_HEADERS,
    Endpoint,
    Header,
    InboundRequest,
    SafeHeaders,
)
from openclaude.wire import http1, identity

IDENTIFY_PATH: Final = b"/.openclaude/identify"
_ENDPOINTS: Final = {
    **{endpoint.value: endpoint for endpoint in Endpoint},
    (b"HEAD", Endpoint.HELLO.path): Endpoint.HELLO,
}
_BETA: Final = re.compile(rb"(\?beta=(true|false))?")
_LISTING: Final = re.compile(
    rb"(\?(beta|limit|before_id|after_id)=[\w.:-]{0,100}(&(limit|before_id|after_id|beta)=[\w.:-]{0,100}){0,3})?"
)
_NONCE: Final = re.compile(rb"\?nonce=([^&]*)")
_QUERIES: Final = {
    Endpoint.MESSAGES: _BETA,
    Endpoint.COUNT_TOKENS: _BETA,
    Endpoint.MODELS: _LISTING,
    Endpoint.HELLO: _BETA,
}
"""What may stand behind each path, as raw bytes: nothing is decoded or put in order."""
_JSON: Final = re.compile(rb"application/json[ \t]*(;.*)?", re.IGNORECASE)
_SESSION: Final = re.compile(rb"(?:/p-([a-z0-9][a-z0-9_-]{0,31}))?(?:/s-([0-9a-f]{12}))?(/.*)")
_SAME_SITE: Final = frozenset({b"none", b"same-origin"})


@dataclass(frozen=True, slots=True)
class Door:
    """What every request is checked against.

    Attributes:
        port: the port this door listens on; part of the Host header and of the identity proof.
        secret: the first path segment of the base URL; None where mutual TLS admits.
        identity_secret: the key of the identity proof; None where TLS proves who listens.
        tokens: further first segments that admit: those of running sessions.
    """

    port: int
    secret: bytes | None = field(repr=False)
    identity_secret: str | None = field(repr=False)
    tokens: Container[bytes] = field(default=frozenset(), repr=False)

    hosts: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", (b"127.0.0.1:%d" % self.port, b"localhost:%d" % self.port))


class Admitted(NamedTuple):
    """A request that was let in, with its credential sealed and taken out of the headers.

    `session` is the launcher's session in its path, `profile` the set-up there; each empty without one.
    """

    endpoint: Endpoint
    query: bytes
    headers: SafeHeaders
    credential: ClientCredential | None
    content_length: int | None
    expects_continue: bool
    session: str
    profile: str = ""

    def request(self, name: str) -> InboundRequest:
        """What the handler gets of it: everything but the credential."""
        return InboundRequest(
            name,
            self.endpoint,
            self.query,
            self.headers,
            self.content_length,
            self.session,
            self.profile,
        )


@dataclass(frozen=True, slots=True)
class Challenge:
    """A launcher asks who is listening; `proof` is the answer."""

    proof: str


def admit(
    door: Door,
    method: bytes,
    version: str,
    target: bytes,
    headers: Sequence[Header],
) -> Admitted | Challenge:
    """Check a head. Raises `http1.HeadError` for a malformed one and `ApiError` for one that may not come in."""
    head = http1.check_request(method, version, target, headers)
    path, mark, rest = target.partition(b"?")
    query = mark + rest
    if door.identity_secret is not None and path == IDENTIFY_PATH and method == b"GET":
        _check_sender(door, head)
        return _challenge(door.identity_secret, door.port, head, query)
    profile, session, inner = _split_path(_behind_secret(door, path))
    _check_sender(door, head)
    endpoint = _ENDPOINTS.get((method, inner))
    if endpoint is None:
        raise ApiError(
            404,
            "not_found_error",
            "openClaude: this gateway serves POST /v1/messages, POST /v1/messages/count_tokens, "
            "GET /v1/models and GET /api/hello",
        )
    if _QUERIES[endpoint].fullmatch(query) is None:
        raise ApiError(
            400, "invalid_request_error", "openClaude: the query has a parameter that is not served here"
        )
    _check_body(method, head)
    safe, credential = split_credential(headers)
    return Admitted(
        endpoint, query, safe, credential, head.content_length, head.expects_continue, session, profile
    )


def _check_sender(door: Door, head: http1.RequestHead) -> None:
    """Only a client that was told this address, and never a web page: of either one header would be wrong."""
    if head.host not in door.hosts:
        raise ApiError(421, "invalid_request_error", "openClaude: the Host header does not name this gateway")
    if head.origin is not None or (head.fetch_site is not None and head.fetch_site not in _SAME_SITE):
        raise ApiError(403, "permission_error", "openClaude: requests from web pages are not served")


def _check_body(method: bytes, head: http1.RequestHead) -> None:
    """Bodies are JSON as it is, or there is none. Raises 400, 413 or 415."""
    if method != b"POST":
        _check_bodyless(head)
        return
    if head.content_encoding is not None and head.content_encoding.lower() != b"identity":
        raise ApiError(
            415,
            "invalid_request_error",
            "openClaude: compressed request bodies are not served here: the gateway has to read which model is asked. "
            "hint: unset CLAUDE_CODE_GZIP_REQUEST_BODIES",
        )
    if head.content_type is None or _JSON.fullmatch(head.content_type) is None:
        raise ApiError(
            415,
            "invalid_request_error",
            "openClaude: a request here has the header `content-type: application/json`",
        )
    if head.content_length is not None and head.content_length > http1.MAX_BODY_BYTES:
        raise too_large()


def _check_bodyless(head: http1.RequestHead) -> None:
    if head.content_length != 0:
        raise ApiError(400, "invalid_request_error", "openClaude: only a POST has a body here")


def split_credential(headers: Sequence[Header]) -> tuple[SafeHeaders, ClientCredential | None]:
    """Take the login out of the headers. From here on no other code holds its bytes."""
    kinds = _kinds(tuple([name for name, _ in headers]))
    login = [pair for pair, kind in zip(headers, kinds, strict=True) if kind is _Kind.LOGIN]
    others = [pair for pair, kind in zip(headers, kinds, strict=True) if kind is _Kind.SAFE]
    return SafeHeaders(others), ClientCredential(login) if login else None


class _Kind(enum.Enum):
    """What becomes of a header: `OTHER_CREDENTIAL` goes nowhere."""

    SAFE = 0
    LOGIN = 1
    OTHER_CREDENTIAL = 2


@functools.lru_cache(maxsize=64)
def _kinds(names: tuple[bytes, ...]) -> tuple[_Kind, ...]:
    """The kind of each header, by its name; a client sends the same names with every request."""
    return tuple(_kind(name.lower()) for name in names)


def _kind(name: bytes) -> _Kind:
    if name in LOGIN_HEADERS:
        return _Kind.LOGIN
    return _Kind.OTHER_CREDENTIAL if name in CREDENTIAL_HEADERS else _Kind.SAFE


def too_large() -> ApiError:
    megabytes = http1.MAX_BODY_BYTES // (1024 * 1024)
    return ApiError(
        413,
        "request_too_large",
        f"openClaude: the request is over this gateway's {megabytes} MB. hint: /compact, or start a new session",
    )


def _challenge(secret: str, port: int, head: http1.RequestHead, query: bytes) -> Challenge:
    _check_bodyless(head)
    asked = _NONCE.fullmatch(query)
    nonce = asked[1].decode("ascii") if asked is not None else ""
    if identity.NONCE.fullmatch(nonce) is None:
        raise ApiError(400, "invalid_request_error", "openClaude: a challenge is nonce= and 32 hex digits")
    return Challenge(identity.proof(secret, nonce, port))


def _split_path(path: bytes) -> tuple[str, str, bytes]:
    """Profile and session of a launcher's base URL, and what follows them. Neither is a secret: they say who pays."""
    found = _SESSION.fullmatch(path)
    if found is None:
        return "", "", path
    return (found[1] or b"").decode(), (found[2] or b"").decode(), found[3]


def _behind_secret(door: Door, path: bytes) -> bytes:
    """The path behind the secret segment. Raises a 401 before anything else is looked at."""
    if door.secret is None:
        return path
    segment, _, rest = path[1:].partition(b"/")
    if not hmac.compare_digest(segment, door.secret) and segment not in door.tokens:
        raise ApiError(
            401,
            "authentication_error",
            "openClaude: this base URL lacks the gateway's secret. hint: start the client with `openclaude`, "
            "or take the base URL from `openclaude env`",
        )
    return b"/" + rest
