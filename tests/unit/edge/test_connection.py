import asyncio

import pytest

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin
from openclaude.edge.call import Call
from openclaude.edge.connection import UpstreamConnection
from openclaude.edge.slices import SLICE
from openclaude.edge.trouble import trouble
from openclaude.ports import Receiver

pytestmark = pytest.mark.anyio
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """A transport that takes everything and knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = self.paused = False

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        """It never fills."""

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

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


class Heard(Receiver):
    """A receiver that keeps what it is told."""

    def __init__(self, on_complete=lambda: None) -> None:
        self.told: list[object] = []
        self.heads: list[object] = []
        self.on_complete = on_complete

    def head(self, status, headers, length) -> None:
        self.told.append(status)
        self.heads.append((headers, length))

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


class Taking(Heard):
    """A receiver that wants answers as a whole where they come so."""

    def whole(self, status, headers, body) -> bool:
        self.head(status, headers, len(body))
        self.told += [body, "complete"] if body else ["complete"]
        return True


def connected() -> tuple[UpstreamConnection, Keeper, Wire]:
    keeper, wire = Keeper(), Wire()
    connection = UpstreamConnection(keeper)
    connection.connection_made(wire)
    return connection, keeper, wire


def ask(connection: UpstreamConnection, heard: Heard) -> None:
    connection.begin(Call(heard, 0), (b"request",))


class Ending(Heard):
    """A receiver that keeps apart what it is told to be last."""

    def rest(self, data) -> None:
        self.told.append(("rest", data))


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ([b"2\r\nab\r\n0\r\n\r\n"], [("rest", b"ab")]),
        ([b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"], [("rest", b"abc")]),
        ([b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n"], [b"ab", ("rest", b"c")]),
        ([b"2\r\nab\r\n", b"0\r\n\r\n"], [b"ab"]),
        ([b"2\r\nab\r\n0\r\n\r\nmore"], [("rest", b"ab")]),
    ],
)
async def test_the_last_bytes_of_an_answer_are_told_as_such(reads: list[bytes], told: list[object]) -> None:
    connection, _, _ = connected()
    heard = Ending()
    ask(connection, heard)
    for read in (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *reads):
        connection.data_received(read)
    assert heard.told == [200, *told, "complete"]


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


async def test_an_answer_before_the_request_was_sent_is_the_last_on_its_connection() -> None:
    connection, keeper, wire = connected()
    heard = Heard()
    connection.begin(Call(heard, 1), (b"a byte is missing",))
    connection.data_received(ANSWER)
    assert heard.told == [200, b"ok", "complete"]
    assert wire.closed
    assert keeper.idle == []


async def test_what_is_left_of_a_long_request_goes_before_the_next() -> None:
    connection, keeper, wire = connected()
    call = Call(Heard(), 0)
    connection.begin(call, (b"head", b"x" * 3 * SLICE))
    connection.data_received(ANSWER)
    assert keeper.idle == [connection]
    connection.begin(Call(Heard(), 0), (b"next", b"body"))
    while connection.full:
        await asyncio.sleep(0)
    assert b"".join(wire.written) == b"head" + b"x" * 3 * SLICE + b"nextbody"


async def test_a_connection_that_rested_is_read_again_for_the_next_request() -> None:
    connection, keeper, wire = connected()
    ask(connection, Heard())
    connection.data_received(ANSWER[:-1])
    connection.pause()
    assert wire.paused
    connection.data_received(ANSWER[-1:])
    assert keeper.idle == [connection]
    assert not wire.paused


LIKE = (
    b"HTTP/1.1 200 OK\r\nDate: a 1\r\nConnection: keep-alive\r\nContent-Length: 2\r\nrequest-id: r\r\n\r\nok"
)
ODD = b"\0\t\r\n !,-/0123:;AaHTu\x7f\x80\xff"


def altered() -> list[bytes]:
    """Every answer that differs from `LIKE` by a byte more, less or other."""
    texts = {LIKE}
    for at in range(len(LIKE) + 1):
        texts.add(LIKE[:at] + LIKE[at + 1 :])
        for byte in ODD:
            texts.add(LIKE[:at] + bytes([byte]) + LIKE[at:])
            texts.add(LIKE[:at] + bytes([byte]) + LIKE[at + 1 :])
    return sorted(texts)


def heard(
    pieces: list[bytes], *, known: bool, listener: type[Heard] = Heard
) -> tuple[list[object], bool, list[str]]:
    """What a receiver is told of an answer, whether the connection is kept, and what was reported.

    A `known` connection has read two answers of the form of `LIKE` before.
    """
    connection, keeper, wire = connected()
    for _ in range(2 * known):
        ask(connection, Heard())
        connection.data_received(LIKE)
        keeper.idle.clear()
    listening = listener()
    ask(connection, listening)
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    told = [str(each) for each in (*listening.told, *listening.heads)]
    return told, bool(keeper.idle) and not wire.closed, [str(each) for each in keeper.reported]


@pytest.mark.parametrize("listener", [Heard, Taking])
async def test_a_head_of_a_known_form_is_read_as_llhttp_reads_it_whatever_byte_is_altered(
    listener: type[Heard],
) -> None:
    for text in altered():
        known, kept, reported = heard([text], known=True, listener=listener)
        read, reusable, _ = heard([text], known=False)
        assert (known, reported) == (read, []), text
        assert kept == reusable or (reusable and text.rstrip(b"\r\n") == LIKE), text


async def test_an_answer_with_a_head_of_a_known_form_may_be_cut_anywhere() -> None:
    whole = heard([LIKE], known=False)
    for at in range(1, len(LIKE)):
        pieces = [LIKE[:at], LIKE[at:]]
        assert heard(pieces, known=True) == heard(pieces, known=False), at
        told = heard(pieces, known=True)[0]
        assert [each for each in told if each not in {"b'o'", "b'k'", "b'ok'"}] == [
            whole[0][0],
            *whole[0][2:],
        ]


async def test_an_answer_of_a_known_form_that_breaks_off_is_not_whole() -> None:
    for at in range(1, len(LIKE)):
        told, kept, _ = heard([LIKE[:at]], known=True)
        assert (told, kept) == heard([LIKE[:at]], known=False)[:2]
        assert not kept
        assert any("before the answer was complete" in each for each in told)


async def test_what_follows_an_interim_answer_is_llhttps_to_read() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    for pieces in ([early, LIKE], [early + b"HTT", LIKE], [early + b"HTT", LIKE[3:]], [early + LIKE]):
        assert heard(pieces, known=True) == heard(pieces, known=False), pieces


async def test_an_answer_of_a_known_form_may_be_empty() -> None:
    empty = LIKE[:-2].replace(b"Length: 2", b"Length: 0")
    told, kept, _ = heard([empty], known=True)
    assert (told[:2], kept) == (["200", "complete"], True)


async def test_heads_that_are_never_alike_get_no_form() -> None:
    connection, _, _ = connected()
    for number in range(4):
        ask(connection, Heard())
        connection.data_received(LIKE.replace(b"request-id", b"request-%d" % number))
    assert connection._form is None


async def test_an_answer_that_does_not_come_at_once_is_told_in_parts_to_those_who_want_it_whole() -> None:
    for at in range(1, len(LIKE)):
        pieces = [LIKE[:at], LIKE[at:]]
        assert heard(pieces, known=True, listener=Taking) == heard(pieces, known=True), at


@pytest.mark.parametrize("where", ["whole", "head", "data", "complete"])
async def test_a_receiver_that_fails_in_an_answer_of_a_known_form_is_reported(where: str) -> None:
    connection, keeper, wire = connected()
    for _ in range(2):
        ask(connection, Heard())
        connection.data_received(LIKE)
    broken = Heard()
    setattr(broken, where, lambda *_: {}["a bug"])
    ask(connection, broken)
    connection.data_received(LIKE)
    assert [str(error) for error in keeper.reported] == ["'a bug'"]
    assert wire.closed


async def test_a_receiver_that_gives_up_at_the_head_of_a_known_form_hears_nothing_more() -> None:
    connection, keeper, wire = connected()
    for _ in range(2):
        ask(connection, Heard())
        connection.data_received(LIKE)
    keeper.idle.clear()

    class Leaving(Heard):
        """Has no use for an answer."""

        def head(self, status, headers, length) -> None:
            super().head(status, headers, length)
            call.cancel()

    leaving = Leaving()
    call = Call(leaving, 0)
    call.attach(connection)
    connection.data_received(LIKE)
    assert leaving.told == [200]
    assert wire.closed
    assert keeper.idle == []
