"""The last step before a provider's socket: the head with the credential in it, and one more look at what leaves.

The types already say which credential can reach which origin. This wall does not believe them: it has its own table,
and it looks for every secret the process has met in the bytes bound for another origin. Types cannot see a secret
that was copied into an ordinary header, and a wall cannot see a mistake before it is made; so there are both.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from openclaude.credentials import fingerprints
from openclaude.credentials.fingerprints import KNOWN, Fingerprints
from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin

ANTHROPIC: Final = Origin("api.anthropic.com")
"""Written here once more: this table must not follow a mistake elsewhere."""
LOGIN: Final = frozenset({"client-login"})
SIGNED: Final = frozenset({"aws-signature", "route-key"})
_NOTHING: Final[frozenset[str]] = frozenset()

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
    """

    def __init__(self, signed: Collection[Origin], *, stopped: Stopped, known: Fingerprints = KNOWN) -> None:
        self.count = 0
        self._stopped = stopped
        self._known = known
        self._table: dict[Origin, frozenset[str]] = {}
        self.permit(signed)

    def permit(self, signed: Collection[Origin]) -> None:
        """Replace the origins that requests are signed for, after a change of configuration."""
        self._table = {origin: SIGNED for origin in signed if origin != ANTHROPIC} | {ANTHROPIC: LOGIN}

    def head(self, authorized: AuthorizedRequest) -> bytes:
        """The head as it is sent. Raises `EgressError`, and has told of it and counted it."""
        head = head_bytes(authorized)
        try:
            check(authorized, head, self._table, self._known)
        except EgressError as error:
            self.count += 1
            self._stopped(authorized.origin, authorized.credential_kind, error.found)
            raise
        return head


def head_bytes(authorized: AuthorizedRequest, *more: bytes) -> bytes:
    """The request's head on the wire, built from empty: line, host, the adapter's headers, framing, credential.

    `more` are header lines that stand right behind the host.
    """
    request = authorized.request
    lines = [
        b"%b %b HTTP/1.1\r\nHost: %b\r\n"
        % (request.method, request.target, authorized.origin.authority.encode())
    ]
    lines += more
    lines += [b"%b: %b\r\n" % pair for pair in request.headers]
    lines.append(b"Content-Length: %d\r\n" % request.content_length)
    lines.append(credential_lines(authorized))
    lines.append(b"\r\n")
    return b"".join(lines)


def check(
    authorized: AuthorizedRequest,
    head: bytes,
    table: dict[Origin, frozenset[str]],
    known: Fingerprints = KNOWN,
) -> None:
    """Raise `EgressError` for a credential at an origin that is not its own."""
    origin = authorized.origin
    kinds = table.get(origin, _NOTHING)
    if authorized.credential_kind not in kinds:
        raise EgressError(origin, f"a credential of the kind {authorized.credential_kind}")
    stray = known.stray(head, partial(_at_home, origin, kinds is SIGNED))
    if stray is not None:
        raise EgressError(origin, f"a secret of the kind {stray.kind}")
    if kinds is not SIGNED and fingerprints.names_a_key(head):
        raise EgressError(origin, "an AWS access key id")


def _at_home(origin: Origin, signed: bool, secret: fingerprints.Known) -> bool:  # noqa: FBT001  bound by partial
    match secret.kind:
        case fingerprints.CLIENT_LOGIN:
            return origin == ANTHROPIC
        case fingerprints.AWS_TOKEN:
            return signed
        case fingerprints.API_KEY:
            return origin in secret.bound
        case _:
            return False


def refusal(error: EgressError) -> ApiError:
    """What the client is told. It may not try again: the next attempt would be stopped, too."""
    return ApiError(
        502,
        "api_error",
        f"openClaude: stopped a request, nothing of it was sent: {error}. This is a mistake in openClaude. "
        "hint: please report it as SECURITY.md says; `openclaude logs` shows the event",
        retry=False,
    )
