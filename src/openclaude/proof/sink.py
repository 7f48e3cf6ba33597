"""A server that is nobody: it takes every connection, keeps every byte, and answers nothing useful."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Sink:
    """A proxy and a stranger in one, on loopback: `with Sink() as sink: …`. `received` is all that came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._bytes = bytearray()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name="openclaude-sink", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def received(self) -> bytes:
        with self._lock:
            return bytes(self._bytes)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _accept(self) -> None:
        readers = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._open.append(connection)
            reader = threading.Thread(target=self._read, args=(connection,), daemon=True)
            reader.start()
            readers.append(reader)
        for reader in readers:
            reader.join()

    def _read(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while piece := connection.recv(65536):
                with self._lock:
                    self._bytes += piece
                if b"\r\n\r\n" in piece:
                    connection.sendall(
                        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                    return
