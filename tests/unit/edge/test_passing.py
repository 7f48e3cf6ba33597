"""Chunks that go from a provider to a client as they stand: which ones may."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.handler import RecordedExchange, RecordingHandler
from openclaude.domain.errors import ApiError
from openclaude.edge.call import Call
from openclaude.edge.connection import UpstreamConnection
from openclaude.wire.chunks import LONGEST, data_of, framed
from support.served import serving
from unit.edge.test_connection import Heard, Keeper, Wire, connected

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Passing(Heard):
    """A receiver that takes chunks as they stand, marked by a tuple."""

    call: Call

    def head(self, status, headers, length) -> None:
        super().head(status, headers, length)
        self.call.pass_chunks(self.take)

    def take(self, chunk: bytes) -> None:
        self.told.append((chunk,))

    @property
    def body(self) -> bytes:
        return b"".join(
            data_of(item) if isinstance(item, tuple) else item
            for item in self.told
            if isinstance(item, bytes | tuple)
        )


def asking() -> tuple[UpstreamConnection, Passing, Keeper, Wire]:
    connection, keeper, wire = connected()
    heard = Passing()
    ask(connection, heard)
    return connection, heard, keeper, wire


def ask(connection: UpstreamConnection, heard: Passing) -> None:
    heard.call = Call(heard, 0)
    heard.call.attach(connection)


async def test_a_chunk_that_comes_alone_passes_as_it_stands() -> None:
    connection, heard, keeper, _ = asking()
    for read in (HEAD, framed(b"one"), framed(b"two"), framed(b"3" * 4000), END):
        connection.data_received(read)
    assert heard.told == [200, (b"3\r\none\r\n",), (b"3\r\ntwo\r\n",), (framed(b"3" * 4000),), "complete"]
    assert keeper.idle == [connection]


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param([framed(b"a") + framed(b"b")], id="two at once"),
        pytest.param([b"03\r\nabc\r\n"], id="a size with a zero in front"),
        pytest.param([b"A\r\n0123456789\r\n"], id="a size in upper case"),
        pytest.param([b"3;x=y\r\nabc\r\n"], id="an extension"),
        pytest.param([framed(b"x" * LONGEST)], id="a long one"),
        pytest.param([b"3\r\nab", b"c\r\n"], id="in two reads"),
        pytest.param([b"3\r\nabc", b"\r\n"], id="its line end alone"),
        pytest.param([b"3\r\n", b"abc\r\n"], id="its size alone"),
    ],
)
async def test_a_chunk_of_another_form_is_read(reads: list[bytes]) -> None:
    connection, heard, _, _ = asking()
    for read in (HEAD + framed(b"first"), *reads):
        connection.data_received(read)
    assert not [item for item in heard.told if isinstance(item, tuple)]
    connection.data_received(framed(b"next"))
    assert heard.told[-1] == (framed(b"next"),)


async def test_what_looks_like_a_chunk_inside_of_one_is_data() -> None:
    connection, heard, _, _ = asking()
    connection.data_received(HEAD + framed(b"first"))
    inner = framed(b"3" * 6)
    for read in (b"%x\r\n" % (3 * len(inner)), inner, inner, inner, b"\r\n", END):
        connection.data_received(read)
    assert heard.told == [200, b"first", inner, inner, inner, "complete"]


async def test_what_looks_like_a_chunk_in_an_answer_without_chunks_is_data() -> None:
    connection, heard, _, _ = asking()
    for read in (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"first\r\n", framed(b"abc")):
        connection.data_received(read)
    connection.eof_received()
    connection.connection_lost(None)
    assert heard.told == [200, b"first\r\n", framed(b"abc"), "complete"]


async def test_what_looks_like_a_chunk_may_be_the_rest_of_a_size_and_what_follows_it() -> None:
    connection, heard, _, _ = asking()
    for read in (HEAD + framed(b"first") + b"1", b"3\r\nabc\r\n", b"x" * 14 + b"\r\n", END):
        connection.data_received(read)
    assert heard.told == [200, b"first", b"abc\r\n", b"x" * 14, "complete"]


@pytest.mark.parametrize("bad", [b"4\r\nabc\r\n", b"2\r\nabc\r\n", b"3\r\nabcde", b"x\r\nabc\r\n", b"\0" * 9])
async def test_chunks_that_are_none_end_the_answer_also_after_some_have_passed(bad: bytes) -> None:
    connection, heard, _, wire = asking()
    for read in (HEAD + framed(b"a"), framed(b"b"), bad, framed(b"c"), framed(b"d")):
        connection.data_received(read)
    assert isinstance(heard.told[-1], ApiError)
    assert wire.closed
    assert (framed(b"b"),) in heard.told


async def test_the_next_answer_on_the_connection_passes_only_where_its_receiver_wants_it() -> None:
    connection, _, keeper, _ = asking()
    for read in (HEAD + framed(b"a"), framed(b"b"), END):
        connection.data_received(read)
    again = Passing()
    ask(connection, again)
    for read in (HEAD + framed(b"a"), framed(b"b"), framed(b"c") + END):
        connection.data_received(read)
    assert again.told == [200, b"a", (framed(b"b"),), b"c", "complete"]
    assert keeper.idle == [connection, connection]
    plain = Heard()
    connection.begin(Call(plain, 0), (b"request",))
    for read in (HEAD + framed(b"a"), framed(b"b"), END):
        connection.data_received(read)
    assert plain.told == [200, b"a", b"b", "complete"]


async def test_nothing_passes_once_the_call_is_cancelled() -> None:
    connection, heard, _, wire = asking()
    connection.data_received(HEAD + framed(b"a"))
    heard.call.cancel()
    connection.data_received(framed(b"b"))
    assert heard.told == [200, b"a"]
    assert wire.closed


async def test_nothing_passes_once_a_call_was_cancelled_by_what_it_brought() -> None:
    class Cancelling(Passing):
        def data(self, data: bytes) -> None:
            super().data(data)
            self.call.cancel()

    connection, _, wire = connected()
    heard = Cancelling()
    ask(connection, heard)
    connection.data_received(HEAD + framed(b"a"))
    connection.data_received(framed(b"b"))
    assert heard.told == [200, b"a"]
    assert wire.closed


async def test_a_taker_that_fails_is_reported_and_ends_the_connection() -> None:
    class Broken(Passing):
        def take(self, chunk: bytes) -> None:
            raise RuntimeError("a bug")

    connection, keeper, wire = connected()
    heard = Broken()
    ask(connection, heard)
    connection.data_received(HEAD + framed(b"a"))
    connection.data_received(framed(b"b"))
    assert [str(error) for error in keeper.reported] == ["a bug"]
    assert isinstance(heard.told[-1], ApiError)
    assert wire.closed


FORMS = (b"%x\r\n", b"%X\r\n", b"0%x\r\n", b"%x;n=v\r\n")


@given(
    st.lists(st.tuples(st.sampled_from(FORMS), st.binary(min_size=1, max_size=30)), max_size=8),
    st.lists(st.integers(0, 400), max_size=12),
)
@settings(deadline=None)
async def test_an_answer_is_the_same_wherever_it_is_cut(
    chunks: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    pieces = [form % len(data) + data + b"\r\n" for form, data in chunks]
    stream = HEAD + b"".join(pieces) + END
    ends = [sum(map(len, pieces[:count])) for count in range(len(pieces))]
    edges = sorted({0, len(stream), *(len(HEAD) + place for place in (*cuts[::2], *ends[1::2])), *cuts[1::2]})
    connection, heard, keeper, _ = asking()
    for start, end in pairwise([edge for edge in edges if edge <= len(stream)]):
        connection.data_received(stream[start:end])
    assert heard.body == b"".join(data for _, data in chunks)
    assert heard.told[-1] == "complete"
    assert keeper.idle == [connection]


async def test_chunks_are_taken_whole_where_the_answer_is_sent_in_chunks_and_only_there() -> None:
    def stream(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], None)
        assert exchange.client.chunk_writer() is None
        exchange.client.write(b"one")
        write = exchange.client.chunk_writer()
        assert write is not None
        write(b"3\r\ntwo\r\n")
        exchange.client.write(b"three")
        exchange.client.end()

    def whole(exchange: RecordedExchange) -> None:
        exchange.client.start(200, [], 2)
        assert exchange.client.chunk_writer() is None
        exchange.client.write(b"{}")
        exchange.client.end()

    async with serving(RecordingHandler(stream)) as served:
        answer = await served.talk(served.head(Content_Length=b"0"), until_close=False)
        assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")
        assert served.reported == []
    async with serving(RecordingHandler(whole)) as served:
        answer = await served.talk(served.head(Content_Length=b"0"), until_close=False)
        assert answer.endswith(b"\r\n\r\n{}")
        assert served.reported == []
