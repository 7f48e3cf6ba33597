"""JSON text to Python values and back, in the form providers accept.

Fast path: msgspec. Slow path, only for text msgspec refuses because of an unpaired surrogate: the standard library,
after which every unpaired surrogate is U+FFFD. Claude Code sends such text when a tool result was cut in the middle
of an emoji, and no provider takes it. Output is UTF-8 without ASCII escapes.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

import msgspec

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_SURROGATE = re.compile("[\ud800-\udfff]")
# An escape in the surrogate range, or a surrogate that was encoded as if it were a character.
_MAY_HOLD_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_PIECE: Final = 512 * 1024
"""Bytes that are read by one call; a text of more is taken apart first, as far as it has parts."""
_LEVELS: Final = 2
"""How deep a value is always taken apart to be written: a body and its messages. One with a long text is further."""
_IN_PIECES: ContextVar[bool] = ContextVar("in_pieces", default=False)


@contextmanager
def in_pieces() -> Iterator[None]:
    """Read and write JSON by many short calls into C instead of one: other threads get their turn in between."""
    token = _IN_PIECES.set(True)
    try:
        yield
    finally:
        _IN_PIECES.reset(token)


is_in_pieces: Final[Callable[[], bool]] = _IN_PIECES.get
"""Whether JSON is read by many short calls here."""


class JsonError(ValueError):
    """The text is not JSON. The message names the place and never quotes content."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        JsonError: not JSON, not UTF-8, nested too deeply, or a number that is not finite.
    """
    try:
        return _read(raw) if _IN_PIECES.get() else _DECODER.decode(raw)
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not _MAY_HOLD_SURROGATE.search(raw):
            raise JsonError(_place(error, raw)) from None
        return _loads_with_surrogates(raw)


class PartialReader:
    """Reads JSON objects, but leaves one member unread, as its bytes: it is long and nearly always known already.

    Args:
        names: the members to read; others are skipped.
        unread: the member to leave.
        shapes: members that must have a type of their own (as msgspec understands types); others may be anything.
    """

    def __init__(
        self, names: Iterable[str], unread: str, shapes: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._names = tuple(names)
        fields = [(name, shapes.get(name, Any), msgspec.UNSET) for name in self._names]
        shape = msgspec.defstruct("Shape", [*fields, (unread, msgspec.Raw, msgspec.Raw())], gc=False)
        self._decoder = msgspec.json.Decoder(shape)
        self._unread = unread

    def read(self, raw: bytes) -> tuple[dict[str, Any], bytes] | None:
        """The members that are there, and the bytes of the unread one, empty without it.

        None where only `loads` can tell what the text is: no object, no JSON, an unpaired surrogate, a member of
        another shape, or a text to be read in pieces. What is skipped or left unread is JSON, but its UTF-8 was not
        checked.
        """
        if _IN_PIECES.get():
            return None
        try:
            found = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        members = {
            name: value for name in self._names if (value := getattr(found, name)) is not msgspec.UNSET
        }
        return members, bytes(getattr(found, self._unread))


class TextReader:
    """Reads JSON objects into the texts of their members; members with a shape are read into that.

    Args:
        shapes: members that have a type (as msgspec understands types).
        texts: members that are given as their bytes.
        joined: members whose bytes are given in one piece, `BETWEEN` them; others are skipped.
    """

    BETWEEN: Final = b"\0"
    """Stands in no JSON text."""

    def __init__(self, shapes: Mapping[str, Any], texts: Sequence[str], joined: Iterable[str]) -> None:
        fields = [(name, shape | None, None) for name, shape in shapes.items()]
        left = [(name, msgspec.Raw, b"") for name in (*texts, *joined)]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Texts", [*fields, *left], gc=False))
        self._shapes = len(fields)
        self._texts = len(fields) + len(texts)

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], list[bytes], bytes] | None:
        """The members with a shape, None for one that is not there, and the texts of the others, empty for those.

        None where only `loads` can tell what the text is, as `PartialReader.read`. The UTF-8 of texts was not checked.
        """
        if _IN_PIECES.get():
            return None
        try:
            found = msgspec.structs.astuple(self._decoder.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        shapes, texts = self._shapes, self._texts
        return found[:shapes], list(map(bytes, found[shapes:texts])), self.BETWEEN.join(found[texts:])


def spliced(text: bytes) -> Any:
    """A value that `dumps` writes as the JSON text it is made of."""
    return msgspec.Raw(text)


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of dicts, lists, strings, numbers, booleans and None.

    Raises:
        JsonError: nested too deeply.
    """
    if not _IN_PIECES.get():
        return _encoded(value)
    try:
        return b"".join(_written(value, _LEVELS))
    except RecursionError:
        raise JsonError("the value is nested too deeply") from None


def _encoded(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(clean(value))
    except RecursionError:
        raise JsonError("the value is nested too deeply") from None


def _read(raw: bytes | msgspec.Raw) -> Any:
    """As the decoder reads it, but for where an error is said to be."""
    view = memoryview(raw)
    if len(view) <= _PIECE:
        return _DECODER.decode(raw)
    match bytes(view[:64]).lstrip()[:1]:
        case b"{":
            return {name: _read(part) for name, part in _MEMBERS.decode(raw).items()}
        case b"[":
            return [_read(part) for part in _ELEMENTS.decode(raw)]
        case _:
            return _DECODER.decode(raw)


def _written(value: Any, levels: int) -> Iterator[bytes]:
    """The bytes the encoder would write, in pieces."""
    if not isinstance(value, dict | list) or not value or (levels <= 0 and not _is_bulky(value)):
        yield _encoded(value)
        return
    named = isinstance(value, dict)
    before = b"{" if named else b"["
    items: Any = value.items() if isinstance(value, dict) else value
    for item in items:
        name, inner = item if named else (None, item)
        yield before + _encoded(name) + b":" if named else before
        yield from _written(inner, levels - 1)
        before = b","
    yield b"}" if named else b"]"


def _is_bulky(value: Any) -> bool:
    """Whether there is a text in it that should be written alone."""
    if isinstance(value, str):
        return len(value) > _PIECE
    if isinstance(value, dict):
        return any(map(_is_bulky, value.values()))
    return isinstance(value, list) and any(map(_is_bulky, value))


def clean(value: Any) -> Any:
    """A copy of `value` in which no string, key or value, holds an unpaired surrogate."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean(item) for key, item in value.items()}
    return value


def clean_text(text: str) -> str:
    """`text` with surrogate pairs joined and every other surrogate replaced by U+FFFD."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _loads_with_surrogates(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8", "surrogatepass")
        return clean(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except UnicodeDecodeError as error:
        raise JsonError(_place(error, raw)) from None
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise JsonError(str(error)) from None


def _place(error: msgspec.DecodeError | UnicodeDecodeError, raw: bytes) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    try:
        # msgspec counts from the string's own beginning.
        raw.decode()
    except UnicodeDecodeError as found:
        error = found
    return f"not UTF-8 (byte {error.start})"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number
