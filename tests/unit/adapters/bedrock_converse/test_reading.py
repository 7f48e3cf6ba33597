"""A request is read in parts; that must never be seen in what is sent."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from openclaude.adapters import bedrock_converse
from openclaude.adapters.bedrock_converse import ConverseAdapter, translate
from openclaude.adapters.bedrock_converse.request import FIELDS
from openclaude.adapters.profiles import named
from openclaude.domain.errors import ApiError
from openclaude.wire import jsontext
from support.bedrock_cases import MODEL_OF_PROFILE
from support.messages_requests import REQUESTS

PACKAGE = Path(bedrock_converse.__file__).parent
OF_REQUESTS = ("request.py", "assembly.py", "options.py", "validate.py", "adapter.py")
FILLER = b" " * 10_000
"""Makes a body long enough to be read in parts."""
NOT_MEMBERS = {"toolConfig", "inferenceConfig", "additionalModelRequestFields", "system", "messages", "tools"}


def members_read() -> set[str]:
    """The names that the code takes out of something it calls `body`."""
    found: set[str] = set()
    for file in OF_REQUESTS:
        for node in ast.walk(ast.parse((PACKAGE / file).read_text("utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("body", "self._body"):
                key: ast.expr | None = node.slice
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("body.get", "self._body.get"):
                key = node.args[0]
            else:
                continue
            if isinstance(key, ast.Constant):
                found.add(key.value)
    return found


def test_every_member_that_the_code_reads_is_read_from_the_text() -> None:
    read = members_read()
    assert {"stream", "thinking", "service_tier", "mcp_servers"} <= read
    converse_only = {"outputConfig", "additionalModelResponseFieldPaths", "serviceTier"}
    assert read - NOT_MEMBERS - converse_only <= set(FIELDS)


def prepared(adapter: ConverseAdapter, body: dict[str, Any]) -> Any:
    try:
        return json.loads(adapter.prepare(json.dumps(body).encode() + FILLER).body or b"null")
    except ApiError as error:
        return error.status, error.message


def translated(body: dict[str, Any], profile: str) -> Any:
    try:
        return json.loads(translate(body, named(profile), model_id=MODEL_OF_PROFILE[profile]).payload)
    except ApiError as error:
        return error.status, error.message


@pytest.mark.parametrize("profile", ["qwen-text", "claude"])
def test_a_body_read_in_parts_is_translated_as_its_values_are(profile: str) -> None:
    adapter = ConverseAdapter(
        route="", model_id=MODEL_OF_PROFILE[profile], region="us-west-2", profile=named(profile)
    )

    @settings(max_examples=150, deadline=None)
    @given(REQUESTS)
    def check(body: dict[str, Any]) -> None:
        # The second time the list of tools is known.
        for _ in range(2):
            found = prepared(adapter, body)
            assert found in (translated(body, profile), None)

    check()


@pytest.mark.parametrize(
    "tools",
    [
        pytest.param(b'[{"name":"a","description":"\\ud800"}]', id="a lone surrogate in a tool"),
        pytest.param(b'[{"name":"a"},3]', id="a tool that is no object"),
        pytest.param(b'{"name":"a"}', id="tools that are no list"),
        pytest.param(b"null", id="null"),
    ],
)
def test_tools_that_are_odd_are_left_to_the_whole_reading(tools: bytes) -> None:
    adapter = ConverseAdapter(
        route="", model_id="qwen.qwen3-coder-next", region="us-west-2", profile=named("qwen-text")
    )
    raw = (
        b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"tools":%b}' % tools
        + FILLER
    )
    assert prepared_text(adapter, raw) == prepared_text(adapter, raw)
    assert prepared_text(adapter, raw) == translated(jsontext.loads(raw), "qwen-text")


def prepared_text(adapter: ConverseAdapter, raw: bytes) -> Any:
    try:
        return json.loads(adapter.prepare(raw).body)
    except ApiError as error:
        return error.status, error.message


def test_an_object_is_read_without_the_member_that_is_left() -> None:
    reader = jsontext.PartialReader(("a", "b"), "late")
    assert reader.read(b'{"a":1,"c":2,"late":[1, 2],"a":3}') == ({"a": 3}, b"[1, 2]")
    assert reader.read(b"{}") == ({}, b"")
    for text in (b"[1]", b"{", b'{"a":"\\ud800"}', b"null", b'{"a":"\xff"}'):
        assert reader.read(text) is None
