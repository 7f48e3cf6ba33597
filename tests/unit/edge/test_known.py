import pytest

from openclaude.credentials.fingerprints import API_KEY, KNOWN
from openclaude.credentials.outbound import RepeatedHead
from openclaude.domain.http import Endpoint
from openclaude.edge.admission import Admitted, Door, admit
from openclaude.edge.known import KnownHead, remembered

SECRET = b"s" * 40
LINES = b"Host: localhost:1\r\nContent-Type: application/json\r\nContent-Length: %b\r\nX-Api-Key: %b\r\n"


def head(login: str, length: bytes = b"11", path: bytes = SECRET, more: bytes = b"") -> bytes:
    lines = LINES % (length, login.encode())
    return b"POST /%b/v1/messages?beta=true HTTP/1.1\r\n%b%b\r\n" % (path, lines, more)


def known(door: Door, raw: bytes) -> KnownHead | None:
    line, *lines = raw[:-4].split(b"\r\n")
    method, target, _ = line.split(b" ")
    headers = [(name, value) for name, _, value in (text.partition(b": ") for text in lines)]
    admitted = admit(door, method, "1.1", target, headers)
    assert isinstance(admitted, Admitted)
    return remembered(door, raw, target, admitted)


@pytest.fixture
def door() -> Door:
    return Door(1, SECRET, "id")


@pytest.mark.parametrize("length", [b"1", b"11", b"67108864", b"000000000007"])
def test_a_repeated_head_is_the_one_before_but_for_its_length(length: bytes, door: Door, canary) -> None:
    login = canary()
    found = known(door, head(login))
    assert found is not None
    again = head(login, length)
    read = found.read(again + b"{}")
    assert read is not None
    request, announced, end = read
    assert (announced, end) == (int(length), len(again))
    assert (request.endpoint, request.content_length) == (Endpoint.MESSAGES, int(length))
    assert (b"Host", b"localhost:1") in request.headers.pairs


@pytest.mark.parametrize(
    "length",
    [b"0", b"67108865", b"0000000000007", b"", b"-1", b"+1", b"1 1", b"1,1", b"1_1", b"0x1", b"\xb2", b"1\r"],
)
def test_a_head_with_a_length_that_is_none_is_no_repetition(length: bytes, door: Door, canary) -> None:
    login = canary()
    found = known(door, head(login))
    assert found is not None
    assert found.read(head(login, length)) is None


@pytest.mark.parametrize(
    "length",
    [
        b"1",
        b"11",
        b"000000000007",
        b"0",
        b"0000000000007",
        b"",
        b"-1",
        b"+1",
        b"1 1",
        b"1_1",
        b"\xb2",
        b"1\r",
    ],
)
@pytest.mark.parametrize("place", [None, 0, 5, 60, -3, -1])
def test_the_head_that_leaves_compares_as_the_one_that_comes(
    length: bytes, place: int | None, door: Door, canary
) -> None:
    login = canary()
    found = known(door, head(login))
    assert found is not None
    assert found.credential is not None
    start = b"POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\n"
    leaving = RepeatedHead(found.head, start, found.credential)
    again = bytearray(head(login, length))
    if place is not None:
        again[place] ^= 1
    read, sent = found.head.repeated(bytes(again)), leaving.leaving(bytes(again))
    assert (sent is not None) == (read is not None and not length.startswith(b"0"))
    if read is not None and sent is not None:
        assert read == sent[1:]
        assert b"".join(sent[0]) == b"%bContent-Length: %d\r\nX-Api-Key: %b\r\n\r\n" % (
            start,
            read[0],
            login.encode(),
        )
    if place is None:
        assert (sent is not None) == (length in (b"1", b"11"))
    else:
        assert sent is None


@pytest.mark.parametrize("end", [1, -1, -2, 90, 120])
def test_a_head_that_is_not_whole_is_no_repetition(end: int, door: Door, canary) -> None:
    raw = head(canary())
    found = known(door, raw)
    assert found is not None
    assert found.read(raw[:end]) is None


@pytest.mark.parametrize("more", [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 11\r\n", b"A: b\r\n"])
def test_a_head_with_one_more_line_is_no_repetition(more: bytes, door: Door, canary) -> None:
    login = canary()
    found = known(door, head(login))
    assert found is not None
    assert found.read(head(login, more=more)) is None


def test_another_login_makes_anotherhead(door: Door, canary) -> None:
    found = known(door, head(canary()))
    assert found is not None
    assert found.read(head(canary())) is None


def test_heads_of_requests_without_a_body_are_not_remembered(door: Door, canary) -> None:
    assert known(door, head(canary(), more=b"Expect: 100-continue\r\n")) is None
    line, *_ = head(canary()).replace(b"POST", b"GET").replace(b"?beta=true", b"").split(b"\r\n")
    raw = line.replace(b"/messages", b"/models") + b"\r\nHost: localhost:1\r\n\r\n"
    assert known(door, raw) is None


def test_a_head_is_looked_at_anew_once_another_secret_was_met(door: Door, canary) -> None:
    raw = head(canary())
    found = known(door, raw)
    assert found is not None
    assert found.read(raw) is not None
    KNOWN.remember(canary().encode(), API_KEY)
    assert found.read(raw) is None


def test_a_token_that_was_taken_back_admits_nobody_again(canary) -> None:
    token = b"t" * 40
    tokens = {token}
    raw = head(canary(), path=token)
    found = known(Door(1, SECRET, "id", tokens), raw)
    assert found is not None
    assert found.read(raw) is not None
    tokens.clear()
    assert found.read(raw) is None


def test_a_known_head_shows_nothing(door: Door, canary) -> None:
    login = canary()
    found = known(door, head(login))
    assert found is not None
    assert repr(found.head) == "<SealedHead sealed>"
    assert login not in repr([getattr(found, name) for name in KnownHead.__slots__])
