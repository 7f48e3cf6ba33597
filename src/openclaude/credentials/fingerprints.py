"""Fingerprints of the secrets this process has met, so that one on its way to the wrong place is recognised.

No secret is kept here. From each, `WINDOW` bytes at every place of a stretch that holds no well-known prefix are
digested with a key that is made anew for each process. A text is cut into pieces of that length: a secret in it
covers at least one of them whole, at whatever place it begins.
"""

import functools
import hashlib
import re
import secrets
import struct
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from openclaude.domain.http import Origin

WINDOW: Final = 12
LEAST: Final = 2 * WINDOW - 1
"""Bytes of a stretch that cannot lie in a text without covering a whole piece of it."""
PREFIX: Final = 16
"""Leading bytes that may be the same in many secrets (`sk-ant-oat01-`, the first words of AWS session tokens)."""
STRETCH: Final = 64
MOST: Final = 4096
"""Secrets remembered at most; the oldest gives way."""

CLIENT_LOGIN: Final = "client login"
AWS_SECRET: Final = "AWS secret key"  # noqa: S105  the name of a kind
AWS_TOKEN: Final = "AWS session token"  # noqa: S105  see above
API_KEY: Final = "API key"
GATEWAY: Final = "gateway secret"

_KEY_ID: Final = re.compile(rb"A[KS]IA[A-Z2-7]{16}")


@dataclass(slots=True)
class Known:
    """What is remembered of one secret: its kind, and the origins it was bound to where it is bound to any.

    `number` tells it from others: secrets are counted from 1 as they are met, and nothing of them is in it.
    """

    kind: str
    number: int
    bound: set[Origin] = field(default_factory=set)
    pieces: list[tuple[int, bytes]] = field(default_factory=list, repr=False)


class Fingerprints:
    """The secrets one process has met.

    Attributes:
        met: how many it has met. While it stays the same, a look finds what the last one found.
    """

    def __init__(self) -> None:
        self.met = 0
        self._key = secrets.token_bytes(16)
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._pieces: dict[int, dict[bytes, Known]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<Fingerprints of {len(self)} secrets>"

    def remember(self, secret: bytes, kind: str, bound: Collection[Origin] = ()) -> int:
        """Take note of a secret; the result is its number. Shorter than `WINDOW` is too short to be one: 0."""
        if len(secret) < WINDOW:
            return 0
        name = self._digest(secret)
        known = self._known.get(name)
        if known is None:
            self.met += 1
            known = self._known[name] = Known(kind, self.met)
            self._index(known, secret)
            if len(self._known) > MOST:
                self._forget()
        known.bound.update(bound)
        return known.number

    def stray(self, text: bytes, at_home: Callable[[Known], bool]) -> Known | None:
        """A secret in a text where it is not at home, or None."""
        pieces, known = _pieces(len(text) // WINDOW)(text), self._pieces
        places = [*filter(known.__contains__, map(hash, pieces))]
        if not places or not [place for place in places if self._suspect(place, at_home)]:
            return None
        for piece in pieces:
            found = known.get(hash(piece), {}).get(self._digest(piece))
            if found is not None and not at_home(found):
                return found
        return None

    def _suspect(self, place: int, at_home: Callable[[Known], bool]) -> bool:
        return not all(map(at_home, self._pieces[place].values()))

    def _index(self, known: Known, secret: bytes) -> None:
        start = max(0, min(PREFIX, len(secret) - LEAST))
        stretch = secret[start:][-STRETCH:]
        for at in range(len(stretch) - WINDOW + 1):
            piece = stretch[at : at + WINDOW]
            place, digest = hash(piece), self._digest(piece)
            known.pieces.append((place, digest))
            self._pieces.setdefault(place, {})[digest] = known

    def _forget(self) -> None:
        _, oldest = self._known.popitem(last=False)
        for place, digest in oldest.pieces:
            here = self._pieces.get(place)
            if here is not None and here.get(digest) is oldest:
                del here[digest]
                if not here:
                    del self._pieces[place]

    def _digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._key, digest_size=16).digest()


KNOWN: Final = Fingerprints()
"""What this process has met: handles register what they stand for when they are made."""


def names_a_key(text: bytes) -> bool:
    """Whether a text holds an AWS access key id, of whomever."""
    return _KEY_ID.search(text) is not None


@functools.lru_cache(maxsize=512)
def _pieces(count: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """Cuts so many pieces off a text."""
    return struct.Struct(f"{WINDOW}s" * count).unpack_from
