"""Reads the gateway's log back: lines of `TIME key=value key="quoted value"`, as `edge.accesslog` writes them."""

import re
from collections import deque
from pathlib import Path
from typing import Final

_FIELD: Final = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")

Entry = dict[str, str]
"""The fields of a line; `time` is its beginning, in UTC."""


def entry(line: str) -> Entry:
    """The fields of one line. Values that the log escaped stay escaped where a terminal could not show them."""
    moment, _, rest = line.partition(" ")
    fields = {name: _plain(quoted) if quoted else bare for name, quoted, bare in _FIELD.findall(rest)}
    return {"time": moment, **fields}


def tail(path: Path, lines: int) -> list[Entry]:
    """The last entries of the log, oldest first; none when there is no log."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [entry(line) for line in deque(file, lines)]
    except OSError:
        return []


def since(path: Path, offset: int) -> list[Entry]:
    """The entries behind a byte of the log; all of them when the log has been rotated meanwhile."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    start = offset if offset <= len(data) else 0
    return [entry(line) for line in data[start:].decode("utf-8", "replace").splitlines()]


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[3] or found[0], text)
