"""The rules Bedrock enforces on a conversation beyond the shapes of its service model.

Each message is worded as the real service words it where its wording is known, because clients read it.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

Block = Mapping[str, Any]
Problems = Iterator[str]

OUTPUT_LIMITS = {"qwen.qwen3-coder": 16_384}
"""Largest `maxTokens` by the beginning of a model id."""

CACHE_POINT_LIMIT = 4

_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9()\[\]-]+( [A-Za-z0-9()\[\]-]+)*")


def conversation_problems(model_id: str, body: Mapping[str, Any]) -> list[str]:
    """What Bedrock would refuse in a body whose shapes are already known to be right."""
    messages = body.get("messages", [])
    return [
        *_role_problems(model_id, [message["role"] for message in messages]),
        *_content_problems(body),
        *_pairing_problems(messages),
        *_document_problems(messages),
        *_tool_problems(body),
        *_limit_problems(model_id, body),
    ]


def _role_problems(model_id: str, roles: list[str]) -> Problems:
    if not roles:
        yield "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        return
    for index, role in enumerate(roles):
        if role not in {"user", "assistant"}:
            yield f"messages.{index}.role: the role {role!r} is not supported by this model. Use user or assistant."
    if any(first == second for first, second in itertools.pairwise(roles)):
        yield (
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )
    if roles[0] == "assistant" and not ("qwen" in model_id or "anthropic" in model_id):
        yield "A conversation must start with a user message. Try again with a conversation that starts with a user message."
    if roles[-1] == "assistant":
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def _content_problems(body: Mapping[str, Any]) -> Problems:
    for index, block in enumerate(body.get("system", [])):
        yield from _blank(block, f"system.{index}")
    for number, message in enumerate(body.get("messages", [])):
        at = f"messages.{number}.content"
        if not message["content"]:
            yield f"The content field in the Message object at messages.{number} is empty. Add a ContentBlock object to the content field and try again."
        for index, block in enumerate(message["content"]):
            yield from _block_problems(block, f"{at}.{index}", message["role"])


def _block_problems(block: Block, at: str, role: str) -> Problems:
    yield from _blank(block, at)
    if {"image", "document", "toolResult"} & block.keys() and role != "user":
        yield f"{at}: {next(iter(block))} is only allowed in user messages."
    if {"toolUse", "reasoningContent"} & block.keys() and role != "assistant":
        yield f"{at}: {next(iter(block))} is only allowed in assistant messages."
    if "toolUse" in block and not isinstance(block["toolUse"]["input"], dict):
        yield f"The format of the value at {at}.toolUse.input is invalid. Provide a json object for the field and try again."
    if "toolResult" in block:
        if not block["toolResult"]["content"]:
            yield f"The content field in the ToolResultBlock object at {at} is empty."
        for index, part in enumerate(block["toolResult"]["content"]):
            yield from _blank(part, f"{at}.toolResult.content.{index}")


def _blank(block: Block, at: str) -> Problems:
    if "text" in block and not block["text"].strip():
        yield f"The text field in the ContentBlock object at {at} is blank. Add text to the text field, and try again."


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    return [block[kind]["toolUseId"] for block in message["content"] if kind in block]


def _pairing_problems(messages: list[Mapping[str, Any]]) -> Problems:
    called: list[str] = []
    for number, message in enumerate(messages):
        at = f"messages.{number}.content"
        uses, results = _ids(message, "toolUse"), _ids(message, "toolResult")
        if len(set(uses)) < len(uses) or len(set(results)) < len(results):
            yield f"{at} contains duplicate Ids in its toolUse or toolResult blocks."
        if set(results) - set(called):
            yield f"The number of toolResult blocks at {at} exceeds the number of toolUse blocks of previous turn."
        missing = [use for use in called if use not in results]
        if missing:
            yield f"Expected toolResult blocks at {at} for the following Ids: {', '.join(missing)}"
        yield from _order_problems(message, at)
        called = uses
    if called:
        yield f"Expected toolResult blocks for the following Ids: {', '.join(called)}"


def _order_problems(message: Mapping[str, Any], at: str) -> Problems:
    blocks = [block for block in message["content"] if "cachePoint" not in block]
    is_use = ["toolUse" in block for block in blocks]
    if is_use != sorted(is_use):
        yield f"{at}: a toolUse block must not be followed by anything but toolUse blocks."
    is_result = ["toolResult" in block for block in blocks]
    if is_result != sorted(is_result, reverse=True):
        yield f"{at}: toolResult blocks must come first in their message."


def _document_problems(messages: list[Mapping[str, Any]]) -> Problems:
    names: list[str] = []
    for number, message in enumerate(messages):
        found = [block["document"]["name"] for block in message["content"] if "document" in block]
        if found and not any("text" in block for block in message["content"]):
            yield f"messages.{number}.content: A text block must be included when using documents."
        names += found
    if len(set(names)) < len(names):
        yield "Messages can not contain duplicate document names"
    for name in names:
        if not _DOCUMENT_NAME.fullmatch(name):
            yield (
                f"The document file name {name!r} can only contain alphanumeric characters, whitespace characters, "
                "hyphens, parentheses, and square brackets, and no more than one consecutive whitespace character."
            )


def _tool_problems(body: Mapping[str, Any]) -> Problems:
    blocks = [block for message in body.get("messages", []) for block in message["content"]]
    if "toolConfig" not in body:
        if any({"toolUse", "toolResult"} & block.keys() for block in blocks):
            yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        return
    specs = [tool["toolSpec"] for tool in body["toolConfig"]["tools"] if "toolSpec" in tool]
    names = [spec["name"] for spec in specs]
    if len(set(names)) < len(names):
        yield "The toolConfig.tools field contains duplicate tool names."
    for index, spec in enumerate(specs):
        at = f"toolConfig.tools.{index}.toolSpec.inputSchema.json"
        schema = spec["inputSchema"].get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield f"The value at {at}.type must be one of the following: object."
        elif {"anyOf", "oneOf", "allOf"} & schema.keys():
            yield f"{at}: anyOf, oneOf and allOf are not supported at the top level."


def _limit_problems(model_id: str, body: Mapping[str, Any]) -> Problems:
    lists = [body.get("system", []), body.get("toolConfig", {}).get("tools", [])]
    lists += [message["content"] for message in body.get("messages", [])]
    points = sum("cachePoint" in block for blocks in lists for block in blocks)
    if points and "qwen" in model_id:
        yield "This model doesn't support the cachePoint field. Remove cachePoint and try again."
    if points > CACHE_POINT_LIMIT:
        yield f"A request may have at most {CACHE_POINT_LIMIT} cache points, this one has {points}."
    wanted = body.get("inferenceConfig", {}).get("maxTokens", 0)
    limit = next((limit for prefix, limit in OUTPUT_LIMITS.items() if model_id.startswith(prefix)), wanted)
    if wanted > limit:
        yield (
            f"The maximum tokens you requested exceeds the model limit of {limit}. Try again with a maximum tokens "
            f"value that is lower than {limit}."
        )
