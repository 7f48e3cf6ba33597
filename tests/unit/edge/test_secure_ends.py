"""How a connection of `edge/secure` ends: at its very beginning, with a peer that takes nothing more, with one that is gone."""

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop

from openclaude.edge.secure import SecureTransport
from support.patience import DEADLINE
from unit.edge.test_secure import LONG, Application, Scene, Wire, contexts

pytestmark = pytest.mark.anyio


class Ending(Application):
    """Ends the connection as soon as it is there."""

    def __init__(self, end: Callable[[SecureTransport], None]) -> None:
        super().__init__()
        self.end = end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, SecureTransport)
        transport.write(b"refused")
        self.end(transport)


def ended_at_once(end: Callable[[SecureTransport], None], request: bytes) -> Scene:
    """A server that ends a connection as soon as it is there; a request came with the end of the handshake."""
    scene = Scene(dials=False)
    scene.application = scene.secure.application = Ending(end)
    with suppress(ssl.SSLWantReadError):
        scene.peer.do_handshake()
    scene.exchange()
    scene.peer.do_handshake()
    scene.says(request)
    return scene


@pytest.mark.parametrize("request_", [b"early", LONG], ids=["short", "long"])
async def test_what_came_with_the_handshake_can_be_read_behind_an_end_of_writing(request_: bytes) -> None:
    scene = ended_at_once(SecureTransport.write_eof, request_)
    scene.says(b" and more")
    assert scene.application.read == request_ + b" and more"
    assert scene.heard() == b"refused"
    assert scene.wire.did == ["write_eof"]


@pytest.mark.parametrize("end", [SecureTransport.close, SecureTransport.abort])
async def test_what_came_with_the_handshake_is_not_told_to_who_has_closed(
    end: Callable[[SecureTransport], None],
) -> None:
    scene = ended_at_once(end, b"early")
    assert scene.application.told == ["made"]
    assert scene.application.reads == 0
    assert scene.heard() == b"refused"


class SlowWire(Wire):
    """Takes some bytes between two looks at what is left, until it takes no more."""

    def __init__(self, *left: int) -> None:
        super().__init__()
        self.left = list(left)

    def get_write_buffer_size(self) -> int:
        return self.left.pop(0)


ENDS: list[Callable[[Scene], object]] = [
    lambda scene: scene.secure.close(),
    lambda scene: scene.secure.eof_received(),
    lambda scene: scene.secure.data_received(b"this is no record of TLS"),
]


@pytest.mark.parametrize("end", ENDS, ids=["closed here", "closed there", "failed"])
async def test_a_closed_connection_is_cut_once_the_peer_takes_nothing_more(
    end: Callable[[Scene], object],
) -> None:
    scene = Scene(seconds=0.01).shake()
    wire = scene.secure._wire = SlowWire(3, 2, 1, 1)
    end(scene)
    async with asyncio.timeout(DEADLINE):
        while "abort" not in wire.did:
            await asyncio.sleep(0.01)
    assert wire.left == []


async def test_a_closed_connection_that_is_gone_is_looked_at_no_more() -> None:
    scene = Scene(seconds=0.01).shake()
    wire = scene.secure._wire = SlowWire(1)
    scene.secure.close()
    scene.secure.connection_lost(None)
    await asyncio.sleep(0.05)
    assert wire.did == ["close"]


async def ended_by_a_peer_that_is_gone() -> Application:
    server, client = contexts(ssl.TLSVersion.TLSv1_3)

    def serve(listening: socket.socket) -> None:
        with server.wrap_socket(listening.accept()[0], server_side=True) as peer:
            peer.sendall(b"all")
            peer.settimeout(0)
            with suppress(ssl.SSLWantReadError):
                peer.unwrap()

    loop, application = asyncio.get_running_loop(), Application()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ready = loop.create_future()
        secure = SecureTransport(client, application, name="provider.example", seconds=DEADLINE, ready=ready)
        serving = loop.run_in_executor(None, serve, listening)
        await loop.create_connection(lambda: secure, *listening.getsockname())
        await ready
        secure.pause_reading()
        await serving
        secure.resume_reading()
        async with asyncio.timeout(DEADLINE):
            while not application.lost:
                await asyncio.sleep(0.01)
    return application


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_end_of_a_peer_that_is_gone_already_is_no_error(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        application = runner.run(ended_by_a_peer_that_is_gone())
    assert application.read == b"all"
    assert application.told == ["made", "eof", "lost"]
    assert application.lost == [None]


async def test_with_the_last_data_the_application_is_told_that_the_peer_has_ended() -> None:
    class Asking(Application):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            assert isinstance(self.transport, SecureTransport)
            self.told.append("closing" if self.transport.is_closing() else "open")

    scene = Scene()
    scene.application = scene.secure.application = Asking()
    scene.shake()
    scene.says(b"first")
    scene.peer.write(b"last")
    scene.secure.data_received(scene.from_peer.read() + scene.peer_ends())
    assert scene.application.told == ["made", "open", "closing", "eof"]
    assert scene.wire.did == ["close"]


async def test_a_failed_handshake_leaves_nothing_for_the_garbage_collector() -> None:
    scene = Scene(dials=False, mutual=True).shake()
    assert scene.wire.did == ["close"]
    application = weakref.ref(scene.application)
    gc.collect()
    gc.disable()
    try:
        scene.secure.connection_lost(None)
        del scene
        assert application() is None
    finally:
        gc.enable()
