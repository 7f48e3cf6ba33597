"""Connections: how many there may be, which give way, and how they end."""

import asyncio
import json
import resource

import pytest

from fakes.handler import RecordingHandler, echo
from openclaude.edge import listener
from support.patience import DEADLINE
from support.served import read_answer, serving, status, until

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


async def test_the_listener_is_bound_to_loopback_only() -> None:
    async with serving() as served:
        assert served.socket.getsockname()[0] == "127.0.0.1"
