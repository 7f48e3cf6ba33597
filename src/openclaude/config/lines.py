"""Where each key of a TOML text stands. The standard library's parser gives values without positions.

The text must be one that `tomllib` accepts: this scanner then needs to know only where keys and values begin and
end, never whether they are right. Grammar: toml.io, version 1.0.
"""

import re
from bisect import bisect_right
from typing import Final

KeyPath = tuple[str | int, ...]
"""Names of tables and keys; an integer is the place in an array, counted from 0."""

Lines = dict[KeyPath, int]

_DEEPEST: Final = 32
_ENDLESS_KEY: Final = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}"""
)

_BLANK: Final = re.compile(r"(?:\s+|#[^\n]*)*")
_REST_OF_LINE: Final = re.compile(r"[^\n]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_ONE_LINE_STRING: Final = re.compile(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING: Final = re.compile(
    # A closing delimiter may have up to two quotes of the content right before it.
    r'"""(?:[^"\\]|\\.|"(?!""))*"""(?:"{0,2})'
    r"|'''(?:[^']|'(?!''))*'''(?:'{0,2})"
    r"|" + _ONE_LINE_STRING.pattern,
    re.DOTALL,
)
# Numbers, booleans, dates; a date may have a blank inside.
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")


class TooDeepError(Exception):
    """Tables or arrays are nested without reason."""


def endless_key(text: str) -> int:
    """The line of a dotted key of more than 32 parts; 0 when there is none.

    `tomllib` takes memory by the square of the parts: 100 KB of `a.a.a` cost it gigabytes. A comment or a text that
    looks like such a key counts too.
    """
    found = _ENDLESS_KEY.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def locate(text: str) -> Lines:
    """The line, counted from 1, of every table, key and array element of a valid TOML text.

    Raises:
        TooDeepError: a key is inside more than 32 others, which costs time and memory and says nothing.
    """
    return _Scanner(text).scan()


class _Scanner:
    """One pass over the text. `_at` is the next character to read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._lines: Lines = {}
        self._last_of_array: dict[KeyPath, int] = {}

    def scan(self) -> Lines:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_REST_OF_LINE)
            self._skip(_BLANK)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found.group()

    def _take(self, mark: str) -> bool:
        self._skip(_BLANK)
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _record(self, path: KeyPath, offset: int) -> None:
        if len(path) > _DEEPEST:
            raise TooDeepError
        self._lines.setdefault(path, bisect_right(self._newlines, offset - 1) + 1)

    def _header(self) -> KeyPath:
        start = self._at
        repeated = self._take("[[")
        if not repeated:
            self._take("[")
        path: KeyPath = ()
        names = self._key()
        for name in names[:-1]:
            path = self._inside((*path, name))
            self._record(path, start)
        path = (*path, names[-1])
        if repeated:
            self._record(path, start)
            self._last_of_array[path] = self._last_of_array.get(path, -1) + 1
        path = self._inside(path)
        self._record(path, start)
        return path

    def _inside(self, path: KeyPath) -> KeyPath:
        """A header that names an array of tables means the array's last table."""
        last = self._last_of_array.get(path)
        return path if last is None else (*path, last)

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = table
        for name in self._key():
            path = (*path, name)
            self._record(path, start)
        self._take("=")
        self._value(path)

    def _key(self) -> list[str]:
        names = [self._name()]
        while self._take("."):
            names.append(self._name())
        return names

    def _name(self) -> str:
        self._skip(_BLANK)
        return self._skip(_BARE_KEY) or _unquoted(self._skip(_ONE_LINE_STRING))

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inline_table(path)
        elif not self._skip(_STRING):
            self._skip(_PLAIN)

    def _array(self, path: KeyPath) -> None:
        index = 0
        while not self._take("]"):
            self._record((*path, index), self._at)
            self._value((*path, index))
            self._take(",")
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        while not self._take("}"):
            self._pair(path)
            self._take(",")


def _unquoted(quoted: str) -> str:
    import tomllib  # noqa: PLC0415 - only rare files quote their keys

    return str(tomllib.loads(f"name = {quoted}")["name"])
