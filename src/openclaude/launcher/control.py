"""The launcher's end of the gateway's control socket, and the proofs it asks of the gateway's ports.

Nothing is believed because something answered: the control socket is found in a folder only this user can open, and
a port has to show the installation's own certificate, with a handshake that only the holder of its key can make. Plain
HTTP has no handshake; there a port is asked for a proof over a fresh nonce.
"""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openclaude.domain.aws import PLATFORM_KEY
from openclaude.launcher.certificates import Pair
from openclaude.wire import identity

if TYPE_CHECKING:
    import ssl

SOCKET_NAME: Final = "control.sock"
MAX_ANSWER: Final = 64 * 1024
PATIENCE: Final = 10.0
"""Seconds to wait for an answer: a worker that is just being replaced takes two, a busy machine more."""
HANDOVER_SECONDS: Final = 5.0
"""How long a restart waits for the word of the worker that is replaced, that it lets nobody in any more."""
HANDSHAKES: Final = 4
_DECIDING: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    PLATFORM_KEY,
)
"""Variables by which botocore's chain finds other credentials than it would without them."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a gateway says of itself.

    `config` is the digest of the configuration it runs with; `egress_stopped` counts requests that were about to carry a
    secret to the wrong place. `pid` is its supervisor's, `worker` that of the process that serves. `lingers` says whether
    it ends by itself when nobody uses it.
    """

    pid: int
    port: int
    version: str
    config: str
    uptime: float
    in_flight: int
    served: int
    connections: int
    sessions: int
    egress_stopped: int
    worker: int
    lingers: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A client's session with the gateway, which lasts as long as `connection` is open somewhere.

    Attributes:
        name: its segment of the base URL, empty where the gateway's own AWS environment pays.
        token: a path segment that admits it without a client certificate, empty where none was asked for.
        connection: it outlives an `execve`.
    """

    name: str
    token: str = field(repr=False)
    connection: socket.socket = field(repr=False)


def ask(run: Path, operation: str, *, timeout: float = PATIENCE, **more: object) -> dict[str, Any] | None:
    """Send one operation to the control socket; None when nobody answers."""
    connection = _connect(run, timeout)
    if connection is None:
        return None
    with connection:
        return _exchange(connection, {"op": operation, **more})


def has_credentials(env: Mapping[str, str]) -> bool:
    """Whether a shell says where its AWS credentials come from; one that does not needs no session of its own."""
    return any(env.get(name) for name in _DECIDING)


def open_session(
    run: Path, env: Mapping[str, str], *, keep: bool = False, token: bool = False
) -> Session | None:
    """Tell the gateway of a session, and hand over the shell's AWS variables if they say where credentials are.

    Args:
        run: the folder of the control socket.
        env: the shell's environment.
        keep: the session stays until the gateway stops, whoever hangs up.
        token: ask for a path segment that admits.

    Returns:
        None when nobody answers. The session ends when the last process that inherited its connection does.
    """
    connection = _connect(run, PATIENCE)
    if connection is None:
        return None
    handed = ("PATH", PLATFORM_KEY)
    variables = {name: value for name, value in env.items() if name.startswith("AWS_") or name in handed}
    aws = variables if has_credentials(env) else None
    answer = _exchange(connection, {"op": "session", "aws": aws, "keep": keep, "token": token})
    if answer is None or not isinstance(answer.get("session"), str):
        connection.close()
        return None
    connection.settimeout(None)
    connection.set_inheritable(True)
    return Session(answer["session"], str(answer.get("token", "")), connection)


def _connect(run: Path, timeout: float) -> socket.socket | None:
    """The socket is reached by its relative name, since the full path may be too long for a socket address."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        os.chdir(run)
        connection.connect(SOCKET_NAME)
    except OSError:
        connection.close()
        return None
    finally:
        os.fchdir(before)
        os.close(before)
    return connection


def _exchange(connection: socket.socket, request: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(_read_line(connection))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece or len(data) > MAX_ANSWER:
            break
        data += piece
    return data


def status(run: Path) -> Running | None:
    """The running gateway's own word, or None."""
    answer = ask(run, "status")
    if answer is None:
        return None
    try:
        return Running(**{name: answer[name] for name in Running.__slots__})
    except KeyError:
        return None


def proves_itself(port: int, pairs: Sequence[Pair], *, timeout: float = PATIENCE) -> bool:
    """Whether what listens on `port` holds the key of one of our gateway certificates.

    The handshake is the proof: it is fresh for each connection, and what a stranger hears of it is good for nothing.
    One that is cut is begun anew, `HANDSHAKES` in all: a worker that is just being replaced leaves what it had accepted.
    """
    if not pairs:
        return False
    shown = None
    for _ in range(HANDSHAKES):
        shown = _certificate_shown(port, pairs, timeout)
        if shown is not None:
            break
    return shown in _certificates(pairs)


def _certificates(pairs: Sequence[Pair]) -> list[bytes]:
    """What our gateway shows, in DER."""
    import ssl  # noqa: PLC0415  small commands need none

    return [ssl.PEM_cert_to_DER_cert(pair.server_certificate.read_text("ascii")) for pair in pairs]


def _certificate_shown(port: int, pairs: Sequence[Pair], timeout: float) -> bytes | None:
    """The certificate that a handshake shows; empty when there was none to see, None when it was cut."""
    import ssl  # noqa: PLC0415  see above

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as plain:
            plain.settimeout(timeout)
            plain.connect(("127.0.0.1", port))
            # The name as bytes: text would be encoded by a module whose tables take six milliseconds to load.
            with client_context(pairs).wrap_socket(plain, server_hostname=b"127.0.0.1") as connection:
                return connection.getpeercert(binary_form=True) or b""
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None
    except OSError:  # a failed handshake is one too
        return b""


def client_context(pairs: Sequence[Pair]) -> "ssl.SSLContext":
    """What a program of ours needs to reach the gateway by mutual TLS: it believes our certificates and no others."""
    import ssl  # noqa: PLC0415  see above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata="".join(p.server_certificate.read_text("ascii") for p in pairs))
    context.load_cert_chain(pairs[-1].client_certificate, pairs[-1].client_key)
    return context


def is_ours(identity_secret: str, port: int, *, timeout: float = PATIENCE) -> bool:
    """Whether what listens on `port` over plain HTTP can prove that it is this installation's gateway.

    The challenge carries nothing but random digits; a stranger learns nothing from it.
    """
    nonce = os.urandom(16).hex()
    request = f"GET /.openclaude/identify?nonce={nonce} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(request.encode())
            answer = _read_all(connection)
    except OSError:
        return False
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return False
    try:
        claimed = json.loads(body)["proof"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(claimed, str) and identity.verify(identity_secret, nonce, port, claimed)


def _read_all(connection: socket.socket) -> bytes:
    data = b""
    while len(data) <= MAX_ANSWER:
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data
