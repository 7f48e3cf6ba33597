"""Requests and responses as values: what was asked, and what a provider is to be asked.

Header names keep the bytes they arrived with; comparison is always on the lower-case form.
"""

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

Header = tuple[bytes, bytes]
Data = bytes | memoryview
"""What is sent as it is; a view spares a copy of a long body."""

CREDENTIAL_HEADERS = frozenset(
    {
        b"authorization",
        b"cookie",
        b"proxy-authorization",
        b"x-api-key",
        b"x-amz-security-token",
    },
)
"""Names that can carry a secret. A `SafeHeaders` never holds one of them."""

LOGIN_HEADERS = frozenset({b"authorization", b"x-api-key"})
"""The two headers in which a client of the Anthropic API sends its login (client sheet §2)."""


CLOSE: Header = (b"connection", b"close")
"""In an answer's headers: the connection ends after it."""


class CredentialInHeadersError(ValueError):
    """A header that can carry a secret was about to become an ordinary header.

    The message names the header and never its value.
    """


class Origin(NamedTuple):
    """Where a provider lives. Two origins are the same only when scheme, host and port are equal."""

    host: str
    port: int = 443
    scheme: str = "https"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the Host header: the port appears only when it is not the scheme's own."""
        default = 443 if self.scheme == "https" else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"


class SafeHeaders:
    """Headers that cannot carry a credential: the constructor refuses every name that could.

    Attributes:
        pairs: names and values, in order.
        sent_as: the operation and query they came with last, and the target and headers that were sent to the Anthropic API
            for these; None before that. A head that a client repeats has the same headers (edge/known).
    """

    __slots__ = ("_named", "pairs", "sent_as")

    def __init__(self, pairs: Iterable[Header] = ()) -> None:
        kept = tuple(pairs)
        found = CREDENTIAL_HEADERS.intersection([name.lower() for name, _ in kept])
        if found:
            raise CredentialInHeadersError(f"{min(found).decode()} may not be an ordinary header")
        self.pairs = kept
        self.sent_as: tuple[Endpoint, bytes, bytes, SafeHeaders] | None = None
        self._named: dict[bytes, list[bytes]] | None = None

    def __iter__(self) -> Iterator[Header]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"SafeHeaders({[name.decode('latin-1') for name, _ in self.pairs]})"

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of `name` (given in lower case), in order."""
        return list((self._named or self._values()).get(name, ()))

    def get(self, name: bytes) -> bytes | None:
        """The first value of `name` (given in lower case), or None."""
        found = (self._named or self._values()).get(name)
        return None if found is None else found[0]

    def _values(self) -> dict[bytes, list[bytes]]:
        """The values by name; looked for once, since a head that a client repeats has the same headers (edge/known)."""
        named = self._named
        if named is None:
            named = {}
            for key, value in self.pairs:
                named.setdefault(key.lower(), []).append(value)
            self._named = named  # when it is whole: another thread may read it
        return named


class Endpoint(enum.Enum):
    """The operations the gateway serves; the value is the method and the path behind the base URL.

    Attributes:
        path: the path behind the base URL.
        label: its name in the log.
    """

    MESSAGES = (b"POST", b"/v1/messages")
    COUNT_TOKENS = (b"POST", b"/v1/messages/count_tokens")
    MODELS = (b"GET", b"/v1/models")
    HELLO = (b"GET", b"/api/hello")

    def __init__(self, _: bytes, path: bytes) -> None:
        self.path = path
        self.label = self.name.lower()

    __hash__ = object.__hash__  # no call of Python; a member equals itself only


class InboundRequest(NamedTuple):
    """A client's request without its credential and without its body.

    `session` names the launcher's session it belongs to, empty for clients that have none; `profile` the set-up whose
    routes it takes, empty for the ordinary one.
    """

    id: str
    endpoint: Endpoint
    query: bytes
    headers: SafeHeaders
    content_length: int | None = None
    session: str = ""
    profile: str = ""


class UpstreamRequest(NamedTuple):
    """What an adapter wants sent. No transport accepts it: a policy has to authorise it first.

    `target` is the raw request target, already percent-encoded: what is signed is what is sent.
    `content_length` is the exact number of body bytes that will follow the head.
    `body_sha256` is the lower-case hex digest of those bytes where the policy signs them.
    """

    method: bytes
    target: bytes
    headers: SafeHeaders
    content_length: int
    body_sha256: str = ""
