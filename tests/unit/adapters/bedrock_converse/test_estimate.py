"""The local token count: a formula, and never too low."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.estimate import tokens
from openclaude.domain.errors import ApiError
from support.bedrock_cases import adapter_of, fixture, fixtures


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (user("x" * 36), 14),
        (user([{"type": "text", "text": "\u00fc" * 18}]), 14),
        (user([{"type": "image", "source": {"type": "base64", "data": "A" * 90_000}}]), 1604),
        (user([{"type": "document", "source": {"type": "base64", "data": "A" * 70_000}}]), 3204),
        (user([{"type": "tool_result", "content": [{"type": "image"}]}]), 1608),
        ({**user("x" * 36), "system": "y" * 36, "tools": [{"name": "x" * 21}]}, 35),
        ({**user("x" * 36), "system": [{"type": "text", "text": "y" * 36}]}, 24),
        (user([{"type": "tool_use", "id": "t", "name": "n", "input": {}}]), 18),
        ({}, 1),
        ([], 1),
        (user(None), 4),
        (user([{"type": "tool_result", "content": [{"type": "tool_result", "content": []}]}]), 18),
    ],
    ids=[
        "text", "bytes-count", "image", "document", "image-in-a-result", "tools-and-system", "system-blocks", "call",
        "nothing", "no-object", "no-content",
        "nested-results",
    ],
)  # fmt: skip
def test_the_count_follows_its_formula(body: Any, count: int) -> None:
    assert tokens(body) == count


@pytest.mark.parametrize("name", fixtures())
def test_the_count_of_a_real_request_errs_high(name: str) -> None:
    raw = fixture(name)
    body = json.loads(raw)
    # About four bytes of English make one token.
    assert adapter_of("qwen-text").count_tokens(raw) * 4.5 > text_length(
        [*body["messages"], body.get("system")]
    )


def text_length(value: Any) -> float:
    """Characters of the texts in a content, at any depth."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return text_length(value.get("content")) + text_length(value.get("text"))
    return sum(map(text_length, value)) if isinstance(value, list) else 0


def test_only_a_body_that_is_not_json_cannot_be_counted() -> None:
    adapter = adapter_of("qwen-text")
    assert adapter.count_tokens(b'{"messages": [{"role": "user", "content": "cut \\ud83d"}], "tools": 7}') > 0
    for raw in (b"{", b"[" * 100_000):
        with pytest.raises(ApiError) as refused:
            adapter.count_tokens(raw)
        assert refused.value.status == 400
