import asyncio
import contextlib
import json
import resource
from collections.abc import AsyncIterator

import pytest

from fakes.handler import RecordedExchange, RecordingHandler, echo
from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.policies import Passthrough
from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import CLOSE, InboundRequest, SafeHeaders, UpstreamRequest
from openclaude.edge import listener, sockets
from openclaude.edge.admission import Door
from openclaude.edge.listener import Listener
from openclaude.edge.reading import BODY_SECONDS, HEAD_SECONDS, STALL_SECONDS
from openclaude.edge.server import SMALL, ClientConnection
from openclaude.ports import ClientSide
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio
SECRET = b"s" * 40


class Served:
    """A listener on a free port, with a raw socket client."""

    def __init__(self, handler: RecordingHandler, most: int | None) -> None:
        self.handler = handler
        self.reported: list[BaseException] = []
        self.socket = sockets.bind(0)
        self.port = self.socket.getsockname()[1]
        self.listener = Listener(
            Door(self.port, SECRET, "id"), handler, report=self.reported.append, most=most
        )

    def head(self, path=b"/v1/messages", method=b"POST", **headers: bytes) -> bytes:
        kind = {"Content_Type": b"application/json"} if method == b"POST" else {}
        shown = {"Host": b"127.0.0.1:%d" % self.port} | kind | headers
        lines = b"".join(
            name.replace("_", "-").encode() + b": " + value + b"\r\n" for name, value in shown.items()
        )
        return b"%b /%b%b HTTP/1.1\r\n%b\r\n" % (method, SECRET, path, lines)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def talk(self, data: bytes, *, until_close: bool = True) -> bytes:
        """Send bytes and read until the server closes (or one answer with a Content-Length is complete)."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read() if until_close else read_answer(reader), DEADLINE)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head + await reader.readuntil(b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def serving(
    handler: RecordingHandler | None = None, *, most: int | None = None
) -> AsyncIterator[Served]:
    served = Served(handler or RecordingHandler(), most)
    await served.listener.start(served.socket)
    try:
        yield served
    finally:
        await served.listener.stop(grace=0)


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


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


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


@pytest.mark.parametrize(("size", "writes"), [(1, 1), (SMALL, 1), (SMALL + 1, 2)])
async def test_a_head_and_the_beginning_of_its_body_are_written_together(size: int, writes: int) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        await until(lambda: served.listener.connections)
        connection = next(iter(served.listener._connections))
        connection._transport = written = Written(connection._transport)  # type: ignore[assignment]
        connection.data_received(served.head(Content_Length=b"%d" % size) + b"a" * size)
        assert len(await read_answer(reader)) == sum(written.sizes)
        assert len(written.sizes) == writes
        connection._transport = written._transport
        writer.close()


async def test_a_head_does_not_wait_for_its_body() -> None:
    def head_only(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], 3)

    handler = RecordingHandler(head_only)
    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"1") + b"a")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
        handler.exchanges[0].client.write(b"abc")
        handler.exchanges[0].client.end()
        assert await reader.readexactly(3) == b"abc"
        writer.close()


async def test_head_gets_the_head_of_an_answer_and_no_body() -> None:
    async with serving() as served:
        raw = served.head(b"/api/hello", b"HEAD", Connection=b"close")
        answer = await served.talk(raw)
        assert status(answer) == 200
        assert answer.endswith(b"\r\n\r\n")


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


async def test_an_expectation_is_answered_before_the_body() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(served.head(Content_Length=b"2", Expect=b"100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await read_answer(reader)).endswith(b"{}")
        writer.close()


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


async def test_the_listener_is_bound_to_loopback_only() -> None:
    async with serving() as served:
        assert served.socket.getsockname()[0] == "127.0.0.1"


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)
