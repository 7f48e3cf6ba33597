import asyncio

import pytest

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin
from openclaude.edge.connection import Call, UpstreamConnection
from openclaude.edge.trouble import trouble

pytestmark = pytest.mark.anyio
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """A transport that takes everything and knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        """It never fills."""

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Keeper:
    """A pool of one connection."""

    def __init__(self) -> None:
        self.idle: list[UpstreamConnection] = []
        self.reported: list[BaseException] = []
        self.report = self.reported.append

    def give_back(self, connection: UpstreamConnection) -> None:
        self.idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """It keeps nothing else."""

    def trouble(self, what: str) -> ApiError:
        return trouble(Origin("api.anthropic.com"), what)


class Heard:
    """A receiver that keeps what it is told."""

    def __init__(self, on_complete=lambda: None) -> None:
        self.told: list[object] = []
        self.on_complete = on_complete

    def head(self, status, headers, length) -> None:
        self.told.append(status)

    def data(self, data) -> None:
        self.told.append(data)

    def complete(self) -> None:
        self.told.append("complete")
        self.on_complete()

    def failed(self, error: ApiError) -> None:
        self.told.append(error)

    def upstream_full(self) -> None:
        """It never is."""

    def upstream_drained(self) -> None:
        """It never is."""


def connected() -> tuple[UpstreamConnection, Keeper, Wire]:
    keeper, wire = Keeper(), Wire()
    connection = UpstreamConnection(keeper)
    connection.connection_made(wire)
    return connection, keeper, wire


def ask(connection: UpstreamConnection, heard: Heard) -> None:
    connection.begin(Call(heard, 0), (b"request",))


async def test_a_connection_answers_one_request_after_the_other() -> None:
    connection, keeper, wire = connected()
    for _ in range(3):
        heard = Heard()
        ask(connection, heard)
        connection.data_received(ANSWER[:20])
        connection.data_received(ANSWER[20:])
        assert heard.told == [200, b"ok", "complete"]
        assert keeper.idle.pop() is connection
    assert not wire.closed


@pytest.mark.parametrize(
    "more", [b"H", b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"\0", ANSWER, b"\r\n\r\nHTTP/1.1 2"]
)
async def test_a_connection_that_brings_more_than_was_asked_for_is_not_used_again(more: bytes) -> None:
    connection, keeper, wire = connected()
    heard = Heard()
    ask(connection, heard)
    connection.data_received(ANSWER + more)
    assert heard.told == [200, b"ok", "complete"]
    assert wire.closed
    assert keeper.idle == []


async def test_what_follows_an_answer_is_never_the_answer_to_the_next_request() -> None:
    connection, keeper, wire = connected()
    second = Heard()
    first = Heard(lambda: ask(connection, second) if keeper.idle else None)
    ask(connection, first)
    connection.data_received(ANSWER + ANSWER)
    assert first.told == [200, b"ok", "complete"]
    assert second.told == []
    assert wire.closed


async def test_an_interim_answer_is_not_the_answer() -> None:
    connection, keeper, _ = connected()
    heard = Heard()
    ask(connection, heard)
    connection.data_received(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER)
    assert heard.told == [200, b"ok", "complete"]
    assert keeper.idle == [connection]


async def test_a_receiver_that_fails_at_the_end_is_reported_and_ends_the_connection() -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    connection, keeper, wire = connected()
    ask(connection, Heard(broken))
    connection.data_received(ANSWER)
    assert [str(error) for error in keeper.reported] == ["a bug"]
    assert wire.closed
