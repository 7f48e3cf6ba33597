"""A local count of tokens for models whose provider does not count them. It errs high.

UTF-8 bytes / 3.6, 4 for each message, JSON bytes of the tools / 3.2, 1600 for each image.
"""

import math
from typing import Any

from openclaude.adapters.bedrock_converse.blocks import blocks_of
from openclaude.adapters.bedrock_converse.pieces import Json, objects, string
from openclaude.wire import jsontext

_BYTES_PER_TOKEN = 3.6
_TOOL_BYTES_PER_TOKEN = 3.2
_PER_MESSAGE = 4
_PER_IMAGE = 1600
_DATA_SOURCES = ("base64", "url", "file")


def tokens(body: Any) -> int:
    """Tokens of a count_tokens body, at least 1. A body of another shape counts by its bytes."""
    if not isinstance(body, dict):
        return max(1, math.ceil(len(jsontext.dumps(body)) / _BYTES_PER_TOKEN))
    messages = objects(body.get("messages"))
    total = _PER_MESSAGE * len(messages) + _content(body.get("system"))
    total += sum(_content(message.get("content")) for message in messages)
    tools = body.get("tools")
    if isinstance(tools, list):
        total += len(jsontext.dumps(tools)) / _TOOL_BYTES_PER_TOKEN
    return max(1, math.ceil(total))


def _content(content: Any) -> float:
    return sum(map(_block, blocks_of(content)))


def _block(block: Json) -> float:
    if block.get("type") == "tool_result":
        return sum(map(_part, blocks_of(block.get("content")))) + _PER_MESSAGE
    return _part(block)


def _part(block: Json) -> float:
    """A block that holds no blocks; one that does all the same counts by its bytes."""
    source = block.get("source")
    if block.get("type") == "image":
        return _PER_IMAGE
    if isinstance(source, dict) and source.get("type") in _DATA_SOURCES:
        # A page of a document costs about as much as an image, and takes some 50 kB.
        return _PER_IMAGE * (1 + len(string(source.get("data"))) // 65536)
    if isinstance(block.get("text"), str):
        return len(block["text"].encode("utf-8", "replace")) / _BYTES_PER_TOKEN
    return len(jsontext.dumps(block)) / _BYTES_PER_TOKEN
