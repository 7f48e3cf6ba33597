"""What the requests of a session have in common, everything but their system prompt and conversation, is translated once."""

from typing import Any, Final, NamedTuple

from openclaude.adapters.bedrock_converse.response import ResponseState

_KEPT: Final = 64


Key = tuple[bool, int, bytes]
"""What a frame is made of: whether the conversation calls tools, the limit of the answer, the texts of the other members."""


class Frame(NamedTuple):
    """A translated request without its system prompt and its conversation.

    Attributes:
        operation: "Converse" or "ConverseStream".
        notes: codes of what was degraded.
        state: what the translation of the answer needs to know.
        rest: what follows messages and system in the body, beginning with a comma, and ending with the body; empty for
            requests that have to be translated each for itself.
        listed: the list of tools it was made for; its identity is part of the key.
    """

    operation: str
    notes: tuple[str, ...]
    state: ResponseState
    rest: bytes
    listed: list[Any]


class Frames:
    """The frames seen last, by what they are made of."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Key], Frame] = {}

    def get(self, key: Key, listed: list[Any]) -> Frame | None:
        """The frame for this very list of tools."""
        return self._kept.get((id(listed), key))  # a frame keeps its list, so that no other one has this id

    def keep(self, key: Key, frame: Frame) -> None:
        """Remember a frame; the oldest one gives way."""
        self._kept[id(frame.listed), key] = frame
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
