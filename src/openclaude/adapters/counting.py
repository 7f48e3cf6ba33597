"""Having AWS count a prompt's tokens: CountTokens, and the Messages endpoints' own `count_tokens`.

Not every model is counted for, and some only under one of their ids. What an answer says about a way is remembered for
the life of the process, so that a way that does not exist is tried once.
"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from openclaude.adapters.profiles import without_geo
from openclaude.domain.http import Header
from openclaude.wire import jsontext

_MAX_ID: Final = 256
_ID: Final = re.compile(r"[A-Za-z0-9_./:-]+")
_SPELLS_AN_ID: Final = ("foundation-model", "inference-profile")
_NOT_COUNTED: Final = re.compile(
    r"(?i)count(?:ing)?[ -]?tokens|not support|unsupported|unknown ?operation|model identifier is invalid"
    r"|on-demand throughput|inference profile|not authorized to perform|have access to the model"
)
"""Texts that speak about the way and not about the prompt."""


@dataclass(slots=True)
class Ways:
    """What is known of the ways to count for one model in one region: the one that works, and those that do not."""

    settled: str | None = None
    refused: set[str] = field(default_factory=set)

    def open(self, names: Sequence[str]) -> list[str]:
        """The names of the ways that are worth trying, in order."""
        if self.settled is not None:
            return [self.settled]
        return [name for name in names if name not in self.refused]


class CountCall:
    """One request for a count; satisfies `ports.CountCall`.

    Args:
        way: the name of the way, which is what is remembered.
        member: the member of the answer that holds the count.
    """

    headers: tuple[Header, ...]

    def __init__(
        self, ways: Ways, way: str, target: bytes, body: bytes, member: str, headers: tuple[Header, ...] = ()
    ) -> None:
        self._ways = ways
        self._way = way
        self._member = member
        self.target = target
        self.body = body
        self.headers = (
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"identity"),
            *headers,
        )

    def counted(self, status: int, headers: Sequence[Header], body: bytes) -> int | None:
        """The count in an answer, or None; the way is given up where the answer says that it does not exist."""
        del headers
        if status == 200 and (count := _count(body, self._member)) is not None:
            self._ways.settled = self._way
            return count
        if status == 404 or (status in (400, 403) and _NOT_COUNTED.search(body.decode("utf-8", "replace"))):
            self._ways.refused.add(self._way)
            self._ways.settled = None
        return None


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A local estimate, and the ways to a real count; satisfies `ports.TokenCount`."""

    estimate: int
    calls: Sequence[CountCall] = ()


def ids_to_count(model_id: str, base_model: str | None) -> list[str]:
    """The ids CountTokens is asked with: the model's own without geo prefix first, then the route's."""
    if not model_id.startswith("arn:"):
        base = without_geo(base_model or model_id)
    elif model_id.split(":", 5)[5].partition("/")[0] in _SPELLS_AN_ID:
        base = without_geo(model_id)
    else:
        base = without_geo(base_model or "")
    found = dict.fromkeys(name for name in (base, model_id) if name)
    return [name for name in found if len(name) <= _MAX_ID and _ID.fullmatch(name)]


def count_calls(ways: Ways, ids: Sequence[str], prompt: Any) -> list[CountCall]:
    """The CountTokens requests for a prompt that is a member of its union, as in `{"converse": {...}}`."""
    names = ways.open(ids)
    body = jsontext.dumps({"input": prompt}) if names else b""
    return [CountCall(ways, name, _target(name), body, "inputTokens") for name in names]


def invoked(body: bytes) -> dict[str, Any]:
    """The prompt of an InvokeModel body."""
    return {"invokeModel": {"body": binascii.b2a_base64(body, newline=False).decode("ascii")}}


def _target(model_id: str) -> bytes:
    return f"/model/{quote(model_id, safe='-_.~')}/count-tokens".encode("ascii")


def _count(body: bytes, member: str) -> int | None:
    try:
        answer = jsontext.loads(body)
    except jsontext.JsonError:
        return None
    count = answer.get(member) if isinstance(answer, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
