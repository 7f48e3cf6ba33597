"""Makes the pair of leaf certificates, as a process of its own: `python -m openclaude.launcher.leaves BEGINS ENDS` (Unix times).

Output: one JSON object on stdout, with `server certificate`, `server key`, `client certificate` and `client key`, each PEM. They go
through a pipe and no file. Whoever imports this module imports `cryptography`, which takes tens of milliseconds and 10 MB.
"""

import datetime as dt
import ipaddress
import json
import sys
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openclaude.launcher.hygiene import harden

_EARLIER = dt.timedelta(hours=1)
"""Valid since an hour ago: a clock that is set back a little must not lock its user out."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate and its key, both as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def issue(name: str, begins: int, ends: int, *, server: bool) -> Leaf:
    """A self-signed P-256 leaf that can sign nothing.

    Args:
        name: its common name. No two that are trusted at once may share it: TLS libraries look certificates up by name.
        begins: Unix time.
        ends: Unix time.
        server: whether it is for the loopback server (with the names of the loopback address) or for a client.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(begins, dt.UTC) - _EARLIER)
        .not_valid_after(dt.datetime.fromtimestamp(ends, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signatures_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if server:
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName([loopback, x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Leaf(builder.sign(key, SHA256()).public_bytes(Encoding.PEM), private)


def main() -> None:
    """Make the pair that the command line asks for."""
    harden()
    begins, ends = map(int, sys.argv[1:])
    found = {}
    for side, name in (("server", "gateway"), ("client", "client")):
        leaf = issue(f"openClaude {name} {ends}", begins, ends, server=side == "server")
        found[f"{side} certificate"] = leaf.certificate.decode()
        found[f"{side} key"] = leaf.key.decode()
    json.dump(found, sys.stdout)


def _signatures_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=False,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


if __name__ == "__main__":
    main()
