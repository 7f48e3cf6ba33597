import pytest

from openclaude.domain.http import Header
from openclaude.wire.answers import form
from openclaude.wire.http1 import MAX_HEAD_BYTES

HEADERS = [(b"Content-Type", b"application/json"), (b"content-length", b"2"), (b"request-id", b"r")]


def head(headers: list[Header], first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return first + b"\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in headers) + b"\r\n"


def test_a_form_reads_heads_that_differ_in_values_only() -> None:
    made = form(head(HEADERS) + b"{}", HEADERS)
    assert made is not None
    other = [(b"Content-Type", b"text/x; a=b"), (b"content-length", b"17"), (b"request-id", b"s  t")]
    assert made.read(head(other) + b"more") == (other, 17, len(head(other)))
    assert made.read(head(HEADERS)) == (HEADERS, 2, len(head(HEADERS)))
    other[1] = (b"content-length", b"017")
    assert made.read(head(other) + b"more") is None


LENGTH = (b"Content-Length", b"2")
NONE = {
    "no length": [(b"x", b"y")],
    "two lengths": [LENGTH, LENGTH],
    "chunks": [LENGTH, (b"transfer-encoding", b"chunked")],
    "an upgrade": [LENGTH, (b"Upgrade", b"h2c")],
    "a connection that is to end": [LENGTH, (b"Connection", b"close")],
    "a proxy's connection": [LENGTH, (b"Proxy-Connection", b"keep-alive")],
    "a value without anything in it": [LENGTH, (b"x", b"")],
    "a value that is not plain": [LENGTH, (b"x", b"\xe9")],
}


@pytest.mark.parametrize("headers", NONE.values(), ids=list(NONE))
def test_some_heads_have_no_form(headers) -> None:
    assert form(head(headers), headers) is None


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 201 Created", b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 429 No"]
)
def test_only_an_ordinary_answer_has_a_form(first: bytes) -> None:
    assert form(head(HEADERS, first), HEADERS) is None


def test_a_head_that_llhttp_read_otherwise_has_no_form() -> None:
    assert form(head(HEADERS).replace(b": r", b":  r"), HEADERS) is None
    assert form(head(HEADERS).replace(b": r", b":r"), HEADERS) is None
    assert form(head(HEADERS), [*HEADERS[:2], (b"request-id", b"s")]) is None


def test_a_head_that_is_too_large_does_not_fit_its_form() -> None:
    made = form(head(HEADERS), HEADERS)
    assert made is not None
    assert made.read(head([*HEADERS[:2], (b"request-id", b"r" * MAX_HEAD_BYTES)])) is None
