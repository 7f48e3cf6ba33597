"""The conversation as Claude on Bedrock accepts it: alternating turns, paired tool calls, nothing blank.

What earlier turns became stays the same when a turn is added at the end, because caches keep prefixes.
"""

from dataclasses import dataclass
from typing import Any

from openclaude.adapters.bedrock_converse import conversation
from openclaude.adapters.bedrock_converse.conversation import CONTINUE, NO_RESULT, PLACEHOLDER_TEXT
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, objects, string
from openclaude.adapters.bedrock_invoke.blocks import Blocks, Known, as_text


@dataclass(slots=True)
class Turn:
    """A message on its way.

    Attributes:
        text: the content, for a message whose content is a plain string and stays one.
        lost_reasoning: whether signed thinking could not be replayed.
        beside: members of a system message beside its content.
    """

    role: str
    blocks: list[Json]
    text: str | None = None
    lost_reasoning: bool = False
    beside: Json | None = None

    def message(self) -> Json:
        content = self.blocks if self.text is None else self.text
        return {"role": self.role, "content": content, **(self.beside or {})}


def turns_of(messages: list[Json], known: Known, notes: Notes, *, may_end_with_assistant: bool) -> list[Turn]:
    """The turns to send. `messages` have no system message at their beginning (`conversation.split_system`)."""
    if not known.compaction:
        messages = conversation.after_compaction(messages)
    blocks = Blocks(known, notes)
    turns = _merged([_mapped(message, blocks, known) for message in messages])
    if not turns:
        turns.append(_said(PLACEHOLDER_TEXT))
    if turns[0].role == "assistant" and not known.profile.leading_assistant:
        turns.insert(0, _said(PLACEHOLDER_TEXT))
    _finish(turns, notes, may_end_with_assistant=may_end_with_assistant)
    _pair(turns, notes)
    return turns


def _said(text: str) -> Turn:
    return Turn("user", [{"type": "text", "text": text}])


def _mapped(message: Json, blocks: Blocks, known: Known) -> Turn:
    content = message.get("content")
    role = message["role"]
    if role == "assistant":
        shown = blocks.assistant(content)
        return Turn(role, shown, _plain(content, shown), lost_reasoning=blocks.lost_reasoning)
    if role == "user":
        shown = blocks.user(content)
        return Turn(role, shown, _plain(content, shown))
    if known.profile.mid_conversation_system:
        beside = {key: message[key] for key in ("clear_at", "output_config") if message.get(key) is not None}
        shown = blocks.system(content)
        return Turn("system", shown, _plain(content, shown), beside=beside)
    reminder = blocks.reminder(content)
    # An empty reminder is no turn at all; an empty assistant turn is dropped, which is the same.
    return Turn("user" if reminder else "assistant", reminder)


def _plain(content: Any, shown: list[Json]) -> str | None:
    return content if isinstance(content, str) and shown else None


def _merged(turns: list[Turn]) -> list[Turn]:
    """Turns of one role joined, because the oldest models refuse two in a row; turns with nothing in them gone."""
    merged: list[Turn] = []
    for turn in turns:
        if not turn.blocks and (turn.role == "assistant" or (turn.role == "system" and not turn.beside)):
            continue
        last = merged[-1] if merged else None
        if last is not None and last.role == turn.role and turn.role != "system":
            last.blocks += turn.blocks
            last.text = None
            last.lost_reasoning |= turn.lost_reasoning
        else:
            merged.append(turn)
    for turn in merged:
        if not turn.blocks and turn.role == "user":
            turn.blocks.append({"type": "text", "text": PLACEHOLDER_TEXT})
    return merged


def _finish(turns: list[Turn], notes: Notes, *, may_end_with_assistant: bool) -> None:
    last = turns[-1]
    if last.role != "assistant":
        return
    end = last.blocks[-1]
    if end["type"] == "text" and end["text"] != end["text"].rstrip():
        last.blocks[-1] = {**end, "text": end["text"].rstrip()}
        last.text = None if last.text is None else last.text.rstrip()
    if may_end_with_assistant or end["type"] == "tool_use" or _is_paused(last.blocks):
        # A call gets its result below; a turn that a server tool paused is continued as it stands.
        return
    turns.append(_said(CONTINUE))
    notes.add("prefill_emulated")


def _is_paused(blocks: list[Json]) -> bool:
    """Whether a turn ends with a server tool's call, or with a result whose call is in it."""
    end = blocks[-1]
    if not string(end["type"]).endswith("_tool_result"):
        return bool(end["type"] == "server_tool_use")
    calls = (block.get("id") for block in blocks if block["type"] == "server_tool_use")
    return end.get("tool_use_id") in calls


def _pair(turns: list[Turn], notes: Notes) -> None:
    """Each call has its result in the next user turn, in the order of the calls, and no other result is there."""
    if _calls(turns[-1]):
        turns.append(Turn("user", []))
    calls: list[str] = []
    at = 0
    while at < len(turns):
        turn = turns[at]
        if turn.role == "assistant":
            _drop_repeated_calls(turn, notes)
            calls = _calls(turn)
        elif turn.role == "user":
            if calls or any(block["type"] == "tool_result" for block in turn.blocks):
                turn.blocks = _paired(turn.blocks, calls, notes)
                turn.text = None
            calls = []
        elif calls:
            # A system message between a call and its result goes behind the result.
            at = _behind_results(turns, at)
            continue
        at += 1


def _behind_results(turns: list[Turn], at: int) -> int:
    """Move the system messages at `at` behind the user turn that follows them; the place to go on from."""
    end = at
    while end < len(turns) and turns[end].role == "system":
        end += 1
    if end == len(turns) or turns[end].role != "user":
        turns.insert(at, Turn("user", []))
    else:
        turns.insert(at, turns.pop(end))
    return at


def _calls(turn: Turn) -> list[str]:
    if turn.role != "assistant":
        return []
    return [block["id"] for block in turn.blocks if block["type"] == "tool_use"]


def _drop_repeated_calls(turn: Turn, notes: Notes) -> None:
    seen: set[str] = set()
    kept: list[Json] = []
    for block in turn.blocks:
        if block["type"] == "tool_use":
            if block["id"] in seen:
                notes.add("duplicate_tool_id")
                continue
            seen.add(block["id"])
        kept.append(block)
    turn.blocks = kept


def _paired(blocks: list[Json], calls: list[str], notes: Notes) -> list[Json]:
    results: dict[str, Json] = {}
    rest: list[Json] = []
    for block in blocks:
        if block["type"] != "tool_result":
            rest.append(block)
        elif block["tool_use_id"] in results:
            notes.add("duplicate_tool_id")
        elif block["tool_use_id"] in calls:
            results[block["tool_use_id"]] = block
        else:
            notes.add("orphan_tool_result")
            media = [part for part in objects(block.get("content")) if part["type"] in ("image", "document")]
            rest += [as_text(block), *media]
    return [results.get(call) or _missing(call, notes) for call in calls] + rest


def _missing(call: str, notes: Notes) -> Json:
    notes.add("tool_result_synthesised")
    return {"type": "tool_result", "tool_use_id": call, "content": NO_RESULT, "is_error": True}


def reasoning_is_missing(turns: list[Turn], *, strictly: bool) -> bool:
    """Whether Claude would refuse to think: the last turn with a tool call has none of its thinking left.

    With a budget Claude wants thinking before every tool call; adaptive thinking may have left it out.
    """
    for turn in reversed(turns):
        kinds = {block["type"] for block in turn.blocks}
        if turn.role == "assistant" and "tool_use" in kinds:
            thinks = bool(kinds & {"thinking", "redacted_thinking"})
            return not thinks and (strictly or turn.lost_reasoning)
    return False
