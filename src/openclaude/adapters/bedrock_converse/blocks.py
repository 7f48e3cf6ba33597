"""Content blocks of the Messages API as Converse blocks, one at a time.

Nothing in the history is a reason to refuse a request: a block that cannot be sent becomes a text or goes, with a
note. What depends on the neighbours of a block is `conversation`'s business.
"""

import json
from typing import Any

from openclaude.adapters.bedrock_converse import foreign, media
from openclaude.adapters.bedrock_converse.names import Names, safe_id
from openclaude.adapters.bedrock_converse.pieces import (
    Json,
    Notes,
    Piece,
    Turn,
    is_blank,
    objects,
    string,
    text_piece,
    ttl_of,
)
from openclaude.adapters.profiles import Profile
from openclaude.domain.messages import SIGNATURE_PREFIX
from openclaude.wire import jsontext

NO_OUTPUT = "(no output)"

_BOOKKEEPING = frozenset({"compaction", "fallback", "mcp_tool_listing"})
_THINKING = frozenset({"thinking", "redacted_thinking"})
_OF_SYSTEM = frozenset({"text", "tool_addition", "tool_removal"})
_OWN = ("text", "tool_use", "thinking")
"""What the blocks of an assistant turn nearly always are."""


class Blocks:
    """Maps the blocks of one request. `saw_media` says whether any image or document was among them."""

    def __init__(self, profile: Profile, names: Names, notes: Notes) -> None:
        self._profile = profile
        self._names = names
        self._notes = notes
        self._counts = {"image": 0, "document": 0}
        self.saw_media = False

    def user(self, content: Any) -> Turn:
        self._counts = {"image": 0, "document": 0}
        turn = Turn("user", [])
        for block in self._read(content):
            turn.calls = turn.calls or block.get("type") == "tool_result"
            self._append(turn, block, self._user_block(block))
        return turn

    def assistant(self, content: Any) -> Turn:
        turn = Turn("assistant", [])
        blocks = self._read(content)
        results = {
            string(block.get("tool_use_id")): block
            for block in blocks
            if block.get("type") not in _OWN and foreign.is_result(string(block.get("type")))
        }
        for block in blocks:
            turn.calls = turn.calls or block.get("type") == "tool_use"
            self._append(turn, block, self._assistant_block(block, results, turn))
        return turn

    def reminder(self, content: Any) -> Turn:
        """A system message in the midst of the conversation: text of the user, in place and marked as what it is."""
        turn = Turn("user", [])
        for block in blocks_of(content):
            text = string(block.get("text"))
            shown = [text_piece(f"<system-reminder>\n{text}\n</system-reminder>")] if text.strip() else []
            self._append(turn, block, shown)
            note_unknown(block, self._notes)
        return turn

    def _read(self, content: Any) -> list[Json]:
        """The blocks of a content; that it held something else as well is noted."""
        blocks = blocks_of(content)
        if content is not None and len(blocks) < (len(content) if isinstance(content, list) else 1):
            self._notes.dropped("")
        return blocks

    def _append(self, turn: Turn, block: Json, pieces: list[Piece]) -> None:
        turn.pieces += pieces
        if self._profile.cache_points and (ttl := ttl_of(block)) is not None and not mark(turn.pieces, ttl):
            turn.unplaced = ttl

    def _user_block(self, block: Json) -> list[Piece]:
        match block.get("type"):
            case "text":
                return _text(block)
            case "tool_result":
                piece = self._tool_result(block)
                return [piece] if self._profile.tools else self._orphan(piece, media_allowed=True)
            case "image":
                return [self._image(block)]
            case "document":
                return self._document(block)
            case "search_result":
                return self._search_result(block)
            case str(kind) if foreign.is_result(kind):
                return self._flattened(foreign.result_text(block))
            case kind:
                return self._unsendable(string(kind))

    def _assistant_block(self, block: Json, results: dict[str, Json], turn: Turn) -> list[Piece]:
        match block.get("type"):
            case "text":
                return _text(block)
            case "tool_use":
                return self._tool_use(block)
            case "thinking" | "redacted_thinking":
                return self._reasoning(block, turn)
            case "tool_result":
                self._notes.add("orphan_tool_result")
                return self._orphan(self._tool_result(block), media_allowed=False)
            case "search_result":
                return [text_piece(_search_text(block))]
            case "image":
                self._notes.add("image_omitted")
                return [text_piece(media.IMAGES_ELSEWHERE)]
            case "document":
                self._notes.add("document_omitted")
                return [text_piece(media.document_omitted(block, media.DOCUMENTS_ELSEWHERE))]
            case str(kind) if kind in foreign.CALLS:
                return self._flattened(foreign.call_text(block, results.pop(string(block.get("id")), None)))
            case str(kind) if foreign.is_result(kind):
                return self._leftover_result(block, results)
            case kind:
                return self._unsendable(string(kind))

    def _unsendable(self, kind: str) -> list[Piece]:
        if kind not in _BOOKKEEPING and kind not in _THINKING:
            self._notes.dropped(kind)
        return []

    def _flattened(self, text: str) -> list[Piece]:
        self._notes.add("server_tool_history_flattened")
        return [text_piece(text)]

    def _leftover_result(self, block: Json, results: dict[str, Json]) -> list[Piece]:
        """A result stands with its call; only one whose call is missing has a place of its own."""
        waiting = results.get(string(block.get("tool_use_id")))
        return self._flattened(foreign.result_text(block)) if waiting is block else []

    def _reasoning(self, block: Json, turn: Turn) -> list[Piece]:
        if not self._profile.replay_reasoning:
            return []
        if block["type"] == "redacted_thinking":
            data = string(block.get("data"))
            if data:
                return [Piece("reasoningContent", {"reasoningContent": {"redactedContent": _blob(data)}})]
        signature = string(block.get("signature"))
        if (
            signature
            and not signature.startswith(SIGNATURE_PREFIX)
            and isinstance(block.get("thinking"), str)
        ):
            reasoning = {"reasoningText": {"text": block["thinking"], "signature": signature}}
            return [Piece("reasoningContent", {"reasoningContent": reasoning})]
        self._notes.add("thinking_dropped")
        turn.lost_reasoning = True
        return []

    def _tool_use(self, block: Json) -> list[Piece]:
        name, arguments = string(block.get("name")), object_of(block.get("input"))
        if not self._profile.tools:
            return [text_piece(f"[tool call {name} {json.dumps(arguments, ensure_ascii=False)}]")]
        use = {
            "toolUseId": safe_id(string(block.get("id"))),
            "name": self._names.sent(name),
            "input": arguments,
        }
        return [Piece("toolUse", {"toolUse": use})]

    def _image(self, block: Json) -> Piece:
        if not self._profile.images:
            return self._omitted("image", media.NO_IMAGES)
        return self._media_piece("image", media.image(media.source_of(block)))

    def _document(self, block: Json) -> list[Piece]:
        text = media.document_text(block)
        if text is not None and not text.strip():
            return self._unsendable("document")
        if self._profile.documents:
            return [self._media_piece("document", media.document(block))]
        if text is not None:
            return [text_piece(_inline_document(block, text))]
        return [self._omitted("document", media.document_omitted(block, media.NO_DOCUMENTS))]

    def _media_piece(self, kind: str, found: Json | media.Omitted) -> Piece:
        if isinstance(found, media.Omitted):
            return self._omitted(kind, found.text)
        self.saw_media = True
        return Piece(kind, {kind: found})

    def _omitted(self, kind: str, text: str) -> Piece:
        self._notes.add(f"{kind}_omitted")
        return text_piece(text)

    def _search_result(self, block: Json) -> list[Piece]:
        found = self._search_block(block)
        return [Piece("searchResult", found)] if "searchResult" in found else [Piece("text", found)]

    def _search_block(self, block: Json) -> Json:
        texts = [{"text": text} for text in _texts(block.get("content"))]
        if self._profile.family != "claude" or not texts:
            return {"text": _search_text(block)}
        result: Json = {
            "source": string(block.get("source")),
            "title": string(block.get("title")),
            "content": texts,
        }
        citations = block.get("citations")
        if isinstance(citations, dict) and isinstance(citations.get("enabled"), bool):
            result["citations"] = {"enabled": citations["enabled"]}
        return {"searchResult": result}

    def _tool_result(self, block: Json) -> Piece:
        sent_id = safe_id(string(block.get("tool_use_id")))
        content: list[Json] = []
        piece = Piece("toolResult", {"toolResult": {"toolUseId": sent_id, "content": content}})
        given = block.get("content")
        if isinstance(given, str):
            if not is_blank(given):
                content.append({"text": given})
        else:
            for part in self._read(given):
                content += self._result_part(part, piece, sent_id)
                if self._profile.cache_points and (ttl := ttl_of(part)) is not None:
                    piece.cache = ttl
        if not content:
            content.append({"text": NO_OUTPUT})
        if block.get("is_error") is True:
            as_error(piece, with_status=self._profile.tool_result_status)
        return piece

    def _orphan(self, piece: Piece, *, media_allowed: bool) -> list[Piece]:
        return orphan([piece], self._profile, self._notes, media_allowed=media_allowed)

    def _result_part(self, part: Json, piece: Piece, sent_id: str) -> list[Json]:
        match string(part.get("type")):
            case "text":
                return [shown.block for shown in _text(part)]
            case "image" | "document" as kind:
                return self._result_media(kind, part, piece, sent_id)
            case "tool_reference":
                return [{"text": f"Tool available: {string(part.get('tool_name'))}"}]
            case "search_result":
                return [self._search_block(part)]
            case kind:
                return [shown.block for shown in self._unsendable(kind)]

    def _result_media(self, kind: str, part: Json, piece: Piece, sent_id: str) -> list[Json]:
        """Inside the result where the model takes it there, else beside it with a marker on both sides."""
        inside = kind in self._profile.tool_result_media
        text = media.document_text(part) if kind == "document" else None
        if text is not None and not inside:
            return [{"text": _inline_document(part, text)}] if text.strip() else []
        beside = self._profile.images if kind == "image" else self._profile.documents
        if not inside and not beside:
            reason = media.NO_IMAGES if kind == "image" else media.document_omitted(part, media.NO_DOCUMENTS)
            return [self._omitted(kind, reason).block]
        found = media.image(media.source_of(part)) if kind == "image" else media.document(part)
        shown = self._media_piece(kind, found)
        if inside or shown.kind == "text":
            return [shown.block]
        self._counts[kind] += 1
        number = self._counts[kind]
        marker = text_piece(f"[{kind} {number} from tool result {sent_id}]")
        piece.hoisted = (*piece.hoisted, marker, shown)
        return [{"text": f"[{kind} {number} follows this tool result]"}]


def blocks_of(content: Any) -> list[Json]:
    """The blocks of a content that may be a string, one block, or a list; what is none of these has none.

    The list may be the client's own: it is read and never changed.
    """
    if isinstance(content, list):
        sound = all([isinstance(item, dict) for item in content])  # noqa: C419  a list is quicker than a generator here
        return content if sound else objects(content)
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [content] if isinstance(content, dict) else []


def note_unknown(block: Json, notes: Notes) -> None:
    """Note a block of a system message or of the system prompt that is of a kind neither has."""
    kind = string(block.get("type"))
    if kind not in _OF_SYSTEM and not isinstance(block.get("text"), str):
        notes.dropped(kind)


def mark(pieces: list[Piece], ttl: str) -> bool:
    """Put a cache point behind the last piece that may carry one; whether there is such a piece."""
    for piece in reversed(pieces):
        if piece.kind != "reasoningContent":
            piece.cache = ttl
            return True
    return False


def object_of(value: Any) -> Json:
    """A tool's input as an object: text that holds one is parsed, anything else is wrapped."""
    if isinstance(value, str):
        try:
            parsed = jsontext.loads(value.encode("utf-8", "replace"))
        except jsontext.JsonError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
    if isinstance(value, dict):
        return value
    return {} if value is None else {"value": value}


def as_error(piece: Piece, *, with_status: bool) -> None:
    """Mark a tool result as failed, in words where the model knows no status."""
    result = piece.block["toolResult"]
    if with_status:
        result["status"] = "error"
        return
    for part in result["content"]:
        if "text" in part:
            part["text"] = f"Error: {part['text']}"
            return
    result["content"].insert(0, {"text": "Error:"})


def orphan(pieces: list[Piece], profile: Profile, notes: Notes, *, media_allowed: bool) -> list[Piece]:
    """Tool results without their calls, as plain content of the turn."""
    found: list[Piece] = []
    for piece in pieces:
        content = piece.block["toolResult"]["content"]
        texts = [part["text"] for part in content if "text" in part]
        found.append(
            text_piece("\n".join(["[result of an earlier tool call]", *(texts or [NO_OUTPUT])]), piece.cache)
        )
        if media_allowed:
            found += [_beside(part, profile, notes) for part in content if "text" not in part]
            found += piece.hoisted
    return found


def _beside(part: Json, profile: Profile, notes: Notes) -> Piece:
    """Media of a tool result as a block of the turn, where some models take none that take them in results."""
    kind = next(iter(part))
    if kind == "image" and not profile.images:
        notes.add("image_omitted")
        return text_piece(media.NO_IMAGES)
    if kind == "document" and not profile.documents:
        notes.add("document_omitted")
        return text_piece(media.document_omitted({"title": part[kind]["name"]}, media.NO_DOCUMENTS))
    return Piece(kind, part)


def _text(block: Json) -> list[Piece]:
    text = block.get("text")
    return [Piece("text", {"text": text})] if isinstance(text, str) and not is_blank(text) else []


def _texts(content: Any) -> list[str]:
    return [string(part.get("text")) for part in blocks_of(content) if string(part.get("text")).strip()]


def _search_text(block: Json) -> str:
    head = f"[search result] {string(block.get('title'))} <{string(block.get('source'))}>"
    return "\n".join([head, *_texts(block.get("content"))])


def _inline_document(block: Json, text: str) -> str:
    quoted = media.title(block).replace('"', "&quot;")
    return f'<document title="{quoted}">\n{text}\n</document>'


def _blob(data: str) -> str:
    from base64 import b64encode  # noqa: PLC0415 - only conversations with redacted thinking need it

    return b64encode(data.encode("utf-8", "replace")).decode("ascii")
