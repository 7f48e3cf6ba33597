"""What Claude on AWS refuses in a Messages body, in the words it refuses it with where they are known."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
Problems = Iterator[str]

FIELDS = frozenset(
    {
        "anthropic_version",
        "anthropic_beta",
        "max_tokens",
        "messages",
        "system",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "tools",
        "tool_choice",
        "thinking",
        "metadata",
        "output_config",
        "context_management",
    }
)
"""The members of an InvokeModel body for Claude."""
VERSIONS = ("bedrock-2023-05-31", "2026-10-21")
BETAS = frozenset(
    {
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "tool-search-tool-2025-10-19",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
    }
)

_BLOCKS = {
    "user": frozenset({"text", "image", "document", "tool_result", "search_result"}),
    "assistant": frozenset(
        {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "tool_search_tool_result"}
    ),
}
_IN_RESULT = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_TOOL = frozenset({"name", "description", "input_schema", "type", "cache_control", "defer_loading", "strict"})
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2})(?!\d))?")
_CACHE_POINTS = 4
_EDITS = ("compact_20260112", "clear_tool_uses_20250919")


def body_problems(model_id: str, body: Json, *, enveloped: bool) -> list[str]:
    """Everything that would be refused. `enveloped`: a Messages endpoint, which takes `model` and `stream` too."""
    fields = FIELDS | {"model", "stream"} if enveloped else FIELDS
    found = [f"{name}: Extra inputs are not permitted" for name in body if name not in fields]
    if not enveloped and body.get("anthropic_version") not in VERSIONS:
        found.append("anthropic_version: Field required")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        found.append("max_tokens: Input should be greater than or equal to 1")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        return [*found, "messages: at least one message is required"]
    version = _version(model_id)
    return [
        *found,
        *(f"invalid beta flag: {flag}" for flag in body.get("anthropic_beta", ()) if flag not in BETAS),
        *_system_problems(body.get("system", "")),
        *_message_problems(body["messages"], version),
        *_pairing_problems(body["messages"]),
        *_tool_problems(body.get("tools", [])),
        *_choice_problems(body),
        *_version_problems(body, version),
        *_cache_problems(body),
    ]


def _version(model_id: str) -> tuple[int, int]:
    found = _VERSION.search(model_id)
    return (int(found[1]), int(found[2] or 0)) if found else (4, 6)


def _system_problems(system: Any) -> Problems:
    if not isinstance(system, str) and not (isinstance(system, list) and system):
        yield "system: Input should be a valid string or list"
        return
    for index, block in enumerate(system if isinstance(system, list) else ()):
        if block.get("type") != "text" or set(block) - {"type", "text", "cache_control"}:
            yield f"system.{index}: Extra inputs are not permitted"
        elif not block["text"].strip():
            yield "system: text content blocks must contain non-whitespace text"


def _message_problems(messages: list[Json], version: tuple[int, int]) -> Problems:
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if message.get("role") not in _BLOCKS:
            yield f"{at}.role: Input should be 'user' or 'assistant'"
            continue
        content = message.get("content")
        if not content:
            yield f"{at}: {message['role']} messages must have non-empty content"
        elif isinstance(content, str) and not content.strip():
            yield f"{at}: text content blocks must contain non-whitespace text"
        for place, block in enumerate(content if isinstance(content, list) else ()):
            yield from _block_problems(block, f"{at}.content.{place}", _BLOCKS[message["role"]])
    roles = [message.get("role") for message in messages]
    if any(first == second for first, second in itertools.pairwise(roles)):
        yield "messages: roles must alternate between user and assistant"
    if roles[-1] == "assistant" and version >= (4, 6) and not _is_paused(messages[-1].get("content")):
        yield (
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _is_paused(content: Any) -> bool:
    """Whether the model stopped in its turn for a server tool, and is to go on."""
    blocks = content if isinstance(content, list) else []
    called = [block.get("id") for block in blocks if block.get("type") == "server_tool_use"]
    return bool(called) and (
        blocks[-1].get("type") == "server_tool_use" or blocks[-1].get("tool_use_id") in called
    )


def _block_problems(block: Json, at: str, kinds: frozenset[str]) -> Problems:
    kind = block.get("type")
    if kind not in kinds:
        yield f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        return
    if kind == "text" and not (isinstance(block.get("text"), str) and block["text"].strip()):
        yield f"{at}: text content blocks must contain non-whitespace text"
    if kind in ("image", "document") and block["source"]["type"] in ("url", "file"):
        yield f"{at}.{kind}.source: {block['source']['type']} sources are not supported"
    if kind == "thinking" and (not block.get("signature") or block["signature"].startswith("openclaude.")):
        yield f"{at}: Invalid `signature` in `thinking` block"
    for name in ("id", "tool_use_id"):
        if name in block and not _TOOL_ID.fullmatch(block[name]):
            yield f"{at}.{kind}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        yield f"{at}.tool_use.input: Input should be a valid dictionary"
    inner = block.get("content")
    if kind == "tool_result" and isinstance(inner, list):
        for index, part in enumerate(inner):
            yield from _block_problems(part, f"{at}.content.{index}", _IN_RESULT)


def _ids(message: Json, kind: str, key: str) -> list[str]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [block.get(key, "") for block in blocks if block.get("type") == kind]


def _pairing_problems(messages: list[Json]) -> Problems:
    called: list[str] = []
    for index, message in enumerate([*messages, {"role": "user", "content": []}]):
        uses, results = _ids(message, "tool_use", "id"), _ids(message, "tool_result", "tool_use_id")
        missing = [use for use in called if use not in results]
        if missing:
            yield (
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}"
            )
        if set(results) - set(called):
            yield f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks"
        if len(set(uses)) < len(uses) or len(set(results)) < len(results):
            yield f"messages.{index}: `tool_use` ids must be unique"
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        is_result = [block.get("type") == "tool_result" for block in blocks]
        if is_result != sorted(is_result, reverse=True):
            yield f"messages.{index}: `tool_result` blocks must come first"
        called = uses


def _tool_problems(tools: list[Json]) -> Problems:
    names = [tool.get("name", "") for tool in tools]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    for index, tool in enumerate(tools):
        at = f"tools.{index}"
        kind = tool.get("type") or "custom"
        if kind.startswith(("web_search_", "web_fetch_", "code_execution_", "advisor_", "mcp_toolset")):
            yield f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        if kind != "custom":
            continue
        if not _TOOL_NAME.fullmatch(tool.get("name", "")):
            yield f"{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if tool.get("input_schema", {}).get("type") != "object":
            yield f"{at}.custom.input_schema.type: Input should be 'object'"
        for name in tool:
            if name not in _TOOL:
                yield f"{at}.custom.{name}: Extra inputs are not permitted"


def _choice_problems(body: Json) -> Problems:
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not body.get("tools"):
        yield "tool_choice: tools must be given"
    names = [tool.get("name") for tool in body.get("tools", [])]
    if choice.get("type") == "tool" and choice.get("name") not in names:
        yield f"tool_choice: tool {choice.get('name')!r} not found in provided tools"
    if choice.get("type") in ("any", "tool") and _thinks(body):
        yield "Thinking may not be enabled when tool_choice forces tool use."


def _thinks(body: Json) -> bool:
    return body.get("thinking", {}).get("type") in ("enabled", "adaptive")


def _version_problems(body: Json, version: tuple[int, int]) -> Problems:
    sampling = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if version >= (4, 7):
        yield from (f"`{name}` is deprecated for this model." for name in sampling)
    if version >= (4, 5) and {"temperature", "top_p"} <= set(sampling):
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    if _thinks(body) and sampling:
        yield f"`{sampling[0]}` may not be set when thinking is enabled."
    thinking = body.get("thinking", {})
    if thinking.get("type") == "enabled":
        if version >= (4, 7):
            yield '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
        elif not 1024 <= thinking.get("budget_tokens", 0) < body["max_tokens"]:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if thinking.get("type") == "adaptive" and version < (4, 6):
        yield "adaptive thinking is not supported on this model"
    for index, edit in enumerate(body.get("context_management", {}).get("edits", ())):
        if edit.get("type") not in _EDITS:
            yield f"context_management.edits.{index}: Input tag '{edit.get('type')}' does not match"


def _cache_problems(body: Json) -> Problems:
    marks = list(_marks([body.get("tools"), body.get("system"), body["messages"]]))
    for mark in marks:
        extra = set(mark) - {"type", "ttl"}
        if extra:
            yield f"cache_control.{min(extra)}: Extra inputs are not permitted"
    if len(marks) > _CACHE_POINTS:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."


def _marks(value: Any) -> Iterator[Json]:
    """Every `cache_control`, except in what a tool is given."""
    if isinstance(value, list):
        for item in value:
            yield from _marks(item)
    elif isinstance(value, dict):
        if isinstance(value.get("cache_control"), dict):
            yield value["cache_control"]
        for key, item in value.items():
            if key not in ("input", "input_schema", "cache_control"):
                yield from _marks(item)
