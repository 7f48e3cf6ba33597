"""Event-stream frames, compared with botocore's decoder."""

import struct
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.wire.eventstream import MAX_FRAME, EventStreamDecoder, parse_headers
from support.bedrock_cases import pieces
from support.bedrock_frames import Header, frame


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


VALUES: st.SearchStrategy[tuple[int, Any]] = st.one_of(
    st.just((0, True)),
    st.just((1, False)),
    signed(8).map(lambda value: (2, value)),
    signed(16).map(lambda value: (3, value)),
    signed(32).map(lambda value: (4, value)),
    signed(64).map(lambda value: (5, value)),
    st.binary(max_size=40).map(lambda value: (6, value)),
    st.text(max_size=40).map(lambda value: (7, value)),
    signed(64).map(lambda value: (8, value)),
    st.binary(min_size=16, max_size=16).map(lambda value: (9, value)),
)
HEADERS: st.SearchStrategy[list[Header]] = st.dictionaries(
    st.text(min_size=1, max_size=8), VALUES, max_size=5
).map(
    lambda found: [(name, *value) for name, value in found.items()],
)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=60)), min_size=1, max_size=5)


def by_botocore(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


@settings(max_examples=120, deadline=None)
@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_frames_of_every_header_type_read_as_botocore_reads_them(
    frames: list[tuple[list[Header], bytes]],
    cuts: list[int],
) -> None:
    data = b"".join(frame(*item) for item in frames)
    decoder = EventStreamDecoder()
    found = [item for piece in pieces(data, cuts) for item in decoder.feed(piece)]
    assert [(item.headers, item.payload) for item in found] == by_botocore(data)
    assert [item.headers for item in found] == [
        {name: value for name, _, value in headers} for headers, _ in frames
    ]
    assert (decoder.error, decoder.pending) == (None, 0)


def test_a_stream_fed_byte_by_byte_reads_the_same() -> None:
    data = frame([("a", 7, "b")], b"payload") + frame([], b"") + frame([("a", 7, "b")], b"more")
    decoder = EventStreamDecoder()
    found = [item for at in range(len(data)) for item in decoder.feed(data[at : at + 1])]
    assert [item.payload for item in found] == [b"payload", b"", b"more"]
    assert found[0].headers is found[2].headers


@settings(max_examples=120, deadline=None)
@given(
    frames=FRAMES,
    at=st.integers(0, 4000),
    flip=st.integers(1, 255),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_a_changed_byte_loses_its_frame_and_every_one_behind_it(
    frames: list[tuple[list[Header], bytes]],
    at: int,
    flip: int,
    cuts: list[int],
) -> None:
    whole = [frame(*item) for item in frames]
    data = bytearray(b"".join(whole))
    at %= len(data)
    data[at] ^= flip
    decoder = EventStreamDecoder()
    found = [item for piece in pieces(bytes(data), cuts) for item in decoder.feed(piece)]
    intact = 0
    while sum(map(len, whole[: intact + 1])) <= at:
        intact += 1
    assert [item.payload for item in found] == [payload for _, payload in frames[:intact]]
    assert decoder.error is not None
    assert decoder.feed(frame([], b"later")) == []


def hand_made(headers: bytes, payload: bytes = b"", total: int | None = None) -> bytes:
    """A frame with right checksums around whatever is in it."""
    length = 16 + len(headers) + len(payload) if total is None else total
    prelude = struct.pack(">II", length, len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hand_made(b"\x01a\x0a"), "unknown type 10"),
        (hand_made(b"\x01a\x00\x01a\x01"), "one header twice"),
        (hand_made(b"\x05a"), "cannot be read"),
        (hand_made(b"\x01a\x07\x00\x09short"), "cannot be read"),
        (hand_made(b"\x01a\x05\x00"), "cannot be read"),
        (hand_made(b"\x01\xff\x00"), "cannot be read"),
        (hand_made(b"", total=12), "not possible"),
        (hand_made(b"", total=MAX_FRAME + 1), "not possible"),
        (b"\x00" * 12, "checksum"),
    ],
    ids=[
        "unknown-type",
        "same-name-twice",
        "name-cut-short",
        "value-cut-short",
        "number-cut-short",
        "name-not-utf-8",
        "shorter-than-a-frame",
        "longer-than-any-frame",
        "zeros",
    ],
)
def test_a_frame_that_cannot_be_is_an_error_with_a_reason(data: bytes, reason: str) -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(data) == []
    assert reason in str(decoder.error)


def test_more_kinds_of_header_blocks_than_are_kept_are_still_read() -> None:
    decoder = EventStreamDecoder()
    found = decoder.feed(b"".join(frame([("n", 4, number)], b"") for number in range(600)))
    assert [item.headers["n"] for item in found] == list(range(600))


def test_no_headers_are_an_empty_mapping() -> None:
    assert parse_headers(b"") == {}
