"""Tool names and tool ids in the alphabets Bedrock takes.

Names: `[a-zA-Z0-9_-]{1,64}`, ids: `[a-zA-Z0-9_.:-]{1,64}` (service model of bedrock-runtime). Anthropic allows names of
128 characters, and names of MCP tools use the room.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_NOT_ID = re.compile(r"[^a-zA-Z0-9_.:-]")
_KEPT = 55
_new: Final = object.__new__


def safe_id(original: str) -> str:
    """An id Bedrock takes; the same for a call and its result, without a table."""
    return original if _ID.fullmatch(original) else _shortened(original, _NOT_ID, 8)


class Names:
    """The names sent in place of the client's. Valid names stay; two names never become one.

    `renames` says whether a name was replaced, in a copy since it was made.
    """

    __slots__ = ("_by_original", "_by_sent", "_renamed", "_shared", "renames")

    def __init__(self, originals: Iterable[str] = ()) -> None:
        self._shared = False
        self.renames = False
        self._by_original: dict[str, str] = {}
        self._by_sent: dict[str, str] = {}
        self._renamed: dict[str, str] = {}
        names = list(originals)
        # Valid names first: none of them may be taken by the replacement of another.
        for name in names:
            if _NAME.fullmatch(name):
                self.sent(name)
        for name in names:
            self.sent(name)

    def copy(self) -> "Names":
        """The same names; what is added to the copy does not come here. Copied only when something is added."""
        other: Names = _new(Names)
        other._shared, other.renames = True, False
        other._by_original, other._by_sent, other._renamed = self._by_original, self._by_sent, self._renamed
        return other

    def sent(self, original: str) -> str:
        """The name that goes to Bedrock."""
        known = self._by_original.get(original)
        if known is not None:
            return known
        name = original if _NAME.fullmatch(original) else _shortened(original, _NOT_NAME, 8)
        digits = 12
        while name in self._by_sent:
            name = _shortened(original, _NOT_NAME, digits)
            digits += 4
        self._add(original, name)
        return name

    def _add(self, original: str, sent: str) -> None:
        if self._shared:
            self._by_original, self._by_sent = dict(self._by_original), dict(self._by_sent)
            self._renamed = dict(self._renamed)
            self._shared = False
        self._by_original[original] = sent
        self._by_sent[sent] = original
        if sent != original:
            self.renames = True
            self._renamed[sent] = original

    def knows(self, original: str) -> bool:
        """Whether the client has used this name."""
        return original in self._by_original

    def renamed(self) -> Mapping[str, str]:
        """Sent name to the client's name, for the names that changed."""
        return MappingProxyType(self._renamed)


def _shortened(original: str, unwanted: re.Pattern[str], digits: int) -> str:
    digest = hashlib.sha256(original.encode("utf-8", "replace")).hexdigest()[:digits]
    return f"{unwanted.sub('_', original)[: _KEPT + 8 - digits]}_{digest}"
