"""What Claude's refusals teach, in the words of the Messages API.

A field is named as `path: Extra inputs are not permitted`, a limit as `max_tokens: A > B`. What does no harm by its
absence is removed and the request is sent once more.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from openclaude.adapters.bedrock_converse.learned import CLAMP, REMOVE, Verdict
from openclaude.adapters.bedrock_converse.pieces import Json, objects, string
from openclaude.adapters.bedrock_converse.typed_tools import TOOL_SEARCH_PREFIX
from openclaude.adapters.bedrock_invoke.request import with_prompt
from openclaude.adapters.bedrock_invoke.tools import TOOL_SEARCH

_EXTRA: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*): Extra inputs are not permitted")
_EXTRANEOUS: Final = re.compile(r"#/?([A-Za-z0-9_./]*): extraneous key \[([A-Za-z0-9_.]+)\] is not permitted")
"""Bedrock's own check of a body, which names fields as JSON pointers."""
_MAX_TOKENS: Final = re.compile(r"max_tokens: \d+ > (\d+)|exceeds the model limit of (\d+)")
_SAMPLING: Final = re.compile(
    r"`?(temperature|top_p|top_k)`?\W.{0,60}(?:deprecated|not supported|cannot both be specified)"
)
_NOT_ENABLED: Final = re.compile(
    r"thinking\.type\.enabled\W.{0,40}not supported(?:.{0,40}thinking\.type\.(adaptive))?"
)
"""Says of newer models what to use in its place; of a model before adaptive thinking it could not."""
_NO_BETA: Final = re.compile(
    r"invalid beta flag|Unexpected value\(s\) .{1,400} for the `anthropic-beta` header"
)
BETAS: Final = "anthropic_beta"
_SCHEMA: Final = "Schema is too complex"
_SEARCH_REFUSED: Final = re.compile(
    r"tool_search_tool\w*\W.{0,60}(?:does not match|not supported|not permitted)"
)
"""Tool search works for most models from 4.5 on, and which it is not for shows when it is asked for."""
_ADAPTIVE: Final = "thinking.enabled"

_TOP: Final = frozenset({"context_management", "metadata", "output_config", "temperature", "top_p", "top_k"})
_NESTED: Final = {
    "output_config": ("effort", "format"),
    "thinking": ("display", "block_binding"),
    "tool_choice": ("disable_parallel_tool_use",),
    "tools": ("defer_loading", "input_examples", "strict"),
}
_TTL: Final = "cache_control.ttl"
_SEARCH: Final = "tool_search"


def read(message: str) -> Verdict | None:
    """What an error text teaches; None when it teaches nothing that could be helped."""
    if (limit := _MAX_TOKENS.search(message)) is not None:
        number = int((limit[1] or limit[2])[:9])
        return Verdict(CLAMP, "max_tokens", number) if number > 0 else None
    if (path := _extra_field(message)) is not None:
        what = _removable(path)
        return Verdict(REMOVE, what) if what is not None else None
    if _SEARCH_REFUSED.search(message):
        return Verdict(REMOVE, _SEARCH)
    if _SCHEMA in message:
        return Verdict(REMOVE, "output_config.format")
    if _NO_BETA.search(message):
        return Verdict(REMOVE, BETAS)
    if (budget := _NOT_ENABLED.search(message)) is not None:
        return Verdict(REMOVE, _ADAPTIVE if budget[1] else "thinking")
    found = _SAMPLING.search(message)
    return Verdict(REMOVE, _second(found[1], message)) if found is not None else None


def _extra_field(message: str) -> list[str] | None:
    """The path of the field that a refusal calls one too many."""
    if (extra := _EXTRA.search(message)) is not None:
        return extra[1].split(".")
    if (extra := _EXTRANEOUS.search(message)) is not None:
        return [part for part in (*extra[1].split("/"), extra[2]) if part]
    return None


def _second(name: str, message: str) -> str:
    """Where two sampling fields cannot go together, top_p is the one that goes."""
    return "top_p" if "cannot both" in message and "top_p" in message else name


def _removable(parts: list[str]) -> str | None:
    """The field behind a path in which numbers and the tags of unions stand between the names."""
    root, leaf = parts[0], parts[-1]
    if leaf == "ttl" and root in ("messages", "system", "tools"):
        return _TTL
    if leaf in _NESTED.get(root, ()):
        return f"{root}.{leaf}"
    if root in ("context_management", "anthropic_beta"):
        return root
    return root if len(parts) == 1 and root in _TOP else None


def amended(body: Json, verdict: Verdict) -> Json:
    """The body without what the model does not take; `body` and its parts are not changed."""
    if verdict.kind == CLAMP:
        return _clamped(body, verdict.limit)
    if verdict.what == _TTL:
        return _with_blocks(body, _without_ttl)
    if verdict.what == _SEARCH:
        return _without_search(body)
    if verdict.what == _ADAPTIVE:
        thinking = body.get("thinking", {})
        kept = {key: value for key, value in thinking.items() if key not in ("type", "budget_tokens")}
        return (
            {**body, "thinking": {"type": "adaptive", **kept}} if thinking.get("type") == "enabled" else body
        )
    if verdict.what == "output_config.format":
        return _prompted(body)
    root, _, leaf = verdict.what.partition(".")
    if root == "tools" and "tools" in body:
        return {**body, "tools": [_without(tool, leaf) for tool in body["tools"]]}
    if not leaf or not isinstance(body.get(root), dict):
        return _without(body, root) if not leaf else body
    inner = _without(body[root], leaf)
    return {**body, root: inner} if inner else _without(body, root)


def _without_search(body: Json) -> Json:
    """The body without tool search: every tool is offered at once, and what was found stands as a text."""
    tools = objects(body.get("tools"))
    if not any(_searches(tool) for tool in tools):
        return body
    kept = [_without(tool, "defer_loading") for tool in tools if not _searches(tool)]
    lean = _with_blocks({**body, "tools": kept}, _told)
    flags = [flag for flag in body.get("anthropic_beta", ()) if flag != TOOL_SEARCH]
    lean = {**lean, "anthropic_beta": flags} if flags else _without(lean, "anthropic_beta")
    return lean if kept else _without(_without(lean, "tools"), "tool_choice")


def _searches(tool: Json) -> bool:
    return string(tool.get("type")).startswith(TOOL_SEARCH_PREFIX)


def _told(block: Json) -> Json:
    if block.get("type") != "tool_reference":
        return block
    return {"type": "text", "text": f"Tool available: {string(block.get('tool_name'))}"}


def _without(holder: Json, key: str) -> Json:
    return {name: value for name, value in holder.items() if name != key}


def _clamped(body: Json, limit: int) -> Json:
    body = {**body, "max_tokens": min(body["max_tokens"], limit)}
    thinking = body.get("thinking", {})
    if thinking.get("budget_tokens", 0) < limit:
        return body
    if limit <= 1024:
        return _without(body, "thinking")
    return {**body, "thinking": {**thinking, "budget_tokens": limit - 1}}


def _prompted(body: Json) -> Json:
    """The schema moves into the system text: the client still wants JSON."""
    config = body.get("output_config", {})
    if "format" not in config:
        return body
    rest = _without(config, "format")
    schema = config["format"].get("schema", {})
    body = {**body, "output_config": rest} if rest else _without(body, "output_config")
    return {**body, "system": with_prompt(body.get("system"), schema)}


def _with_blocks(body: Json, change: Callable[[Json], Json]) -> Json:
    """The body with every block that may be marked for the cache changed."""
    lean = dict(body)
    for name in ("tools", "system"):
        if isinstance(body.get(name), list):
            lean[name] = [change(block) for block in body[name]]
    lean["messages"] = [
        {**message, "content": _changed(message["content"], change)} for message in body["messages"]
    ]
    return lean


def _changed(content: Any, change: Callable[[Json], Json]) -> Any:
    if not isinstance(content, list):
        return content
    changed = []
    for block in objects(content):
        inner = block.get("content")
        whole = {**block, "content": _changed(inner, change)} if isinstance(inner, list) else block
        changed.append(change(whole))
    return changed


def _without_ttl(block: Json) -> Json:
    mark = block.get("cache_control")
    return (
        {**block, "cache_control": _without(mark, "ttl")}
        if isinstance(mark, dict) and "ttl" in mark
        else block
    )
