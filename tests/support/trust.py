"""The test's end of mutual TLS: how a program that is not Claude Code shows the installation's client certificate."""

import ssl
from collections.abc import Mapping

from openclaude.launcher.daemon import Gateway

Target = Gateway | Mapping[str, str] | str
"""Where a request goes: a gateway by mutual TLS, what `openclaude env` prints or a client is given, or a plain base URL."""


def base_url(target: Target) -> str:
    if isinstance(target, str):
        return target
    return target.base_url if isinstance(target, Gateway) else target["ANTHROPIC_BASE_URL"]


def context(target: Target) -> ssl.SSLContext | None:
    """What the target's TLS needs; None where it speaks plain HTTP."""
    if not base_url(target).startswith("https://"):
        return None
    if isinstance(target, Gateway):
        pair = target.pairs[-1]
        return trusting(
            pair.server_certificate.read_text(), str(pair.client_certificate), str(pair.client_key)
        )
    assert not isinstance(target, str), "a bare URL says nothing of certificates"
    with open(target["NODE_EXTRA_CA_CERTS"]) as bundle:  # noqa: PTH123
        trusted = bundle.read()
    return trusting(trusted, target.get("CLAUDE_CODE_CLIENT_CERT"), target.get("CLAUDE_CODE_CLIENT_KEY"))


def trusting(pem: str, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """A context that believes these certificates, and shows one where one is given."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=pem)
    if certificate is not None:
        made.load_cert_chain(certificate, key)
    return made
