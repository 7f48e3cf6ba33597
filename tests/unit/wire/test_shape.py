import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.kinds import Shape, Tool
from openclaude.wire import jsontext
from openclaude.wire.shape import shape_of, shape_of_values
from support.made_up_requests import ODD_AT_TOP, VALID_AT_TOP, wire

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}


def user(*blocks: object) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": list(blocks)}]}).encode()


def result(*parts: object) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(parts)}


@given(st.one_of(VALID_AT_TOP, ODD_AT_TOP))
def test_a_skimmed_shape_is_the_shape_of_the_whole_body(body: object) -> None:
    raw = wire(body)
    try:
        read = jsontext.loads(raw)
    except jsontext.JsonError:
        read = None
    expected = shape_of_values(read) if isinstance(read, dict) else None
    assert shape_of(raw) == expected
    with jsontext.in_pieces():
        assert shape_of(raw) == expected


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (user(PNG), (True, False)),
        (user(PDF), (False, True)),
        (user(result(PNG), {"type": "text", "text": "x"}), (True, False)),
        (user(result({"type": "text", "text": "x"}, PDF)), (False, True)),
        (user({"type": "document", "source": {"type": "text", "data": "plain"}}), (False, False)),
        (user({"type": "document", "source": {"type": "content", "content": "plain"}}), (False, False)),
        (user({"type": "document", "source": {"type": "url", "url": "https://e/x.pdf"}}), (False, True)),
        (user({"type": "text", "text": json.dumps(PNG)}), (False, False)),
        (user({"type": "tool_use", "id": "t", "name": "n", "input": {"x": [PNG, PDF]}}), (False, False)),
        (user({"type": "text", "text": "x"}).replace(b'"text", "text"', b'"\\u0069mage", "text"'), (True, False)),
        (json.dumps({"messages": [{"role": "user", "content": PNG}]}).encode(), (True, False)),
        (json.dumps({"messages": [{"role": "assistant", "content": [PNG, PDF]}]}).encode(), (False, False)),
        (json.dumps({"messages": [{"role": "assistant", "content": [result(PNG)]}]}).encode(), (True, False)),
        (json.dumps({"tools": [PNG], "metadata": PDF, "messages": []}).encode(), (False, False)),
    ],
    ids=[
        "image", "pdf", "image in a result", "pdf in a result", "text document", "content document", "pdf by url",
        "an image that a text quotes", "an image in a tool's input", "an escaped type", "a single block",
        "media of the assistant", "a result of the assistant", "media elsewhere",
    ],
)  # fmt: skip
def test_media_count_where_a_model_has_to_see_them(raw: bytes, found: tuple[bool, bool]) -> None:
    shape = shape_of(raw)
    assert shape is not None
    assert (shape.images, shape.documents) == found


def test_tools_have_their_names_and_types() -> None:
    tools = [{"name": "Bash", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}]
    shape = shape_of(json.dumps({"tools": tools, "tool_choice": {"type": "any"}}).encode())
    assert shape is not None
    assert shape.tools == (
        Tool("Bash", "", has_schema=False),
        Tool("web_search", "web_search_20250305", has_schema=False),
    )
    assert shape.choice == "any"


def test_a_tool_that_the_conversation_took_away_is_named() -> None:
    changes = [{"type": f"tool_{what}", "tool": {"name": name}} for what, name in
               (("removal", "a"), ("removal", "b"), ("addition", "b"))]  # fmt: skip
    shape = shape_of(user(*changes))
    assert shape is not None
    assert shape.removed == {"a"}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_what_is_no_object_has_no_shape(raw: bytes) -> None:
    assert shape_of(raw) is None


def test_an_empty_object_has_the_empty_shape() -> None:
    assert shape_of(b"{}") == Shape()
