"""Handles that stand for secrets, and the request that may be sent.

A handle shows which kind of credential it is and nothing else: repr says sealed, copy and pickle raise.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from openclaude.credentials import _vault, fingerprints
from openclaude.domain.http import LOGIN_HEADERS, Header, Origin, UpstreamRequest
from openclaude.wire.sigv4 import Begun

DIGITS: Final = 12
"""Of a Content-Length, at most; as in wire/http1."""


class SealedError(TypeError):
    """Something tried to copy or serialise a handle."""


class Handle:
    """Base of all handles. Identity is the only equality: two handles never compare as equal secrets."""

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sealed>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SealedError(f"a {type(self).__name__} can be neither copied nor pickled")

    def __copy__(self) -> NoReturn:
        raise SealedError(f"a {type(self).__name__} can be neither copied nor pickled")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise SealedError(f"a {type(self).__name__} can be neither copied nor pickled")


class Sealed(Handle):
    """A handle with a secret of its own in the vault: one, for as long as it lives."""

    __slots__ = ()

    def __del__(self, drop: Callable[[object], None] = _vault.drop) -> None:
        drop(self)  # bound when the class is made: modules may be gone by the time the last handles are


class SealedLines(Sealed):
    """Header lines that carry a credential, each ended by CRLF; a signature's are made for one request.

    `passed` is for edge/egress: what it looked at last that was to leave with this handle, and the beginning of that head.
    """

    __slots__ = ("passed",)

    def __init__(self, lines: bytes) -> None:
        self.passed: tuple[tuple[object, ...], bytes] | None = None
        _vault.put(self, lines)


class ClientCredential(SealedLines):
    """The login a client sent with one request.

    `header` names the header it came in (lower case; two names joined by ", " when a client sent both).
    `number` is the same for the same login as long as this process lives, and says nothing else of it. `named` is what the
    log calls it.
    """

    __slots__ = ("header", "named", "number")

    def __init__(self, pairs: Iterable[Header]) -> None:
        kept = tuple(pairs)
        if not kept or any(name.lower() not in LOGIN_HEADERS for name, _ in kept):
            raise ValueError("a client credential is made of authorization and x-api-key headers only")
        self.header = ", ".join(name.lower().decode() for name, _ in kept)
        self.named = f"client login ({self.header})"
        super().__init__(b"".join(b"%b: %b\r\n" % pair for pair in kept))
        for _, value in kept:
            self.number = fingerprints.KNOWN.remember(value.rpartition(b" ")[2], fingerprints.CLIENT_LOGIN)


class SealedHead(Sealed):
    """The head of a request as it came, login and all. It answers one question: is another head the same?

    Args:
        head: the whole head.
        start: where the digits of its Content-Length begin in it.
        end: where they end.
    """

    __slots__ = ()

    def __init__(self, head: bytes, start: int, end: int) -> None:
        _vault.put(self, (head[:start], head[end:], start, len(head) - end))

    def repeated(self, data: bytes) -> tuple[int, int] | None:
        """Content-Length and end of the head that `data` begins with, if it is this one but for that number."""
        before, after, start, behind = _vault.kept(id(self))
        if not data.startswith(before):
            return None
        end = data.find(b"\r", start, start + DIGITS + 1)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        return int(digits), end + behind


class RouteKey(SealedLines):
    """A static key, bound to its origin when it is read.

    Args:
        origin: the only origin it can be sent to.
        key: the key itself.
        header: how it is sent: as a bearer token, or as `x-api-key`.
    """

    __slots__ = ("origin",)

    def __init__(
        self, origin: Origin, key: str, *, header: Literal["bearer", "x-api-key"] = "bearer"
    ) -> None:
        self.origin = origin
        name = b"Authorization: Bearer" if header == "bearer" else b"X-Api-Key:"
        super().__init__(b"%b %b\r\n" % (name, key.encode()))
        fingerprints.KNOWN.remember(key.encode(), fingerprints.API_KEY, (origin,))


@dataclass(frozen=True, slots=True)
class _KeyMaterial:
    """What signing needs, and what it has begun of it; it exists only inside this package."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    begun: dict[object, Begun] = field(default_factory=dict, repr=False)


class AwsKeys(Sealed):
    """Keys that sign.

    `source` says where they were found (a botocore method name), never what they are; `named` is what the log calls them.
    """

    __slots__ = ("named", "source")

    def __init__(self, *, access_key: str, secret_key: str, token: str | None, source: str) -> None:
        self.source = source
        self.named = f"aws signature ({source})"
        _vault.put(self, _KeyMaterial(access_key, secret_key, token))
        fingerprints.KNOWN.remember(secret_key.encode(), fingerprints.AWS_SECRET)
        fingerprints.KNOWN.remember((token or "").encode(), fingerprints.AWS_TOKEN)


class AuthorizedRequest(Handle):
    """A request that may be sent, and the only origin it may be sent to. Made by policies only.

    `credential` is the handle of the lines that go with it. A login or a key has its own; the request adds none.
    """

    __slots__ = ("credential", "credential_kind", "origin", "request")

    def __init__(self, origin: Origin, request: UpstreamRequest, kind: str, credential: SealedLines) -> None:
        self.credential = credential
        self.origin = origin
        self.request = request
        self.credential_kind = kind
