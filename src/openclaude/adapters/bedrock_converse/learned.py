"""Limits that Bedrock states in its refusals, remembered for each model and region until the process ends.

Bedrock names an unsupported field in one fixed sentence (`This model doesn't support the X field. Remove X and try
again.`). A field whose absence does no harm is removed and the request is sent once more.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from openclaude.adapters.bedrock_converse.options import schema_prompt
from openclaude.adapters.bedrock_converse.pieces import Json

_FIELD = re.compile(r"his model (?:doesn['\u2019]t|does not) support the (\S+) field")
_MAX_TOKENS = re.compile(r"maximum tokens you requested exceeds the model limit of (\d[\d,]*)")
_NO_TOOL_STREAM = re.compile(r"(?:doesn['\u2019]t|does not) support tool use in streaming mode")
_NO_CACHE = "did not allow prompt caching"
_SCHEMA_REFUSED = ("Schema is too complex", "output_config.format: Extra inputs")
_EXTRA_FIELD = re.compile(r"additionalModelRequestFields(\.[A-Za-z0-9_]+)*")

REMOVE: Final = "remove"
CLAMP: Final = "clamp"
EMULATE: Final = "emulate_stream"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model turned out not to take.

    Attributes:
        kind: `REMOVE` a field, `CLAMP` the output limit, or `EMULATE` the stream.
        what: the field, in the spelling `amended` knows.
        limit: the output limit of a clamp.
    """

    kind: str
    what: str
    limit: int = 0

    @property
    def note(self) -> str:
        return f"learned:{self.what}"


_PLAIN_FIELDS = {
    "cachePoint": "cachePoint",
    "stopSequences": "stopSequences",
    "status": "status",
    "temperature": "temperature",
    "topP": "topP",
    "topK": "topK",
    "strict": "strict",
    "outputConfig": "outputConfig",
    "textFormat": "outputConfig",
    "toolChoice": "toolChoice",
    "any": "toolChoice.any",
    "tool": "toolChoice.tool",
}


def read(message: str) -> Verdict | None:
    """What an error text teaches; None when it teaches nothing that could be helped."""
    if (limit := _MAX_TOKENS.search(message)) is not None:
        number = int(limit[1].replace(",", "")[:9])
        return Verdict(CLAMP, "maxTokens", number) if number > 0 else None
    if _NO_TOOL_STREAM.search(message):
        return Verdict(EMULATE, "streaming")
    if _NO_CACHE in message:
        return Verdict(REMOVE, "cachePoint")
    if any(text in message for text in _SCHEMA_REFUSED):
        return Verdict(REMOVE, "outputConfig")
    found = _FIELD.search(message)
    return _removable(found[1].strip(".,;:'\"`")) if found is not None else None


def _removable(name: str) -> Verdict | None:
    if _EXTRA_FIELD.fullmatch(name) is not None:
        return Verdict(REMOVE, name)
    parts = name.split(".")
    if parts[-1] in ("any", "tool") and "toolChoice" not in parts:
        return None
    what = _PLAIN_FIELDS.get(parts[-1])
    return Verdict(REMOVE, what) if what is not None else None


def amended(body: Json, verdict: Verdict) -> Json:
    """The translated body without what the model does not take; `body` and its parts are not changed."""
    if verdict.kind == CLAMP:
        return _clamped(body, verdict.limit)
    if verdict.kind == EMULATE:
        return body
    if verdict.what.startswith("additionalModelRequestFields"):
        return _without_path(body, verdict.what.split("."))
    match verdict.what:
        case "cachePoint":
            return _without_points(body)
        case "status":
            return {**body, "messages": _without_status(body["messages"])}
        case "strict":
            return _without_strict(body)
        case "outputConfig":
            return _prompted(body)
        case "toolChoice" | "toolChoice.any" | "toolChoice.tool" as what:
            return _without_choice(body, what)
        case "topK":
            body = _without_path(body, ["additionalModelRequestFields", "top_k"])
            return _without_path(body, ["additionalModelRequestFields", "inferenceConfig", "topK"])
        case what:
            return _without_path(body, ["inferenceConfig", what])


def _clamped(body: Json, limit: int) -> Json:
    config = body["inferenceConfig"]
    body = {**body, "inferenceConfig": {**config, "maxTokens": min(config["maxTokens"], limit)}}
    extra = body.get("additionalModelRequestFields", {})
    thinking = extra.get("thinking", {})
    if thinking.get("budget_tokens", 0) >= limit:
        # The budget has to stay under the limit, and under 1024 there is no thinking.
        kept = {key: value for key, value in extra.items() if key != "thinking"}
        if limit > 1024:
            kept["thinking"] = {**thinking, "budget_tokens": limit - 1}
        body["additionalModelRequestFields"] = kept
    return body


def _without_path(body: Json, path: list[str]) -> Json:
    """`body` without one member; a parent that has nothing left goes too, as long as Bedrock can do without."""
    key, *rest = path
    value = body.get(key)
    if not rest or not isinstance(value, dict):
        return {name: item for name, item in body.items() if name != key} if not rest else body
    inner = _without_path(value, rest)
    return {**body, key: inner} if inner else {name: item for name, item in body.items() if name != key}


def _without_points(body: Json) -> Json:
    def kept(blocks: list[Json]) -> list[Json]:
        return [block for block in blocks if "cachePoint" not in block]

    lean = dict(body)
    lean["messages"] = [{**message, "content": kept(message["content"])} for message in body["messages"]]
    if "system" in body:
        lean["system"] = kept(body["system"])
    if "toolConfig" in body:
        lean["toolConfig"] = {**body["toolConfig"], "tools": kept(body["toolConfig"]["tools"])}
    return lean


def _without_status(messages: list[Json]) -> list[Json]:
    return [
        {**message, "content": [_plain_result(block) for block in message["content"]]} for message in messages
    ]


def _plain_result(block: Json) -> Json:
    result = block.get("toolResult")
    if not isinstance(result, dict) or "status" not in result:
        return block
    first, *rest = result["content"]
    shown = {"text": f"Error: {first['text']}"} if "text" in first else {"text": "Error:"}
    content = [shown, *rest] if "text" in first else [shown, first, *rest]
    return {
        "toolResult": {**{key: value for key, value in result.items() if key != "status"}, "content": content}
    }


def _without_strict(body: Json) -> Json:
    config = body.get("toolConfig")
    if config is None:
        return body
    tools = [
        {"toolSpec": {key: value for key, value in tool["toolSpec"].items() if key != "strict"}}
        if "toolSpec" in tool
        else tool
        for tool in config["tools"]
    ]
    return {**body, "toolConfig": {**config, "tools": tools}}


def _without_choice(body: Json, what: str) -> Json:
    config = body.get("toolConfig", {})
    _, _, kind = what.partition(".")
    if "toolChoice" not in config or (kind and kind not in config["toolChoice"]):
        return body
    return {**body, "toolConfig": {key: value for key, value in config.items() if key != "toolChoice"}}


def _prompted(body: Json) -> Json:
    """The schema moves into the system text: the client still wants JSON."""
    text_format: Any = body.get("outputConfig", {}).get("textFormat")
    rest = {key: value for key, value in body.items() if key != "outputConfig"}
    if text_format is None:
        return rest
    prompt = schema_prompt(text_format["structure"]["jsonSchema"]["schema"])
    return {**rest, "system": [*body.get("system", []), {"text": prompt}]}


class LearnedLimits:
    """The verdicts of one process, by region and model id.

    Attributes:
        any: whether there are any.
    """

    __slots__ = ("_verdicts", "any")

    def __init__(self) -> None:
        self.any = False
        self._verdicts: dict[tuple[str, str], dict[str, Verdict]] = {}

    def add(self, region: str, model_id: str, verdict: Verdict) -> None:
        """Remember a verdict; a later clamp replaces an earlier one."""
        self.any = True
        self._verdicts.setdefault((region, model_id), {})[verdict.what] = verdict

    def known(self, region: str, model_id: str) -> tuple[Verdict, ...]:
        """The verdicts that apply, in the order they were learned."""
        return tuple(self._verdicts.get((region, model_id), {}).values())
