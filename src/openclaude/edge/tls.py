"""The TLS context for providers. Verification cannot be turned off, and no environment variable has a say.

`ssl.create_default_context` would honour SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE: the first two let whoever
sets a variable vouch for api.anthropic.com, the third writes session keys to a file.
"""

import importlib.util
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path

_WELL_KNOWN = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
)


class NoTrustStoreError(RuntimeError):
    """No file with root certificates was found."""


def trust_file() -> Path:
    """The operating system's root certificates, else those that botocore brings along."""
    compiled = ssl.get_default_verify_paths().openssl_cafile
    for candidate in (*_WELL_KNOWN, compiled):
        if Path(candidate).is_file():
            return Path(candidate)
    found = importlib.util.find_spec("botocore")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).with_name("cacert.pem")
        if bundled.is_file():
            return bundled
    raise NoTrustStoreError("no root certificates found. hint: install your system's ca-certificates package")


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that verifies the peer's chain and name; `ca_file` replaces the root certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(cafile=str(ca_file or trust_file()))
    return context


def trusting(ca_file: Path | None) -> Callable[[], ssl.SSLContext]:
    """Gives one context for all providers.

    A file that was named is read at once, so that a wrong one is told at once. The system's roots are read when the first
    connection is made: parsing them is a good part of what a start costs.

    Raises:
        NoTrustStoreError: no roots were found.
        OSError: the named file cannot be read.
    """
    if ca_file is not None:
        context = client_context(ca_file)
        return lambda: context
    trust_file()
    return cache(client_context)
