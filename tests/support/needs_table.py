"""Requests and what five models lack for each of them: the table that capability routing is held to.

A row is a name, the members of a request, and its needs with Qwen, Qwen-VL, Nova, Llama 4 and Claude by InvokeModel,
in this order; an empty text says that the model serves it.
"""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "data" / "claude-code"
MODELS = {
    "qwen": "qwen.qwen3-coder-next",
    "qwen-vl": "qwen.qwen3-vl-235b-a22b",
    "nova": "us.amazon.nova-2-lite-v1:0",
    "llama4": "us.meta.llama4-maverick-17b-instruct-v1:0",
    "claude": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
}

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
URL = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}
PARTS = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "words"}]}}
TEXT = {"type": "text", "text": "hi"}
BASH = {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
SERVER_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
SERVER_RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
NEVER = ("", "", "", "", "")
ALWAYS_AN_IMAGE = ("image", "", "", "", "")
ALWAYS_A_DOCUMENT = ("document", "document", "", "document", "")

Row = tuple[str, dict[str, Any], tuple[str, str, str, str, str]]


def typed(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, **more}


def says(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def ran(*parts: Any, then: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    """A conversation in which a tool was called and answered with these parts."""
    outcome = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(parts)}
    return [
        *says(TEXT),
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [outcome, *then]},
    ]


def later(*messages: Any) -> list[dict[str, Any]]:
    """The same conversation some turns later."""
    return [*messages, {"role": "assistant", "content": [TEXT]}, *says(TEXT)]


def recorded(name: str) -> dict[str, Any]:
    """What Claude Code sends, without its model."""
    body = json.loads((FIXTURES / f"{name}.json").read_text())
    return {key: value for key, value in body.items() if key != "model"}


def words(count: int) -> list[dict[str, Any]]:
    """A message of so many words, each of about one token."""
    return says({"type": "text", "text": "alpha " * count})


_SEARCH = [typed("web_search_20250305", "web_search", max_uses=8)]
_FORCED_ANY = {"type": "any"}
_FORCED_TOOL = {"type": "tool", "name": "Bash"}

TABLE: tuple[Row, ...] = (
    ("plain", {"messages": says(TEXT)}, NEVER),
    ("text of a string", {"messages": [{"role": "user", "content": "hi"}]}, NEVER),
    ("own tools", {"messages": says(TEXT), "tools": [BASH]}, NEVER),
    ("own tools by type", {"messages": says(TEXT), "tools": [{"type": "custom", **BASH}]}, NEVER),
    ("bash by type", {"messages": says(TEXT), "tools": [typed("bash_20250124", "bash")]}, NEVER),
    ("editor by type", {"messages": says(TEXT), "tools": [typed("text_editor_20250728", "e")]}, NEVER),
    ("memory by type", {"messages": says(TEXT), "tools": [typed("memory_20250818", "memory")]}, NEVER),
    ("computer", {"messages": says(TEXT), "tools": [typed("computer_20250124", "c")]}, (*["computer"] * 4, "")),
    ("computer beside bash", {"messages": says(TEXT), "tools": [BASH, typed("computer_20251124", "c")]},
     (*["computer"] * 4, "")),
    ("a tool type of the future", {"messages": says(TEXT), "tools": [typed("oracle_20300101", "o")]},
     (*["oracle"] * 4, "")),
    ("a tool type with a schema", {"messages": says(TEXT), "tools": [{**BASH, "type": "oracle_20300101"}]}, NEVER),
    ("web search", {"messages": says(TEXT), "tools": _SEARCH}, ("web_search",) * 5),
    ("newer web search", {"messages": says(TEXT), "tools": [typed("web_search_20260209", "web_search")]},
     ("web_search",) * 5),
    ("web search beside bash", {"messages": says(TEXT), "tools": [BASH, *_SEARCH]}, ("web_search",) * 5),
    ("web search that may not run", {"messages": says(TEXT), "tools": _SEARCH, "tool_choice": {"type": "none"}}, NEVER),
    ("web search in the history", {"messages": later(*says(TEXT), {"role": "assistant", "content": [
        SERVER_CALL, SERVER_RESULT]})}, NEVER),
    ("web search taken away", {"messages": says({"type": "tool_removal", "tool": {"name": "web_search"}}, TEXT),
     "tools": [BASH, *_SEARCH]}, NEVER),
    ("web fetch", {"messages": says(TEXT), "tools": [typed("web_fetch_20250910", "web_fetch")]}, ("web_fetch",) * 5),
    ("code execution", {"messages": says(TEXT), "tools": [typed("code_execution_20250825", "code_execution")]},
     ("code_execution",) * 5),
    ("tool search by words", {"messages": says(TEXT), "tools": [typed("tool_search_tool_bm25_20251119", "s"), BASH]},
     (*["tool_search"] * 4, "")),
    ("tool search by patterns", {"messages": says(TEXT), "tools": [typed("tool_search_tool_regex", "s"), BASH]},
     (*["tool_search"] * 4, "")),
    ("advisor", {"messages": says(TEXT), "tools": [typed("advisor_20260301", "advisor")]}, ("advisor",) * 5),
    ("mcp toolset", {"messages": says(TEXT), "tools": [typed("mcp_toolset", "m")]}, ("mcp_toolset",) * 5),
    ("mcp servers", {"messages": says(TEXT), "mcp_servers": [{"type": "url", "url": "https://e", "name": "m"}]},
     ("mcp_servers",) * 5),
    ("no mcp servers", {"messages": says(TEXT), "mcp_servers": []}, NEVER),
    ("image", {"messages": says(TEXT, PNG)}, ALWAYS_AN_IMAGE),
    ("image by address", {"messages": says(TEXT, URL)}, ALWAYS_AN_IMAGE),
    ("image of a tool", {"messages": ran(PNG)}, ALWAYS_AN_IMAGE),
    ("image beside a tool's result", {"messages": ran(TEXT, then=(PNG,))}, ALWAYS_AN_IMAGE),
    ("image some turns ago", {"messages": later(*ran(PNG))}, ALWAYS_AN_IMAGE),
    ("image that a text quotes", {"messages": says({"type": "text", "text": json.dumps(PNG)})}, NEVER),
    ("image in a tool's input", {"messages": [*says(TEXT), {"role": "assistant", "content": [
        {**CALL, "input": {"shown": PNG}}]}, *says({"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"})]},
     NEVER),
    ("pdf", {"messages": says(TEXT, PDF)}, ALWAYS_A_DOCUMENT),
    ("pdf of a tool", {"messages": ran(TEXT, PDF)}, ALWAYS_A_DOCUMENT),
    ("pdf some turns ago", {"messages": later(*says(PDF))}, ALWAYS_A_DOCUMENT),
    ("image and pdf", {"messages": says(PDF, PNG)}, ("image", "document", "", "document", "")),
    ("document of text", {"messages": says(PLAIN, TEXT)}, NEVER),
    ("document of parts", {"messages": ran(PARTS)}, NEVER),
    ("any tool", {"messages": says(TEXT), "tools": [BASH], "tool_choice": _FORCED_ANY}, ("", "", "", "tool_choice", "")),
    ("that tool", {"messages": says(TEXT), "tools": [BASH], "tool_choice": _FORCED_TOOL}, ("", "", "", "tool_choice", "")),
    ("any tool of none", {"messages": says(TEXT), "tools": [], "tool_choice": _FORCED_ANY}, NEVER),
    ("no tool", {"messages": says(TEXT), "tools": [BASH], "tool_choice": {"type": "none"}}, NEVER),
    ("safeguards that nobody reroutes", {"messages": says(TEXT), "safeguards": [{"type": "dangerous_tool_use"}]}, NEVER),
    ("150,000 words", {"messages": words(150_000)}, NEVER),
    ("300,000 words", {"messages": words(300_000)}, ("context", "context", "", "", "context")),
    ("1,200,000 words", {"messages": words(1_200_000)}, ("context",) * 5),
    ("a long base64 text in an input", {"messages": says({"type": "text", "text": "x"}), "metadata": {"x": "A" * 400_000}},
     NEVER),
    ("a schema for the answer", {"messages": says(TEXT), "output_config": {"format": {
        "type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}}}, NEVER),
    *((name, recorded(name), needs) for name, needs in (
        ("main_opus_first", NEVER),
        ("main_opus_after_tool", NEVER),
        ("main_qwen_auto_mode", NEVER),
        ("main_qwen_toolsearch_result", NEVER),
        ("subagent_qwen", NEVER),
        ("subagent_qwen_auto_mid_system", NEVER),
        ("title_qwen", NEVER),
        ("webfetch_qwen", NEVER),
        ("compact_opus", NEVER),
        ("qwen_after_system_role_rejected", NEVER),
        ("qwen_no_experimental_betas", NEVER),
        ("quota_qwen", NEVER),
        ("image_tool_result", ALWAYS_AN_IMAGE),
        ("mcp_tool_result_image", ALWAYS_AN_IMAGE),
        ("websearch_server_tool_qwen", ("web_search",) * 5),
    )),
)  # fmt: skip
"""Every row is tried with every model."""
