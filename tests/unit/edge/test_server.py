"""Answers as they are written, and what the exchange hears of the client meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.handler import RecordedExchange, RecordingHandler
from openclaude.domain.http import CLOSE
from openclaude.edge.server import SMALL
from support.served import Served, read_answer, serving, status, until

pytestmark = pytest.mark.anyio


async def test_a_repeated_request_whose_answer_says_so_is_the_last_of_its_connection() -> None:
    def refuse_the_second(exchange: RecordedExchange) -> None:
        closing = [CLOSE] if len(handler.exchanges) == 2 else []
        exchange.client.start(400, [(b"a", b"b"), *closing], 0)
        exchange.client.end()

    handler = RecordingHandler(refuse_the_second)
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"1") + b"a")
        assert b"connection" not in await read_answer(reader)
        writer.write(served.head(Content_Length=b"1") + b"a")
        assert await asyncio.wait_for(reader.read(), 5) == (
            b"HTTP/1.1 400 Bad Request\r\na: b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        writer.close()


async def test_an_answer_without_a_length_is_sent_in_chunks() -> None:
    def stream(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], None)
        exchange.client.write(b"event: ping\n\n")
        exchange.client.write(b"")
        exchange.client.end()

    async with serving(RecordingHandler(stream)) as served:
        answer = await served.talk(served.head(Content_Length=b"0"), until_close=False)
        assert b"transfer-encoding: chunked" in answer
        assert answer.endswith(b"\r\n\r\nd\r\nevent: ping\n\n\r\n0\r\n\r\n")


class Written:
    """A transport that counts what is written."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        assert transport is not None
        self._transport = transport
        self.sizes: list[int] = []

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self._transport.write(data)


@contextlib.asynccontextmanager
async def counted(served: Served, request: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, list[int]]]:
    """A request on a connection of its own: what its answer is read from, and the size of each write."""
    reader, writer = await served.connect()
    await until(lambda: served.listener.connections)
    connection = next(iter(served.listener._connections))
    connection._transport = written = Written(connection._transport)  # type: ignore[assignment]
    connection.data_received(request)
    yield reader, written.sizes
    connection._transport = written._transport
    writer.close()


@pytest.mark.parametrize(("size", "writes"), [(1, 1), (SMALL, 1), (SMALL + 1, 2)])
async def test_a_head_and_the_beginning_of_its_body_are_written_together(size: int, writes: int) -> None:
    async with serving() as served:
        request = served.head(Content_Length=b"%d" % size) + b"a" * size
        async with counted(served, request) as (reader, sizes):
            assert len(await read_answer(reader)) == sum(sizes)
            assert len(sizes) == writes


@pytest.mark.parametrize(("size", "bodies"), [(0, [0]), (SMALL, [SMALL]), (SMALL + 1, [0, SMALL + 1])])
async def test_an_answer_that_is_there_as_a_whole_is_written_in_the_turn_it_is_given(
    size: int, bodies: list[int]
) -> None:
    def answer(exchange: RecordedExchange) -> None:
        exchange.client.whole(200, [(b"a", b"b")], b"a" * size)

    head = b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: %d\r\n\r\n" % size
    async with (
        serving(RecordingHandler(answer)) as served,
        counted(served, served.head(Content_Length=b"1") + b"a") as (reader, sizes),
    ):
        assert sizes[0] == len(head) + bodies[0]
        assert sizes[1:] == bodies[1:]
        assert await read_answer(reader) == head + b"a" * size


@pytest.mark.parametrize(
    ("length", "line", "body"),
    [
        (3, b"content-length: 3", b"abc"),
        (None, b"transfer-encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
    ],
)
async def test_a_head_does_not_wait_for_its_body(length: int | None, line: bytes, body: bytes) -> None:
    def head_only(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], length)

    handler = RecordingHandler(head_only)
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"1") + b"a")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head == b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % line
        handler.exchanges[0].client.write(b"abc")
        handler.exchanges[0].client.end()
        assert await reader.readexactly(len(body)) == body
        writer.close()


@pytest.mark.parametrize(("size", "writes"), [(1, 2), (SMALL - 8, 2), (SMALL, 3)])
async def test_a_streams_head_leaves_with_its_first_event_and_its_end_with_its_last(
    size: int, writes: int
) -> None:
    def stream(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], None)
        exchange.client.write(b"a" * size)
        exchange.client.end(b"last")

    async with (
        serving(RecordingHandler(stream)) as served,
        counted(served, served.head(Content_Length=b"1") + b"a") as (reader, sizes),
    ):
        answer = await asyncio.wait_for(reader.readexactly(sum(sizes)), 5)
        assert answer.endswith(b"\r\n\r\n%x\r\n%b\r\n4\r\nlast\r\n0\r\n\r\n" % (size, b"a" * size))
        assert len(sizes) == writes


async def test_the_last_bytes_of_an_answer_with_a_length_come_behind_its_head() -> None:
    def answer(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], 4)
        exchange.client.end(b"last")

    async with serving(RecordingHandler(answer)) as served:
        said = await served.talk(served.head(Content_Length=b"0"), until_close=False)
        assert said.endswith(b"content-length: 4\r\n\r\nlast")
        without = await served.talk(served.head(b"/api/hello", b"HEAD", Connection=b"close"))
        assert without == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"


async def test_head_gets_the_head_of_an_answer_and_no_body() -> None:
    async with serving() as served:
        raw = served.head(b"/api/hello", b"HEAD", Connection=b"close")
        answer = await served.talk(raw)
        assert status(answer) == 200
        assert answer.endswith(b"\r\n\r\n")


async def test_head_gets_no_body_of_an_answer_that_is_there_as_a_whole() -> None:
    async with serving(RecordingHandler(lambda exchange: exchange.client.whole(200, [], b"{}"))) as served:
        answer = await served.talk(served.head(b"/api/hello", b"HEAD", Connection=b"close"))
        assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"


async def test_a_client_that_leaves_is_reported_to_the_exchange() -> None:
    async with serving(RecordingHandler(lambda exchange: None)) as served:
        _, writer = await served.connect()
        writer.write(served.head(Content_Length=b"5") + b"ab")
        await until(lambda: served.handler.exchanges and served.handler.exchanges[0].pieces)
        writer.transport.abort()
        await until(lambda: "left" in served.handler.exchanges[0].events)


async def test_a_client_that_reads_slowly_is_reported_until_it_caught_up() -> None:
    def flood(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], None)
        for _ in range(200):
            exchange.client.write(b"a" * 65536)

    async with serving(RecordingHandler(flood)) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"0"))
        await until(lambda: served.handler.exchanges and "full" in served.handler.exchanges[0].events)
        await reader.readexactly(10_000_000)
        await until(lambda: "drained" in served.handler.exchanges[0].events)
        writer.close()


async def test_an_aborted_answer_cannot_pass_for_a_whole_one() -> None:
    def broken(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], None)
        exchange.client.write(b"half")
        asyncio.get_running_loop().call_later(0.05, exchange.client.abort)

    async with serving(RecordingHandler(broken)) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"0"))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await read_answer(reader)
        writer.close()


async def test_a_bug_in_the_handler_is_an_anthropic_500_and_is_reported_without_its_text() -> None:
    def bug(exchange: RecordedExchange) -> None:
        raise RuntimeError("the body said: secret")

    async with serving(RecordingHandler(bug)) as served:
        answer = await served.talk(served.head(Content_Length=b"0"))
        assert answer == b"" or status(answer) == 500
        assert b"secret" not in answer
        assert [type(error) for error in served.reported] == [RuntimeError]
