"""The little a router needs of a Messages request: which model it asks for.

`model` is the first key in every request of the real client (client sheet §3), so the first bytes usually tell.
Where they do not, the whole body is read by a real JSON parser.
"""

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import msgspec

PREFIX_LIMIT = 64 * 1024
"""How far the first bytes are searched. A name that has not ended by then is read from the whole body."""

SIGNATURE_PREFIX = "openclaude."
"""Begins every signature this gateway mints; reasoning signed so never goes to a model that checks signatures."""
_OWN_REASONING = re.compile(rb'"signature"\s*:\s*"' + re.escape(SIGNATURE_PREFIX).encode())

LEADING = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([ -!#-\[\]-\x7e]*)"')
"""A body that begins with its model, if that is a plain ASCII string without escapes; the group is the name."""
_OPENING = b'{"model":"'
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)


class ModelField(NamedTuple):
    """The model a body asks for, and where its JSON string stands: `body[start:end]`, quotes included."""

    name: str
    start: int
    end: int


class NoModelError(ValueError):
    """A body that is not a JSON object with a string `model`; the message says which."""


def leading_model(prefix: bytes) -> ModelField | None:
    """The model if it is the first key and a plain ASCII string without escapes, else None."""
    found = LEADING.match(prefix)
    if found is None:
        return None
    start, end = found.span(1)
    return ModelField(found[1].decode("ascii"), start - 1, end + 1)


def may_still_lead(prefix: bytes) -> bool:
    """Whether more bytes could make `leading_model` succeed. A yes may be wrong: the whole body is read then."""
    if len(prefix) >= PREFIX_LIMIT:
        return False
    compact = b"".join(prefix.split())
    if len(compact) <= len(_OPENING):
        return _OPENING.startswith(compact)
    name = compact[len(_OPENING) :]
    return compact.startswith(_OPENING) and b'"' not in name and b"\\" not in name


def find_model(body: bytes) -> ModelField:
    """The model of a whole body. A second `model` key wins, as in every common JSON parser."""
    name = model_of(body)
    start, end = _value_span(body)
    return ModelField(name, start, end)


def model_of(body: bytes) -> str:
    """The model a whole body names, without looking where. A second `model` key wins. Raises NoModelError."""
    import msgspec  # noqa: PLC0415  see _decoder

    try:
        name: str = _decoder().decode(body).model
    except msgspec.ValidationError as error:
        raise NoModelError(f"the body needs a string `model`: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoModelError(f"the body is not valid JSON: {error}") from None
    return name


@cache
def _decoder() -> "msgspec.json.Decoder[Any]":
    """Reads the model of a body and skips the rest. Loaded late: the real client's requests do not need it."""
    import msgspec  # noqa: PLC0415

    return msgspec.json.Decoder(msgspec.defstruct("Head", [("model", str)]))


def _value_span(body: bytes) -> tuple[int, int]:
    """Where the value of the last top-level `model` key stands, in a body that is known to be valid JSON."""
    depth = 0
    key: bytes | None = None
    previous = b""
    span = (0, 0)
    for token in _TOKENS.finditer(body):
        text = token[0]
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and text == b":":
            key = previous
        elif depth == 1 and text == b",":
            key = None
        elif depth == 1 and key is not None and text[:1] == b'"' and _is_model(key):
            span = token.span()
        previous = text
    return span


def _is_model(key: bytes) -> bool:
    return key == b'"model"' or (b"\\" in key and json.loads(key) == "model")


def holds_own_reasoning(body: bytes) -> bool:
    """Whether a body may hold reasoning that this gateway signed, which the Anthropic API refuses. A yes may be wrong."""
    return SIGNATURE_PREFIX.encode() in body and _OWN_REASONING.search(body) is not None


def with_model(body: bytes, field: ModelField, name: str) -> bytes:
    """The same body with another model name; every other byte stays as it is."""
    return b"".join((body[: field.start], json.dumps(name).encode(), body[field.end :]))
