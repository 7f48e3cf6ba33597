"""Deltas that only go on with the open block take a short way. What is shown must be what the long way shows."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import bedrock_frames
from support.converse_streams import METADATA, START, delta, fresh, start, stop

Events = list[tuple[str, dict[str, Any]]]

CALL = start(1, toolUse={"toolUseId": "t", "name": "grep"})
TEXTS = st.sampled_from(["a", "", "é\u2028", "<tool", "_call>", 'a"b\\', "\x00\x7f", "{", "}"])
SPOKEN = TEXTS.map(lambda text: delta(0, text=text))
INPUT = TEXTS.map(lambda text: delta(1, toolUse={"input": text}))
OTHERS = st.sampled_from(
    [
        CALL,
        stop(0),
        stop(1),
        delta(0, toolUse={"input": "a"}),
        delta(1, text="a"),
        delta(0, reasoningContent={"text": "a"}),
        delta(1, text="a", toolUse={"input": "b"}),
        delta(0, text="a", toolUse={"input": "b"}),
        delta(0, text=None),
        delta(1, toolUse={}),
        ("messageStop", {"stopReason": "end_turn"}),
    ]
)
STREAMS = st.one_of(
    st.lists(SPOKEN, max_size=20),
    st.lists(INPUT, max_size=20).map(lambda events: [CALL, *events]),
    st.lists(st.one_of(SPOKEN, INPUT, SPOKEN, INPUT, OTHERS), max_size=15).map(
        lambda events: [CALL, *events]
    ),
    st.lists(st.one_of(SPOKEN, OTHERS), max_size=15),
)
END = [("messageStop", {"stopReason": "tool_use"}), ("metadata", METADATA)]


def shown(events: list[tuple[str, bytes]], *, alike: bool) -> tuple[bytes, list[str], Any]:
    """What becomes of a stream. Frames whose headers are not alike all take the long way."""
    decoder = fresh()
    out = b""
    for number, (kind, payload) in enumerate(events):
        headers: list[bedrock_frames.Header] = [(":message-type", 7, "event"), (":event-type", 7, kind)]
        if not alike:
            headers.append(("n", 4, number))
        out += decoder.feed(bedrock_frames.frame(headers, payload))
    out += decoder.end()
    return out, decoder.notes, decoder.stop_reason


def encoded(events: Events) -> list[tuple[str, bytes]]:
    return [(kind, json.dumps(payload).encode()) for kind, payload in events]


@settings(max_examples=400, deadline=None)
@given(STREAMS)
def test_the_short_way_of_a_delta_shows_what_the_long_way_shows(events: Events) -> None:
    stream = encoded([START, *events, *END])
    assert shown(stream, alike=True) == shown(stream, alike=False)


ODD = [
    b'{"contentBlockIndex":0.0,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":false,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":-0,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":0e0,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":100000000000000000000000000,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":"0","delta":{"text":"b"}}',
    b'{"contentBlockIndex":null,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":1,"contentBlockIndex":0,"delta":{"text":"b"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"a","text":"b"}}',
    b'{"contentBlockIndex":0,"delta":{"text":1,"text":"b"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"b","text":null}}',
    b'{"contentBlockIndex":0,"delta":{"text":"b","more":1}}',
    b'{"contentBlockIndex":0,"delta":{"text":"b"},"delta":{}}',
    b'{"contentBlockIndex":0,"delta":{"text":"b"},"p":"abc"}',
    b'{"contentBlockIndex":0,"delta":{"text":"b"},"p":NaN}',
    b'{"contentBlockIndex":0,"delta":{"text":"b"},"p":"\\ud800"}',
    b'{"contentBlockIndex":0,"delta":{"text":"\\ud83d\\ude00\\u003c\\/"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"\\ud800"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"\xff"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"\xed\xa0\x80"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"a\nb"}}',
    b'{"contentBlockIndex":0,"delta":{"text":"b"}} ',
    b'{"contentBlockIndex":0,"delta":{"text":"b"}} x',
    b'{"contentBlockIndex":0,"delta":{"text":"b"}',
    b'{"contentBlockIndex":0,"delta":["b"]}',
    b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":"b"}}}',
    b'{"delta":{"text":"b"}}',
    b'[{"contentBlockIndex":0,"delta":{"text":"b"}}]',
    b'\xef\xbb\xbf{"contentBlockIndex":0,"delta":{"text":"b"}}',
    b"",
]  # fmt: skip


@pytest.mark.parametrize("payload", ODD, ids=range(len(ODD)))
def test_a_delta_of_an_odd_form_is_shown_or_refused_as_the_long_way_does(payload: bytes) -> None:
    before = encoded([START, delta(0, text="a"), delta(0, text="a")])
    stream = [*before, ("contentBlockDelta", payload), *encoded([delta(0, text="c"), *END])]
    assert shown(stream, alike=True) == shown(stream, alike=False)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"contentBlockIndex":1,"delta":{"toolUse":{"input":"b"},"text":"a"}}',
        b'{"contentBlockIndex":1,"delta":{"toolUse":{"input":"b"},"text":""}}',
        b'{"contentBlockIndex":1,"delta":{"toolUse":{"input":"b","more":1}}}',
        b'{"contentBlockIndex":1,"delta":{"toolUse":{"input":null}}}',
        b'{"contentBlockIndex":1,"delta":{"toolUse":"b"}}',
        b'{"contentBlockIndex":1,"delta":{"text":"a"}}',
        b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":"b"}}}',
    ],
    ids=["text too", "empty text too", "more", "null", "no object", "text", "another block"],
)
def test_input_of_an_odd_form_is_shown_or_refused_as_the_long_way_does(payload: bytes) -> None:
    before = encoded([START, CALL, delta(1, toolUse={"input": '{"a":"'})])
    stream = [
        *before,
        ("contentBlockDelta", payload),
        *encoded([delta(1, toolUse={"input": '"}'}), *END]),
    ]
    assert shown(stream, alike=True) == shown(stream, alike=False)
