"""TLS towards clients, read in small portions: seen through a server that writes down what it is handed."""

import asyncio
import os
import ssl
from typing import cast

import pytest
import trustme

from openclaude.edge.portions import PORTION, behind_tls

AUTHORITY = trustme.CA()
RECORD = 16 * 1024
"""The longest record of TLS: the part of one that came with the portion before is read together with its rest."""


class Written(asyncio.Protocol):
    """Counts the bytes of each call, and answers once all of them are there."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.pieces: list[bytes] = []
        self.ended = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        if sum(map(len, self.pieces)) == self.expected and self._transport is not None:
            self._transport.write(b"all")

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


@pytest.mark.anyio
@pytest.mark.parametrize("size", [1, PORTION, 10 * PORTION + 7])
async def test_whatever_a_client_sends_arrives_whole_in_portions(size: int) -> None:
    server_side = trusted_server()
    written = Written(size)
    layered = behind_tls(lambda: written, server_side, handshake=10, shutdown=10)
    assert layered is not None
    server = await asyncio.get_running_loop().create_server(layered, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        sent = os.urandom(size)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted_client(), server_hostname="localhost"
        )
        writer.write(sent)
        assert await reader.readexactly(3) == b"all"
        writer.close()
        assert await written.ended is None
        assert b"".join(written.pieces) == sent
        assert max(map(len, written.pieces)) <= PORTION + RECORD
    finally:
        server.close()


def test_another_loop_than_uvloops_has_no_portions() -> None:
    async def asked() -> object:
        return behind_tls(asyncio.Protocol, trusted_server(), handshake=10, shutdown=10)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(asked()) is None


def trusted_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def trusted_client() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context
