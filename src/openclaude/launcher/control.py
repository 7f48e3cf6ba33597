"""The launcher's end of the gateway's control socket and of its identity challenge.

Nothing is believed because something answered: the control socket is found in a folder only this user can open, and
the port is asked for a proof over a fresh nonce before anything of the client's may go there.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openclaude.domain.aws import PLATFORM_KEY
from openclaude.wire import identity

SOCKET_NAME: Final = "control.sock"
MAX_ANSWER: Final = 64 * 1024
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
    """What a gateway says of itself. `config` is the digest of the configuration it runs with."""

    pid: int
    port: int
    version: str
    config: str
    uptime: float
    in_flight: int
    served: int
    connections: int
    sessions: int


def ask(run: Path, operation: str, *, timeout: float = 3.0) -> dict[str, Any] | None:
    """Send one operation to the control socket; None when nobody answers."""
    connection = _connect(run, timeout)
    if connection is None:
        return None
    with connection:
        return _exchange(connection, {"op": operation})


def has_credentials(env: Mapping[str, str]) -> bool:
    """Whether a shell says where its AWS credentials come from; one that does not needs no session of its own."""
    return any(env.get(name) for name in _DECIDING)


def open_session(
    run: Path, env: Mapping[str, str], *, keep: bool = False
) -> tuple[str, socket.socket] | None:
    """Hand over this shell's AWS variables; None when nobody answers.

    Returns:
        The session's id for the base URL, and the connection that keeps it: it outlives an `execve`, so the session
        ends when the client does. With `keep` the session stays until the gateway stops.
    """
    connection = _connect(run, 3.0)
    if connection is None:
        return None
    handed = ("PATH", PLATFORM_KEY)
    variables = {name: value for name, value in env.items() if name.startswith("AWS_") or name in handed}
    answer = _exchange(connection, {"op": "session", "aws": variables, "keep": keep})
    if answer is None or not isinstance(answer.get("session"), str):
        connection.close()
        return None
    connection.settimeout(None)
    connection.set_inheritable(True)
    return answer["session"], connection


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


def is_ours(identity_secret: str, port: int, *, timeout: float = 3.0) -> bool:
    """Whether what listens on `port` can prove that it is this installation's gateway.

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
