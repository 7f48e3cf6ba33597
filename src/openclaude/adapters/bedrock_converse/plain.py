"""The ordinary conversation, translated without making Python strings of its texts.

Nearly every request consists of texts, tool calls, and results in the order of their calls. For those this is a copy,
made for speed, of what `blocks` and `conversation` do: a text goes from the client's bytes to Bedrock's as it stands.
Whatever is less ordinary is declined, and takes the general way. A test compares the two ways on every request the
fuzz tests generate. What the bytes hold was checked when they were read: escapes, control characters and unpaired
surrogates by msgspec, UTF-8 here.
"""

import re
from typing import Any, Final, NamedTuple, final

import msgspec

from openclaude.adapters.bedrock_converse.blocks import NO_OUTPUT
from openclaude.adapters.bedrock_converse.names import Names, safe_id
from openclaude.adapters.bedrock_converse.pieces import is_blank
from openclaude.adapters.profiles import Profile
from openclaude.wire import jsontext


class _Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: msgspec.Raw


class _Use(msgspec.Struct, tag_field="type", tag="tool_use", gc=False):
    id: str
    name: str
    input: msgspec.Raw


@final  # and asked for by `type(...) is`: `isinstance` calls the metaclass, for every block of another kind
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
    out: list[Piece] = []
    called: set[str] = set()
    calls: list[bytes] | None = []
    is_open, parts = False, 0  # a user's turn, which messages of the user may go on with; its blocks
    for message in messages:
        kind = type(message)
        if kind is _Assistant:
            calls = _assistant(out, message, names, called) if parts else None
            if calls is None:
                return None
            is_open, parts = False, 0
            continue
        if kind is _User:
            if not is_open:
                out.append(b',{"role":"user","content":[' if out else b'[{"role":"user","content":[')
            parts = _user(out, message, calls or [], parts)
            is_open, calls = True, []
        else:
            parts = _reminder(out, message, parts) if is_open else -1
        if parts < 0:
            return None
    if not parts:
        return None
    out.append(b"]}]")
    return _made(Conversation, (out, called))


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


# Each of these writes a message. A number is that of the blocks of the user's turn, less than none for what is not ordinary.


def _user(out: list[Piece], message: _User, calls: list[bytes], parts: int) -> int:
    answered = 0
    for block in message.content:
        if type(block) is _Result:
            if parts != answered or answered >= len(calls):
                return -1
            told, sent_id = block.tool_use_id, calls[answered]
            if told.encode() != sent_id and safe_id(told).encode() != sent_id:
                return -1
            texts = _texts(block.content)
            if texts is None:
                return -1
            _result(out, _RESULT[parts > 0] % sent_id, texts, failed=block.is_error)
            answered += 1
            parts += 1
        elif _shows(block.text) or _has_text(block.text):
            out += (_TEXT[parts > 0], block.text, b"}")
            parts += 1
    return parts if answered == len(calls) else -1


def _result(out: list[Piece], begin: bytes, texts: list[msgspec.Raw], *, failed: bool) -> None:
    for text in texts:
        out += (begin + b'{"text":', text, b"}")
        begin = b","
    if not texts:
        out.append(begin + _NO_OUTPUT)
    out.append(b'],"status":"error"}}' if failed else b"]}}")


def _reminder(out: list[Piece], message: _System, parts: int) -> int:
    """A reminder in the midst of the conversation belongs to the user's turn it follows."""
    texts = _texts(message.content)
    for text in texts or ():
        begin = _TEXT[parts > 0] + b'"<system-reminder>\\n'
        out += (begin, bytes(text)[1:-1], b'\\n</system-reminder>"}')
        parts += 1
    return -1 if texts is None else parts


def _assistant(out: list[Piece], message: _Assistant, names: Names, called: set[str]) -> list[bytes] | None:
    """The ids of the calls it writes, as they are sent; None for a message that is not ordinary."""
    out.append(b']},{"role":"assistant","content":[')
    calls: list[bytes] = []
    blank = True
    for block in message.content:
        if type(block) is _Use:
            if memoryview(block.input)[0] != _OBJECT:
                return None
            sent_id = safe_id(block.id).encode()
            calls.append(sent_id)
            called.add(block.name)
            name = names.sent(block.name).encode()
            out += (_USE[not blank] % (sent_id, name), block.input, b"}}")
            blank = False
        elif type(block) is _Text and (_shows(block.text) or _has_text(block.text)):
            if calls:
                return None
            out += (_TEXT[not blank], block.text, b"}")
            blank = False
    out.append(b"]}")
    return None if blank or (len(calls) > 1 and len(set(calls)) < len(calls)) else calls


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
