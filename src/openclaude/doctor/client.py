"""Claude Code itself, and the login it will send."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient
from openclaude.launcher.client import ClientError, find_client

OLDEST: Final = (2, 1, 330)
NEWEST: Final = (2, 1, 332)
"""The versions of Claude Code that openClaude is tested with."""
_SPAN: Final = (
    ".".join(map(str, OLDEST))
    if OLDEST == NEWEST
    else f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
)
_SMALLEST: Final = 32
"""Bytes: a file with less holds no login."""
_LOG_IN: Final = "run `claude` once and type /login"


def client(patient: Patient) -> Iterator[Finding]:
    """Whether Claude Code is there, and in a version that was tried."""
    try:
        found = find_client(patient.env, patient.machine.program)
    except ClientError as error:
        yield problem("client", str(error), error.hint)
        return
    try:
        said = patient.machine.version_of(found, patient.env)
    except OSError as error:
        yield problem("client", f"{found} cannot be started: {error.strerror}", "install Claude Code again")
        return
    number = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if number is None:
        yield problem(
            "client",
            f"{found} does not say its version",
            f"see what `{found} --version` prints, and install it again",
        )
        return
    version = tuple(map(int, number.groups()))
    if version < OLDEST:
        yield warning(
            "client", f"{found} is version {number[0]}, older than what was tested ({_SPAN})", "claude update"
        )
    elif version > NEWEST:
        yield warning(
            "client",
            f"{found} is version {number[0]}, newer than what was tested ({_SPAN})",
            f"if sessions fail, take the tested one: npm install -g @anthropic-ai/claude-code@{'.'.join(map(str, NEWEST))}",
        )
    else:
        yield ok("client", f"{found}, version {number[0]}")


def login(patient: Patient) -> Iterator[Finding]:
    """Whether there is a login. It is not opened."""
    if patient.config and all(route.to != "anthropic" for route in patient.routes):
        yield ok("login", "no route goes to Anthropic, so none is needed")
    elif patient.env.get("CLAUDE_CODE_OAUTH_TOKEN"):
        yield ok("login", "a token in CLAUDE_CODE_OAUTH_TOKEN; Claude Code sends it")
    elif patient.machine.platform == "darwin":
        yield ok("login", "in the keychain, if there is one; openClaude does not open it")
    else:
        yield from _stored(_credentials(patient))


def _credentials(patient: Patient) -> Path:
    """Where Claude Code keeps its login on Linux."""
    place = patient.env.get("CLAUDE_SECURESTORAGE_CONFIG_DIR")
    return (Path(place) if place else patient.own.folder) / ".credentials.json"


def _stored(path: Path) -> Iterator[Finding]:
    """The file by its outside: what is in it is between Claude Code and Anthropic."""
    try:
        found = path.stat()
    except OSError:
        yield problem("login", f"nobody is logged in: {path} is not there", _LOG_IN)
        return
    if not stat.S_ISREG(found.st_mode) or found.st_size < _SMALLEST:
        yield problem("login", f"{path} holds no login", _LOG_IN)
        return
    yield ok("login", f"{path} is there; openClaude does not open it")
    if stat.S_IMODE(found.st_mode) & 0o077:
        yield warning("login", f"{path} can be read by other users", f"chmod 600 {path}")
