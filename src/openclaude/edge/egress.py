"""The last step before a provider's socket: the head with the credential in it, and one more look at what leaves.

The types already say which credential can reach which origin. This wall does not believe them: it has its own table,
and it looks for every secret the process has met in the bytes bound for another origin. Types cannot see a secret
that was copied into an ordinary header, and a wall cannot see a mistake before it is made; so there are both.
"""

import functools
from collections.abc import Callable, Collection
from typing import Final

from openclaude.credentials import fingerprints
from openclaude.credentials.fingerprints import KNOWN, LEAST, Fingerprints
from openclaude.credentials.outbound import RepeatedHead, credential_lines
from openclaude.credentials.sealed import AuthorizedRequest, ClientCredential, SealedHead
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, Origin

ANTHROPIC: Final = Origin("api.anthropic.com")
"""Written here once more: this table must not follow a mistake elsewhere."""
LOGIN: Final = frozenset({"client-login"})
SIGNED: Final = frozenset({"aws-signature", "route-key"})
_NOTHING: Final[frozenset[str]] = frozenset()
_SIGNATURE: Final = 66
"""Bytes at the end of a signature's lines that are of one request: hex digits and the line's end."""
_MOST_PASSED: Final = 256
"""Beginnings of heads that are remembered for one origin."""

Stopped = Callable[[Origin, str, str], None]
"""Told of a stopped request: its origin, the kind of credential it was authorised with, what was found."""


class EgressError(ValueError):
    """A request that may not leave. Its text names kinds and the origin, never a value."""

    def __init__(self, origin: Origin, found: str) -> None:
        super().__init__(f"{found} was about to go to {origin}")
        self.found = found


class EgressWall:
    """Looks at every head before it is sent.

    Args:
        signed: the origins that requests are signed for: the Bedrock endpoints of the configured routes.
        stopped: told of every request that was stopped.

    Attributes:
        table: what may go where; another one after each change.
    """

    def __init__(self, signed: Collection[Origin], *, stopped: Stopped, known: Fingerprints = KNOWN) -> None:
        self.count = 0
        self._stopped = stopped
        self._known = known
        self.table: dict[Origin, Destination] = {}
        self.permit(signed)

    def permit(self, signed: Collection[Origin]) -> None:
        """Replace the origins that requests are signed for, after a change of configuration."""
        kinds = dict.fromkeys(signed, SIGNED) | {ANTHROPIC: LOGIN}
        self.table = {origin: Destination(origin, allowed) for origin, allowed in kinds.items()}

    def head(self, authorized: AuthorizedRequest) -> bytes:
        """The head as it is sent. Raises `EgressError`, and has told of it and counted it.

        Where all that a head is made of is what left with the same handle last, and neither the table nor the secrets
        this process has met have changed, it was looked at: a handle stands for the same lines as long as it lives.
        """
        request, credential = authorized.request, authorized.credential
        lines = credential_lines(authorized)
        place = self.table.get(authorized.origin)
        made_of = (
            place,
            self._known.met,
            authorized.credential_kind,
            request.method,
            request.target,
            request.headers.pairs,
        )
        passed = credential.passed
        if passed is not None and passed[0] == made_of:
            start = passed[1]
        else:
            latest = None if place is None else place.latest
            start = latest[1] if latest is not None and latest[0] == made_of else _start_of(authorized)
            try:
                self._check(place, authorized, start, lines)
            except EgressError as error:
                self.count += 1
                self._stopped(authorized.origin, authorized.credential_kind, error.found)
                raise
            credential.passed = passed = made_of, start
            if place is not None:
                place.latest = passed
        return b"%bContent-Length: %d\r\n%b\r\n" % (start, request.content_length, lines)

    def repeated(self, head: SealedHead, credential: ClientCredential) -> RepeatedHead | None:
        """What leaves whenever a client's head comes again, of which a request with this login of its own has left.

        It may be sent to the login's origin for as long as the table and the number of secrets that were met stay the same.
        None where one of them has changed already.
        """
        if credential.passed is None:
            return None
        (place, met, *_), start = credential.passed
        if place is None or self.table.get(ANTHROPIC) is not place or met != self._known.met:
            return None
        return RepeatedHead(head, start, credential)

    def _check(
        self, place: "Destination | None", authorized: AuthorizedRequest, start: bytes, lines: bytes
    ) -> None:
        """As `check`, but what was looked at before is not looked at again. No secret goes over the end of a line."""
        if place is None:
            place = Destination(authorized.origin, _NOTHING)
        place.require(authorized.credential_kind)
        met = self._known.met
        if place.met != met:
            place.met = met
            place.passed.clear()
            place.signed = None
        if start not in place.passed:
            place.look(start, self._known)
            if len(place.passed) < _MOST_PASSED:
                place.passed.add(start)
        passed = authorized.credential.passed
        if passed is None or passed[0][:2] != (place, met):
            self._look_at_lines(place, lines)

    def _look_at_lines(self, place: "Destination", lines: bytes) -> None:
        """All but the end of a signature's lines is the same for a second, session token and all.

        What is remembered of it is a number that Python makes of bytes with a key of its own.
        """
        end = len(lines) - _SIGNATURE
        beginning = hash(lines[:end]) if end > LEAST else None
        if beginning is not None and beginning == place.signed:
            place.look(lines[end - LEAST :], self._known)
            return
        place.look(lines, self._known)
        place.signed = beginning


class Destination:
    """An origin, the kinds of credentials that may go there, and what was found good to go.

    Attributes:
        met: how many secrets were known when `passed` was begun.
        passed: beginnings of heads in which there is none of them.
        signed: stands for the beginning of the credential's lines that passed last.
        latest: what the last head was made of, and its beginning. A signature's handle is a new one for each request.
    """

    __slots__ = ("kinds", "latest", "met", "origin", "passed", "signed")

    def __init__(self, origin: Origin, kinds: frozenset[str]) -> None:
        self.origin = origin
        self.kinds = kinds
        self.met = -1
        self.passed: set[bytes] = set()
        self.signed: int | None = None
        self.latest: tuple[tuple[object, ...], bytes] | None = None

    def require(self, kind: str) -> None:
        """Raise `EgressError` for a kind of credential that has no business there."""
        if kind not in self.kinds:
            raise EgressError(self.origin, f"a credential of the kind {kind}")

    def look(self, text: bytes, known: Fingerprints) -> None:
        """Raise `EgressError` for a secret in a text that belongs elsewhere."""
        stray = known.stray(text, self._at_home)
        if stray is not None:
            raise EgressError(self.origin, f"a secret of the kind {stray.kind}")
        if self.kinds is not SIGNED and fingerprints.names_a_key(text):
            raise EgressError(self.origin, "an AWS access key id")

    def _at_home(self, secret: fingerprints.Known) -> bool:
        match secret.kind:
            case fingerprints.CLIENT_LOGIN:
                return self.origin == ANTHROPIC
            case fingerprints.AWS_TOKEN:
                return self.kinds is SIGNED
            case fingerprints.API_KEY:
                return self.origin in secret.bound
            case _:
                return False


def head_start(authorized: AuthorizedRequest, *more: bytes) -> bytes:
    """The head's beginning, built from empty: line, host, the adapter's headers. `more` stands right behind the host."""
    return _start_of(authorized, b"".join(more))


def _start_of(authorized: AuthorizedRequest, more: bytes = b"") -> bytes:
    request = authorized.request
    return _start(request.method, request.target, authorized.origin, request.headers.pairs, more)


@functools.lru_cache(maxsize=64)
def _start(method: bytes, target: bytes, origin: Origin, headers: tuple[Header, ...], more: bytes) -> bytes:
    """Made once: a head that a client repeats goes on as one that was sent before."""
    lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, origin.authority.encode()), more]
    lines += [b"%b: %b\r\n" % pair for pair in headers]
    return b"".join(lines)


def head_bytes(authorized: AuthorizedRequest, *more: bytes) -> bytes:
    """The request's head on the wire: its beginning, framing, credential."""
    length = authorized.request.content_length
    start = head_start(authorized, *more)
    return b"%bContent-Length: %d\r\n%b\r\n" % (start, length, credential_lines(authorized))


def check(authorized: AuthorizedRequest, head: bytes, kinds: frozenset[str]) -> None:
    """Raise `EgressError` for a credential at an origin to which only `kinds` may go, and for any secret in the head."""
    place = Destination(authorized.origin, kinds)
    place.require(authorized.credential_kind)
    place.look(head, KNOWN)


def refusal(error: EgressError) -> ApiError:
    """What the client is told. It may not try again: the next attempt would be stopped, too."""
    return ApiError(
        502,
        "api_error",
        f"openClaude: stopped a request, nothing of it was sent: {error}. This is a mistake in openClaude. "
        "hint: please report it as SECURITY.md says; `openclaude logs` shows the event",
        retry=False,
    )
