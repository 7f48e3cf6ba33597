"""Limits learned from refusals: what is read, what is removed, and that nothing else changes."""

import copy
import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.learned import (
    CLAMP,
    EMULATE,
    REMOVE,
    LearnedLimits,
    Verdict,
    amended,
    read,
)
from support.converse_check import check_request

MODEL = "us.anthropic.claude-sonnet-4-6"


def unsupported(field: str) -> str:
    return f"This model doesn't support the {field} field. Remove {field} and try again."


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (unsupported("toolConfig.toolChoice.any"), Verdict(REMOVE, "toolChoice.any")),
        (unsupported("toolConfig.toolChoice.tool"), Verdict(REMOVE, "toolChoice.tool")),
        (unsupported("toolConfig.toolChoice"), Verdict(REMOVE, "toolChoice")),
        (unsupported("cachePoint").replace("'", "\u2019"), Verdict(REMOVE, "cachePoint")),
        (unsupported("inferenceConfig.stopSequences"), Verdict(REMOVE, "stopSequences")),
        (unsupported("toolResult.status"), Verdict(REMOVE, "status")),
        (unsupported("topP"), Verdict(REMOVE, "topP")),
        (unsupported("topK"), Verdict(REMOVE, "topK")),
        (unsupported("toolSpec.strict"), Verdict(REMOVE, "strict")),
        (unsupported("outputConfig.textFormat"), Verdict(REMOVE, "outputConfig")),
        (unsupported("additionalModelRequestFields.thinking.display"),
         Verdict(REMOVE, "additionalModelRequestFields.thinking.display")),
        ("You invoked an unsupported model or your request did not allow prompt caching.", Verdict(REMOVE, "cachePoint")),
        ("Schema is too complex", Verdict(REMOVE, "outputConfig")),
        ("This model doesn't support tool use in streaming mode.", Verdict(EMULATE, "streaming")),
        ("The maximum tokens you requested exceeds the model limit of 8192. Try again.", Verdict(CLAMP, "maxTokens", 8192)),
        ("The maximum tokens you requested exceeds the model limit of 8,192, try again.", Verdict(CLAMP, "maxTokens", 8192)),
        (unsupported("'toolConfig.toolChoice.any'"), Verdict(REMOVE, "toolChoice.any")),
        (unsupported("additionalModelRequestFields"), Verdict(REMOVE, "additionalModelRequestFields")),
        ("The maximum tokens you requested exceeds the model limit of 0.", None),
        (unsupported("topP").replace("doesn't", "does not"), Verdict(REMOVE, "topP")),
        (unsupported("messages"), None),
        (unsupported("system"), None),
        (unsupported("tool"), None),
        (unsupported("toolConfig"), None),
        ("A conversation must alternate between user and assistant roles.", None),
    ],
)  # fmt: skip
def test_a_refusal_teaches_only_what_can_be_left_out(text: str, verdict: Verdict | None) -> None:
    assert read(text) == verdict


def full(choice: dict[str, Any] | None = None) -> dict[str, Any]:
    point = {"cachePoint": {"type": "default"}}
    schema = {"json": {"type": "object"}}
    failed = {"toolUseId": "t", "content": [{"text": "no"}], "status": "error"}
    fine = {
        "toolUseId": "u",
        "content": [{"image": {"format": "png", "source": {"bytes": "AAAA"}}}],
        "status": "error",
    }
    calls = [{"toolUse": {"toolUseId": call, "name": "g", "input": {}}} for call in "tu"]
    return {
        "messages": [
            {"role": "user", "content": [{"text": "a"}, point]},
            {"role": "assistant", "content": calls},
            {"role": "user", "content": [{"toolResult": failed}, {"toolResult": fine}]},
        ],
        "system": [{"text": "s"}, point],
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "g", "inputSchema": schema, "strict": True}}, point],
            "toolChoice": choice or {"any": {}},
        },
        "inferenceConfig": {"maxTokens": 9000, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]},
        "outputConfig": {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}
        },
        "additionalModelRequestFields": {
            "top_k": 3,
            "inferenceConfig": {"topK": 3},
            "thinking": {"type": "enabled", "budget_tokens": 8500, "display": "omitted"},
        },
    }


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        ("cachePoint", "cachePoint"),
        ("status", '"status"'),
        ("strict", '"strict"'),
        ("outputConfig", "outputConfig"),
        ("toolChoice", "toolChoice"),
        ("toolChoice.any", "toolChoice"),
        ("temperature", "temperature"),
        ("topP", "topP"),
        ("stopSequences", "stopSequences"),
        ("topK", "topK"),
        ("topK", "top_k"),
        ("additionalModelRequestFields.thinking.display", "display"),
        ("additionalModelRequestFields.thinking", "thinking"),
        ("additionalModelRequestFields", "additionalModelRequestFields"),
    ],
)
def test_a_field_is_removed_from_a_copy_and_the_rest_stays_valid(what: str, gone: str) -> None:
    body = full()
    before = copy.deepcopy(body)
    lean = amended(body, Verdict(REMOVE, what))
    assert body == before
    assert gone in json.dumps(before)
    assert gone not in json.dumps(lean)
    check_request("Converse", MODEL, lean)


def test_a_removed_schema_is_asked_for_in_words() -> None:
    lean = amended(full(), Verdict(REMOVE, "outputConfig"))
    assert lean["system"][-1]["text"].endswith("valid under this JSON Schema:\n{}")
    assert amended({"messages": []}, Verdict(REMOVE, "outputConfig")) == {"messages": []}


def test_a_removed_status_is_said_in_words() -> None:
    results = amended(full(), Verdict(REMOVE, "status"))["messages"][2]["content"]
    assert results[0]["toolResult"]["content"] == [{"text": "Error: no"}]
    assert results[1]["toolResult"]["content"][0] == {"text": "Error:"}


@pytest.mark.parametrize(
    ("limit", "thinking"),
    [(9500, 8500), (8000, 7999), (1024, None)],
    ids=["room-enough", "the-budget-follows", "no-room-to-think"],
)
def test_a_learned_output_limit_is_kept(limit: int, thinking: int | None) -> None:
    lean = amended(full(), Verdict(CLAMP, "maxTokens", limit))
    assert lean["inferenceConfig"]["maxTokens"] == min(9000, limit)
    assert lean["additionalModelRequestFields"].get("thinking", {}).get("budget_tokens") == thinking
    check_request("Converse", MODEL, lean)


@pytest.mark.parametrize(
    "what", ["toolChoice.tool", "additionalModelRequestFields.effort", "strict", "cachePoint", "status"]
)
def test_what_is_not_there_changes_nothing(what: str) -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "a"}]}], "inferenceConfig": {"maxTokens": 1}}
    assert amended(body, Verdict(REMOVE, what)) == body
    assert amended(body, Verdict(EMULATE, "streaming")) == body


def test_a_forced_choice_of_another_kind_is_not_the_one_that_was_refused() -> None:
    assert amended(full({"tool": {"name": "g"}}), Verdict(REMOVE, "toolChoice.any")) == full(
        {"tool": {"name": "g"}}
    )


def test_what_is_learned_belongs_to_one_model_in_one_region() -> None:
    limits = LearnedLimits()
    limits.add("us-east-1", "m", Verdict(REMOVE, "topP"))
    limits.add("us-east-1", "m", Verdict(CLAMP, "maxTokens", 8192))
    limits.add("us-east-1", "m", Verdict(CLAMP, "maxTokens", 4096))
    assert limits.known("us-east-1", "m") == (Verdict(REMOVE, "topP"), Verdict(CLAMP, "maxTokens", 4096))
    assert limits.known("eu-west-1", "m") == limits.known("us-east-1", "n") == ()
