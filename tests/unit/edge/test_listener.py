"""Connections: how many there may be, which give way, and how they end."""

import asyncio
import json
import os
import resource
import socket
import ssl
import time
from pathlib import Path

import pytest

from fakes.handler import RecordingHandler, echo
from openclaude.edge import listener, sockets
from openclaude.edge.admission import Door
from openclaude.edge.listener import Listener
from openclaude.edge.tls import Loopback
from openclaude.launcher import certificates
from openclaude.launcher.control import client_context
from openclaude.launcher.state import open_state
from support.patience import DEADLINE
from support.served import SECRET, Served, read_answer, serving, status, until

pytestmark = pytest.mark.anyio


async def test_connections_that_say_nothing_do_not_keep_others_out() -> None:
    async with serving(most=20) as served:
        silent = [await served.connect() for _ in range(20)]
        assert status(await served.talk(served.head(Content_Length=b"0"), until_close=False)) == 200
        assert served.listener.connections <= 20
        for _, writer in silent:
            writer.transport.abort()
        await asyncio.sleep(0)


async def test_beyond_the_most_requests_one_is_told_to_come_back_and_the_others_are_served() -> None:
    async with serving(RecordingHandler(lambda _: None), most=3) as served:
        busy = [await served.connect() for _ in range(3)]
        for _, writer in busy:
            writer.write(served.head(Content_Length=b"0"))
        await until(lambda: len(served.handler.exchanges) == 3)
        refused = await served.talk(served.head(Content_Length=b"0"))
        assert status(refused) == 529
        assert b"\r\nretry-after: 2\r\n" in refused
        assert b"\r\nx-should-retry: true\r\n" in refused
        error = json.loads(refused.partition(b"\r\n\r\n")[2])["error"]
        assert error["type"] == "overloaded_error"
        assert "hint: " in error["message"]
        assert len(served.handler.exchanges) == 3
        for exchange in served.handler.exchanges:
            echo(exchange)
        for reader, writer in busy:
            assert status(await read_answer(reader)) == 200
            writer.close()
            await writer.wait_closed()
        await until(lambda: served.listener.connections == 0)


async def test_each_of_a_crowd_is_refused_and_none_of_them_stays() -> None:
    async with serving(RecordingHandler(lambda _: None), most=1) as served:
        _, busy = await served.connect()
        busy.write(served.head(Content_Length=b"0"))
        await until(lambda: served.handler.exchanges)
        crowd = [await served.connect() for _ in range(50)]
        await until(lambda: served.listener.connections <= 2)
        async with asyncio.timeout(DEADLINE):
            reading = (reader.read() for reader, _ in crowd)
            answers = await asyncio.gather(*reading)
        for writer in (busy, *(writer for _, writer in crowd)):
            writer.transport.abort()
            await writer.wait_closed()
        await until(lambda: served.listener.connections == 0)
        assert [status(answer) for answer in answers] == [529] * 50


def test_there_are_never_more_connections_than_descriptors_for_both_their_ends() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (264, hard))
    try:
        assert listener.most_connections() == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_stopping_lets_an_answer_finish_and_accepts_nothing_more() -> None:
    handler = RecordingHandler(lambda exchange: None)
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"0"))
        await until(lambda: handler.exchanges and handler.exchanges[0].events)
        stopping = asyncio.create_task(served.listener.stop(grace=DEADLINE))
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await served.connect()
        echo(handler.exchanges[0])
        assert status(await reader.read()) == 200
        await stopping
        writer.close()


async def whole_answer(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes."""
    return await asyncio.wait_for(reader.read(), DEADLINE)


async def stopped(served: Served) -> None:
    await asyncio.wait_for(served.listener.stop(grace=DEADLINE), DEADLINE)


def both_ends(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Mutual TLS: the server's context and the client's."""
    pairs = certificates.ensure(open_state(folder / "home"))
    return Loopback(lambda: pairs, time.time).mutual, client_context(pairs)


class ShutByArrival(Listener):
    """A listener that is shut between the moment it accepts a connection and the one it hears that it was made."""

    def _accepted(self, tls: ssl.SSLContext | None) -> asyncio.Protocol:
        self.loop.call_soon(self._end)
        return super()._accepted(tls)

    def _end(self) -> None:
        self.shut(grace=9 * DEADLINE, awaited=DEADLINE)
        self.stopping = self.loop.create_task(self.stop(grace=0))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_was_accepted_in_the_turn_of_the_end_is_served(
    secure: bool, tmp_path: Path
) -> None:
    server, client = both_ends(tmp_path) if secure else (None, None)
    bound = sockets.bind(0)
    port = bound.getsockname()[1]
    door = Door(port, SECRET, "id")
    shut = ShutByArrival(door, RecordingHandler(), report=pytest.fail)
    await shut.start(bound, server)
    opening = asyncio.create_task(asyncio.open_connection("127.0.0.1", port, ssl=client))
    reader, writer = await opening
    writer.write(b"GET /%b/api/hello HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (SECRET, port))
    answer = await whole_answer(reader)
    assert status(answer) == 200
    assert b"\r\nconnection: close\r\n" in answer
    writer.close()
    await asyncio.wait_for(shut.stopping, DEADLINE)


@pytest.mark.parametrize("sent", [0, 1, 40], ids=["nothing", "a byte", "half a head"])
async def test_a_connection_without_a_request_yet_gets_one_answer_after_the_end(sent: int) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        request = served.head(Content_Length=b"2") + b"hi"
        writer.write(request[:sent])
        await until(lambda: [c for c in served.listener._connections if c.idle is not (sent > 0)])
        served.listener.shut(grace=DEADLINE, awaited=DEADLINE)
        stopping = asyncio.create_task(stopped(served))
        await asyncio.sleep(3 * listener.STEP_SECONDS)
        writer.write(request[sent:])
        answer = await whole_answer(reader)
        assert answer.endswith(b"\r\nconnection: close\r\n\r\nhi")
        await stopping
        writer.close()


async def test_a_request_that_lies_in_the_socket_at_the_end_is_answered() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        request = served.head(Content_Length=b"2") + b"hi"
        writer.write(request)
        assert b"connection" not in await read_answer(reader)
        os.write(writer.get_extra_info("socket").fileno(), request)  # at once, while the loop stands still
        served.listener.shut(grace=DEADLINE)
        await stopped(served)
        assert (await whole_answer(reader)).endswith(b"\r\nconnection: close\r\n\r\nhi")
        writer.close()


async def test_a_connection_that_rests_after_an_answer_is_closed_at_once() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"0"))
        await read_answer(reader)
        served.listener.shut(grace=DEADLINE, awaited=DEADLINE * 9)
        await stopped(served)
        assert await whole_answer(reader) == b""
        writer.close()


@pytest.mark.parametrize("awaited", [0.0, 0.1], ids=["not awaited", "no longer awaited"])
async def test_a_connection_that_says_nothing_is_closed_when_it_is_no_longer_awaited(awaited: float) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        await until(lambda: served.listener.connections)
        served.listener.shut(grace=DEADLINE, awaited=awaited)
        await stopped(served)
        assert await whole_answer(reader) == b""
        writer.close()


async def listening(tls: ssl.SSLContext) -> tuple[Listener, int]:
    """A listener behind TLS, and its port."""
    bound = sockets.bind(0)
    port = bound.getsockname()[1]
    made = Listener(Door(port, SECRET, "id"), RecordingHandler(), report=pytest.fail)
    await made.start(bound, tls)
    return made, port


async def test_a_handshake_that_stands_still_is_cut_when_it_is_no_longer_awaited(tmp_path: Path) -> None:
    server, _ = both_ends(tmp_path)
    stood, port = await listening(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: stood._shaking)
    for secure in stood._shaking.values():
        assert secure._timer is not None
        secure._timer.cancel()  # its own end would come later, and is not meant here
    stood.shut(grace=9 * DEADLINE, awaited=0.1)
    await asyncio.wait_for(stood.stop(grace=0), DEADLINE)
    assert stood._shaking == {}
    assert await whole_answer(reader) == b""
    writer.close()


async def test_a_request_has_its_own_time_after_a_handshake_that_was_under_way(tmp_path: Path) -> None:
    server, client = both_ends(tmp_path)
    shut, port = await listening(server)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.setblocking(False)
        await until(lambda: shut._shaking)
        shut.shut(grace=9 * DEADLINE, awaited=DEADLINE)
        shut._awaited_until = shut.loop.time()
        reader, writer = await asyncio.open_connection(sock=raw, ssl=client, server_hostname="127.0.0.1")
        await until(lambda: shut.connections)
        stopping = asyncio.create_task(shut.stop(grace=0))
        await asyncio.sleep(3 * listener.STEP_SECONDS)
        writer.write(b"GET /%b/api/hello HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (SECRET, port))
        assert status(await whole_answer(reader)) == 200
        writer.close()
        await asyncio.wait_for(stopping, DEADLINE)


async def test_a_listener_that_is_shut_before_it_starts_lets_nobody_in() -> None:
    bound = sockets.bind(0)
    early = Listener(Door(bound.getsockname()[1], SECRET, "id"), RecordingHandler(), report=pytest.fail)
    early.shut(grace=0)
    await early.start(bound)
    assert bound.fileno() == -1
    await early.stop(grace=0)


async def test_the_listener_is_bound_to_loopback_only() -> None:
    async with serving() as served:
        assert served.socket.getsockname()[0] == "127.0.0.1"
