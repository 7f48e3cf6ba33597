import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from openclaude.simulator.certs import Authority
from openclaude.simulator.http import RECORD_LIMIT, Handler, Server, Setup, head_bytes
from openclaude.simulator.inbound import HEAD_LIMIT
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import (
    FOREVER,
    Cut,
    Ending,
    Framing,
    Pause,
    Raw,
    Reply,
    json_reply,
    redirect,
)
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
DATE = (("date", "Sun, 22 Nov 2026 00:00:00 GMT"),)


def fixed(reply: Reply) -> Handler:
    return lambda row, body: reply


@asynccontextmanager
async def connected(
    handler: Handler, setup: Setup | None = None
) -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    async with Server(handler, name="s", setup=setup) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield server, reader, writer
        finally:
            writer.transport.abort()


async def exchange(handler: Handler, data: bytes) -> bytes:
    """Send the bytes on one connection; the result is all that came back until the server closed."""
    async with connected(handler) as (_, reader, writer):
        writer.write(data)
        return await asyncio.wait_for(reader.read(), DEADLINE)


def done(count: int) -> Callable[[tuple[Recorded, ...]], bool]:
    return lambda rows: len(rows) == count and all(row.finished for row in rows)


async def test_a_whole_answer_has_its_length_and_nothing_unasked_for() -> None:
    answer = await exchange(fixed(Reply(200, (("X-Case", "kept"), *DATE), (b"ab", b"cd"))), LAST)
    assert answer == (
        b"HTTP/1.1 200 OK\r\nX-Case: kept\r\ndate: Sun, 22 Nov 2026 00:00:00 GMT\r\ncontent-length: 4\r\n\r\nabcd"
    )


async def test_a_chunked_answer_sends_each_piece_as_a_chunk() -> None:
    answer = await exchange(fixed(Reply(200, DATE, (b"a" * 16, b"b"), Framing.CHUNKED)), LAST)
    assert answer.endswith(b"transfer-encoding: chunked\r\n\r\n10\r\naaaaaaaaaaaaaaaa\r\n1\r\nb\r\n0\r\n\r\n")


async def test_a_body_may_end_with_the_connection() -> None:
    answer = await exchange(fixed(Reply(200, DATE, (b"abc",), Framing.CLOSE)), GET)
    assert answer.endswith(b"connection: close\r\n\r\nabc")


async def test_a_head_request_gets_no_body() -> None:
    answer = await exchange(fixed(json_reply({"a": 1})), LAST.replace(b"GET", b"HEAD"))
    assert answer.endswith(b"content-length: 7\r\n\r\n")


async def test_an_answer_without_content_has_no_framing() -> None:
    assert await exchange(fixed(Reply(204, DATE)), LAST) == head_bytes(204, DATE)


async def test_informational_heads_go_first() -> None:
    reply = Reply(200, DATE, informational=((103, (("link", "</a>"),)), (102, ())))
    answer = await exchange(fixed(reply), LAST)
    assert answer.startswith(
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n"
    )


async def test_an_unassigned_status_and_a_huge_header_go_out_as_given() -> None:
    answer = await exchange(fixed(Reply(529, (("x-huge", "y" * 100_000),))), LAST)
    assert answer.startswith(b"HTTP/1.1 529 \r\nx-huge: " + b"y" * 100_000 + b"\r\n")


async def test_a_redirect_names_its_target() -> None:
    answer = await exchange(fixed(redirect("https://evil.invalid/x", status=302)), LAST)
    assert answer.startswith(b"HTTP/1.1 302 Found\r\nlocation: https://evil.invalid/x\r\n")


@pytest.mark.parametrize("declared", [2, 10])
async def test_a_declared_length_may_be_wrong(declared: int) -> None:
    reply = Reply(200, DATE, (b"abcd", Cut(Ending.EOF)), declared_length=declared)
    answer = await exchange(fixed(reply), GET)
    assert answer.endswith(b"content-length: %d\r\n\r\nabcd" % declared)


async def test_a_chunk_may_be_malformed() -> None:
    reply = Reply(200, DATE, (b"ok", Raw(b"zz\r\nbad"), Cut(Ending.EOF)), Framing.CHUNKED)
    answer = await exchange(fixed(reply), GET)
    assert answer.endswith(b"\r\n\r\n2\r\nok\r\nzz\r\nbad")


async def test_an_answer_may_end_early_and_cleanly() -> None:
    reply = Reply(200, DATE, (b"ab", Cut(Ending.EOF), b"never"), Framing.CHUNKED)
    answer = await exchange(fixed(reply), GET)
    assert answer.endswith(b"\r\n\r\n2\r\nab\r\n")


async def test_an_answer_may_end_before_its_head() -> None:
    assert await exchange(fixed(Reply(pieces=(Cut(Ending.EOF),), head=False)), GET) == b""
    assert await exchange(fixed(Reply(pieces=(b"HTT", Cut(Ending.EOF)), head=False)), GET) == b"HTT"


async def test_an_answer_may_be_cut_by_a_reset() -> None:
    reply = Reply(200, DATE, (b"ab", Pause(0.05), Cut(Ending.RESET)), Framing.CHUNKED)
    async with connected(fixed(reply)) as (server, reader, writer):
        writer.write(GET)
        assert (await reader.readuntil(b"2\r\nab\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        (row,) = await server.seen(done(1))
        assert row.aborted_after is None


async def test_a_head_may_be_held_until_the_peer_gives_up() -> None:
    async with connected(fixed(Reply(200, hold=FOREVER))) as (server, reader, writer):
        writer.write(GET)
        (row,) = await server.seen(lambda rows: any(row.received for row in rows))
        writer.close()
        (row,) = await server.seen(lambda rows: any(row.aborted_after is not None for row in rows))
        assert (row.answered, row.finished) == (None, None)
        assert row.aborted_after is not None
        assert row.aborted_after >= 0
        assert await reader.read() == b""


async def test_a_peer_that_leaves_in_mid_stream_is_noticed() -> None:
    pieces = (b"first", Pause(FOREVER))
    async with connected(fixed(Reply(200, DATE, pieces, Framing.CHUNKED))) as (server, reader, writer):
        writer.write(GET)
        await reader.readuntil(b"first\r\n")
        writer.transport.abort()
        (row,) = await server.seen(lambda rows: any(row.aborted_after is not None for row in rows))
        assert row.answered is not None
        assert row.finished is None


async def test_a_peer_that_leaves_in_mid_request_is_recorded_with_what_it_sent() -> None:
    async with connected(fixed(Reply())) as (server, _, writer):
        writer.write(b"POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
        await server.seen(lambda rows: len(rows) == 1)
        writer.close()
        (row,) = await server.seen(lambda rows: any(row.aborted_after is not None for row in rows))
        assert (row.received, row.body, row.body_length) == (None, None, 3)
        assert row.body_sha256 == hashlib.sha256(b"abc").hexdigest()


async def test_the_recorder_sees_the_exact_bytes() -> None:
    setup = Setup(keep_raw=True)
    first = b"POST /a%2Fb?q=%20 HTTP/1.1\r\nHoSt: h\r\nX-A: 1\r\nx-a:   2  \r\nContent-Length: 3\r\n\r\n\x00\xff\n"
    async with connected(fixed(Reply()), setup) as (server, reader, writer):
        writer.write(first + LAST)
        await reader.read()
        one, two = await server.seen(done(2))
        assert one.request_line == b"POST /a%2Fb?q=%20 HTTP/1.1"
        assert one.headers == ((b"HoSt", b"h"), (b"X-A", b"1"), (b"x-a", b"2  "), (b"Content-Length", b"3"))
        assert one.body == b"\x00\xff\n"
        assert one.body_sha256 == hashlib.sha256(b"\x00\xff\n").hexdigest()
        assert (one.number, one.connection, two.number, two.connection) == (0, 0, 1, 0)
        assert two.target == b"/last"
        assert list(server.log.wires()) == [first + LAST]
        times = [one.arrived, one.received, one.answered, one.finished]
        assert times == sorted(time for time in times if time is not None)


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    def handler(row: Recorded, body: bytes) -> Reply:
        return Reply(200, DATE, (row.target,), hold=0.02 if row.number == 0 else 0.0)

    answer = await exchange(handler, GET + LAST)
    assert [part.rsplit(b"\r\n\r\n", 1)[-1] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"/x",
        b"/last",
    ]


async def test_connections_are_numbered() -> None:
    async with Server(fixed(Reply()), name="s") as server:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(LAST)
            await reader.read()
            writer.close()
        assert [row.connection for row in server.requests()] == [0, 1, 2]


async def test_a_large_body_is_answered_and_logged_by_digest() -> None:
    body = bytes(range(256)) * (30 * 4096)
    assert len(body) > RECORD_LIMIT
    sizes: list[int] = []

    def handler(row: Recorded, data: bytes) -> Reply:
        sizes.append(len(data))
        return Reply(200, DATE, (data,))

    async with connected(handler) as (server, reader, writer):
        writer.write(b"POST /big HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        answer = await reader.read()
        (row,) = await server.seen(done(1))
    assert sizes == [len(body)]
    assert (row.body, row.body_length, row.body_sha256) == (None, len(body), hashlib.sha256(body).hexdigest())
    assert answer.endswith(b"\r\n\r\n" + body)


async def test_a_peer_that_expects_to_be_asked_is_asked() -> None:
    async with connected(fixed(Reply(200, DATE))) as (_, reader, writer):
        writer.write(
            b"POST / HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "llhttp refuses the head", id="no HTTP"),
        pytest.param(b"x" * (HEAD_LIMIT + 1), f"a head of more than {HEAD_LIMIT} bytes", id="endless head"),
    ],
)
async def test_what_is_no_request_is_refused_and_noted(data: bytes, reason: str) -> None:
    async with connected(fixed(Reply())) as (server, reader, writer):
        writer.write(data)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        (refusal,) = server.log.refusals()
    assert refusal.startswith(f"s, connection 0: {reason}")


async def test_a_script_that_raises_is_a_500_that_quotes_it() -> None:
    def handler(row: Recorded, body: bytes) -> Reply:
        raise KeyError("forgotten")

    async with connected(handler) as (server, reader, writer):
        writer.write(LAST)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"KeyError('forgotten')" in answer
        assert server.log.refusals() == ("s, connection 0: the handler raised KeyError('forgotten')",)


async def test_a_peer_that_does_not_read_is_waited_for() -> None:
    piece = b"x" * 65_536
    async with connected(fixed(Reply(200, DATE, (piece,) * 400, Framing.CHUNKED))) as (
        server,
        reader,
        writer,
    ):
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        writer.write(LAST)
        await server.seen(lambda rows: any(row.answered for row in rows))
        await asyncio.sleep(0.05)
        assert server.requests()[0].finished is None
        received = len(await reader.read())
        await server.seen(done(1))
    assert received > 400 * len(piece)


async def test_the_server_speaks_tls_under_its_name() -> None:
    authority = Authority()
    setup = Setup(tls=authority.server_context("api.anthropic.com"))
    async with Server(fixed(Reply(200, DATE, (b"secret",))), name="s", setup=setup) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=authority.client_context(), server_hostname="api.anthropic.com"
        )
        writer.write(LAST)
        assert (await reader.read()).endswith(b"secret")
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=authority.client_context(), server_hostname="other.invalid"
            )
        assert server.base_url == f"https://127.0.0.1:{server.port}"
        assert len(server.requests()) == 1


async def test_closing_the_server_drops_running_answers() -> None:
    async with connected(fixed(Reply(200, hold=FOREVER))) as (server, reader, writer):
        writer.write(GET)
        await server.seen(lambda rows: any(row.received for row in rows))
        await server.close()
        assert await reader.read() == b""
        (row,) = server.requests()
        assert (row.finished, row.aborted_after) == (None, None)
