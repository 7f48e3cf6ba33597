"""The last step before a provider's socket: a request's head, with the credential unwrapped into it."""

from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.sealed import AuthorizedRequest


def head_bytes(authorized: AuthorizedRequest) -> bytes:
    """The request's head on the wire, built from empty: line, host, the adapter's headers, framing, credential."""
    request = authorized.request
    lines = [
        b"%b %b HTTP/1.1\r\nHost: %b\r\n"
        % (request.method, request.target, authorized.origin.authority.encode())
    ]
    lines += [b"%b: %b\r\n" % pair for pair in request.headers]
    lines.append(b"Content-Length: %d\r\n" % request.content_length)
    lines.append(credential_lines(authorized))
    lines.append(b"\r\n")
    return b"".join(lines)
