"""YAML between brackets and quotes: `{a: b}`, `[a, b]`, `"a"`, `'a'`, and where a plain scalar ends."""

import re
from dataclasses import dataclass
from typing import Final

from openclaude.migrate.yamlnodes import Items, Node, Scalar, Table, YamlError

_SIMPLE: Final = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_NUMBERED: Final = {"x": 2, "u": 4, "U": 8}
_DEEPEST: Final = 50
_BRACKETS: Final = ",[]{}"


def comment_or_nothing(rest: str) -> bool:
    """Whether what is left of a line says nothing. A comment has a blank before its `#`."""
    return bool(re.fullmatch(r" *| +#.*", rest))


def plain_end(line: str, start: int, stops: str = "") -> int:
    """Where a plain scalar that begins at `start` ends: at `: `, before ` #`, at one of `stops`, or the line's end."""
    for place in range(start, len(line)):
        char = line[place]
        after = line[place + 1 : place + 2]
        if char in stops or (char == ":" and (not after or after == " " or after in stops)):
            return place
        if char == "#" and place > start and line[place - 1] == " ":
            return len(line[:place].rstrip(" "))
    return len(line)


def quoted(line: str, start: int, number: int) -> tuple[str, int]:
    """The text in quotes that begins at `start`, and the column behind it.

    Raises:
        YamlError: it does not end on this line, or has an escape that YAML does not know.
    """
    return _single(line, start, number) if line[start] == "'" else _double(line, start, number)


def _single(line: str, start: int, number: int) -> tuple[str, int]:
    found = re.compile(r"'((?:[^']|'')*)'(?!')").match(line, start)
    if found is None:
        raise _unended(number)
    return found[1].replace("''", "'"), found.end()


def _double(line: str, start: int, number: int) -> tuple[str, int]:
    text, place = "", start + 1
    while place < len(line):
        char = line[place]
        if char == '"':
            return text, place + 1
        if char != "\\":
            text, place = text + char, place + 1
            continue
        piece, place = _escape(line, place + 1, number)
        text += piece
    raise _unended(number)


def _escape(line: str, place: int, number: int) -> tuple[str, int]:
    kind = line[place : place + 1]
    if kind in _SIMPLE:
        return _SIMPLE[kind], place + 1
    digits = line[place + 1 : place + 1 + _NUMBERED.get(kind, 0)]
    if kind in _NUMBERED and re.fullmatch(rf"[0-9A-Fa-f]{{{_NUMBERED[kind]}}}", digits):
        code = int(digits, 16)
        if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:  # half a character is none
            return chr(code), place + 1 + len(digits)
    raise YamlError(number, "an escape that is unknown", "use single quotes, in which nothing is escaped")


def _unended(number: int) -> YamlError:
    return YamlError(number, "a quoted text that does not end on its line", "write it on one line")


@dataclass(slots=True)
class Flow:
    """Reads one `{…}` or `[…]`, over as many lines as it has; afterwards `row` and `column` are behind it."""

    lines: list[str]
    row: int
    column: int
    depth: int = 0

    def node(self) -> Node:
        """What begins at the cursor. Raises `YamlError`."""
        char = self._peek()
        here = self.row + 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error("a nesting that is too deep", "is it the right file?")
        if char == "{":
            node: Node = self._table()
        elif char == "[":
            node = self._items()
        else:
            node = Scalar(self._scalar(), here)
        self.depth -= 1
        return node

    def _table(self) -> Table:
        line = self.row + 1
        entries: dict[str, Node] = {}
        places: dict[str, int] = {}
        self.column += 1
        while self._peek() != "}":
            is_quoted = self._peek() in "\"'"
            here = self.row
            name = self._scalar()
            if name in entries:
                raise self._error("a key that stands there twice", "remove one of the two")
            if name in {"<<", "="} and not is_quoted:
                raise self._error("a merge key, which is not read here", "write out what it stands for")
            places[name] = here + 1
            entries[name] = self._entry(here, is_quoted=is_quoted)
            self._comma("}")
        self.column += 1
        return Table(entries, places, line)

    def _entry(self, row: int, *, is_quoted: bool) -> Node:
        if self._peek() != ":":
            return Scalar("", row + 1)
        after = self.lines[self.row][self.column + 1 : self.column + 2]
        if self.row != row or not (is_quoted or not after or after in " " + _BRACKETS):
            raise self._error("a colon that belongs to no key", "write `key: value`")
        self.column += 1
        return Scalar("", row + 1) if self._peek() in ",}" else self.node()

    def _items(self) -> Items:
        line, nodes = self.row + 1, []
        self.column += 1
        while self._peek() != "]":
            nodes.append(self.node())
            if self._peek() == ":":
                raise self._error("a mapping without braces in a list", "put it in braces")
            self._comma("]")
        self.column += 1
        return Items(tuple(nodes), line)

    def _comma(self, end: str) -> None:
        char = self._peek()
        if char == ",":
            self.column += 1
        elif char != end:
            raise self._error(f"neither a comma nor {end}", "a text over several lines is not read here")

    def _scalar(self) -> str:
        char = self._peek()
        line = self.lines[self.row]
        if char in "\"'":
            text, self.column = quoted(line, self.column, self.row + 1)
            return text
        if char in "&*!":
            raise self._error(
                "an anchor, alias or tag, which is not read here", "write out what it stands for"
            )
        if char in ":,[]{}#|>%@`" or re.match(rf"[?-](?:[ {re.escape(_BRACKETS)}]|$)", line[self.column :]):
            raise self._error("a text that begins with a sign of YAML's own", "put the text in quotes")
        end = plain_end(line, self.column, _BRACKETS)
        text, self.column = line[self.column : end].rstrip(" "), end
        if "?" in text:
            raise self._error("a question mark between brackets", "put the text in quotes")
        return text

    def _peek(self) -> str:
        """The next sign that is no blank and no comment; the cursor goes there."""
        while True:
            line = self.lines[self.row]
            rest = line[self.column :]
            blank = len(rest) - len(rest.lstrip(" "))
            place = self.column + blank
            is_comment = line.startswith("#", place) and (place == 0 or line[place - 1] == " ")
            if place < len(line) and not is_comment:
                self.column = place
                return line[place]
            self.row, self.column = self.row + 1, 0
            if self.row >= len(self.lines):
                self.row -= 1
                raise self._error("a bracket that is never closed", "close it")
            if "\t" in self.lines[self.row]:
                raise self._error("a tab", "write blanks")
            if re.match(r"(?:---|\.\.\.)(?: |$)", self.lines[self.row]):
                raise self._error("a bracket that is not closed when the document ends", "close it")

    def _error(self, what: str, hint: str) -> YamlError:
        return YamlError(self.row + 1, what, hint)
