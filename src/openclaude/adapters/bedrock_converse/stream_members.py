"""The members of a stream's events, read by type: what cannot stand where it stands is a `DamageError`."""

import json
from typing import Any

from openclaude.adapters.bedrock_converse.pieces import Json
from openclaude.wire import jsontext


def object_of(payload: bytes) -> Json | None:
    """The object that a payload is, None when it is no JSON object."""
    try:
        value = jsontext.loads(payload)
    except jsontext.JsonError:
        return None
    return value if isinstance(value, dict) else None


def is_object(text: str) -> bool:
    """Whether a text is a JSON object for some reader; the client's own need not be as strict as this one."""
    if object_of(text.encode("utf-8", "replace")) is not None:
        return True
    try:
        return isinstance(json.loads(text), dict)
    except RecursionError:
        return True
    except ValueError:
        return False


class DamageError(ValueError):
    """An event cannot stand where it stands, or holds what it cannot hold; to pass over it would lose something."""


def require_no_content(event: Json) -> None:
    """Refuse an event that would add to a message that is over."""
    if any(member(event, "delta").values()) or member(event, "start"):
        raise DamageError("content follows messageStop")


def index_of(event: Json) -> int:
    """Bedrock's index of the block that an event is about."""
    index: Any = event.get("contentBlockIndex", 0)
    if isinstance(index, int):
        return index
    raise DamageError("contentBlockIndex is not a number")


def member(holder: Json, name: str) -> Json:
    """The object under `name`, empty when there is none."""
    value: Any = holder.get(name)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise DamageError(f"{name} is not an object")


def text_of(holder: Json, name: str) -> str:
    """The text under `name`, empty when there is none."""
    value: Any = holder.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise DamageError(f"{name} is not a text")
