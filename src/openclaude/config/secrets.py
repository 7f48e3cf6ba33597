"""Finds credentials in a configuration before anything else looks at it, so that no message repeats one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from openclaude.config.lines import KeyPath
from openclaude.config.schema import TABLES

_SECRET_NAME: Final = re.compile(r"secret|passw|credential|authorization|bearer|api_?key|access_?key|token$")
# An AWS access key id, or any key or token Anthropic issues.
_SECRET_VALUE: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bsk-ant-")
_KNOWN: Final = frozenset(key for table in TABLES.values() for key in table)


def secret_paths(data: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Where a key is named like a credential, or a text looks like one. Keys the file may have are not suspects."""
    pending: list[tuple[KeyPath, object]] = [((), data)]
    while pending:
        path, value = pending.pop()
        if path and (_names_secret(path[-1]) or _is_secret(value)):
            yield path
        elif isinstance(value, dict):
            pending += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*path, index), inner) for index, inner in enumerate(value)]


def _names_secret(name: str | int) -> bool:
    return isinstance(name, str) and name not in _KNOWN and bool(_SECRET_NAME.search(_plain(name)))


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and bool(_SECRET_VALUE.search(value))


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
