"""What Claude on AWS takes and what it refuses, rule by rule."""

from typing import Any

import pytest

from openclaude.simulator.claude_rules import body_problems

SONNET, OPUS, HAIKU = (
    "us.anthropic.claude-sonnet-4-6",
    "us.anthropic.claude-opus-5-5",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)
TOOL = {"name": "grep", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "t1", "name": "grep", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x"}]}
MARK = {"cache_control": {"type": "ephemeral"}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def turns(*contents: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": content} for at, content in enumerate(contents)]}


def problems(members: dict[str, Any], model_id: str = SONNET, *, enveloped: bool = False) -> list[str]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2000, **turns("hi"), **members}
    return body_problems(model_id, body, enveloped=enveloped)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"anthropic_version": "2026-10-21", "anthropic_beta": ["context-1m-2025-08-07"]},
        {"system": "S", "stop_sequences": ["x"], "metadata": {}, "temperature": 1, "top_k": 5},
        {"system": [{**text("S"), **MARK}], "output_config": {"effort": "high"}},
        {
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tool_choice": {"type": "auto"},
            "tools": [TOOL],
        },
        {
            "tools": [{"type": "bash_20250124", "name": "bash"}],
            "tool_choice": {"type": "tool", "name": "bash"},
        },
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        turns("go", [{"type": "thinking", "thinking": "", "signature": "c2ln"}, USE], [RESULT, text("on")]),
    ],
)
def test_what_claude_knows_is_taken(members: dict[str, Any]) -> None:
    assert problems(members) == []


def test_the_envelope_belongs_to_the_messages_endpoints_only() -> None:
    assert problems({"model": "m", "stream": True}, enveloped=True) == []
    assert len(problems({"model": "m", "stream": True})) == 2


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"speed": "fast"}, "speed: Extra inputs"),
        ({"anthropic_version": "2023-06-01"}, "anthropic_version"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "at least one message"),
        ({"anthropic_beta": ["fast-mode-2026-02-01"]}, "invalid beta flag"),
        ({"system": []}, "system: Input"),
        ({"system": [{**text("S"), "citations": None}]}, "system.0"),
        ({"system": [text(" ")]}, "non-whitespace"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        (turns(""), "non-empty content"),
        (turns(" "), "non-whitespace"),
        (turns([text("")]), "non-whitespace"),
        (turns([{"type": "new"}]), "Input tag 'new'"),
        (turns([USE]), "Input tag 'tool_use'"),
        (turns([{"type": "image", "source": {"type": "url"}}]), "url sources"),
        (turns("a", [{"type": "thinking", "thinking": "", "signature": ""}], "b"), "Invalid `signature`"),
        (
            turns("a", [{"type": "thinking", "thinking": "", "signature": "openclaude.v1.x"}], "b"),
            "Invalid `signature`",
        ),
        (turns("a", [{**USE, "id": "a:b"}], [{**RESULT, "tool_use_id": "a:b"}]), "String should match"),
        (turns("a", [{**USE, "input": "x"}], [RESULT]), "valid dictionary"),
        (turns("a", [USE], [{**RESULT, "content": [{"type": "tool_use"}]}]), "Input tag 'tool_use'"),
        (turns("a", [USE], "b"), "without `tool_result`"),
        (turns("a", [USE]), "without `tool_result`"),
        (turns("a", "b", [RESULT]), "unexpected `tool_use_id`"),
        (turns("a", [USE, USE], [RESULT]), "must be unique"),
        (turns("a", [USE], [text("x"), RESULT]), "must come first"),
        (turns("a", "b"), "prefill"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "alternate"),
        ({"tools": [TOOL, TOOL]}, "unique"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "web_search"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "custom.name"),
        ({"tools": [{**TOOL, "input_schema": {"type": "custom"}}]}, "input_schema.type"),
        ({"tools": [{**TOOL, "custom": {}}]}, "custom.custom: Extra"),
        ({"tool_choice": {"type": "auto"}}, "tools must be given"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
            "forces tool use",
        ),
        ({"temperature": 1, "top_p": 1}, "cannot both"),
        ({"temperature": 1, "thinking": {"type": "adaptive"}}, "may not be set"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "must be greater"),
        (
            {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
            "context_management.edits.0",
        ),
        (
            turns([{**text("a"), "cache_control": {"type": "ephemeral", "scope": "global"}}]),
            "cache_control.scope",
        ),
        (turns([{**text("a"), **MARK}] * 5), "maximum of 4"),
    ],
)
def test_what_claude_does_not_know_is_refused(members: dict[str, Any], words: str) -> None:
    found = problems(members)
    assert any(words in problem for problem in found), found


def test_versions_differ_in_thinking_sampling_and_prefill() -> None:
    assert "deprecated" in problems({"temperature": 1}, OPUS)[0]
    assert (
        "thinking.type.enabled" in problems({"thinking": {"type": "enabled", "budget_tokens": 1024}}, OPUS)[0]
    )
    assert problems({"thinking": {"type": "adaptive"}}, OPUS) == []
    assert "not supported" in problems({"thinking": {"type": "adaptive"}}, HAIKU)[0]
    assert problems(turns("a", "b"), HAIKU) == []
    assert problems({}, "an.arn/that-hides-it") == []
