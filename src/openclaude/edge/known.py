"""A client's heads are alike: what was found out about one serves the next, which repeats it but for its Content-Length.

Claude Code sends the same head with every request of a session on a connection. Each head is remembered by its own
connection only, and in the vault: it holds a login.
"""

import re
from collections.abc import Container
from typing import Final

from openclaude.credentials.fingerprints import KNOWN
from openclaude.credentials.sealed import SealedHead
from openclaude.domain.http import InboundRequest
from openclaude.edge.admission import Admitted, Door
from openclaude.wire import http1

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)


class KnownHead:
    """A head that was let in, and what it says.

    Attributes:
        admitted: what every repetition of it says, too, but for the length.
    """

    __slots__ = ("_head", "_met", "_token", "_tokens", "admitted")

    def __init__(self, head: SealedHead, admitted: Admitted, token: bytes, tokens: Container[bytes]) -> None:
        self._head = head
        self._met = KNOWN.met
        self._token = token
        self._tokens = tokens
        self.admitted = admitted

    def read(self, data: bytes) -> tuple[int, int] | None:
        """Length of the body and end of the head that `data` begins with, if it is this one and still let in."""
        found = self._head.repeated(data)
        if found is None or not 0 < found[0] <= http1.MAX_BODY_BYTES or KNOWN.met != self._met:
            return None
        return found if not self._token or self._token in self._tokens else None

    def request(self, name: str, length: int) -> InboundRequest:
        """A repetition of it as a request."""
        admitted = self.admitted
        return InboundRequest(
            name,
            admitted.endpoint,
            admitted.query,
            admitted.headers,
            length,
            admitted.session,
            admitted.profile,
        )


def remembered(door: Door, head: bytes, target: bytes, admitted: Admitted) -> KnownHead | None:
    """What to remember of a whole head, if it is one that clients repeat: it has a body of a known length."""
    if not admitted.content_length or admitted.expects_continue:
        return None
    length = _LENGTH.search(head)
    if length is None:
        return None
    token = b"" if door.secret is None else target[1:].partition(b"/")[0]
    return KnownHead(
        SealedHead(head, *length.span(1)), admitted, b"" if token == door.secret else token, door.tokens
    )
