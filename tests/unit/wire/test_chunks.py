from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.wire.chunks import LONGEST, MAX_CHUNKS, ChunkedBody, data_of, framed, head_of
from openclaude.wire.http1 import HeadError


def encoded(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.binary(max_size=10),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_a_body_is_the_same_wherever_it_is_cut(pieces: list[bytes], after: bytes, cuts: list[int]) -> None:
    data, body, found = encoded(pieces) + after, ChunkedBody(), b""
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    rest = b""
    for start, end in pairwise(edges):
        if body.done:
            rest += data[start:end]
        else:
            found += b"".join(body.feed(data[start:end]))
            rest += body.rest
    assert (found, body.done, rest) == (b"".join(pieces), True, after)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"5;name=value\r\n", id="an extension"),
        pytest.param(b"5 \r\n", id="a blank after the size"),
        pytest.param(b" 5\r\n", id="a blank before the size"),
        pytest.param(b"0x5\r\n", id="a prefix"),
        pytest.param(b"+5\r\n", id="a sign"),
        pytest.param(b"-1\r\n", id="a negative size"),
        pytest.param(b"5_0\r\n", id="a Python number"),
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b"000000005\r\n", id="nine digits"),
        pytest.param(b"ffffffffffffffff1\r\n", id="more than 64 bits"),
        pytest.param(b"5\n12345\n", id="bare line feeds"),
        pytest.param(b"5\r12345\r", id="bare carriage returns"),
        pytest.param(b"5\r\n123456\r\n", id="more data than announced"),
        pytest.param(b"5\r\n12345\n", id="a bare line feed after data"),
        pytest.param(b"0\r\nTrailer: x\r\n\r\n", id="a trailer"),
        pytest.param(b"0\r\n\n", id="half an empty line"),
    ],
)
def test_anything_but_plain_chunks_is_refused_wherever_it_is_cut(data: bytes) -> None:
    with pytest.raises(HeadError):
        ChunkedBody().feed(data)
    body = ChunkedBody()
    with pytest.raises(HeadError):
        all(body.feed(data[at : at + 1]) is not None for at in range(len(data)))


def test_a_body_of_endless_small_chunks_is_refused() -> None:
    body = ChunkedBody()
    body.feed(b"1\r\na\r\n" * MAX_CHUNKS)
    with pytest.raises(HeadError):
        body.feed(b"1\r\na\r\n")


@given(st.integers(1, LONGEST - 7) | st.sampled_from([1, 15, 16, 255, 256, 4087, 4088, 4089]))
def test_the_head_of_a_chunk_is_known_by_how_long_it_is_in_all(size: int) -> None:
    chunk = framed(bytes(size))
    assert chunk.startswith(head_of(len(chunk)))
    assert data_of([chunk, chunk]) == bytes(2 * size)


def test_no_chunk_of_data_is_so_long_that_its_size_would_not_fit_nor_empty() -> None:
    lengths = {len(framed(bytes(size))) for size in range(1, 5000)}
    for size in set(range(LONGEST + 1)) - lengths:
        assert len(head_of(size)) > size


@given(
    st.binary(max_size=24)
    | st.builds(bytes.__add__, st.sampled_from([b"3\r\n", b"0\r\n", b"10\r\n"]), st.binary())
)
def test_what_begins_and_ends_as_its_length_says_is_one_chunk_and_nothing_else(data: bytes) -> None:
    for read in (data, data + b"\r\n", head_of(len(data)) + data):
        if read.startswith(head_of(len(read))) and read.endswith(b"\r\n"):
            body = ChunkedBody()
            (piece,) = body.feed(read)
            assert (framed(piece), body.done, body.rest) == (read, False, b"")
            assert body.feed(b"0\r\n\r\n") == []
            assert body.done
