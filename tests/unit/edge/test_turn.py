"""What waits for the end of a turn of the loop."""

import asyncio

import pytest

from openclaude.edge.turn import Turn
from support.served import read_answer, serving, until

pytestmark = pytest.mark.anyio


async def test_what_is_put_off_happens_in_order_when_the_turn_ends() -> None:
    turn, done = Turn(asyncio.get_running_loop()), list[int]()
    for number in range(3):
        turn.last(lambda number=number: done.append(number))
    assert done == []
    await asyncio.sleep(0)
    assert done == [0, 1, 2]
    turn.last(lambda: done.append(3))
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3]


async def test_what_cannot_be_done_is_told_and_holds_nothing_else_up() -> None:
    loop, told, done = asyncio.get_running_loop(), list[object](), list[int]()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    turn = Turn(loop)

    def broken() -> None:
        raise RuntimeError("no")

    turn.last(broken)
    turn.last(lambda: done.append(1))
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert done == [1]
    assert [type(error) for error in told] == [RuntimeError]


@pytest.mark.parametrize("end", ["close", "leave"])
async def test_an_answer_that_waits_leaves_before_its_connection_is_closed(end: str) -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        await until(lambda: served.listener.connections)
        connection = next(iter(served.listener._connections))
        connection.data_received(served.head(Content_Length=b"1") + b"a")
        getattr(connection, end)()
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_answers_that_wait_leave_in_their_order() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        await until(lambda: served.listener.connections)
        connection = next(iter(served.listener._connections))
        for body in (b"first", b"second"):
            connection.data_received(served.head(Content_Length=b"%d" % len(body)) + body)
        assert (await read_answer(reader)).endswith(b"\r\n\r\nfirst")
        assert (await read_answer(reader)).endswith(b"\r\n\r\nsecond")
        writer.close()
