from typing import Any

import pytest

from openclaude.simulator.converse_shapes import model_id_is_valid, shape_problems

MODEL = "qwen.qwen3-coder-next"
FULL: dict[str, Any] = {
    "system": [{"text": "be brief"}],
    "messages": [
        {
            "role": "user",
            "content": [{"text": "hi"}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}],
        },
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t1", "name": "Bash", "input": {"c": [1, None]}}}],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "ok"}], "status": "error"}}],
        },
    ],
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "Bash", "description": "d", "inputSchema": {"json": {"type": "object"}}}}
        ],
        "toolChoice": {"auto": {}},
    },
    "additionalModelRequestFields": {"anything": [1]},
    "requestMetadata": {"team": "blue"},
}


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_a_full_body_has_no_problems(operation: str) -> None:
    assert shape_problems(operation, MODEL, FULL) == []


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param({"stream": True}, "stream: unknown member", id="unknown member"),
        pytest.param({"modelId": MODEL}, "modelId: not a member of the body", id="model in the body"),
        pytest.param({"messages": [{"role": "user"}]}, "messages.0.content: required", id="missing member"),
        pytest.param(
            {"messages": [{"role": "tool", "content": []}]},
            "messages.0.role: 'tool' is not one of ['user', 'assistant', 'system']",
            id="not in the enumeration",
        ),
        pytest.param(
            user({"text": "a", "image": {"format": "png", "source": {"bytes": "AAAA"}}}),
            "messages.0.content.0: a union must have exactly one member, this has ['image', 'text']",
            id="union with two members",
        ),
        pytest.param(
            user({}),
            "messages.0.content.0: a union must have exactly one member, this has []",
            id="empty union",
        ),
        pytest.param(
            user({"text": 5}), "messages.0.content.0.text: expected string, got int", id="wrong type"
        ),
        pytest.param({"messages": None}, "messages: expected list, got NoneType", id="null"),
        pytest.param(
            {"inferenceConfig": {"maxTokens": True}},
            "inferenceConfig.maxTokens: expected integer, got bool",
            id="boolean as number",
        ),
        pytest.param(
            {"inferenceConfig": {"temperature": 1.5}},
            "inferenceConfig.temperature: the value is 1.5, allowed are 0 to 1",
            id="number above its limit",
        ),
        pytest.param(
            {"inferenceConfig": {"maxTokens": 0}},
            "inferenceConfig.maxTokens: the value is 0, allowed are 1 to None",
            id="number below its limit",
        ),
        pytest.param(
            {"inferenceConfig": {"stopSequences": [""]}},
            "inferenceConfig.stopSequences.0: the length is 0, allowed are 1 to None",
            id="empty string",
        ),
        pytest.param(
            {"toolConfig": {"tools": []}},
            "toolConfig.tools: the number of items is 0, allowed are 1 to None",
            id="empty list",
        ),
        pytest.param(
            user({"toolResult": {"toolUseId": "a b", "content": []}}),
            "messages.0.content.0.toolResult.toolUseId: 'a b' does not match [a-zA-Z0-9_.:-]+",
            id="pattern",
        ),
        pytest.param(
            user({"image": {"format": "png", "source": {"bytes": "no base64!"}}}),
            "messages.0.content.0.image.source.bytes: not base64",
            id="no base64",
        ),
        pytest.param(
            user({"image": {"format": "png", "source": {"bytes": ""}}}),
            "messages.0.content.0.image.source.bytes: the size in bytes is 0, allowed are 1 to None",
            id="empty blob",
        ),
    ],
)
def test_what_the_service_model_forbids_is_named(body: dict[str, Any], problem: str) -> None:
    assert shape_problems("Converse", MODEL, body) == [problem]


def test_metadata_outside_its_pattern_or_number_is_named() -> None:
    problems = shape_problems("Converse", MODEL, {"requestMetadata": {"user": '{"id":1}'}})
    assert len(problems) == 1
    assert problems[0].startswith("requestMetadata.user: ")
    many = {f"k{number}": "v" for number in range(17)}
    assert shape_problems("Converse", MODEL, {"requestMetadata": many}) == [
        "requestMetadata: the number of entries is 17, allowed are 1 to 16"
    ]


def test_all_problems_are_reported_at_once() -> None:
    body = {"stream": True, "inferenceConfig": {"maxTokens": 0, "topP": 2}}
    assert len(shape_problems("Converse", MODEL, body)) == 3


@pytest.mark.parametrize(
    ("model_id", "valid"),
    [
        pytest.param(MODEL, True, id="base id"),
        pytest.param("us.anthropic.claude-sonnet-4-6", True, id="profile"),
        pytest.param(
            "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc123",
            True,
            id="profile ARN",
        ),
        pytest.param("qwen 3", False, id="blank"),
        pytest.param("a/b", False, id="slash"),
        pytest.param("", False, id="empty"),
    ],
)
def test_model_ids_follow_the_service_model(model_id: str, valid: bool) -> None:
    assert model_id_is_valid(model_id) is valid
