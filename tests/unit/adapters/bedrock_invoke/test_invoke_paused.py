"""Turns that a server tool paused, and results that have lost their call."""

import json
from typing import Any

from openclaude.adapters.bedrock_invoke import translate
from openclaude.adapters.profiles import named
from openclaude.simulator.claude_rules import body_problems

SONNET = "us.anthropic.claude-sonnet-4-6"


def test_a_result_without_its_call_is_no_paused_turn_to_go_on_with() -> None:
    result = {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "tool_search_tool_regex", "input": {}}
    tools = [{"type": "tool_search_tool_regex_20251119", "name": "tool_search"}]

    def roles(*blocks: dict[str, Any]) -> list[str]:
        messages = [{"role": "user", "content": "find it"}, {"role": "assistant", "content": [*blocks]}]
        body = {"model": "m", "max_tokens": 100, "messages": messages, "tools": tools}
        sent = json.loads(translate(body, named("claude-invoke"), model_id=SONNET).payload)
        assert body_problems(SONNET, sent, enveloped=False) == []
        return [message["role"] for message in sent["messages"]]

    assert roles(call, result) == ["user", "assistant"]
    assert roles(call) == ["user", "assistant"]
    assert roles(result)[-1] == "user"


def test_a_servers_result_without_its_call_becomes_a_text() -> None:
    result = {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    tools = [{"type": "tool_search_tool_regex_20251119", "name": "tool_search"}]
    messages = [
        {"role": "user", "content": "find it"},
        {"role": "assistant", "content": [result]},
        {"role": "user", "content": "go on"},
    ]
    body = {"model": "m", "max_tokens": 100, "messages": messages, "tools": tools}
    found = translate(body, named("claude-invoke"), model_id=SONNET)
    assert json.loads(found.payload)["messages"][1]["content"][0]["type"] == "text"
    assert "server_tool_history_flattened" in found.notes
