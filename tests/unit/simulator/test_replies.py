import pytest

from openclaude.simulator.replies import Cut, Ending, Pause, json_reply, redirect, resliced


@pytest.mark.parametrize("size", [1, 3, 100])
def test_reslicing_keeps_the_bytes_and_the_place_of_pauses(size: int) -> None:
    pieces = [b"abcd", b"e", Pause(1.0), b"fghij", Cut(Ending.EOF)]
    sliced = list(resliced(pieces, size))
    pause = sliced.index(Pause(1.0))
    assert b"".join(piece for piece in sliced[:pause] if isinstance(piece, bytes)) == b"abcde"
    assert b"".join(piece for piece in sliced[pause:] if isinstance(piece, bytes)) == b"fghij"
    assert sliced[-1] == Cut(Ending.EOF)
    assert all(len(piece) <= size for piece in sliced if isinstance(piece, bytes))


def test_a_json_reply_is_compact_utf8() -> None:
    reply = json_reply({"a": "é"}, status=201, headers=(("x", "y"),))
    assert list(reply.pieces) == ['{"a":"é"}'.encode()]
    assert (reply.status, reply.headers) == (201, (("content-type", "application/json"), ("x", "y")))


def test_a_redirect_has_a_location_and_no_body() -> None:
    reply = redirect("https://evil.invalid/")
    assert (reply.status, reply.headers, list(reply.pieces)) == (
        307,
        (("location", "https://evil.invalid/"),),
        [],
    )
