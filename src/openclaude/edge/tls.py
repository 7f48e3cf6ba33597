"""TLS: the context for providers, and the one clients of this machine are met with.

For providers verification cannot be turned off, and no environment variable has a say.
`ssl.create_default_context` would honour SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE: the first two let whoever
sets a variable vouch for api.anthropic.com, the third writes session keys to a file.
"""

import importlib.util
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

_WELL_KNOWN = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
)

SWITCH_SECONDS: Final = 3600.0
"""The gateway goes over to the newer of its certificates this long before the older one ends."""


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
    context.options |= ssl.OP_NO_RENEGOTIATION  # of TLS 1.2: writing would have to wait for reading
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


class Pair(Protocol):
    """The certificates of one generation, as the launcher makes them."""

    @property
    def server(self) -> Path:
        """Key and certificate of the gateway, PEM."""

    @property
    def client_certificate(self) -> Path:
        """The certificate clients prove themselves with, PEM."""

    @property
    def ends(self) -> int:
        """The Unix time at which both expire."""


class Loopback:
    """TLS for the loopback listeners: one certificate of ours is shown, and only our client certificates are believed.

    Args:
        pairs: the valid generations, oldest first; called at the start and whenever they may have changed.
        clock: the Unix time.
    """

    def __init__(self, pairs: Callable[[], Sequence[Pair]], clock: Callable[[], float]) -> None:
        self._pairs = pairs
        self._clock = clock
        self._known: set[Path] = set()
        self.mutual = _server_context()
        self.mutual.verify_mode = ssl.CERT_REQUIRED
        self.one_sided = _server_context()
        self.refresh()

    def refresh(self) -> None:
        """Take in new generations; handshakes from now on use them. The older certificate is shown while it lasts."""
        found = self._pairs()
        lasting = [pair for pair in found if pair.ends - SWITCH_SECONDS > self._clock()]
        shown = (lasting or list(found[-1:]))[0]
        for context in (self.mutual, self.one_sided):
            context.load_cert_chain(shown.server)
        for pair in found:
            if pair.client_certificate not in self._known:
                self.mutual.load_verify_locations(pair.client_certificate)
                self._known.add(pair.client_certificate)


def _server_context() -> ssl.SSLContext:
    """TLS 1.3 only; no tickets, which nobody here would come back with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    return context
