"""Clients behind TLS are read in small portions: what a connection once read in one go, its buffers take for its life.

uvloop's layer has a buffer of 256 KiB for each connection and reads as much as fits. OpenSSL copies that into a buffer which
grows with the longest read and is never made smaller. An upload of 150 KB would keep 300 KiB for as long as its answer streams.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

PORTION: Final = 32 * 1024
"""Bytes read from a client's socket at a time. What is read stays in the processor's cache, so that it costs no CPU."""


class Portions:
    """Stands between a TCP transport and uvloop's layer of TLS, and lends the transport only the beginning of its buffer.

    To uvloop it is an `asyncio.BufferedProtocol`.

    Args:
        tls: uvloop's SSLProtocol: a `BufferedProtocol` whose buffer stays where it is.
    """

    __slots__ = (
        "_room",
        "buffer_updated",
        "connection_lost",
        "connection_made",
        "eof_received",
        "pause_writing",
        "resume_writing",
    )

    def __init__(self, tls: Any) -> None:
        self._room: memoryview = tls.get_buffer(PORTION)[:PORTION]
        # the methods themselves, so that a read passes through no call more
        self.buffer_updated = tls.buffer_updated
        self.connection_lost = tls.connection_lost
        self.connection_made = tls.connection_made
        self.eof_received = tls.eof_received
        self.pause_writing = tls.pause_writing
        self.resume_writing = tls.resume_writing

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport reads to; the same place each time."""
        del sizehint
        return self._room


def behind_tls(
    accept: Callable[[], asyncio.Protocol], context: ssl.SSLContext, *, handshake: float, shutdown: float
) -> Callable[[], Any] | None:
    """Protocols for `create_server` without `ssl`, which do what it does with it; None on another loop than uvloop's.

    Args:
        accept: makes the protocol of a connection.
        context: a server's.
        handshake: seconds that the beginning of TLS may take.
        shutdown: seconds that its end may take.
    """
    import uvloop.loop  # noqa: PLC0415  loaded already where it counts

    loop: Any = asyncio.get_running_loop()
    layer = getattr(uvloop.loop, "SSLProtocol", None)
    if layer is None or not isinstance(loop, uvloop.loop.Loop):
        return None

    def connection() -> Portions:
        return Portions(
            layer(
                loop,
                accept(),
                context,
                None,
                server_side=True,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
        )

    return connection
