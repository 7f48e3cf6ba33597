"""Content blocks of the history, as Claude on Bedrock takes them.

What is known passes with the members its kind has; what is not becomes a text or goes, with a note. Nothing in the
history is a reason to refuse a request, because the client sends it again with every later turn.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from openclaude.adapters.bedrock_converse import foreign, media
from openclaude.adapters.bedrock_converse.blocks import blocks_of, object_of
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, objects, string
from openclaude.adapters.bedrock_invoke.tidy import kept, with_cache_control
from openclaude.adapters.profiles import Profile
from openclaude.domain.messages import SIGNATURE_PREFIX

_CACHE: Final = frozenset({"type", "cache_control"})
_MEMBERS: Final = {
    "text": _CACHE | {"text", "citations"},
    "image": _CACHE | {"source"},
    "document": _CACHE | {"source", "title", "context", "citations"},
    "search_result": _CACHE | {"source", "title", "content", "citations"},
    "tool_use": _CACHE | {"id", "name", "input"},
    "tool_result": _CACHE | {"tool_use_id", "content", "is_error"},
    "tool_reference": _CACHE | {"tool_name"},
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "server_tool_use": _CACHE | {"id", "name", "input"},
    "compaction": _CACHE | {"content", "encrypted_content"},
    "tool_addition": _CACHE | {"tool"},
    "tool_removal": _CACHE | {"tool"},
}
_TYPES: Final = {
    ("text", "citations"): list,
    ("document", "citations"): dict,
    ("document", "context"): str,
    ("document", "title"): str,
    ("search_result", "citations"): dict,
    ("tool_result", "is_error"): bool,
    ("compaction", "encrypted_content"): str,
}
"""What an optional member has to be; one of another type would refuse the whole request, so it goes."""
_SERVER_RESULT: Final = _CACHE | {"tool_use_id", "content"}
_BOOKKEEPING: Final = frozenset(
    {"compaction", "fallback", "mcp_tool_listing", "tool_addition", "tool_removal"}
)
_RESULT: Final = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_NOT_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
_ID_KEPT: Final = 55


@dataclass(frozen=True, slots=True)
class Known:
    """What the model takes of the history as it stands.

    Attributes:
        tools: the names of the tools that are going to be sent.
        server_tools: the beginnings of the names of server tools whose calls it knows.
        compaction: whether it knows compaction blocks.
        new_version: whether the request is in the version of the format in which only Claude cites.
    """

    profile: Profile
    tools: frozenset[str] = frozenset()
    server_tools: tuple[str, ...] = ()
    compaction: bool = False
    new_version: bool = False


class Blocks:
    """Maps the blocks of one request. `lost_reasoning` says that the last content asked for held thinking that went."""

    def __init__(self, known: Known, notes: Notes) -> None:
        self._known = known
        self._profile = known.profile
        self._notes = notes
        self.lost_reasoning = False
        self._called: set[str] = set()
        """Ids of the server tools' calls of the turn that go out in their own form."""

    def user(self, content: Any) -> list[Json]:
        return [shown for block in blocks_of(content) for shown in self._user_block(block)]

    def assistant(self, content: Any) -> list[Json]:
        self.lost_reasoning = False
        blocks = blocks_of(content)
        results = {
            string(block.get("tool_use_id")): block
            for block in blocks
            if foreign.is_result(string(block.get("type")))
        }
        self._called.clear()
        return [shown for block in blocks for shown in self._assistant_block(block, results)]

    def reminder(self, content: Any) -> list[Json]:
        """A system message in mid-conversation, as text of the user that is marked as what it is."""
        shown: list[Json] = []
        for block in blocks_of(content):
            text = string(block.get("text"))
            if text.strip():
                told = {**block, "type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>"}
                shown.append(self._plain(told, "text"))
        return shown

    def system(self, content: Any) -> list[Json]:
        """The blocks of a system message that the model takes as one."""
        kinds = ("text", "tool_addition", "tool_removal")
        return [
            self._plain(block, kind)
            for block in blocks_of(content)
            if (kind := string(block.get("type"))) in kinds
            and (kind != "text" or string(block.get("text")).strip())
        ]

    def _plain(self, block: Json, kind: str) -> Json:
        """A block with the members of its kind and a cache mark in Bedrock's form."""
        members = _MEMBERS.get(kind, _SERVER_RESULT)
        shown = {
            key: value
            for key, value in kept(block, members).items()
            if isinstance(value, _TYPES.get((kind, key), object))
            and (key != "citations" or _says_whether(value))
        }
        return with_cache_control(shown, ttl=self._profile.cache_ttl_1h)

    def _user_block(self, block: Json) -> list[Json]:
        match string(block.get("type")):
            case "text" if self._known.new_version:
                return self._content({**block, "citations": None}, "text")
            case "text" | "image" | "document" | "search_result" as kind:
                return self._content(block, kind)
            case "tool_result":
                return [self._tool_result(block)]
            case "compaction" if self._known.compaction and isinstance(block.get("content"), str | None):
                # Its content may be null and may not be missing.
                return [{**self._plain(block, "compaction"), "content": block.get("content")}]
            case kind if foreign.is_result(kind):
                return self._flattened(foreign.result_text(block))
            case kind:
                return self._unsendable(kind)

    def _assistant_block(self, block: Json, results: dict[str, Json]) -> list[Json]:
        kind = string(block.get("type"))
        match kind:
            case "text":
                return self._content(block, "text")
            case "thinking" | "redacted_thinking":
                return self._reasoning(block, kind)
            case "tool_use":
                return [self._tool_use(block)]
            case "compaction" if self._known.compaction and isinstance(block.get("content"), str | None):
                # Its content may be null and may not be missing.
                return [{**self._plain(block, "compaction"), "content": block.get("content")}]
            case "tool_result" | "image" | "document" | "search_result":
                return self._user_text(block, kind)
            case kind if kind in foreign.CALLS:
                return self._server_call(block, results)
            case kind if foreign.is_result(kind):
                return self._server_result(block, kind, results)
            case kind:
                return self._unsendable(kind)

    def _content(self, block: Json, kind: str) -> list[Json]:
        """Text, image, document or search result, in a turn or in a tool result."""
        if kind == "text":
            text = block.get("text")
            return [self._plain(block, kind)] if isinstance(text, str) and text.strip() else []
        if kind == "image":
            return [self._image(block)]
        if kind == "document":
            return self._document(block)
        told = {name: string(block.get(name)) for name in ("source", "title")}
        return [{**self._plain(block, kind), **told, "content": self._texts(block.get("content"))}]

    def _texts(self, content: Any) -> list[Json]:
        return [
            shown
            for part in blocks_of(content)
            if part.get("type") == "text"
            for shown in self._content(part, "text")
        ]

    def _image(self, block: Json) -> Json:
        if not self._profile.images:
            return self._omitted(block, "image", media.NO_IMAGES)
        found = media.image(media.source_of(block))
        if isinstance(found, media.Omitted):
            return self._omitted(block, "image", found.text)
        source = {
            "type": "base64",
            "media_type": f"image/{found['format']}",
            "data": found["source"]["bytes"],
        }
        return {**self._plain(block, "image"), "source": source}

    def _document(self, block: Json) -> list[Json]:
        text = media.document_text(block)
        source = media.source_of(block)
        if text is not None:
            if not text.strip() and not objects(source.get("content")):
                return self._unsendable("document")
            return [self._inline_document(block, source)]
        if not self._profile.documents:
            return [self._omitted(block, "document", media.document_omitted(block, media.NO_DOCUMENTS))]
        data = media.source_data(source)
        if data is None:
            reason = (
                media.UNREADABLE_DOCUMENT if source.get("type") == "base64" else media.ONLY_BASE64_DOCUMENTS
            )
            return [self._omitted(block, "document", media.document_omitted(block, reason))]
        # Claude's own format knows one kind of binary document.
        sent = {"type": "base64", "media_type": "application/pdf", "data": data.base64}
        return [{**self._plain(block, "document"), "source": sent}]

    def _inline_document(self, block: Json, source: Json) -> Json:
        shown = self._plain(block, "document")
        content = source.get("content")
        if source.get("type") == "content" and isinstance(content, list):
            parts = [
                part
                for item in objects(content)
                if (kind := string(item.get("type"))) in ("text", "image")
                for part in self._content(item, kind)
            ]
            shown["source"] = {"type": "content", "content": parts}
        elif source.get("type") == "text":
            shown["source"] = {"type": "text", "media_type": "text/plain", "data": string(source.get("data"))}
        return shown

    def _omitted(self, block: Json, kind: str, text: str) -> Json:
        self._notes.add(f"{kind}_omitted")
        return self._plain({**block, "type": "text", "text": text, "citations": None}, "text")

    def _tool_use(self, block: Json) -> Json:
        use = self._plain(block, "tool_use")
        use |= {"id": safe_id(string(block.get("id"))), "input": object_of(block.get("input"))}
        return {**use, "name": string(block.get("name")) or "unnamed_tool"}

    def _tool_result(self, block: Json) -> Json:
        result = self._plain(block, "tool_result")
        result["tool_use_id"] = safe_id(string(block.get("tool_use_id")))
        content = block.get("content")
        if isinstance(content, str):
            return result
        result["content"] = [shown for part in blocks_of(content) for shown in self._result_part(part)]
        return result

    def _result_part(self, part: Json) -> list[Json]:
        kind = string(part.get("type"))
        if kind not in _RESULT:
            return self._unsendable(kind)
        if kind != "tool_reference":
            return self._content(part, kind)
        name = string(part.get("tool_name"))
        if self._profile.tool_search and name in self._known.tools:
            return [self._plain(part, kind)]
        return [{"type": "text", "text": f"Tool available: {name}"}]

    def _user_text(self, block: Json, kind: str) -> list[Json]:
        """Blocks of the user's that stand in an assistant turn, where nobody takes them."""
        if kind == "tool_result":
            self._notes.add("orphan_tool_result")
            return [as_text(self._tool_result(block))]
        if kind == "search_result":
            lines = [f"[search result] {string(block.get('title'))} <{string(block.get('source'))}>"]
            lines += [part["text"] for part in self._texts(block.get("content"))]
            return [{"type": "text", "text": "\n".join(lines)}]
        if kind == "image":
            return [self._omitted(block, kind, media.IMAGES_ELSEWHERE)]
        text = media.document_omitted(block, media.DOCUMENTS_ELSEWHERE)
        return [self._omitted(block, kind, text)]

    def _reasoning(self, block: Json, kind: str) -> list[Json]:
        if not self._profile.replay_reasoning:
            return []
        if kind == "redacted_thinking" and string(block.get("data")):
            return [self._plain(block, kind)]
        signature = string(block.get("signature"))
        is_claude_s = bool(signature) and not signature.startswith(SIGNATURE_PREFIX)
        if is_claude_s and isinstance(block.get("thinking"), str):
            return [self._plain(block, kind)]
        self._notes.add("thinking_dropped")
        self.lost_reasoning = True
        return []

    def _server_call(self, block: Json, results: dict[str, Json]) -> list[Json]:
        identity = string(block.get("id"))
        runs_here = self._runs_here(string(block.get("name"))) and _ID.fullmatch(identity)
        if block["type"] == "server_tool_use" and runs_here:
            self._called.add(identity)
            return [{**self._plain(block, "server_tool_use"), "input": object_of(block.get("input"))}]
        return self._flattened(foreign.call_text(block, results.pop(identity, None)))

    def _server_result(self, block: Json, kind: str, results: dict[str, Json]) -> list[Json]:
        """A result stands with its call, in a text or in its own form; one without a call becomes a text."""
        identity = string(block.get("tool_use_id"))
        if results.get(identity) is not block:
            return []
        if self._runs_here(kind) and identity in self._called:
            return [self._plain(block, kind)]
        return self._flattened(foreign.result_text(block))

    def _runs_here(self, name: str) -> bool:
        return bool(self._known.server_tools) and f"{name}_".startswith(self._known.server_tools)

    def _flattened(self, text: str) -> list[Json]:
        self._notes.add("server_tool_history_flattened")
        return [{"type": "text", "text": text}]

    def _unsendable(self, kind: str) -> list[Json]:
        if kind not in _BOOKKEEPING:
            self._notes.dropped(kind)
        return []


def _says_whether(citations: Any) -> bool:
    """Whether what turns citations on or off can be read; the citations of a text are a list and always can."""
    return not isinstance(citations, dict) or isinstance(citations.get("enabled", True), bool)


def safe_id(original: str) -> str:
    """A tool id in Claude's alphabet, which is narrower than Converse's; the same for a call and its result."""
    if _ID.fullmatch(original):
        return original
    digest = hashlib.sha256(original.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{_NOT_ID.sub('_', original)[:_ID_KEPT]}_{digest}"


def as_text(result: Json) -> Json:
    """A tool result that belongs to no call, as a text."""
    content = result.get("content")
    texts = [content] if isinstance(content, str) else [string(part.get("text")) for part in objects(content)]
    shown = [text for text in texts if text.strip()] or ["(no output)"]
    text = {"type": "text", "text": "\n".join(["[result of an earlier tool call]", *shown])}
    return {**text, "cache_control": result["cache_control"]} if "cache_control" in result else text
