"""JSON in and out, with the text no provider takes made acceptable."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.wire import jsontext

SURROGATE = "\ud83d"
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=12,
)
ANY_TEXT = st.text(st.characters(exclude_categories=[]))


@given(value=VALUES)
def test_what_is_written_reads_back_and_is_what_the_standard_library_reads(value: Any) -> None:
    raw = jsontext.dumps(value)
    assert jsontext.loads(raw) == json.loads(raw) == value


@given(text=ANY_TEXT)
def test_text_with_any_code_point_becomes_utf_8(text: str) -> None:
    escaped = json.dumps({text: [text]}).encode()
    cleaned = jsontext.clean_text(text)
    cleaned.encode("utf-8")
    assert jsontext.loads(escaped) == {cleaned: [cleaned]}
    assert jsontext.loads(jsontext.dumps({text: [text]})) == {cleaned: [cleaned]}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"bad {SURROGATE} end", "bad \ufffd end"),
        (f"{SURROGATE}{SURROGATE}", "\ufffd\ufffd"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (SURROGATE, "\ufffd"),
        ("\U0001f600 \x00", "\U0001f600 \x00"),
    ],
    ids=["in-the-middle", "two-high", "wrong-order", "a-pair-is-joined", "at-the-end", "nothing-to-do"],
)
def test_every_unpaired_surrogate_becomes_one_replacement_character(text: str, cleaned: str) -> None:
    assert jsontext.clean_text(text) == cleaned
    assert jsontext.clean({text: (value := [text, 1, None])}) == {cleaned: [cleaned, 1, None]}
    assert value[0] is text


def test_a_surrogate_encoded_as_a_character_is_replaced_too() -> None:
    assert jsontext.loads(b'{"a":"x\xed\xa0\xbdy","b":1.5}') == {"a": "x\ufffdy", "b": 1.5}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"nope", "malformed"),
        (b"[NaN]", "malformed"),
        (b"[1e999]", "out of range"),
        (b'["a","\xff"]', r"not UTF-8 \(byte 6\)"),
        (b'["a","\xff\\ud83d"]', r"not UTF-8 \(byte 6\)"),
        (b'{"a":"\\ud83d",}', "line 1"),
        (b'["\\ud83d", NaN]', "NaN is not JSON"),
        (b'["\\ud83d", 1e999]', "out of range"),
        (b"[" * 100_000, "nested too deeply"),
        (b'["\\ud83d",' + b"[" * 100_000, "nested too deeply"),
    ],
    ids=[
        "empty",
        "cut",
        "word",
        "nan",
        "huge-number",
        "bad-utf-8",
        "bad-utf-8-and-surrogate",
        "comma-and-surrogate",
        "nan-and-surrogate",
        "huge-number-and-surrogate",
        "deep",
        "deep-and-surrogate",
    ],
)
def test_what_is_not_json_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(jsontext.JsonError, match=reason):
        jsontext.loads(raw)


def test_a_value_nested_too_deeply_is_not_written() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(jsontext.JsonError, match="nested too deeply"):
        jsontext.dumps(nested)
    while nested:
        nested = nested.pop()


def test_a_value_with_an_unpaired_surrogate_is_written_with_a_replacement() -> None:
    assert jsontext.dumps([SURROGATE]) == '["\ufffd"]'.encode()


def test_output_is_utf_8_without_ascii_escapes() -> None:
    assert jsontext.dumps({"ü": "\U0001f600"}) == '{"ü":"\U0001f600"}'.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)


@given(JSON, st.integers(1, 40))
def test_in_pieces_the_same_is_read_and_written(value, piece) -> None:
    raw = jsontext.dumps(value)
    before = jsontext._PIECE
    jsontext._PIECE = piece  # so that small texts are taken apart too
    try:
        with jsontext.in_pieces():
            assert jsontext.loads(raw) == value
            assert jsontext.loads(b"  " + raw) == value
            assert jsontext.dumps(value) == raw
    finally:
        jsontext._PIECE = before


@pytest.mark.parametrize("raw", [b"{", b'{"a": nope}', b'{"a": [1, 2}', b'"\xff"', b"[" * 100_000])
def test_in_pieces_a_text_that_is_no_json_is_refused_as_well(raw: bytes) -> None:
    with jsontext.in_pieces(), pytest.raises(jsontext.JsonError):
        jsontext.loads(raw.ljust(600_000))


def test_in_pieces_a_surrogate_is_cleaned_as_well() -> None:
    text = b'{"a": "' + b"x" * 600_000 + b'\\ud800"}'
    with jsontext.in_pieces():
        assert jsontext.loads(text) == {"a": "x" * 600_000 + "\ufffd"}
        assert jsontext.dumps({"a": ["\ud800"]}) == '{"a":["\ufffd"]}'.encode()


READER = jsontext.TextReader({"limit": int}, ("tools",), ("model", "stream", "thinking"))


def test_texts_are_read_alone_or_joined_in_their_order() -> None:
    raw = b'{"stream":true, "other": 1, "tools": [ 1 ], "limit":5,"model":"m"}'
    assert READER.read(raw) == ((5,), [b"[ 1 ]"], b'"m"\0true\0')
    assert READER.read(b"{}") == ((None,), [b""], b"\0\0")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a%bb"}',
        b'{"model":"%b"}' % (b"-" * 40 + b"%b" + b"-" * 40),
        b'{"model":%b1}',
        b'{"model":1%b}',
        b'{"thinking":{"a%b":1}}',
        b'{"thinking":[1,%b2]}',
        b'{"thinking":tr%bue}',
        b'{"else":"%b"}',
        b'{"else%b":1}',
    ],
)
def test_what_stands_between_joined_texts_stands_in_none(raw: bytes) -> None:
    assert READER.read(raw.replace(b"%b", READER.BETWEEN)) is None
