"""JSON text to Python values and back, in the form providers accept.

Fast path: msgspec. Slow path, only for text msgspec refuses because of an unpaired surrogate: the standard library,
after which every unpaired surrogate is U+FFFD. Claude Code sends such text when a tool result was cut in the middle
of an emoji, and no provider takes it. Output is UTF-8 without ASCII escapes.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_SURROGATE = re.compile("[\ud800-\udfff]")
# An escape in the surrogate range, or a surrogate that was encoded as if it were a character.
_MAY_HOLD_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class JsonError(ValueError):
    """The text is not JSON. The message names the place and never quotes content."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        JsonError: not JSON, not UTF-8, nested too deeply, or a number that is not finite.
    """
    try:
        return _DECODER.decode(raw)
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not _MAY_HOLD_SURROGATE.search(raw):
            raise JsonError(_place(error)) from None
        return _loads_with_surrogates(raw)


class PartialReader:
    """Reads JSON objects, but leaves one member unread, as its bytes: it is long and nearly always known already.

    Args:
        names: the members to read; others are skipped.
        unread: the member to leave.
    """

    def __init__(self, names: Iterable[str], unread: str) -> None:
        self._names = tuple(names)
        fields = [(name, Any, msgspec.UNSET) for name in self._names]
        shape = msgspec.defstruct("Shape", [*fields, (unread, msgspec.Raw, msgspec.Raw())], gc=False)
        self._decoder = msgspec.json.Decoder(shape)
        self._unread = unread

    def read(self, raw: bytes) -> tuple[dict[str, Any], bytes] | None:
        """The members that are there, and the bytes of the unread one, empty without it.

        None where only `loads` can tell what the text is: no object, no JSON, or an unpaired surrogate. What is
        skipped or left unread is JSON but may hold unpaired surrogates.
        """
        try:
            found = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        members = {
            name: value for name in self._names if (value := getattr(found, name)) is not msgspec.UNSET
        }
        return members, bytes(getattr(found, self._unread))


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of dicts, lists, strings, numbers, booleans and None.

    Raises:
        JsonError: nested too deeply.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(clean(value))
    except RecursionError:
        raise JsonError("the value is nested too deeply") from None


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
        raise JsonError(_place(error)) from None
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise JsonError(str(error)) from None


def _place(error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start})"
    return str(error)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number
