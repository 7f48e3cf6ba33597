from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.wire import http1
from openclaude.wire.http1 import HeadError, check_request, check_response, head_end

HOST = (b"Host", b"127.0.0.1:4000")


def status_of(*headers, method=b"POST", version="1.1", target=b"/v1/messages") -> int:
    try:
        check_request(method, version, target, headers)
    except HeadError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([HOST], 200, id="a host is enough"),
        pytest.param([], 400, id="no host"),
        pytest.param([HOST, HOST], 400, id="two hosts"),
        pytest.param([HOST, (b"Content-Length", b"5"), (b"content-length", b"5")], 400, id="two lengths"),
        pytest.param([HOST, (b"Content-Length", b"+5")], 400, id="a signed length"),
        pytest.param([HOST, (b"Content-Length", b"0x5")], 400, id="a hexadecimal length"),
        pytest.param(
            [HOST, (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")], 400, id="both framings"
        ),
        pytest.param([HOST, (b"Transfer-Encoding", b"gzip, chunked")], 400, id="a coding before chunked"),
        pytest.param([HOST, (b"Transfer-Encoding", b"Chunked")], 400, id="chunked in other letters"),
        pytest.param([HOST, (b"Transfer-Encoding", b"chunked")], 200, id="chunked"),
        pytest.param([HOST, (b"Authorization", b"a"), (b"authorization", b"b")], 400, id="two logins"),
        pytest.param([HOST, (b"x_api_key", b"a")], 400, id="an underscore alias"),
        pytest.param([HOST, (b"transfer_encoding", b"chunked")], 400, id="an alias of the framing"),
        pytest.param([HOST, (b"proxy_authorization", b"a")], 400, id="an alias of a credential"),
        pytest.param([HOST, (b"x_other", b"a")], 200, id="an underscore elsewhere"),
        pytest.param(
            [HOST, (b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Site", b"none")], 400, id="two senders"
        ),
        pytest.param([HOST, (b"X-A", b"a\x00b")], 400, id="a NUL in a value"),
        pytest.param([HOST, (b"X-A", b"a\rb")], 400, id="a bare CR in a value"),
        pytest.param([HOST, (b"X A", b"b")], 400, id="a blank in a name"),
        pytest.param([HOST, (b"", b"b")], 400, id="an empty name"),
        pytest.param([HOST, (b"Upgrade", b"h2c")], 400, id="an upgrade"),
        pytest.param([HOST, (b"Expect", b"100-continue")], 200, id="the known expectation"),
        pytest.param([HOST, (b"Expect", b"tea")], 417, id="an unknown expectation"),
        pytest.param([HOST, *[(b"X-%d" % n, b"") for n in range(100)]], 431, id="too many headers"),
    ],
)
def test_heads_are_judged_by_the_strict_rules(headers, status) -> None:
    assert status_of(*headers) == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"version": "1.0"}, 400, id="HTTP/1.0"),
        pytest.param({"version": "2.0"}, 400, id="HTTP/2"),
        pytest.param({"target": b"http://evil/v1/messages"}, 400, id="absolute form"),
        pytest.param({"target": b"*"}, 400, id="asterisk form"),
        pytest.param({"target": b"/a b"}, 400, id="a blank in the target"),
        pytest.param({"target": b"/a#b"}, 400, id="a fragment"),
        pytest.param({"target": b"/\xc3\xa4"}, 400, id="raw bytes above ASCII"),
        pytest.param({"method": b"CONNECT"}, 400, id="CONNECT"),
    ],
)
def test_request_lines_are_judged_by_the_strict_rules(change, status) -> None:
    assert status_of(HOST, **change) == status


def test_the_head_says_how_the_body_is_framed() -> None:
    assert check_request(b"POST", "1.1", b"/", [HOST, (b"Content-Length", b"12")]).content_length == 12
    assert check_request(b"POST", "1.1", b"/", [HOST]).content_length == 0
    chunked = check_request(b"POST", "1.1", b"/", [HOST, (b"Transfer-Encoding", b"chunked")])
    assert (chunked.content_length, chunked.chunked) == (None, True)


@given(
    st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=20)), max_size=8), st.binary(max_size=20)
)
def test_any_head_is_either_accepted_or_refused_with_a_status(headers, target) -> None:
    assert status_of(HOST, *headers, target=target) in {200, 400, 417, 431}


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        pytest.param(200, [(b"Content-Length", b"7")], 7, id="a length"),
        pytest.param(200, [(b"Transfer-Encoding", b"chunked")], None, id="chunks"),
        pytest.param(200, [], None, id="until the connection ends"),
        pytest.param(204, [], 0, id="no content"),
    ],
)
def test_a_response_says_how_long_it_is(status, headers, length) -> None:
    assert check_response(status, headers).length == length


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"Content-Length", b"7"), (b"Content-Length", b"8")], id="two lengths"),
        pytest.param([(b"Content-Length", b"7"), (b"Transfer-Encoding", b"chunked")], id="both framings"),
        pytest.param([(b"Content-Length", b"many")], id="not a number"),
        pytest.param([(b"Transfer-Encoding", b"gzip, chunked")], id="another coding"),
        pytest.param(
            [(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")], id="chunked twice"
        ),
        pytest.param([(b"X", b"")] * 101, id="too many headers"),
    ],
)
def test_an_ambiguous_response_is_refused(headers) -> None:
    with pytest.raises(HeadError):
        check_response(200, headers)


@pytest.mark.parametrize("header", [(b"x", b"a\r\nSet-Cookie: b"), (b"x:", b"a"), (b"", b"a"), (b"x", b"\0")])
@pytest.mark.parametrize("status", [200, 204])
def test_a_header_that_could_split_a_response_is_refused(status: int, header) -> None:
    with pytest.raises(HeadError):
        check_response(status, [header])
    assert check_response(status, [(b"request-id", b"req_1")])


def test_only_a_response_without_length_and_chunks_lasts_until_its_connection_ends() -> None:
    assert check_response(200, []).until_close
    assert not check_response(200, [(b"Transfer-Encoding", b"Chunked")]).until_close
    assert not check_response(200, [(b"Content-Length", b"0")]).until_close
    assert not check_response(204, []).until_close


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"Sun, 22 Nov 2026 01:02:03 GMT", datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)),
        (b"Sun, 31 Feb 2026 01:02:03 GMT", None),
        (b"Sun, 22 Nix 2026 01:02:03 GMT", None),
        (b"Sunday, 22-Nov-26 01:02:03 GMT", None),
        (b"", None),
    ],
    ids=["good", "no such day", "no such month", "an old form", "empty"],
)
def test_the_date_of_an_answer_is_read_or_left_alone(value: bytes, read: datetime | None) -> None:
    assert http1.date([(b"X", b"y"), (b"DATE", value)]) == read
    assert http1.date([]) is None


@given(st.binary(max_size=20), st.binary(max_size=20), st.integers(0, 44))
def test_the_end_of_a_head_is_found_wherever_it_is_cut(before: bytes, after: bytes, cut: int) -> None:
    head = before.replace(b"\r", b"") + b"\r\n\r\n"
    data = head + after
    first, second = data[:cut], data[cut:]
    end = head_end(b"", first)
    if end < len(first) or first.endswith(b"\r\n\r\n"):
        assert end == len(head)
    else:
        assert len(first) + head_end(first[-3:], second) == len(head)
