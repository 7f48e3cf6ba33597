"""The two programs in C, compiled when they are first needed, and the certificates of a run."""

import datetime as dt
import hashlib
import http.client
import ipaddress
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.paths import HERE, PROGRAMS, BenchError

NEEDED: Final = "gcc libc6-dev libssl-dev zlib1g-dev"
PROVIDERS: Final = ("api.anthropic.com", "bedrock-runtime.us-west-2.amazonaws.com")
_FLAGS: Final = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
_LIBRARIES: Final = ("-lssl", "-lcrypto", "-lz", "-lm")


def program(name: str) -> Path:
    """The compiled program; compiled again after a change of its source.

    Raises:
        BenchError: there is no compiler, or a library's headers are missing.
    """
    sources = (HERE / "native" / f"{name}.c", HERE / "native" / "link.h")
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    built = PROGRAMS / f"{name}-{digest}"
    if built.exists():
        return built
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BenchError(f"no C compiler found. hint: `make bench-system`, or install {NEEDED}")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    unfinished = built.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [compiler, *_FLAGS, "-o", str(unfinished), str(sources[0]), *_LIBRARIES],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(
            f"{name}.c cannot be compiled. hint: `make bench-system`, or install {NEEDED}\n{done.stderr}"
        )
    unfinished.rename(built)
    return built


@dataclass(frozen=True, slots=True)
class Certificates:
    """One authority and what it signed; every file is PEM."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def certificates(folder: Path) -> Certificates:
    """New certificates in a folder: of the providers and of this machine for servers, and one for clients."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("benchmark authority", (), authority_key, None, authority_key)
    made = Certificates(
        *(folder / name for name in ("authority.pem", "server.pem", "server.key", "client.pem", "client.key"))
    )
    made.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    for name, names, certificate, key_file in (
        ("benchmark server", (*PROVIDERS, "localhost", "127.0.0.1"), made.server, made.server_key),
        ("benchmark client", (), made.client, made.client_key),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(name, names, key, authority, authority_key)
        certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _certificate(
    name: str,
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate for ten days; its own authority where no issuer is given."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(issuer_key, SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Upstream:
    """The provider: a running `upstream`, told what to answer and asked what it received."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-tls-")
        self.certificates = certificates(Path(self._folder.name))
        command = [
            str(program("upstream")),
            str(self.certificates.server),
            str(self.certificates.server_key),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ports = json.loads(_output(self._process).readline())
        self.pid = self._process.pid
        self.plain: int = ports["plain"]
        self.tls: int = ports["tls"]

    def control(self, **settings: int | str) -> None:
        """Set what `upstream.c` lists under /control."""
        self._ask("/control?" + "&".join(f"{name}={value}" for name, value in settings.items()))

    def release(self) -> None:
        """Let held streams go on."""
        self._ask("/release")

    def stats(self) -> dict[str, Any]:
        """What it has received so far."""
        return self._ask("/stats")

    def _ask(self, target: str) -> dict[str, Any]:
        if self._process.poll() is not None:
            raise RuntimeError(f"the upstream ended by itself with {self._process.returncode}")
        with closing(http.client.HTTPConnection("127.0.0.1", self.plain, timeout=30)) as connection:
            connection.request("GET", target)
            read: dict[str, Any] = json.load(connection.getresponse())
        return read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        _output(self._process).close()
        self._folder.cleanup()


def _output(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise BenchError("the upstream was started without a pipe")
    return process.stdout
