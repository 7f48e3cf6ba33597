import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.messages import (
    ModelField,
    NoModelError,
    find_model,
    leading_model,
    may_still_lead,
    with_model,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=12) | st.just('"model"'),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["model", "a", "ü"]), inner, max_size=3)
    ),
    max_leaves=12,
)
bodies = st.lists(
    st.tuples(st.sampled_from(["model", "mode\\u006c", "messages", "x", "models"]), values), max_size=6
)


def written(pairs, *, spaced: bool, ascii_only: bool) -> bytes:
    separator = " : " if spaced else ":"
    inner = ("\n , " if spaced else ",").join(
        f'"{key}"{separator}{json.dumps(value, ensure_ascii=ascii_only)}' for key, value in pairs
    )
    return ((" {" if spaced else "{") + inner + "}").encode("utf-8", "surrogatepass")


@given(bodies, st.text(max_size=20), st.integers(0, 6), st.booleans(), st.booleans())
def test_the_model_found_is_the_one_a_json_parser_finds(pairs, name, place, spaced, ascii_only) -> None:
    pairs.insert(place, ("model", name))
    raw = written(pairs, spaced=spaced, ascii_only=ascii_only)
    try:
        expected = json.loads(raw)["model"]
        msgspec.json.decode(raw)
    except (ValueError, UnicodeDecodeError, msgspec.DecodeError):
        return
    if not all(isinstance(value, str) for key, value in pairs if json.loads(f'"{key}"') == "model"):
        with pytest.raises(NoModelError):
            find_model(raw)
        return
    field = find_model(raw)
    assert field.name == expected
    assert json.loads(raw[field.start : field.end]) == expected


@given(bodies, st.text(max_size=20), st.integers(0, 6), st.booleans())
def test_renaming_changes_the_model_and_no_other_byte(pairs, name, place, spaced) -> None:
    pairs = [(key, value) for key, value in pairs if key in ("messages", "x", "models")]
    pairs.insert(place, ("model", name))
    raw = written(pairs, spaced=spaced, ascii_only=True)
    try:
        field = find_model(raw)
    except NoModelError:
        return
    renamed = with_model(raw, field, "claude-opus-5-5")
    assert json.loads(renamed) == json.loads(raw) | {"model": "claude-opus-5-5"}
    assert renamed[: field.start] == raw[: field.start]
    assert renamed[len(renamed) - (len(raw) - field.end) :] == raw[field.end :]


def test_a_leading_model_is_found_in_the_first_bytes() -> None:
    raw = b' { "model" : "claude-opus-5-5" , "messages": ['
    field = leading_model(raw)
    assert field is not None
    assert field.name == "claude-opus-5-5"
    assert raw[field.start : field.end] == b'"claude-opus-5-5"'


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"messages":[],"model":"x"}', id="not the first key"),
        pytest.param(b'{"model":"a\\u0062"}', id="escapes are left to the parser"),
        pytest.param(b'{"model":7}', id="not a string"),
        pytest.param('{"model":"ä"}'.encode(), id="not ASCII"),
        pytest.param(b'[{"model":"x"}]', id="not an object"),
    ],
)
def test_what_is_not_a_plain_leading_model_is_left_to_the_parser(raw: bytes) -> None:
    assert leading_model(raw) is None
    assert not may_still_lead(raw)


@given(st.integers(0, 30))
def test_every_beginning_of_a_leading_model_may_still_lead(cut: int) -> None:
    raw = b'{ "model" : "claude-opus-5-5"'
    assert leading_model(raw[: min(cut, len(raw) - 1)]) is None
    assert may_still_lead(raw[: min(cut, len(raw) - 1)])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b"{", "not valid JSON", id="cut off"),
        pytest.param(b"[]", "needs a string `model`", id="an array"),
        pytest.param(b"{}", "needs a string `model`", id="no model"),
        pytest.param(b'{"model":null}', "needs a string `model`", id="null"),
        pytest.param(b'{"model":"\xff"}', "not valid JSON", id="not UTF-8"),
    ],
)
def test_a_body_without_a_model_says_what_is_missing(raw: bytes, said: str) -> None:
    with pytest.raises(NoModelError, match=said):
        find_model(raw)


def test_the_last_of_two_models_counts_as_in_every_json_parser() -> None:
    assert find_model(b'{"model":"a","x":{"model":"b"},"model":"c"}') == ModelField("c", 39, 42)
