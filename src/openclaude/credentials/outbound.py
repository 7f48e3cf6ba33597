"""The last step before the socket. Only what sends requests imports this module (contract in pyproject.toml)."""

from openclaude.credentials import _vault
from openclaude.credentials.sealed import AuthorizedRequest, ClientCredential


def credential_lines(authorized: AuthorizedRequest) -> bytes:
    """The header lines that carry the credential, each ended by CRLF, for `authorized.origin` alone."""
    return _vault.get(authorized, bytes)


def sent_as_it_came(authorized: AuthorizedRequest, client: ClientCredential) -> bool:
    """Whether what `credential_lines` gives is the very object that was sealed in the client's handle, and nothing more."""
    return _vault.get(authorized, bytes) is _vault.get(client, bytes)
