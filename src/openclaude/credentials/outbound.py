"""The last step before the socket. Only what sends requests imports this module (contract in pyproject.toml)."""

from openclaude.credentials import _vault
from openclaude.credentials.sealed import DIGITS, AuthorizedRequest, Sealed, SealedHead, SealedLines


def credential_lines(authorized: AuthorizedRequest) -> bytes:
    """The header lines that carry the credential, each ended by CRLF, for `authorized.origin` alone."""
    return _vault.get(authorized.credential, bytes)


class RepeatedHead(Sealed):
    """A client's head, and the head that leaves for it. The wall makes one of a head that it has let through.

    Args:
        head: the head as it comes.
        start: the beginning of the head that leaves, up to its Content-Length.
        credential: the login of both.
    """

    __slots__ = ()

    def __init__(self, head: SealedHead, start: bytes, credential: SealedLines) -> None:
        rest = b"\r\n%b\r\n" % _vault.get(credential, bytes)
        _vault.put(self, (*_vault.kept(id(head)), start + b"Content-Length: ", rest))

    def leaving(self, data: bytes) -> tuple[tuple[bytes, bytes, bytes], int, int] | None:
        """The pieces of what leaves for the head that `data` begins with, its body's length, and its end; None for another head.

        It compares as `SealedHead.repeated` does, without a call in between. The length leaves as it stands, so one that begins
        with a zero is another head here.
        """
        before, after, start, behind, front, rest = _vault.kept(id(self))
        if not data.startswith(before):
            return None
        end = data.find(b"\r", start, start + DIGITS + 1)
        digits = data[start:end]  # without an end, `after` is too long to stand there
        if not digits.isdigit() or digits < b"1" or not data.startswith(after, end):
            return None
        return (front, digits, rest), int(digits), end + behind
