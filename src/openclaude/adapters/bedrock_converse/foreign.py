"""Blocks of tools that ran on Anthropic's servers, as plain text for a model that knows none of them.

One text stands for a call and its result, in the assistant turn where both were. Encrypted parts are left out.
"""

import json
from typing import Any

from openclaude.adapters.bedrock_converse.pieces import Json, objects, string

CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_RESULT_SUFFIX = "_tool_result"


def is_result(kind: str) -> bool:
    """Whether a block type is the result of a server tool (`web_search_tool_result`, `mcp_tool_result`, ...)."""
    return kind.endswith(_RESULT_SUFFIX)


def call_text(call: Json, result: Json | None) -> str:
    """A call with the lines of its result."""
    arguments = json.dumps(call.get("input", {}), ensure_ascii=False)
    head = f"[{string(call.get('name')) or 'server tool'} {arguments}]"
    return "\n".join([head, *(_lines(result) if result is not None else [])])


def result_text(result: Json) -> str:
    """A result whose call is not in the same turn."""
    name = string(result.get("type")).removesuffix(_RESULT_SUFFIX)
    return "\n".join([f"[{name} result]", *_lines(result)])


def _lines(result: Json) -> list[str]:
    content = result.get("content")
    if isinstance(content, str):
        return [content] if content.strip() else []
    if isinstance(content, dict):
        return _item(content)
    return [line for item in objects(content) for line in _item(item)]


def _item(item: Json) -> list[str]:
    """The lines of one part of a result, whichever tool it came from."""
    lines: list[str] = []
    if item.get("error_code"):
        lines.append(f"- error: {item['error_code']}")
    title, url = string(item.get("title")), string(item.get("url"))
    if title or url:
        lines.append(f"- {title} <{url}>" if title and url else f"- {title or f'<{url}>'}")
    lines += _texts(item)
    lines += [
        f"Tool available: {string(ref.get('tool_name'))}" for ref in objects(item.get("tool_references"))
    ]
    if isinstance(item.get("return_code"), int) and item["return_code"]:
        lines.append(f"- return code {item['return_code']}")
    return lines


def _texts(item: Json) -> list[str]:
    found = [item.get(key) for key in ("text", "stdout", "stderr")]
    nested = item.get("content")
    found.append(nested if isinstance(nested, str) else _document_text(nested))
    return [text for text in found if isinstance(text, str) and text.strip()]


def _document_text(nested: Any) -> str:
    """The text of the document a fetched page comes in."""
    if not isinstance(nested, dict) or not isinstance(nested.get("source"), dict):
        return ""
    source = nested["source"]
    return string(source.get("data")) if source.get("type") == "text" else ""
