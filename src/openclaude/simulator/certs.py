"""A certificate authority made for one run, so that the simulators can speak real TLS under the providers' names.

Import this module late: `cryptography` costs tens of milliseconds that an ordinary start of the product should not
pay.
"""

import datetime as dt
import enum
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Flaw(enum.Enum):
    """What is wrong with a certificate that a careful peer must refuse."""

    WRONG_NAME = "wrong name"
    EXPIRED = "expired"
    OTHER_AUTHORITY = "other authority"


class Authority:
    """A throw-away P-256 certificate authority. Its keys live in memory and, for a moment, in a private temp file."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name("openClaude simulator authority")
        self._certificate = _signed(
            _builder(self._name, self._name, self._key.public_key()), self._key, ca=True
        )

    def pem(self) -> bytes:
        """The authority's certificate, for a peer's trust store."""
        return self._certificate.public_bytes(Encoding.PEM)

    def write_ca(self, path: Path) -> Path:
        """Write the authority's certificate as PEM; the result is `path`."""
        path.write_bytes(self.pem())
        return path

    def server_context(self, *hostnames: str, flaw: Flaw | None = None) -> ssl.SSLContext:
        """A server context for these DNS names or IP addresses, with a certificate that has `flaw` if one is given."""
        if flaw is Flaw.OTHER_AUTHORITY:
            return Authority().server_context(*hostnames)
        names = ["wrong-name.invalid"] if flaw is Flaw.WRONG_NAME else list(hostnames)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory() as folder:
            # The ssl module loads keys from files only; the folder is readable by this user alone.
            path = Path(folder) / "server.pem"
            path.write_bytes(self._issue(names, age_days=30 if flaw is Flaw.EXPIRED else 0))
            context.load_cert_chain(path)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A client context that trusts this authority and nothing else."""
        return ssl.create_default_context(cadata=self.pem().decode("ascii"))

    def _issue(self, names: Sequence[str], *, age_days: int) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_common_name(names[0]), self._name, key.public_key(), age_days=age_days)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        certificate = _signed(builder, self._key, ca=False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + certificate.public_bytes(Encoding.PEM)


def _common_name(text: str) -> x509.Name:
    # A common name is limited to 64 characters; verification reads the alternative names anyway.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, age_days: int = 0
) -> x509.CertificateBuilder:
    """A certificate that begins `age_days` and an hour ago and lasts ten days, so an old one has expired."""
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=age_days, hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=10))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:

    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    constraints = x509.BasicConstraints(ca=ca, path_length=None)
    return (
        builder.add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )
