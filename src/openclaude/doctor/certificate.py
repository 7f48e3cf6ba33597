"""The certificates by which the gateway and the client prove themselves to each other, and which way a session will take."""

import shutil
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.network import trusted
from openclaude.doctor.patient import Patient
from openclaude.launcher import way
from openclaude.launcher.certificates import MARGIN_SECONDS, RENEW_SECONDS, Pair
from openclaude.launcher.variables import CLIENT_CERTIFICATE

_CHECK: Final = "certificate"
_FIX: Final = "openclaude doctor --fix, then openclaude restart"


def certificate(patient: Patient) -> Iterator[Finding]:
    """Each pair on the disk, and whether sessions can use it."""
    yield from _way(patient)
    pairs = installed(patient.folder)
    if not pairs:
        yield ok(_CHECK, "none is there yet; the first session makes a pair")
        return
    now = patient.machine.now()
    whole = []
    for pair in pairs:
        if reason := _flaw(pair):
            fix = partial(_removed, pair.folder)
            yield problem(_CHECK, f"{pair.folder} {reason}: sessions cannot use it", _FIX, fix)
        else:
            whole.append(pair)
    if whole:
        yield from _life(whole[-1], now)


def installed(folder: Path) -> list[Pair]:
    """The pairs in openClaude's folder, oldest first, whatever is wrong with them. Nothing is made or changed."""
    try:
        names = [entry.name for entry in (folder / "tls").iterdir() if entry.name.isdigit()]
    except OSError:
        return []
    return [Pair(folder / "tls" / name, int(name)) for name in sorted(names, key=int)]


def _way(patient: Patient) -> Iterator[Finding]:
    if way.choose(trusted(patient), patient.folder, compat_http=False) == way.TLS:
        yield warning(
            _CHECK,
            f"{CLIENT_CERTIFICATE} is yours and stays: the gateway admits sessions by a secret in their path, which "
            "programs they run can read",
            f"unset {CLIENT_CERTIFICATE}, if Claude Code does not need it",
        )


def _life(pair: Pair, now: float) -> Iterator[Finding]:
    until = f"{datetime.fromtimestamp(pair.ends, UTC):%d %B %Y}"
    if pair.ends < now + MARGIN_SECONDS:
        yield warning(
            _CHECK, f"the newest pair ended on {until}; the next session makes another", "openclaude restart"
        )
    elif pair.ends < now + RENEW_SECONDS:
        yield ok(_CHECK, f"mutual TLS, valid until {until}; the next session makes its successor")
    else:
        yield ok(_CHECK, f"mutual TLS, valid until {until}")


def _flaw(pair: Pair) -> str:
    """What is wrong with a pair; empty when key and certificate go together and it ends when its name says."""
    for path in (pair.server, pair.server_certificate, pair.client_certificate, pair.client_key):
        if not path.is_file():
            return f"lacks {path.name}"
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.server)
        context.load_cert_chain(pair.client_certificate, pair.client_key)
        ends = [_end(pair.server_certificate), _end(pair.client_certificate)]
    except (OSError, ValueError):
        return "holds a key and a certificate that do not go together"
    return "" if ends == [pair.ends, pair.ends] else "does not end when its name says"


def _end(path: Path) -> int:
    """When a certificate ends, in seconds since the epoch. Raises ValueError."""
    from cryptography import x509  # noqa: PLC0415  costs tens of milliseconds

    found = x509.load_pem_x509_certificate(path.read_bytes())
    return int(found.not_valid_after_utc.timestamp())


def _removed(folder: Path) -> str:
    shutil.rmtree(folder)
    return f"removed {folder}"
