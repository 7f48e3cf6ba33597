"""Converse answers as Messages: content, stop reasons, usage. Shared by whole answers and streams.

Numbers that Bedrock does not give are zero, never estimated.
"""

import binascii
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from openclaude.adapters.bedrock_converse.blocks import object_of
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, objects, string
from openclaude.domain.errors import MALFORMED_OUTPUT, ApiError
from openclaude.domain.http import Header
from openclaude.domain.messages import SIGNATURE_PREFIX
from openclaude.domain.usage import Usage

_REASONS = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
    "model_context_window_exceeded": "model_context_window_exceeded",
}
_MALFORMED = {
    "malformed_tool_use": "The model produced a malformed tool call",
    "malformed_model_output": "The model produced malformed output",
}
_TIERS = {"priority": "priority", "default": "standard", "flex": "standard", "reserved": "standard"}
_LEAKED_CALL, _LEAKED_FUNCTION = "<tool_call>", "<function="


class ResponseState(NamedTuple):
    """What the translation of an answer has to know about its request.

    Attributes:
        model: the string the client asked for.
        route: goes into the signature of reasoning that came unsigned.
        tool_names: sent name to the client's name, for the names that changed.
        stop_sequences: as they were sent.
        placeholder: the name of the placeholder tool, whose calls are removed; empty where the client has a tool of
            that name.
        discard: the client wanted the prompt cached and no answer.
    """

    model: str
    route: str = ""
    tool_names: Mapping[str, str] = MappingProxyType({})
    stop_sequences: tuple[str, ...] = ()
    placeholder: str = ""
    discard: bool = False

    @property
    def signature(self) -> str:
        """Marks reasoning that no provider signed; the SDK's type wants a signature."""
        return f"{SIGNATURE_PREFIX}v1.{self.route}"


def message_id(headers: Sequence[Header], request_id: str = "") -> str:
    """Bedrock's request id in the form of a message id; the gateway's own `request_id` where that is not known."""
    for name, value in headers:
        if name.lower() == b"x-amzn-requestid":
            return "msg_bdrk_" + value.decode("latin-1").replace("-", "")
    return "msg_bdrk_" + (request_id.removeprefix("req_").replace("-", "") or "local")


def empty_message(state: ResponseState, identity: str) -> Json:
    """A message before its first block, as `message_start` carries it."""
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": state.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_NO_USAGE},
    }


def message(body: Any, state: ResponseState, identity: str, notes: Notes) -> tuple[Json, Usage]:
    """A whole Converse answer as a Messages answer.

    Raises:
        ApiError: 502 when the body is no Converse answer, or when the model's output was malformed.
    """
    output = body.get("output") if isinstance(body, dict) else None
    sent = output.get("message") if isinstance(output, dict) else None
    if not isinstance(sent, dict):
        raise ApiError(
            502, "api_error", "Bedrock answered 200 with a body that is no Converse answer", retry=True
        )
    answer = empty_message(state, identity)
    answer["usage"] = counts = usage_json(body)
    if state.discard:
        answer["stop_reason"] = "max_tokens"
        return answer, usage_of(counts)
    reason = string(body.get("stopReason"))
    if (problem := malformed(reason)) is not None:
        raise problem
    for block in objects(sent.get("content")):
        answer["content"] += content_block(block, state, notes)
    has_tool = any(block["type"] == "tool_use" for block in answer["content"])
    answer["stop_reason"] = stop_reason(reason, notes, has_tool=has_tool)
    if answer["stop_reason"] == "stop_sequence":
        answer["stop_sequence"] = stop_sequence(body, state)
    return answer, usage_of(counts)


def content_block(block: Json, state: ResponseState, notes: Notes) -> list[Json]:
    """The Messages blocks for one Converse block: none or one."""
    if "text" in block:
        return _text(string(block["text"]), notes)
    if isinstance(use := block.get("toolUse"), dict):
        return _tool_use(use, state, notes)
    if isinstance(reasoning := block.get("reasoningContent"), dict):
        return _reasoning(reasoning, state)
    if isinstance(cited := block.get("citationsContent"), dict):
        return _cited(cited)
    notes.dropped(next(iter(block), ""))
    return []


def _text(text: str, notes: Notes) -> list[Json]:
    if not text.strip():
        return []
    if leaks_call(text):
        notes.add("tool_call_in_text")
    return [{"type": "text", "text": text}]


def leaks_call(text: str) -> bool:
    """Whether a model wrote a tool call into its text, as Qwen coders do in long sessions. Passed on, but counted."""
    return _LEAKED_CALL in text or _LEAKED_FUNCTION in text


def _tool_use(use: Json, state: ResponseState, notes: Notes) -> list[Json]:
    if is_foreign_call(use, state, notes):
        return []
    name, identity = string(use.get("name")), string(use.get("toolUseId"))
    if not name or not identity:
        raise ApiError(
            502, "api_error", "Bedrock answered 200 with a tool call that has no name or no id", retry=True
        )
    return [
        {
            "type": "tool_use",
            "id": identity,
            "name": state.tool_names.get(name, name),
            "input": object_of(use.get("input")),
        },
    ]


def is_foreign_call(use: Json, state: ResponseState, notes: Notes) -> bool:
    """Whether a call is none the client could answer: Nova's system tools, or the placeholder."""
    if use.get("type") == "server_tool_use":
        notes.dropped("server_tool_use")
        return True
    if state.placeholder and use.get("name") == state.placeholder:
        notes.add("placeholder_call_removed")
        return True
    return False


def _reasoning(reasoning: Json, state: ResponseState) -> list[Json]:
    if isinstance(shown := reasoning.get("reasoningText"), dict):
        signature = string(shown.get("signature")) or state.signature
        return [{"type": "thinking", "thinking": string(shown.get("text")), "signature": signature}]
    redacted = reasoning.get("redactedContent")
    return [{"type": "redacted_thinking", "data": blob_text([redacted])}] if isinstance(redacted, str) else []


def blob_text(parts: Sequence[str]) -> str:
    """The text that was put into blobs: the inverse of how redacted thinking is sent."""
    try:
        return b"".join(binascii.a2b_base64(part) for part in parts).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _cited(cited: Json) -> list[Json]:
    text = "".join(string(part.get("text")) for part in objects(cited.get("content")))
    if not text.strip():
        return []
    found = [shown for raw in objects(cited.get("citations")) if (shown := citation(raw)) is not None]
    return [{"type": "text", "text": text, "citations": found} if found else {"type": "text", "text": text}]


def citation(raw: Json) -> Json | None:
    """A citation by its kind of place; None for places on the web, which have no Messages form here."""
    location = raw.get("location")
    if not isinstance(location, dict):
        return None
    cited = "".join(string(part.get("text")) for part in objects(raw.get("sourceContent")))
    title = raw.get("title") if isinstance(raw.get("title"), str) else None
    for key, (kind, names) in _PLACES.items():
        place = location.get(key)
        if isinstance(place, dict):
            start, end = names
            span = {start: _count(place, "start"), end: _count(place, "end")}
            return _placed(kind, cited, title, place, span, raw)
    return None


_PLACES = {
    "documentChar": ("char_location", ("start_char_index", "end_char_index")),
    "documentPage": ("page_location", ("start_page_number", "end_page_number")),
    "documentChunk": ("content_block_location", ("start_block_index", "end_block_index")),
    "searchResultLocation": ("search_result_location", ("start_block_index", "end_block_index")),
}


def _placed(kind: str, cited: str, title: str | None, place: Json, span: Json, raw: Json) -> Json:
    if kind == "search_result_location":
        index = _count(place, "searchResultIndex")
        source = string(raw.get("source"))
        return {
            "type": kind,
            "cited_text": cited,
            "search_result_index": index,
            "source": source,
            "title": title,
            **span,
        }
    index = _count(place, "documentIndex")
    document = {"document_index": index, "document_title": title}
    return {"type": kind, "cited_text": cited, **document, **span, "file_id": None}


def malformed(reason: str) -> ApiError | None:
    """The error for a stop reason that is no end of a message."""
    what = _MALFORMED.get(reason)
    if what is None:
        return None
    message = f"{what} (Bedrock stop reason {reason}). Retry the request."
    return ApiError(502, "api_error", message, retry=True, notes=(MALFORMED_OUTPUT,))


def cuts_short(reason: str) -> bool:
    """Whether a stop reason says that the answer was ended before the model was done."""
    return _REASONS.get(reason) in ("max_tokens", "refusal", "model_context_window_exceeded")


def stop_reason(reason: str, notes: Notes, *, has_tool: bool) -> str:
    """The Messages stop reason, repaired where it contradicts the content: the client acts on it."""
    mapped = _REASONS.get(reason)
    if mapped is None:
        notes.add("stop_reason_unknown")
        mapped = "end_turn"
    if has_tool and mapped in ("end_turn", "stop_sequence"):
        notes.add("stop_reason_repaired")
        return "tool_use"
    if not has_tool and mapped == "tool_use":
        notes.add("stop_reason_repaired")
        return "end_turn"
    return mapped


def stop_sequence(event: Json, state: ResponseState) -> str | None:
    """The sequence that stopped the answer: as the model names it, or the only one there was."""
    extra = event.get("additionalModelResponseFields")
    named = extra.get("stop_sequence") if isinstance(extra, dict) else None
    if isinstance(named, str):
        return named
    return state.stop_sequences[0] if len(state.stop_sequences) == 1 else None


def usage_json(event: Json) -> Json:
    """The `usage` of an answer or a metadata event; both sides count cached tokens apart from the input."""
    counts = event.get("usage")
    counts = counts if isinstance(counts, dict) else {}
    written = _count(counts, "cacheWriteInputTokens")
    usage: Json = {
        "input_tokens": _count(counts, "inputTokens"),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": _count(counts, "cacheReadInputTokens"),
        "output_tokens": _count(counts, "outputTokens"),
    }
    if details := objects(counts.get("cacheDetails")):
        short, long = (
            sum(_count(part, "inputTokens") for part in details if part.get("ttl") == ttl)
            for ttl in ("5m", "1h")
        )
        if short + long == written:
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    tier = event.get("serviceTier")
    if isinstance(tier, dict) and (name := string(tier.get("type"))) in _TIERS:
        usage["service_tier"] = _TIERS[name]
    return usage


def usage_of(counts: Json) -> Usage:
    """The counts of a Messages `usage` as a value."""
    return Usage(
        input_tokens=counts["input_tokens"],
        output_tokens=counts["output_tokens"],
        cache_read_input_tokens=counts["cache_read_input_tokens"],
        cache_creation_input_tokens=counts["cache_creation_input_tokens"],
    )


def _count(holder: Json, key: str) -> int:
    value = holder.get(key)
    return value if type(value) is int and value >= 0 else 0


_NO_USAGE = usage_json({})
