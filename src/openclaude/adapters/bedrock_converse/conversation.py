"""The conversation as Bedrock accepts it: alternating turns, paired tool calls, nothing blank.

The order of the passes matters. Each leaves what earlier turns became unchanged when a turn is added at the end,
because caches keep prefixes.
"""

from collections.abc import Iterator
from typing import Any

from openclaude.adapters.bedrock_converse import media
from openclaude.adapters.bedrock_converse.blocks import Blocks, as_error, blocks_of, mark, orphan
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, Piece, Turn, string, text_piece
from openclaude.adapters.profiles import Profile

PLACEHOLDER_TEXT = "."
"""Bedrock wants text that is not blank; nothing shorter says less."""
CONTINUE = "Continue."
NO_RESULT = "(no result was recorded for this tool call)"
MAX_IMAGES = 20
MAX_DOCUMENTS = 5


def after_compaction(messages: list[Json]) -> list[Json]:
    """The messages from the last compaction block with a text on; the text stands for everything before it."""
    for index in range(len(messages) - 1, -1, -1):
        content = messages[index].get("content")
        if isinstance(content, str):
            continue
        blocks = blocks_of(content)
        for at in range(len(blocks) - 1, -1, -1):
            summary = _summary(blocks[at])
            if summary is None:
                continue
            rest = {**messages[index], "content": blocks[at + 1 :]}
            return [{"role": "user", "content": [summary]}, rest, *messages[index + 1 :]]
    return messages


def _summary(block: Json) -> Json | None:
    if block.get("type") != "compaction":
        return None
    texts = [string(part.get("text")) for part in blocks_of(block.get("content"))]
    text = "\n".join(text for text in texts if text.strip())
    if not text:
        return None
    shown = {"type": "text", "text": f"<conversation-summary>\n{text}\n</conversation-summary>"}
    return {**shown, "cache_control": block["cache_control"]} if "cache_control" in block else shown


def split_system(messages: list[Json]) -> tuple[list[Any], list[Json]]:
    """The contents of the system messages a conversation begins with, and the messages behind them."""
    shown = [
        message
        for index, message in enumerate(messages)
        if "clear_at" not in message or not _cleared(messages, index)
    ]
    start = 0
    while start < len(shown) and shown[start].get("role") == "system":
        start += 1
    return [message.get("content") for message in shown[:start]], shown[start:]


def _cleared(messages: list[Json], index: int) -> bool:
    """Whether a system message was only for the turn it follows, and that turn is over."""
    message = messages[index]
    if message.get("role") != "system" or message.get("clear_at") != "next_user_message":
        return False
    return any(later.get("role") == "user" for later in messages[index + 1 :])


def _around_calls(messages: list[Json]) -> list[Json]:
    """The messages with no system message inside an assistant turn whose calls the next user message answers.

    It would part the calls from their results; right before the results it ends up behind them.
    """
    ordered: list[Json] = []
    between: list[Json] = []
    for message in messages:
        if message.get("role") != "user":
            between.append(message)
            continue
        ordered += _calls_together(between, message) if len(between) > 1 else between
        ordered.append(message)
        between = []
    return ordered + between


def _calls_together(messages: list[Json], answer: Json) -> list[Json]:
    results = set(_ids_in(answer, "tool_result", "tool_use_id"))
    calls: set[str] = set()
    kept: list[Json] = []
    later: list[Json] = []
    for message in messages:
        if message.get("role") == "system" and not calls.isdisjoint(results):
            later.append(message)
        else:
            calls.update(_ids_in(message, "tool_use", "id"))
            kept.append(message)
    return kept + later


def _ids_in(message: Json, kind: str, member: str) -> list[str]:
    content = message.get("content")
    blocks = blocks_of(content) if not isinstance(content, str) else []
    return [string(block.get(member)) for block in blocks if block.get("type") == kind]


def turns_of(messages: list[Json], profile: Profile, names: Names, notes: Notes) -> list[Turn]:
    """The turns to send. `messages` come from `split_system`."""
    blocks = Blocks(profile, names, notes)
    turns = _merged([_mapped(message, blocks) for message in _around_calls(messages)])
    if not turns or (turns[0].role == "assistant" and not profile.leading_assistant):
        turns.insert(0, Turn("user", [text_piece(PLACEHOLDER_TEXT)]))
    _finish_last(turns, profile, notes)
    if any([turn.calls for turn in turns]):  # noqa: C419  a list is quicker than a generator here
        for turn in turns:
            if turn.calls and turn.role == "assistant":
                turn.pieces = _calls_last(_unique_calls(turn.pieces, notes))
        _pair(turns, profile, notes)
        turns = _separated(turns, profile)
    if blocks.saw_media:
        _name_documents(turns, neutral=profile.neutral_names)
        _limit_media(turns, notes)
    return turns


def _mapped(message: Json, blocks: Blocks) -> Turn:
    content = message.get("content")
    if message.get("role") == "assistant":
        return blocks.assistant(content)
    if message.get("role") == "user":
        return blocks.user(content)
    reminder = blocks.reminder(content)
    # An empty reminder is no turn at all; an empty assistant turn is dropped, which is the same.
    return reminder if reminder.pieces else Turn("assistant", [])


def _merged(turns: list[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        same = bool(merged) and merged[-1].role == turn.role
        if same and turn.unplaced is not None:
            mark(merged[-1].pieces, turn.unplaced)
        if turn.role == "assistant" and not turn.pieces:
            continue
        if same:
            merged[-1].pieces += turn.pieces
            merged[-1].lost_reasoning |= turn.lost_reasoning
            merged[-1].calls |= turn.calls
        else:
            merged.append(turn)
    for turn in merged:
        if not turn.pieces:
            turn.pieces.append(text_piece(PLACEHOLDER_TEXT))
    return merged


def _finish_last(turns: list[Turn], profile: Profile, notes: Notes) -> None:
    last = turns[-1]
    if last.role != "assistant":
        return
    if last.pieces[-1].kind == "text":
        last.pieces[-1].block["text"] = last.pieces[-1].block["text"].rstrip()
    if not profile.trailing_assistant:
        turns.append(Turn("user", [text_piece(CONTINUE)]))
        notes.add("prefill_emulated")


def _unique_calls(pieces: list[Piece], notes: Notes) -> list[Piece]:
    seen: set[str] = set()
    kept: list[Piece] = []
    for piece in pieces:
        if piece.kind == "toolUse":
            sent_id = piece.block["toolUse"]["toolUseId"]
            if sent_id in seen:
                notes.add("duplicate_tool_id")
                _leave_mark(piece, kept)
                continue
            seen.add(sent_id)
        kept.append(piece)
    return kept


def _leave_mark(dropped: Piece, before: list[Piece]) -> None:
    """The cache point of a dropped block goes behind the nearest block before it."""
    if dropped.cache is not None:
        mark(before, dropped.cache)


def _calls_last(pieces: list[Piece]) -> list[Piece]:
    """What follows a tool call reads as the beginning of an answer: it moves before the first call."""
    first = next((index for index, piece in enumerate(pieces) if piece.kind == "toolUse"), len(pieces))
    tail = pieces[first:]
    moved = [piece for piece in tail if piece.kind != "toolUse"]
    return pieces[:first] + moved + [piece for piece in tail if piece.kind == "toolUse"] if moved else pieces


def _pair(turns: list[Turn], profile: Profile, notes: Notes) -> None:
    """Each call has its result in the next user turn, in the order of the calls, and no other result is there."""
    if _call_ids(turns[-1]):
        turns.append(Turn("user", []))
    calls: list[str] = []
    for turn in turns:
        if turn.role == "assistant":
            calls = _call_ids(turn) if turn.calls else []
        elif calls or turn.calls:
            turn.pieces = _paired(turn.pieces, calls, profile, notes)
            turn.calls = bool(calls)
            calls = []


def _call_ids(turn: Turn) -> list[str]:
    return [piece.block["toolUse"]["toolUseId"] for piece in turn.pieces if piece.kind == "toolUse"]


def _paired(pieces: list[Piece], calls: list[str], profile: Profile, notes: Notes) -> list[Piece]:
    results: dict[str, Piece] = {}
    rest: list[Piece] = []
    kept: list[Piece] = []
    for piece in pieces:
        if piece.kind != "toolResult":
            rest.append(piece)
            kept.append(piece)
            continue
        sent_id = piece.block["toolResult"]["toolUseId"]
        if sent_id in results:
            notes.add("duplicate_tool_id")
            _leave_mark(piece, kept)
            continue
        results[sent_id] = piece
        if sent_id in calls:
            rest += piece.hoisted
            kept.append(piece)
        else:
            notes.add("orphan_tool_result")
            found = orphan([piece], profile, notes, media_allowed=True)
            rest += found
            kept += found
    return [results.get(call) or _missing(call, profile, notes) for call in calls] + rest


def _missing(call: str, profile: Profile, notes: Notes) -> Piece:
    notes.add("tool_result_synthesised")
    piece = Piece("toolResult", {"toolResult": {"toolUseId": call, "content": [{"text": NO_RESULT}]}})
    as_error(piece, with_status=profile.tool_result_status)
    return piece


def _separated(turns: list[Turn], profile: Profile) -> list[Turn]:
    """What the model does not take beside tool results gets a user turn of its own."""
    separated: list[Turn] = []
    for turn in turns:
        separated.append(turn)
        if not turn.calls or turn.role == "assistant":
            continue
        apart = [piece for piece in turn.pieces if not _may_share(piece, profile)]
        if apart:
            turn.pieces = [piece for piece in turn.pieces if _may_share(piece, profile)]
            separated += [Turn("assistant", [text_piece(PLACEHOLDER_TEXT)]), Turn("user", apart)]
    return separated


def _may_share(piece: Piece, profile: Profile) -> bool:
    # A search result is text to the model.
    kind = "text" if piece.kind == "searchResult" else piece.kind
    if kind == "document" and "text" not in profile.colocate:
        # Documents need a text in their turn.
        return False
    return kind == "toolResult" or kind in profile.colocate


def _name_documents(turns: list[Turn], *, neutral: bool) -> None:
    """Document names are unique in a request, and no turn has documents without text.

    A neutral name takes nothing from the title, which is text the model reads and others may have written.
    """
    used: set[str] = set()
    for turn in turns:
        for block in _media_blocks(turn, "document"):
            block["document"]["name"] = _unused("document" if neutral else block["document"]["name"], used)
        kinds = {piece.kind for piece in turn.pieces}
        if "document" in kinds and "text" not in kinds:
            last = turn.pieces[-1]
            turn.pieces.append(text_piece(PLACEHOLDER_TEXT, last.cache))
            last.cache = None


def _unused(name: str, used: set[str]) -> str:
    unique, number = name, 1
    while unique in used:
        number += 1
        suffix = f" ({number})"
        unique = name[: 200 - len(suffix)].rstrip() + suffix
    used.add(unique)
    return unique


def _limit_media(turns: list[Turn], notes: Notes) -> None:
    """The newest images and documents stay; the ones over the limit become texts that say so."""
    images = [block for turn in turns for block in _media_blocks(turn, "image")]
    for block in images[: max(0, len(images) - MAX_IMAGES)]:
        notes.add("image_omitted")
        _become_text(block, media.TOO_MANY_IMAGES)
    documents = [block for turn in turns for block in _media_blocks(turn, "document")]
    for block in documents[: max(0, len(documents) - MAX_DOCUMENTS)]:
        notes.add("document_omitted")
        name = {"title": block["document"]["name"]}
        _become_text(block, media.document_omitted(name, media.TOO_MANY_DOCUMENTS))
    for turn in turns:
        for piece in turn.pieces:
            if "text" in piece.block:
                piece.kind = "text"


def _become_text(block: Json, text: str) -> None:
    block.clear()
    block["text"] = text


def _media_blocks(turn: Turn, kind: str) -> Iterator[Json]:
    """The blocks of that kind in a turn, those inside tool results included, in order."""
    for piece in turn.pieces:
        if piece.kind == kind:
            yield piece.block
        elif piece.kind == "toolResult":
            yield from [part for part in piece.block["toolResult"]["content"] if kind in part]
