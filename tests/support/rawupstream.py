"""A provider below HTTP: real TLS under both providers' names, and any bytes, or none, in answer.

For what the simulators cannot say: a connection that ends before the head of an answer, half a head, a peer that
never reads.
"""

import errno
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from openclaude.simulator.anthropic import HOST
from openclaude.simulator.bedrock import host
from openclaude.simulator.certs import Authority
from support.patience import DEADLINE

REGION = "us-west-2"
Behaviour = Callable[["Peer"], None]


class Peer:
    """The provider's end of one connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def read_request(self) -> bytes:
        """A whole request with a Content-Length: head and body."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head = bytes(self._buffer.partition(b"\r\n\r\n")[0]) + b"\r\n\r\n"
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        size = len(head) + (int(lengths[0].partition(b": ")[2]) if lengths else 0)
        while len(self._buffer) < size:
            self._more()
        request = bytes(self._buffer[:size])
        del self._buffer[:size]
        return request

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self, *, patience: float = DEADLINE) -> None:
        """An orderly end: close_notify, then FIN, when the other side has answered or `patience` seconds are over."""
        self._connection.settimeout(patience)
        with suppress(OSError):
            self._connection.unwrap()
        self._connection.close()

    def drop(self) -> None:
        """A FIN without close_notify, as a process that died leaves it."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def half_close(self) -> None:
        """A FIN, and a socket that could still be written to."""
        self._connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """A RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def _more(self) -> None:
        data = self._connection.recv(64 * 1024)
        if not data:
            raise EOFError("the gateway closed its connection")
        self._buffer += data


class RawUpstream:
    """Both providers at one port. `behaviour` is called in a thread of its own for each connection."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        self.authority = authority or Authority()
        self.ca_file = self.authority.write_ca(folder / "raw-ca.pem")
        self.behaviour: Behaviour = Peer.close
        self.connections = 0
        self._context = self.authority.server_context(HOST, host(REGION))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, name="raw-upstream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def connect_to(self) -> list[str]:
        port = self._listener.getsockname()[1]
        return [f"{name}:443=127.0.0.1:{port}" for name in (HOST, host(REGION))]

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError as error:
                if error.errno == errno.EMFILE:  # a test has taken all of them; the connection waits
                    time.sleep(0.01)
                    continue
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(DEADLINE)
        with suppress(OSError, EOFError), self._context.wrap_socket(plain, server_side=True) as connection:
            self.connections += 1
            self.behaviour(Peer(connection))
