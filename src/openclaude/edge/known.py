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
from openclaude.edge.names import request_id
from openclaude.wire import http1

_made: Final = tuple.__new__
"""What the class itself would call, without the call of Python in between."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)


class KnownHead:
    """A head that was let in, and what it says.

    Attributes:
        admitted: what was let in.
        credential: the login that every repetition of it brings.
        head: the head itself.
        met: how many secrets were known then; it is read anew once there are more.
        token, tokens: what lets it in, as long as the one is among the others; nothing has to where `token` is empty.
    """

    __slots__ = ("admitted", "credential", "head", "met", "token", "tokens")

    def __init__(self, head: SealedHead, admitted: Admitted, token: bytes, tokens: Container[bytes]) -> None:
        self.head = head
        self.met = KNOWN.met
        self.token = token
        self.tokens = tokens
        self.admitted = admitted
        self.credential = admitted.credential

    def read(self, data: bytes) -> tuple[InboundRequest, int, int] | None:
        """The request `data` begins with, its body's length and its head's end, if the head is this one and still let in."""
        found = self.head.repeated(data)
        if found is None or KNOWN.met != self.met or (self.token and self.token not in self.tokens):
            return None
        length, end = found
        if not 0 < length <= http1.MAX_BODY_BYTES:
            return None
        return self.request(length), length, end

    def request(self, length: int) -> InboundRequest:
        """The request of a repetition with a body of this length."""
        endpoint, query, headers, _, _, _, session, profile = self.admitted
        return _made(InboundRequest, (request_id(), endpoint, query, headers, length, session, profile))


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
