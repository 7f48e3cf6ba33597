"""One authorised request, sent and answered while the caller waits: for commands, which have no event loop.

The rules are those of edge/upstream.py: the origin is the authorised one, its certificate is verified, the credential
is unwrapped as the last thing before the socket, and a redirect is an answer like any other.
"""

import socket
import ssl
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Final

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.http import Header, Origin
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import SIGNED, check, head_bytes

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of an answer; the longest list of models AWS has is a fiftieth of it."""


class UnreachableError(Exception):
    """No whole answer came. The message names the origin and the reason."""

    def __init__(self, origin: Origin, reason: str) -> None:
        super().__init__(f"{origin} {reason}")
        self.origin = origin


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Headers keep the order and case in which they came."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The first value of a header (its name in lower case); empty when it is not there."""
        wanted = name.encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), "")


class OneShot:
    """Sends single requests, each on a connection of its own.

    Args:
        tls: a context that verifies; see edge/tls.py.
        dial: where origins are dialled.
        patience: seconds that may pass without a byte of an answer.
    """

    def __init__(self, *, tls: ssl.SSLContext, dial: DialMap, patience: float = ANSWER_SECONDS) -> None:
        self._tls = tls
        self._dial = dial
        self._patience = patience

    def send(self, authorized: AuthorizedRequest, body: bytes) -> Answer:
        """The answer to a request.

        Raises:
            ValueError: the origin is not https, or (`EgressError`) another credential than this one's is in the head.
            UnreachableError: there is no whole answer.
        """
        origin = authorized.origin
        if origin.scheme != "https":
            raise ValueError(f"a credential may not be sent to {origin}: it is not https")
        try:
            with socket.create_connection(self._dial.address(origin), CONNECT_SECONDS) as plain:
                plain.settimeout(self._patience)
                with self._tls.wrap_socket(plain, server_hostname=origin.host) as secured:
                    secured.sendall(_head(authorized) + body)
                    return _read(origin, secured, authorized.request.method.decode())
        except ssl.SSLCertVerificationError as error:
            reason = f"presented a certificate that is not valid for it ({error.verify_message})"
            raise UnreachableError(origin, reason) from None
        except TimeoutError:
            raise UnreachableError(origin, "does not answer") from None
        except (OSError, HTTPException) as error:
            reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
            raise UnreachableError(origin, f"cannot be reached ({reason})") from None


def _head(authorized: AuthorizedRequest) -> bytes:
    head = head_bytes(authorized, b"Connection: close\r\n")
    check(authorized, head, SIGNED)
    return head


def _read(origin: Origin, secured: ssl.SSLSocket, method: str) -> Answer:
    response = HTTPResponse(secured, method=method)
    try:
        response.begin()
        announced = response.length
        body = response.read(MOST_BYTES + 1)
    finally:
        response.close()
    if len(body) > MOST_BYTES:
        raise UnreachableError(origin, f"answered with more than {MOST_BYTES} bytes")
    # A read of limited size says nothing when the connection ends early.
    if announced is not None and len(body) < announced:
        raise UnreachableError(origin, "ended the connection before its answer was whole")
    headers = tuple(
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()
    )
    return Answer(response.status, headers, body)
