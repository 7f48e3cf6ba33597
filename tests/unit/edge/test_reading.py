"""Requests as they arrive: cut anywhere, repeated, chunked, refused, or too slow."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from fakes.handler import RecordedExchange, RecordingHandler, echo
from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.policies import Passthrough
from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import InboundRequest, SafeHeaders, UpstreamRequest
from openclaude.edge.reading import BODY_SECONDS, HEAD_SECONDS, STALL_SECONDS
from openclaude.edge.server import ClientConnection
from openclaude.ports import ClientSide
from support.patience import DEADLINE
from support.served import read_answer, serving, status, until

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def uploading(
    length: bytes, data: bytes
) -> AsyncIterator[tuple[ClientConnection, asyncio.StreamWriter, float]]:
    """A request of which some bytes have arrived: the server's connection, the client's writer, and the loop's time."""
    handler = RecordingHandler(lambda exchange: None)
    async with serving(handler) as served:
        _, writer = await served.connect()
        writer.write(served.head(Content_Length=length) + data)
        await until(lambda: handler.exchanges and handler.exchanges[0].pieces)
        yield next(iter(served.listener._connections)), writer, asyncio.get_running_loop().time()
        writer.close()


async def test_a_body_arrives_as_it_was_sent_and_the_connection_is_kept() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        for body in (b"one", b"two" * 100_000):
            writer.write(served.head(Content_Length=b"%d" % len(body)) + body)
            answer = await read_answer(reader)
            assert answer.endswith(b"\r\n\r\n" + body)
        writer.close()


async def test_each_request_of_a_connection_has_the_login_and_the_path_of_its_own_head(canary) -> None:
    first, second = canary().encode(), canary().encode()
    async with serving() as served:
        reader, writer = await served.connect()
        for login, path in (
            (first, ""),
            (first, ""),
            (second, ""),
            (first, "?beta=true"),
            (first, "?beta=true"),
        ):
            head = served.head(b"/v1/messages" + path.encode(), X_Api_Key=login, Content_Length=b"2")
            writer.write(head + b"{}")
            assert (await read_answer(reader)).endswith(b"{}")
        writer.close()
        exchanges = served.handler.exchanges
    request = UpstreamRequest(b"POST", b"/", SafeHeaders(), 0)
    sent = [
        credential_lines(Passthrough().authorize(request, exchange.credential))
        for exchange in exchanges
        if exchange.credential is not None
    ]
    assert sent == [b"X-Api-Key: %b\r\n" % login for login in (first, first, second, first, first)]
    assert [exchange.request.query for exchange in exchanges] == [b"", b"", b"", b"?beta=true", b"?beta=true"]
    assert len({exchange.request.id for exchange in exchanges}) == 5


async def test_a_head_that_was_seen_before_may_not_come_before_the_last_answer_either() -> None:
    def first_only(exchange: RecordedExchange) -> None:
        if exchange is handler.exchanges[0]:
            echo(exchange)

    handler = RecordingHandler(first_only)
    async with serving(handler) as served:
        reader, writer = await served.connect()
        head = served.head(Content_Length=b"2")
        writer.write(head + b"{}")
        await read_answer(reader)
        writer.write(head + b"{}" + head + b"{}")
        assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
        writer.close()
    assert len(handler.exchanges) == 2


@pytest.mark.parametrize("cut", [30, -7, -6, -5, -1], ids=["head", "its end", "no body", "part", "most"])
async def test_a_repeated_request_is_served_wherever_it_is_cut(cut: int) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        whole = served.head(Content_Length=b"6") + b"abcdef"
        writer.write(whole)
        await read_answer(reader)
        connection = next(iter(served.listener._connections))
        connection.data_received(whole[:cut])
        connection.data_received(whole[cut:])
        assert (await read_answer(reader)).endswith(b"\r\n\r\nabcdef")
        assert served.handler.exchanges[1].events == ["complete"]
        writer.close()


async def test_repeated_requests_out_of_one_read_are_answered_in_turn() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"1") + b"a")
        await read_answer(reader)
        writer.write(served.head(Content_Length=b"1") + b"b" + served.head(Content_Length=b"2") + b"cd")
        assert (await read_answer(reader)).endswith(b"\r\n\r\nb")
        assert (await read_answer(reader)).endswith(b"\r\n\r\ncd")
        writer.close()


async def test_a_repeated_request_that_is_answered_before_its_end_is_not_completed_again() -> None:
    class Early(RecordedExchange):
        def body(self, data: bytes) -> None:
            super().body(data)
            echo(self)

        def whole(self, data: bytes, start: int) -> None:
            self.body(data[start:])

    class Handler(RecordingHandler):
        def begin(
            self, request: InboundRequest, credential: ClientCredential | None, client: ClientSide
        ) -> RecordedExchange:
            self.exchanges.append(Early(request, credential, client, echo))
            return self.exchanges[-1]

    async with serving(Handler()) as served:
        reader, writer = await served.connect()
        for body in (b"a", b"bc", b"d"):
            writer.write(served.head(Content_Length=b"%d" % len(body)) + body)
            assert (await read_answer(reader)).endswith(b"\r\n\r\n" + body)
        assert [exchange.events for exchange in served.handler.exchanges] == [[], [], []]
        writer.close()


async def test_a_chunked_body_arrives_whole() -> None:
    async with serving() as served:
        raw = served.head(Transfer_Encoding=b"chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert (await served.talk(raw, until_close=False)).endswith(b"abcde")
        assert served.handler.exchanges[0].request.content_length is None


async def test_a_request_cut_into_single_bytes_is_served() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        for byte in served.head(Content_Length=b"2") + b"{}":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await read_answer(reader)).endswith(b"{}")
        writer.close()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"POST /wrong/v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", 401, id="no secret"),
        pytest.param(b"GARBAGE\r\n\r\n", 400, id="not HTTP"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="the preface of HTTP/2"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", 400, id="HTTP/1.0"),
        pytest.param(b"GET /\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, id="a folded header"),
        pytest.param(b"POST / HTTP/1.1\nHost: a\n\n", 400, id="bare line feeds"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="two framings",
        ),
        pytest.param(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="CONNECT"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 400, id="upgrade"
        ),
        pytest.param(b"POST / HTTP/1.1\r\n" + b"X: " + b"a" * 70_000, 431, id="a head without end"),
    ],
)
async def test_a_request_that_is_not_let_in_gets_an_anthropic_error_and_a_closed_connection(
    raw, expected
) -> None:
    async with serving() as served:
        answer = await served.talk(raw)
        assert status(answer) == expected
        assert b"connection: close" in answer
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        assert body["type"] == "error"
        assert body["error"]["message"].startswith("openClaude: ")
        assert served.handler.exchanges == []


async def test_what_follows_a_refused_request_on_its_connection_is_never_served() -> None:
    async with serving() as served:
        bad = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
        await served.talk(bad + served.head(Content_Length=b"0"))
        assert served.handler.exchanges == []


async def test_a_chunked_body_over_the_limit_ends_the_exchange() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(served.head(Transfer_Encoding=b"chunked"))
        piece = b"%x\r\n%b\r\n" % (1 << 20, b"a" * (1 << 20))
        with contextlib.suppress(ConnectionError):
            for _ in range(66):
                writer.write(piece)
                await writer.drain()
            await reader.read()
        assert "left" in served.handler.exchanges[0].events
        writer.close()


async def test_an_early_answer_is_followed_by_the_next_request_on_the_same_connection() -> None:
    handler = RecordingHandler()
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"4") + b"ab")
        await until(lambda: handler.exchanges and handler.exchanges[0].pieces)
        echo(handler.exchanges[0])
        assert (await read_answer(reader)).endswith(b"\r\n\r\nab")
        writer.write(b"cd" + served.head(Content_Length=b"1") + b"x")
        assert (await read_answer(reader)).endswith(b"\r\n\r\nx")
        writer.close()


async def test_a_second_request_before_the_first_is_answered_cuts_the_connection() -> None:
    async with serving(RecordingHandler(lambda exchange: None)) as served:
        answer = await served.talk(served.head(Content_Length=b"0") + served.head(Content_Length=b"0"))
        assert answer == b""
        assert served.handler.exchanges[0].events == ["complete", "left"]


async def test_an_upload_that_its_provider_does_not_take_is_overdue_in_the_end() -> None:
    async with uploading(b"5", b"ab") as (connection, _, now):
        connection.pause_body()
        assert not connection.overdue(now + STALL_SECONDS - 1)
        assert connection.overdue(now + STALL_SECONDS + 1)
        connection.resume_body()
        assert not connection.overdue(now + STALL_SECONDS + 1)


async def test_a_body_that_stands_still_is_overdue_and_one_that_goes_on_is_not() -> None:
    async with uploading(b"90000", b"a") as (connection, writer, now):
        assert not connection.overdue(now + BODY_SECONDS - 1)
        writer.write(b"a" * 40_000)
        await until(lambda: connection._body_bytes == 40_001)
        assert not connection.overdue(now + BODY_SECONDS + 1)
        writer.write(b"a" * 9_999)
        await until(lambda: connection._body_bytes == 50_000)
        assert not connection.overdue(now + 2 * BODY_SECONDS)
        assert connection.overdue(now + 2 * BODY_SECONDS + 2)


async def test_a_whole_body_is_never_overdue() -> None:
    async with uploading(b"2", b"ab") as (connection, _, now):
        assert not connection.overdue(now + 100 * BODY_SECONDS)
        assert not connection.overdue(now + 200 * BODY_SECONDS)


async def test_a_head_that_is_not_whole_in_time_is_overdue() -> None:
    async with serving() as served:
        _, writer = await served.connect()
        writer.write(b"\r\nPOST / HTTP/1.1\r\n")
        await until(lambda: [each for each in served.listener._connections if not each.idle])
        connection = next(iter(served.listener._connections))
        now = asyncio.get_running_loop().time()
        assert not connection.overdue(now + HEAD_SECONDS - 5)
        assert connection.overdue(now + HEAD_SECONDS + 1)
        writer.close()


async def test_a_large_head_that_comes_at_once_is_refused_too() -> None:
    async with serving() as served:
        large = served.head(Content_Length=b"0", X_Large=b"a" * (64 * 1024))
        assert status(await served.talk(large)) == 431
        assert served.handler.exchanges == []


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"3;x=y\r\nabc\r\n0\r\n\r\n", id="an extension"),
        pytest.param(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", id="a trailer"),
        pytest.param(b"3\r\nabcd\r\n0\r\n\r\n", id="a size that is too small"),
        pytest.param(b"3\nabc\n0\n\n", id="bare line feeds"),
        pytest.param(b"0x3\r\nabc\r\n0\r\n\r\n", id="a size with a prefix"),
    ],
)
async def test_chunks_with_anything_extra_end_the_connection_and_the_exchange(chunks: bytes) -> None:
    async with serving() as served:
        answer = await served.talk(served.head(Transfer_Encoding=b"chunked") + chunks)
        assert answer == b""
        assert served.handler.exchanges[0].events == ["left"]


async def test_the_next_request_after_chunks_is_served_even_out_of_the_same_read() -> None:
    handler = RecordingHandler()
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Transfer_Encoding=b"chunked") + b"1\r\na\r\n")
        await until(lambda: handler.exchanges and handler.exchanges[0].pieces)
        echo(handler.exchanges[0])
        assert (await read_answer(reader)).endswith(b"\r\n\r\na")
        writer.write(b"1\r\nb\r\n0\r\n\r\n" + served.head(Content_Length=b"1") + b"x")
        assert (await read_answer(reader)).endswith(b"\r\n\r\nx")
        writer.close()


async def test_an_expectation_is_answered_before_the_body() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"2", Expect=b"100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await read_answer(reader)).endswith(b"{}")
        writer.close()
