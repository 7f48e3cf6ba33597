"""The two certificates of an installation: by one the gateway proves itself to the client, by the other the client to it.

Both are self-signed leaves (`CA:FALSE`, P-256): nothing here can sign anything, so trusting them lets nobody vouch for
another name. A pair lives for 90 days in a folder that is named after the second of its end. After 60 days a second pair is
made; from then on new sessions trust both, and the gateway serves the older one until shortly before its end. So a
session of up to 30 days never meets a certificate it does not know.

`cryptography` is imported when a pair is made, by a short process of its own: it would stay in the memory of a gateway, and in that of
the worker which is forked from it, 14 MB in all.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openclaude.launcher.files import StateError, private_dir, read_private, write_private
from openclaude.launcher.state import State

LIFE_SECONDS: Final = 90 * 24 * 3600
RENEW_SECONDS: Final = 30 * 24 * 3600
"""A pair with less than this left gets a successor."""
MARGIN_SECONDS: Final = 300
"""A pair that ends within this time counts as gone."""
_PYTHONS_OWN: Final = ("PYTHON", "LD_", "DYLD_", "PATH", "HOME")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """One generation: `ends` is the Unix time at which both certificates expire."""

    folder: Path
    ends: int

    @property
    def server(self) -> Path:
        """Key and certificate of the gateway."""
        return self.folder / "server.pem"

    @property
    def server_certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def client_certificate(self) -> Path:
        return self.folder / "client.crt"

    @property
    def client_key(self) -> Path:
        return self.folder / "client.key"

    def check(self) -> None:
        """See that every file is there and private. Raises `StateError`, or FileNotFoundError."""
        for path in (self.server, self.server_certificate, self.client_certificate, self.client_key):
            if read_private(path) is None:
                raise FileNotFoundError(path)


def pairs(state: State, clock: Clock = time.time) -> tuple[Pair, ...]:
    """The pairs that are whole and valid, oldest first. Raises `StateError` for one that somebody else has had hands on."""
    folder = private_dir(state.home / "tls")
    found = []
    for entry in folder.iterdir():
        if entry.name.isdigit() and int(entry.name) > clock() + MARGIN_SECONDS:
            pair = Pair(private_dir(entry), int(entry.name))
            with suppress(FileNotFoundError):
                pair.check()
                found.append(pair)
    return tuple(sorted(found, key=lambda pair: pair.ends))


def ensure(
    state: State, clock: Clock = time.time, *, made: Callable[[], object] | None = None
) -> tuple[Pair, ...]:
    """The valid pairs, oldest first, at least one of which lasts for another 30 days; a new one is made if need be.

    Args:
        state: the installation's folders.
        clock: the Unix time.
        made: called after a pair was made.

    Raises:
        StateError: something in the folder is not as we would have made it.
    """
    found = pairs(state, clock)
    if _lasting(found, clock):
        return found
    with state.lock("tls.lock"):
        if not _lasting(pairs(state, clock), clock):
            _clear(state.home / "tls", clock)
            _make(state.home / "tls", int(clock()))
            if made is not None:
                made()
    return pairs(state, clock)


def bundle(state: State, trusted: Iterable[Pair], own: str) -> Path:
    """A file with the user's own extra authorities and our gateway's certificates, for `NODE_EXTRA_CA_CERTS`.

    Args:
        state: the installation's folders.
        trusted: whose gateway certificates go in.
        own: the path of the user's own bundle, empty without one. Where it is one of ours (a session inside a session),
            our certificates in it are not repeated.

    Raises:
        OSError: the user's bundle cannot be read.
        StateError: the file cannot be written.
    """
    leaves = [pair.server_certificate.read_bytes() for pair in trusted]
    text = Path(own).read_bytes() if own else b""
    for leaf in leaves:
        text = text.replace(leaf, b"")
    if text and not text.endswith(b"\n"):
        text += b"\n"
    text += b"".join(leaves)
    path = state.home / "tls" / f"trust-{hashlib.sha256(text).hexdigest()[:12]}.pem"
    if read_private(path) != text:
        write_private(path, text)
    os.utime(path)
    return path


def _lasting(found: tuple[Pair, ...], clock: Clock) -> bool:
    return bool(found) and found[-1].ends > clock() + RENEW_SECONDS


def _clear(folder: Path, clock: Clock) -> None:
    """Remove pairs that have ended, and bundles that no session can still be using."""
    import shutil  # noqa: PLC0415  once in two months

    for entry in folder.iterdir():
        if entry.name.isdigit() and int(entry.name) < clock():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name.startswith("trust-") and entry.lstat().st_mtime < clock() - LIFE_SECONDS:
            entry.unlink()


def _make(folder: Path, now: int) -> None:
    """Make a pair in a folder of another name first, so that nobody meets half of one."""
    ends = now + LIFE_SECONDS
    made = _issued(folder, now, ends)
    unfinished = private_dir(folder / f".{ends}.{os.urandom(6).hex()}")
    write_private(unfinished / "server.pem", made["server key"] + made["server certificate"])
    write_private(unfinished / "server.crt", made["server certificate"])
    write_private(unfinished / "client.crt", made["client certificate"])
    write_private(unfinished / "client.key", made["client key"])
    unfinished.rename(folder / str(ends))


def _issued(folder: Path, now: int, ends: int) -> dict[str, bytes]:
    """What `launcher.leaves` answers. It gets no more of the environment than Python needs."""
    import json  # noqa: PLC0415  once in two months, as the next
    import subprocess  # noqa: PLC0415

    env = {name: value for name, value in os.environ.items() if name.startswith(_PYTHONS_OWN)}
    command = (sys.executable, "-P", "-m", "openclaude.launcher.leaves", str(now), str(ends))
    try:
        done = subprocess.run(  # noqa: S603  our own program and two numbers
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
        )
        return {name: text.encode() for name, text in json.loads(done.stdout).items()}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        last = said.decode(errors="replace").strip().rpartition("\n")[2] or type(error).__name__
        raise StateError(
            folder, f"no certificates could be made for it ({last[:200]})", "install openclaude anew"
        ) from None
