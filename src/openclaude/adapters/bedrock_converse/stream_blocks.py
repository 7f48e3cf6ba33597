"""The blocks of a streamed answer as the Messages grammar has them: one open at a time, indexes without gaps.

Upstream indexes are only keys: Bedrock may interleave blocks, change a block's kind, and leave out its start and stop.
"""

from dataclasses import dataclass, field

import msgspec

from openclaude.adapters.bedrock_converse.pieces import Json, Notes
from openclaude.adapters.bedrock_converse.response import (
    ResponseState,
    blob_text,
    citation,
    is_foreign_call,
    leaks_call,
)
from openclaude.adapters.bedrock_converse.stream_members import DamageError, is_object, member, text_of
from openclaude.adapters.bedrock_converse.synthesis import STOP
from openclaude.wire import jsontext, sse

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
_LEAK_TAIL = 16
_SHOWN_BY_DELTAS = frozenset({"text", "reasoningContent", "citationsContent"})
"""Kinds that a block start may name although it need not: their deltas say the same."""

_TEXT, _THINKING, TOOL, _REDACTED = "text", "thinking", "tool_use", "redacted"


class _PlainUse(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    input: str


class _PlainContent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str | None = None
    toolUse: _PlainUse | None = None  # noqa: N815  Bedrock's name


class _PlainDelta(msgspec.Struct, gc=False):
    """The payload of a delta of text or of a tool's input, and nothing else."""

    contentBlockIndex: int  # noqa: N815  Bedrock's name
    delta: _PlainContent


_PLAIN_DELTA = msgspec.json.Decoder(_PlainDelta)
_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Open:
    """The block that is open: its own index is that of `StreamBlocks`, `upstream` is Bedrock's."""

    kind: str
    upstream: int
    signed: bool = False
    blobs: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)


class StreamBlocks:
    """The blocks of one message.

    Attributes:
        out: the events that were not taken yet.
        open: the block that is open.
        saw_tool: a tool call began.
        spoiled: the input of a tool call that ended is no JSON object.
    """

    __slots__ = (
        "_degraded",
        "_index",
        "_open_id",
        "_skipped",
        "_state",
        "_tail",
        "open",
        "out",
        "saw_tool",
        "spoiled",
    )

    def __init__(self, state: ResponseState, degraded: Notes) -> None:
        self.out: list[bytes] = []
        self.open: Open | None = None
        self.saw_tool = False
        self.spoiled = False
        self._state = state
        self._degraded = degraded
        self._index = 0
        self._skipped: set[int] = set()
        self._open_id = ""
        self._tail = ""

    def goes_on(self, payload: bytes) -> bool:
        """Show a delta that only goes on with the open text or tool call, as nearly all do; False for every other.

        A copy of what `delta` does with it, made for speed; a test compares the two. Members that nobody reads, as
        Bedrock's padding, are skipped unread.
        """
        block = self.open
        if block is None or self._tail:
            return False
        try:
            event = _PLAIN_DELTA.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if event.contentBlockIndex != block.upstream:
            return False
        text, use = event.delta.text, event.delta.toolUse
        if block.kind == _TEXT and text and use is None and "<" not in text:
            self.out.append(_DELTA % (self._index, b"text_delta", b"text", _ENCODE(text)))
            return True
        if block.kind == TOOL and use is not None and use.input and text is None:
            block.inputs.append(use.input)
            self.out.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", _ENCODE(use.input)))
            return True
        return False

    def block_start(self, index: int, start: Json) -> None:
        """Bedrock announces a block; only a tool call begins with that, the others with their first delta."""
        self._skipped.discard(index)
        if "toolUse" in start:
            self._tool_start(index, member(start, "toolUse"))
        elif start.keys() - _SHOWN_BY_DELTAS:
            self._skip(index, next(kind for kind in start if kind not in _SHOWN_BY_DELTAS))

    def _tool_start(self, index: int, use: Json) -> None:
        if self._is_open(TOOL, index) and self._open_id == use.get("toolUseId"):
            # The same start twice begins the call once.
            return
        self.close()
        if is_foreign_call(use, self._state, self._degraded):
            self._skipped.add(index)
            return
        name, identity = text_of(use, "name"), text_of(use, "toolUseId")
        if not name or not identity:
            raise DamageError("a tool call has no name or no id")
        block = {
            "type": "tool_use",
            "id": identity,
            "name": self._state.tool_names.get(name, name),
            "input": {},
        }
        self.saw_tool = True
        self._open_id = identity
        self._begin(TOOL, index, block)

    def _skip(self, index: int, kind: str) -> None:
        """A kind that has no Messages form: its events are passed over until its stop."""
        if self.open is not None and self.open.upstream == index:
            self.close()
        self._skipped.add(index)
        self._degraded.dropped(kind)

    def delta(self, index: int, delta: Json) -> None:
        """Show what a delta brings, in the block it belongs to."""
        if index in self._skipped:
            return
        if "text" in delta:
            self._text(index, text_of(delta, "text"))
        elif "toolUse" in delta:
            self._tool_input(index, text_of(member(delta, "toolUse"), "input"))
        elif "reasoningContent" in delta:
            self._reasoning(index, member(delta, "reasoningContent"))
        elif "citation" in delta:
            self._cite(index, member(delta, "citation"))
        elif delta:
            self._degraded.dropped(next(iter(delta)))

    def _text(self, index: int, text: str) -> None:
        if not text and not self._is_open(_TEXT, index):
            return
        self._switch(_TEXT, index)
        self.out.append(_DELTA % (self._index, b"text_delta", b"text", jsontext.dumps(text)))
        if "<" in text or self._tail:
            seen = self._tail + text
            self._tail = seen[-_LEAK_TAIL:]
            if leaks_call(seen):
                self._degraded.add("tool_call_in_text")

    def _tool_input(self, index: int, text: str) -> None:
        if not text:
            return
        block = self.open
        if block is None or block.kind != TOOL or block.upstream != index:
            raise DamageError("a tool call has input and no beginning")
        block.inputs.append(text)
        self.out.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", jsontext.dumps(text)))

    def _reasoning(self, index: int, reasoning: Json) -> None:
        if text := text_of(reasoning, "text"):
            self._switch(_THINKING, index)
            self.out.append(_DELTA % (self._index, b"thinking_delta", b"thinking", jsontext.dumps(text)))
        if signature := text_of(reasoning, "signature"):
            self._switch(_THINKING, index).signed = True
            self._sign(signature)
        if blob := text_of(reasoning, "redactedContent"):
            # There is no delta for it: the block goes out whole when it ends.
            self._switch(_REDACTED, index).blobs.append(blob)

    def _sign(self, signature: str) -> None:
        self.out.append(_DELTA % (self._index, b"signature_delta", b"signature", jsontext.dumps(signature)))

    def _cite(self, index: int, cited: Json) -> None:
        shown = citation(cited)
        if shown is None:
            return
        self._switch(_TEXT, index)
        delta = {"type": "citations_delta", "citation": shown}
        self.emit(
            "content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta}
        )

    def _is_open(self, kind: str, index: int) -> bool:
        block = self.open
        return block is not None and block.kind == kind and block.upstream == index

    def _switch(self, kind: str, index: int) -> Open:
        """The open block if it is of that kind and index; otherwise a new one in its place."""
        block = self.open
        if block is not None and block.kind == kind and block.upstream == index:
            return block
        self.close()
        if kind == _REDACTED:
            self.open = Open(kind, index)
            return self.open
        empty = (
            {"type": "text", "text": ""}
            if kind == _TEXT
            else {"type": "thinking", "thinking": "", "signature": ""}
        )
        return self._begin(kind, index, empty)

    def _begin(self, kind: str, upstream: int, block: Json) -> Open:
        self.open = Open(kind, upstream)
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        self.emit("content_block_start", event)
        return self.open

    def close(self) -> None:
        """End the open block, if there is one."""
        block, self.open = self.open, None
        if block is None:
            return
        if block.kind == _REDACTED:
            shown = {"type": "redacted_thinking", "data": blob_text(block.blobs)}
            self.emit(
                "content_block_start",
                {"type": "content_block_start", "index": self._index, "content_block": shown},
            )
        elif block.kind == _THINKING and not block.signed:
            self._sign(self._state.signature)
        elif block.inputs and not is_object("".join(block.inputs)):
            # Whether that is a fault or only a call cut short is told by the stop reason.
            self.spoiled = True
        self.out.append(STOP % self._index)
        self._index += 1
        self._tail = ""

    def block_stop(self, index: int) -> None:
        """Bedrock ends a block."""
        self._skipped.discard(index)
        if self.open is not None and self.open.upstream == index:
            self.close()

    def emit(self, kind: str, event: Json) -> None:
        """Add an event to `out`."""
        self.out.append(sse.event(kind, jsontext.dumps(event)))
