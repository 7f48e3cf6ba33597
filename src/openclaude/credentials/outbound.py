"""The last step before the socket. Only what sends requests imports this module (contract in pyproject.toml)."""

from openclaude.credentials import _vault
from openclaude.credentials.sealed import AuthorizedRequest


def credential_lines(authorized: AuthorizedRequest) -> bytes:
    """The header lines that carry the credential, each ended by CRLF, for `authorized.origin` alone."""
    return _vault.get(authorized.credential, bytes)
