"""Blocks and tools whose members are of a type nobody expects: what is wrong goes, and the session goes on."""

from typing import Any

import pytest

from openclaude.adapters.bedrock_invoke import translate
from openclaude.adapters.profiles import named
from support.claude_calls import OPUS, asked, built

TOOL = {"name": "grep", "input_schema": {"type": "object", "properties": {}}}


def said(*messages: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return asked(messages=[{"role": role, "content": content} for role, content in messages], **more)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("block", "sent"),
    [
        (
            {"type": "document", "title": 2, "context": [], "citations": "no", "source": {"type": "text", "data": "d"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
        ),
        ({"type": "search_result", "title": 3}, {"type": "search_result", "source": "", "title": "", "content": []}),
        (
            {"type": "search_result", "citations": {"enabled": None}},
            {"type": "search_result", "source": "", "title": "", "content": []},
        ),
        ({"type": "text", "text": "t", "citations": {}}, text("t")),
        ({**text("t"), "cache_control": {"type": "persistent"}}, text("t")),
        ({**text("t"), "cache_control": {}}, {**text("t"), "cache_control": {"type": "ephemeral"}}),
    ],
    ids=["document", "search-result", "search-result-citations", "text", "cache-kind", "cache-kind-unsaid"],
)  # fmt: skip
def test_a_member_of_the_wrong_type_does_not_refuse_the_whole_history(
    block: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert built(said(("user", [block]))).body["messages"][0]["content"] == [sent]


def test_a_compaction_block_without_a_summary_that_can_be_read_goes() -> None:
    odd = {"type": "compaction", "content": {"text": "s"}}
    kept = {"type": "compaction", "content": None, "encrypted_content": "e"}
    body = said(("user", "x"), ("assistant", [odd, kept, text("y")]), ("user", "z"))
    found = translate(body, named("claude-5"), model_id=OPUS, betas=b"compact-2026-01-12")
    assert found.body["messages"][1]["content"] == [kept, text("y")]
    assert found.notes == ()


def test_a_server_tools_call_whose_id_claude_does_not_take_becomes_a_text() -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    call = {"type": "server_tool_use", "id": "srvtoolu 1", "name": "tool_search_tool_regex", "input": {}}
    result = {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu 1", "content": {}}
    history = (("user", "x"), ("assistant", [call, result]), ("user", "y"))
    found = built(said(*history, tools=[search, TOOL]), profile=named("claude-5"), model_id=OPUS)
    assert found.body["messages"][1]["content"] == [text("[tool_search_tool_regex {}]")]


def test_a_tool_of_no_type_at_all_is_a_custom_one() -> None:
    assert built(asked(tools=[{**TOOL, "type": ["custom"], "description": 3}])).body["tools"] == [TOOL]
