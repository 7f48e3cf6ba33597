"""The floor program with the duties does them: a floor that leaves one out would be too low."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest

from benchmarks import duties
from benchmarks.programs import Upstream
from support.patience import DEADLINE

BODY = b'{"model":"claude-test-4-5","stream":false,"messages":[]}'
REQUEST = (
    b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
    b"Content-Length: %d\r\nX-Last: 1\r\n\r\n%b" % (len(BODY), BODY)
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


Read = Callable[[asyncio.StreamReader], Awaitable[bytes]]


async def _whole(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def _answers(upstream: int, count: int, read: Read = _whole) -> list[bytes]:
    """The answers to one request again and again on one connection."""
    relay = duties.KnownRelay(upstream, None)
    server = await asyncio.get_running_loop().create_server(relay.accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answers = []
    for _ in range(count):
        writer.write(REQUEST)
        answers.append(await asyncio.wait_for(read(reader), DEADLINE))
    for far in relay.idle:
        assert far.transport is not None
        far.transport.close()
    writer.close()
    server.close()
    await asyncio.sleep(0.01)
    return answers


def test_a_repeated_head_is_routed_metered_and_logged(upstream: Upstream) -> None:
    first, second, third = asyncio.run(_answers(upstream.plain, 3))
    named = b"x-openclaude-route: anthropic\r\nx-openclaude-model: claude-test-4-5\r\n"
    assert second == third
    assert second.replace(named, b"") == first
    assert second != first
    duties.LOG.flush()
    log = os.pread(duties.LOG.descriptor, 10_000, 0).decode()
    lines = [line for line in log.splitlines() if "model=claude-test-4-5 route=anthropic" in line]
    assert len(lines) == 2
    assert "tokens=-" not in log
    assert f"in={len(BODY)} " in lines[0]


def test_a_stream_that_comes_in_one_read_is_passed_on_as_any_other() -> None:
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n0\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(64 * 1024):
            writer.write(stream)
        writer.close()

    async def streams() -> list[bytes]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as upstream:
            port = upstream.sockets[0].getsockname()[1]
            return await _answers(port, 3, lambda reader: reader.readuntil(b"0\r\n\r\n"))

    assert asyncio.run(streams()) == [stream] * 3
