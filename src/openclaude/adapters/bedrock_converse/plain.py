"""The ordinary conversation, translated without making Python strings of its texts.

Nearly every request consists of texts, tool calls, and results in the order of their calls. For those this is a copy,
made for speed, of what `blocks` and `conversation` do: a text goes from the client's bytes to Bedrock's as it stands.
Whatever is less ordinary is declined, and takes the general way. A test compares the two ways on every request the
fuzz tests generate. What the bytes hold was checked when they were read: escapes, control characters and unpaired
surrogates by msgspec, UTF-8 here.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec

from openclaude.adapters.bedrock_converse.blocks import NO_OUTPUT
from openclaude.adapters.bedrock_converse.names import Names, is_safe_id, safe_id
from openclaude.adapters.bedrock_converse.pieces import is_blank
from openclaude.adapters.profiles import Profile
from openclaude.wire import jsontext


class _Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: msgspec.Raw


class _Use(msgspec.Struct, tag_field="type", tag="tool_use", gc=False):
    id: str
    name: str
    input: msgspec.Raw


class _Result(msgspec.Struct, tag_field="type", tag="tool_result", gc=False):
    tool_use_id: str
    content: msgspec.Raw = msgspec.Raw(b'""')
    is_error: bool = False


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    """Left out for every model this is used for."""


class _User(msgspec.Struct, tag_field="role", tag="user", forbid_unknown_fields=True, gc=False):
    content: list[_Text | _Result]


class _Assistant(msgspec.Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, gc=False):
    content: list[_Text | _Use | _Thinking]


class _System(msgspec.Struct, tag_field="role", tag="system", forbid_unknown_fields=True, gc=False):
    content: msgspec.Raw


ATTRIBUTION = "x-anthropic-billing-header:"
"""Begins the client's first system block, which changes with every request and would defeat prefix caching."""

Messages = list[_User | _Assistant | _System]
"""What `jsontext.PartialReader` is to read as a request's messages."""

_TEXTS = msgspec.json.Decoder(list[_Text]).decode
_NO_OUTPUT = b'{"text":"%b"}' % NO_OUTPUT.encode()
# How blocks begin: the first of a turn, and the others.
_TEXT = b'{"text":', b',{"text":'
_USE = tuple(comma + b'{"toolUse":{"toolUseId":"%b","name":"%b","input":' for comma in (b"", b","))
_RESULT = tuple(comma + b'{"toolResult":{"toolUseId":"%b","content":[' for comma in (b"", b","))
_made: Final = tuple.__new__
_QUOTE, _OBJECT = b'"{'
_shows = re.compile(rb'"(?: |\\[nrt])*[!#-\[\]-~]').match
"""Matches nearly every JSON string that is not blank."""

Piece = bytes | msgspec.Raw
"""Some bytes of the JSON text; texts stay in the client's buffer until everything is joined, once."""


class Conversation(NamedTuple):
    """A translated conversation: the JSON list of messages in pieces, and the names of the tools it calls."""

    messages: list[Piece]
    called: set[str]


def serves(profile: Profile) -> bool:
    """Whether the model's rules are those that this module knows."""
    return (
        profile.tools
        and profile.stream_tools
        and profile.tool_result_status
        and "text" in profile.colocate
        and not profile.cache_points
        and not profile.replay_reasoning
        and profile.family != "claude"
    )


def is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def translate(messages: Any, names: Names) -> Conversation | None:
    """The conversation for `messages`, read as `Messages`; None when it is not an ordinary one."""
    writer = _Writer(names)
    for message in messages:
        kind = type(message)
        if kind is _Assistant:
            ordinary = writer.assistant(message)
        elif kind is _User:
            ordinary = writer.user(message)
        else:
            ordinary = writer.system(message)
        if not ordinary:
            return None
    return writer.finished()


def system(text: bytes) -> list[Piece] | None:
    """The system prompt as JSON in pieces, beginning with a comma; None where it takes the general way."""
    if not text:
        return []
    found = _texts(msgspec.Raw(text))
    if found is None:
        return None
    kept = [one for one in found if not _is_attribution(one)]
    pieces: list[Piece] = []
    for one in kept:
        pieces += (b',{"text":' if pieces else b',"system":[{"text":', one, b"}")
    if pieces:
        pieces.append(b"]")
    return pieces


def _is_attribution(text: msgspec.Raw) -> bool:
    beginning = bytes(memoryview(text)[1 : len(ATTRIBUTION) + 1])
    if b"\\" in beginning:
        return bool(jsontext.loads(bytes(text)).startswith(ATTRIBUTION))
    return beginning == ATTRIBUTION.encode()


class _Writer:
    """Writes turn after turn. A method's answer says whether the message was an ordinary one."""

    __slots__ = ("_called", "_calls", "_names", "_open", "_out", "_parts")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._out: list[Piece] = []
        self._open = False
        """Whether a user's turn is open; messages of the user may follow one another."""
        self._parts = 0
        """Blocks of the open turn."""
        self._calls: list[str] = []
        self._called: set[str] = set()

    def user(self, message: _User) -> bool:
        calls, self._calls = self._calls, []
        out = self._out
        if not self._open:
            out.append(b',{"role":"user","content":[' if out else b'[{"role":"user","content":[')
            self._open, self._parts = True, 0
        elif calls:
            return False
        parts, answered = self._parts, 0
        for block in message.content:
            if isinstance(block, _Result):
                told = block.tool_use_id
                sent_id = told if is_safe_id(told) else safe_id(told)
                if parts != answered or answered >= len(calls) or sent_id != calls[answered]:
                    return False
                texts = _texts(block.content)
                if texts is None:
                    return False
                self._result(_RESULT[parts > 0] % sent_id.encode(), texts, failed=block.is_error)
                answered += 1
                parts += 1
            elif _shows(block.text) or _has_text(block.text):
                out += (_TEXT[parts > 0], block.text, b"}")
                parts += 1
        self._parts = parts
        return answered == len(calls)

    def system(self, message: _System) -> bool:
        """A reminder in the midst of the conversation belongs to the user's turn it follows."""
        texts = _texts(message.content) if self._open else None
        for text in texts or ():
            begin = _TEXT[self._parts > 0] + b'"<system-reminder>\\n'
            self._out += (begin, bytes(text)[1:-1], b'\\n</system-reminder>"}')
            self._parts += 1
        return texts is not None

    def assistant(self, message: _Assistant) -> bool:
        if not self._open or not self._parts:
            return False
        self._open, parts = False, 0
        out = self._out
        out.append(b']},{"role":"assistant","content":[')
        calls: list[str] = []
        for block in message.content:
            if isinstance(block, _Use):
                if memoryview(block.input)[0] != _OBJECT:
                    return False
                told = block.id
                sent_id = told if is_safe_id(told) else safe_id(told)
                calls.append(sent_id)
                self._called.add(block.name)
                name = self._names.sent(block.name)
                out += (_USE[parts > 0] % (sent_id.encode(), name.encode()), block.input, b"}}")
                parts += 1
            elif isinstance(block, _Text) and (_shows(block.text) or _has_text(block.text)):
                if calls:
                    return False
                out += (_TEXT[parts > 0], block.text, b"}")
                parts += 1
        out.append(b"]}")
        self._calls = calls
        return parts > 0 and (len(calls) < 2 or len(set(calls)) == len(calls))

    def finished(self) -> Conversation | None:
        if not self._open or not self._parts:
            return None
        self._out.append(b"]}]")
        return _made(Conversation, (self._out, self._called))

    def _result(self, begin: bytes, texts: list[msgspec.Raw], *, failed: bool) -> None:
        out = self._out
        for text in texts:
            out += (begin + b'{"text":', text, b"}")
            begin = b","
        if not texts:
            out.append(begin + _NO_OUTPUT)
        out.append(b'],"status":"error"}}' if failed else b"]}}")


def _has_text(raw: msgspec.Raw) -> bool:
    """Whether it is a string that is not blank; what is no string is left out in the general way, too."""
    if _shows(raw):
        return True
    return memoryview(raw)[0] == _QUOTE and not is_blank(jsontext.loads(bytes(raw)))


def _texts(content: msgspec.Raw) -> list[msgspec.Raw] | None:
    """The texts of a content that is a string or a list of texts; None when it is something else."""
    if memoryview(content)[0] == _QUOTE:
        return [content] if _has_text(content) else []
    found: list[msgspec.Raw] = []
    try:
        for block in _TEXTS(content):
            text = block.text
            if _shows(text) or _has_text(text):
                found.append(text)
    except msgspec.DecodeError:
        return None
    return found
