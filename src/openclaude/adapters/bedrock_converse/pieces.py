"""The values that pass between the steps of a request's translation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

HELD_ONCE = 256 * 1024
"""Bytes from which a request's values are not kept beside its text: they are as large again, and seldom asked for."""
DEFAULT_TTL = ""
"""A cache point without a time to live of its own."""

_NOT_IN_NOTE = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(slots=True)
class Piece:
    """One Converse block on its way into a turn.

    Attributes:
        kind: the member of Converse's ContentBlock union.
        block: the block, as it goes on the wire.
        cache: time to live of the cache point behind the block: "5m", "1h", `DEFAULT_TTL`, or None for no point.
        hoisted: media of a tool result that have to stand beside it, markers included.
    """

    kind: str
    block: Json
    cache: str | None = None
    hoisted: "tuple[Piece, ...]" = ()


@dataclass(slots=True)
class Turn:
    """A message.

    Attributes:
        role: user or assistant.
        pieces: its blocks.
        lost_reasoning: signed reasoning could not be replayed.
        unplaced: time to live of a cache point that has no block of its own message to stand behind.
        calls: it has tool calls or their results. Most passes are about those, and most turns have neither.
    """

    role: str
    pieces: list[Piece]
    lost_reasoning: bool = False
    unplaced: str | None = None
    calls: bool = False


def text_piece(text: str, cache: str | None = None) -> Piece:
    return Piece("text", {"text": text}, cache)


class Notes:
    """Codes of what was degraded, each once, in the order they came up. Never content. `count` says how many."""

    __slots__ = ("_codes", "count")

    def __init__(self) -> None:
        self._codes: dict[str, None] = {}
        self.count = 0

    def add(self, code: str) -> None:
        self._codes[code] = None
        self.count = len(self._codes)

    def add_all(self, codes: Iterable[str]) -> None:
        for code in codes:
            self.add(code)

    def dropped(self, kind: Any) -> None:
        """A block or field of a kind nobody can send; the kind comes from the client, so it is cut short."""
        name = kind if isinstance(kind, str) and kind else "untyped"
        self.add("block_dropped:" + _NOT_IN_NOTE.sub("_", name[:64]))

    def codes(self) -> tuple[str, ...]:
        return tuple(self._codes)


def objects(value: Any) -> list[Json]:
    """The objects of a list; anything else is an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def is_blank(text: str) -> bool:
    """Whether Bedrock would call the text blank: it is empty or white space."""
    return not text or text.isspace()


def string(value: Any) -> str:
    """`value` if it is a string, otherwise the empty string."""
    return value if isinstance(value, str) else ""


def ttl_of(holder: Json) -> str | None:
    """The time to live a `cache_control` asks for; None when there is none."""
    control = holder.get("cache_control")
    if not isinstance(control, dict):
        return None
    ttl = control.get("ttl")
    return ttl if ttl in ("5m", "1h") else DEFAULT_TTL
