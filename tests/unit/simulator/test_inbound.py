import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.simulator.inbound import HEAD_LIMIT, End, Head, Inbound, MalformedError, Part

LIMIT = 1000
TWO_REQUESTS = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nX-MiXed: One\r\nx-mixed: two\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /b?c=d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    b"GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
)


def read(pieces: Sequence[bytes]) -> list[tuple[Head, bytes]]:
    """Feed the pieces; the result is each request's head and its whole body."""
    inbound = Inbound(LIMIT)
    requests: list[tuple[Head, bytes]] = []
    ended = 0
    for piece in pieces:
        inbound.push(piece)
        for event in inbound.events():
            match event:
                case Head():
                    requests.append((event, b""))
                case Part(data):
                    requests[-1] = (requests[-1][0], requests[-1][1] + data)
                case End():
                    ended += 1
    assert ended == len(requests)
    return requests


def test_heads_keep_order_case_repetition_and_framing() -> None:
    (first, body), (second, chunked), (third, empty) = read([TWO_REQUESTS])
    assert first.line == b"POST /a HTTP/1.1"
    assert first.headers == (
        (b"Host", b"h"),
        (b"X-MiXed", b"One"),
        (b"x-mixed", b"two"),
        (b"Content-Length", b"5"),
    )
    assert (body, chunked, empty) == (b"hello", b"abcde", b"")
    assert (first.length, second.length, third.length) == (5, None, 0)
    assert (first.keep_alive, third.keep_alive) == (True, False)


@given(cuts=st.lists(st.integers(0, len(TWO_REQUESTS)), max_size=12))
def test_requests_cut_anywhere_read_the_same(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(TWO_REQUESTS)]
    pieces = [TWO_REQUESTS[start:end] for start, end in itertools.pairwise(borders)]
    assert read(pieces) == read([TWO_REQUESTS])


def test_requests_byte_by_byte_read_the_same() -> None:
    assert read([bytes([byte]) for byte in TWO_REQUESTS]) == read([TWO_REQUESTS])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not http at all\r\n\r\n", id="no request line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n", id="header without colon"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", id="two lengths"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            id="length and chunked",
        ),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="coded transfer"),
        pytest.param(b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", id="upgrade"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunk size not hexadecimal"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", id="chunk longer than told"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", id="trailers"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", id="body above the limit"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", id="chunked body above the limit"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT, id="endless head"),
    ],
)
def test_what_is_no_strict_request_is_refused(data: bytes) -> None:
    inbound = Inbound(LIMIT)
    inbound.push(data)
    with pytest.raises(MalformedError):
        list(inbound.events())
