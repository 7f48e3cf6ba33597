"""Server-sent events: the framing of the WHATWG standard, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.wire.sse import MAX_EVENT_BYTES, PING, SseDecoder, SseError, SseEvent, event
from support.bedrock_cases import pieces

DATA = st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"").strip(b" "))
EVENTS = st.lists(st.tuples(st.sampled_from(["ping", "message_start", "error"]), DATA), max_size=6)


@given(
    events=EVENTS,
    cuts=st.lists(st.integers(0, 300), max_size=8),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_events_read_back_however_they_are_cut_and_whatever_ends_their_lines(
    events: list[tuple[str, bytes]],
    cuts: list[int],
    line_end: bytes,
) -> None:
    text = b"".join(event(kind, data) for kind, data in events).replace(b"\n", line_end)
    decoder = SseDecoder()
    found = [item for piece in pieces(text, cuts) for item in decoder.feed(piece)]
    assert found == [SseEvent(kind, data) for kind, data in events]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"data: a\ndata: b\n\n", [SseEvent("message", b"a\nb")]),
        (b": comment\nid: 7\nretry: 3\nevent: x\ndata:y\n\n", [SseEvent("x", b"y")]),
        (b"event: x\n\ndata: z\n\n", [SseEvent("message", b"z")]),
        (b"data\n\n", [SseEvent("message", b"")]),
        (b"data: unfinished\n", []),
    ],
    ids=[
        "lines-are-joined",
        "other-fields-are-passed-over",
        "an-event-needs-data",
        "a-field-without-value",
        "unfinished",
    ],
)
def test_every_form_the_standard_allows_is_read(text: bytes, found: list[SseEvent]) -> None:
    assert SseDecoder().feed(text) == found


def test_a_ping_is_what_the_anthropic_api_sends() -> None:
    assert PING == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_an_event_without_end_is_refused_before_it_fills_memory() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 6))
    with pytest.raises(SseError, match="longer than"):
        decoder.feed(b"x")
