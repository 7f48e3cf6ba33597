"""The ordinary whole answer: texts and counts. A copy, made for speed, of what `response.message` does with those.

Whatever is less ordinary is declined, and takes the general way; a test compares the two.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from openclaude.adapters.bedrock_converse.plain import is_utf8
from openclaude.adapters.bedrock_converse.response import leaks_call
from openclaude.domain.usage import Usage

_LONG: Final = 256 * 1024
"""Bytes from which on an answer is read in the general way, which can be done in pieces."""


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str


class _Message(msgspec.Struct, gc=False):
    content: list[_Text]


class _Output(msgspec.Struct, gc=False):
    message: _Message


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Counts(msgspec.Struct, rename="camel", gc=False):
    input_tokens: _Count
    output_tokens: _Count
    cache_read_input_tokens: _Count = 0
    cache_write_input_tokens: _Count = 0
    cache_details: Any = None


class _Answer(msgspec.Struct, rename="camel", gc=False):
    output: _Output
    stop_reason: Literal["end_turn", "max_tokens"]
    usage: _Counts
    service_tier: Any = None


class _ToldText(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str


class _ToldUsage(msgspec.Struct, gc=False):
    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class _Told(msgspec.Struct, gc=False):
    id: str
    type: str
    role: str
    model: str
    content: list[_ToldText]
    stop_reason: str
    stop_sequence: None
    usage: _ToldUsage


_READ = msgspec.json.Decoder(_Answer).decode
_WRITTEN = msgspec.json.Encoder().encode


def message(body: bytes, model: str, identity: str) -> tuple[bytes, Usage] | None:
    """The Messages answer, and its usage; None where that takes the general way.

    Args:
        body: Bedrock's answer.
        model: the string the client asked for.
        identity: the message's id.
    """
    if len(body) > _LONG or not (body.isascii() or is_utf8(body)):
        return None
    try:
        found = _READ(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    counts = found.usage
    fresh, given = counts.input_tokens, counts.output_tokens
    read, written = counts.cache_read_input_tokens, counts.cache_write_input_tokens
    if counts.cache_details or found.service_tier:
        return None
    told: list[_ToldText] = []
    for block in found.output.message.content:
        text = block.text
        if not text or text.isspace() or leaks_call(text):
            return None
        told.append(_ToldText(text))
    usage = _ToldUsage(fresh, written, read, given)
    whole = _Told(identity, "message", "assistant", model, told, found.stop_reason, None, usage)
    try:
        return _WRITTEN(whole), Usage(fresh, given, read, written)
    except UnicodeEncodeError:
        return None
