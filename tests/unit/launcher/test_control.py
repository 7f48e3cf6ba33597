"""Whether a port is the gateway's, asked over real sockets and TLS."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openclaude.launcher import certificates
from openclaude.launcher.certificates import Pair
from openclaude.launcher.control import proves_itself
from openclaude.launcher.state import open_state
from support.patience import DEADLINE

RESET = struct.pack("ii", 1, 0)


def cut(connection: socket.socket) -> None:
    """A reset, as of a worker that ends while it is connected to."""
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def close(connection: socket.socket) -> None:
    """The end of a stream in the middle of a handshake."""
    connection.recv(4096)
    connection.close()


def shake_hands(pair: Pair) -> Callable[[socket.socket], None]:
    """What the gateway does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.server)

    def serve(connection: socket.socket) -> None:
        with connection, context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    return serve


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Pair, ...]:
    state = open_state(tmp_path / "home")
    certificates.ensure(state)
    return tuple(certificates.pairs(state))


def asked(pairs: tuple[Pair, ...], *turns: Callable[[socket.socket], None]) -> bool:
    """What `proves_itself` says of a port whose connections meet these, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)

        def serve() -> None:
            for turn in turns:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return  # nobody came, and the question is answered
                turn(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return proves_itself(listener.getsockname()[1], pairs)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)


@pytest.mark.parametrize("end", [cut, close])
def test_a_connection_that_a_leaving_worker_cuts_is_made_once_more(
    pairs: tuple[Pair, ...], end: Callable[[socket.socket], None]
) -> None:
    assert asked(pairs, end, end, shake_hands(pairs[0]))


def test_a_port_that_cuts_every_connection_is_not_the_gateways(pairs: tuple[Pair, ...]) -> None:
    assert not asked(pairs, close, cut, close, cut)


def test_a_certificate_of_somebody_else_is_asked_for_once(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    other = open_state(tmp_path / "other")
    certificates.ensure(other)
    refused: list[str] = []

    def stranger(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            shake_hands(certificates.pairs(other)[0])(connection)
        refused.append("once")

    assert not asked(pairs, stranger)
    assert refused == ["once"]
