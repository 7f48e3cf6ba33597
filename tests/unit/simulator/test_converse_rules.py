from typing import Any

import pytest

from openclaude.simulator.converse_rules import conversation_problems
from openclaude.simulator.converse_shapes import shape_problems

QWEN = "qwen.qwen3-coder-next"
CLAUDE = "us.anthropic.claude-sonnet-4-6"


def text(value: str) -> dict[str, Any]:
    return {"text": value}


def use(identity: str) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": identity, "name": "Bash", "input": {}}}


def result(identity: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": identity, "content": list(content)}}


def document(name: str) -> dict[str, Any]:
    return {"document": {"format": "txt", "name": name, "source": {"bytes": "AAAA"}}}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def tools(*names: str, schema: Any = None) -> dict[str, Any]:
    json = {"type": "object"} if schema is None else schema
    return {"tools": [{"toolSpec": {"name": name, "inputSchema": {"json": json}}} for name in names]}


HI = user(text("hi"))
POINT = {"cachePoint": {"type": "default"}}
GOOD = {
    "messages": [
        HI,
        assistant(text("a"), use("1"), use("2")),
        user(result("2", text("x")), result("1", text("y"))),
    ],
    "toolConfig": tools("Bash", "Read"),
    "inferenceConfig": {"maxTokens": 16_384},
}


def problems(messages: list[Any], model: str = QWEN, **rest: Any) -> list[str]:
    """The problems of a body whose shapes the service model allows."""
    body = {"messages": messages, "toolConfig": tools("Bash"), **rest}
    assert shape_problems("Converse", model, body) == []
    return conversation_problems(model, body)


def test_a_good_conversation_has_no_problems() -> None:
    assert shape_problems("Converse", QWEN, GOOD) == []
    assert conversation_problems(QWEN, GOOD) == []


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        pytest.param([], "must start with a user message", id="no messages"),
        pytest.param([HI, HI], "must alternate between user and assistant roles", id="two user turns"),
        pytest.param(
            [HI, {"role": "system", "content": [text("s")]}, HI], "the role 'system'", id="role system"
        ),
        pytest.param(
            [HI, assistant(text("a"))], "does not support assistant message prefill", id="ends with assistant"
        ),
        pytest.param(
            [user()], "The content field in the Message object at messages.0 is empty", id="empty message"
        ),
        pytest.param([user(text(" \n"))], "messages.0.content.0 is blank", id="blank text"),
        pytest.param(
            [HI, assistant(use("1")), user(result("1", text(" ")))],
            "messages.2.content.0.toolResult.content.0 is blank",
            id="blank tool result",
        ),
        pytest.param(
            [HI, assistant(use("1")), user(result("1"))],
            "ToolResultBlock object at messages.2",
            id="empty tool result",
        ),
        pytest.param(
            [user(result("1", text("x")))], "exceeds the number of toolUse blocks", id="orphan result"
        ),
        pytest.param([HI, assistant(use("1")), HI], "for the following Ids: 1", id="missing result"),
        pytest.param(
            [HI, assistant(use("1"), use("1")), user(result("1", text("x")))],
            "duplicate Ids",
            id="duplicate id",
        ),
        pytest.param(
            [HI, assistant(use("1"), text("after")), user(result("1", text("x")))],
            "must not be followed by anything but toolUse blocks",
            id="text after tool use",
        ),
        pytest.param(
            [HI, assistant(use("1")), user(text("first"), result("1", text("x")))],
            "toolResult blocks must come first",
            id="text before tool result",
        ),
        pytest.param(
            [
                HI,
                assistant({"toolUse": {"toolUseId": "1", "name": "B", "input": "{}"}}),
                user(result("1", text("x"))),
            ],
            "messages.1.content.0.toolUse.input is invalid",
            id="input not an object",
        ),
        pytest.param(
            [user(use("1"))], "toolUse is only allowed in assistant messages", id="tool use by a user"
        ),
        pytest.param(
            [HI, assistant({"image": {"format": "png", "source": {"bytes": "AAAA"}}}), HI],
            "image is only allowed in user messages",
            id="image by an assistant",
        ),
        pytest.param([user(document("a"))], "A text block must be included", id="document without text"),
        pytest.param(
            [user(text("x"), document("a"), document("a"))],
            "duplicate document names",
            id="duplicate document",
        ),
        pytest.param(
            [user(text("x"), document("a.txt"))], "The document file name 'a.txt'", id="document name"
        ),
    ],
)
def test_what_bedrock_refuses_in_messages_is_named(messages: list[Any], words: str) -> None:
    assert any(words in problem for problem in problems(messages))


def test_blank_system_text_is_named() -> None:
    assert problems([HI], system=[text(" ")]) == [
        "The text field in the ContentBlock object at system.0 is blank. Add text to the text field, and try again."
    ]


def test_only_some_families_take_a_leading_assistant_turn() -> None:
    messages = [assistant(text("a")), HI]
    assert problems(messages) == []
    assert problems(messages, CLAUDE) == []
    assert len(problems(messages, "meta.llama4-scout-17b-instruct-v1:0")) == 1


def test_tool_history_needs_a_tool_configuration() -> None:
    body = {key: value for key, value in GOOD.items() if key != "toolConfig"}
    assert conversation_problems(QWEN, body) == [
        "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param(tools("Bash", "Bash"), "duplicate tool names", id="duplicate name"),
        pytest.param(
            tools("Bash", schema={}), "must be one of the following: object", id="schema without type"
        ),
        pytest.param(
            tools("Bash", schema=[]), "must be one of the following: object", id="schema not an object"
        ),
        pytest.param(
            tools("Bash", schema={"type": "object", "anyOf": []}),
            "not supported at the top level",
            id="schema anyOf",
        ),
    ],
)
def test_what_bedrock_refuses_in_tools_is_named(config: dict[str, Any], words: str) -> None:
    (problem,) = problems([HI], toolConfig=config)
    assert words in problem


def test_cache_points_are_for_models_that_know_them_and_at_most_four() -> None:
    assert problems([user(text("a"), POINT)], CLAUDE) == []
    assert problems([user(text("a"), POINT)]) == [
        "This model doesn't support the cachePoint field. Remove cachePoint and try again."
    ]
    assert problems([user(*[text("a"), POINT] * 5)], CLAUDE) == [
        "A request may have at most 4 cache points, this one has 5."
    ]


def test_more_output_than_the_model_has_is_named_with_its_limit() -> None:
    (problem,) = problems([HI], inferenceConfig={"maxTokens": 32_000})
    assert problem.startswith("The maximum tokens you requested exceeds the model limit of 16384.")
    assert problems([HI], CLAUDE, inferenceConfig={"maxTokens": 32_000}) == []
