"""The least a Python program can do between two sockets: `bare.py PORT UPSTREAM_PORT [CA [CERTIFICATE KEY]]`.

It copies bytes on uvloop and looks at none of them: no HTTP, no pool, no rules, no log. With CA it speaks TLS to the upstream,
with CERTIFICATE and KEY also to clients, who have to show a certificate of that authority. What openClaude takes beyond this is
its own work; what this takes beyond nginx is Python's.
"""

import asyncio
import ssl
import sys
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One side; what it reads is written to the other side, what comes before there is one is kept."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    def join(self, other: asyncio.Transport) -> None:
        """From here on both sides are there."""
        self.other = other
        if self._early:
            other.write(b"".join(self._early))

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None:
            self.other.close()


class Client(End):
    """The side that asks; it dials the upstream for each connection."""

    def __init__(self, upstream: int, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self._upstream = upstream
        self._tls = tls
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._dialling = asyncio.ensure_future(self._dial())

    async def _dial(self) -> None:
        name = "localhost" if self._tls else None
        _, far = await asyncio.get_running_loop().create_connection(
            End, "127.0.0.1", self._upstream, ssl=self._tls, server_hostname=name
        )
        if self.transport is not None and far.transport is not None:
            far.join(self.transport)
            self.join(far.transport)


def contexts(files: list[str]) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """For the upstream and for clients; None for plain TCP."""
    dial = ssl.create_default_context(cafile=files[0]) if files else None
    accept = None
    if len(files) > 1:
        accept = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files[0])
        accept.verify_mode = ssl.CERT_REQUIRED
        accept.load_cert_chain(files[1], files[2])
    return dial, accept


async def serve(port: int, upstream: int, files: list[str]) -> None:
    """Run until the process is ended."""
    dial, accept = contexts(files)
    server = await asyncio.get_running_loop().create_server(
        lambda: Client(upstream, dial), "127.0.0.1", port, ssl=accept, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
