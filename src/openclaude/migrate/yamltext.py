"""A small and strict reader of YAML: what gateways' configuration files use of it, and nothing else.

Read are block and flow mappings and sequences, plain and quoted scalars of one line, literal blocks (`|`) and comments.
Everything else (anchors, aliases, tags, merge keys, folded blocks, scalars over several lines, several documents) is
refused with its line, never guessed. A scalar is always its text: nobody has to know what YAML takes for a number.

What is accepted means the same to PyYAML (tests/unit/migrate/test_yamltext.py asks it).
"""

import re
from dataclasses import dataclass, field
from typing import Final

from openclaude.migrate.yamlflow import Flow, comment_or_nothing, plain_end, quoted
from openclaude.migrate.yamlnodes import Items, Node, Scalar, Table, YamlError

_DEEPEST: Final = 50
_UNPRINTABLE: Final = re.compile(
    "[^\t\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LITERAL: Final = re.compile(r"\|([+-]?)(?: +#.*| *)")
_UNSUPPORTED: Final = {
    "&": "an anchor (&)",
    "*": "an alias (*)",
    "!": "a tag (!)",
    ">": "a folded block (>)",
    "|": "a literal block (|) that is no value of a key",
}
_RESERVED: Final = ",]}#%@`\"'[{"


def read(text: str) -> Node:
    """What the text says.

    Raises:
        YamlError: it is no YAML, or uses what is not read here.
    """
    clean = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = _UNPRINTABLE.search(clean)
    if found:
        line = clean.count("\n", 0, found.start()) + 1
        raise YamlError(line, "a character that cannot be printed", "remove it")
    return _Reader(clean.split("\n")).document()


@dataclass(slots=True)
class _Reader:
    """Reads lines from `row` on. `- a: b` is read as a block that begins behind the dash: the dash becomes a blank."""

    lines: list[str]
    row: int = 0
    depth: int = field(default=0)

    def document(self) -> Node:
        if self._next() is not None and re.fullmatch(r"---(?: +#.*| *)", self.lines[self.row]):
            self.row += 1
        node = self._block(0)
        if self._next() is not None:
            line = self.lines[self.row]
            if line.startswith(("---", "...")):
                raise self._error("more than one document", "leave one document in the file")
            raise self._error("a line that does not belong to what stands above it", "check its indentation")
        return node

    # lines

    def _next(self) -> int | None:
        """Go to the next line that says something; its indentation, or None at the end."""
        while self.row < len(self.lines):
            line = self.lines[self.row]
            content = line.lstrip(" ")
            if content and not content.startswith("#"):
                if "\t" in content:
                    raise self._error("a tab", "write blanks")
                if line.startswith("%"):
                    raise self._error("a directive (%)", "remove the line")
                return len(line) - len(content)
            self.row += 1
        return None

    def _error(self, what: str, hint: str) -> YamlError:
        return YamlError(self.row + 1, what, hint)

    def _unsupported(self, what: str) -> YamlError:
        return self._error(f"{what}, which is not read here", "write out what it stands for")

    # blocks

    def _block(self, least: int) -> Node:
        """The node at the next line, if that is indented by `least` or more; else an empty scalar."""
        here = self.row
        indent = self._next()
        if indent is None or indent < least or self._marks_document():
            return Scalar("", min(here, len(self.lines) - 1) + 1)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error("a nesting that is too deep", "is it the right file?")
        content = self.lines[self.row][indent:]
        if _is_dash(content):
            node: Node = self._sequence(indent)
        elif self._key(indent, content) is not None:
            node = self._mapping(indent)
        else:
            node = self._value(indent, indent)
        self.depth -= 1
        return node

    def _marks_document(self) -> bool:
        return bool(re.match(r"(?:---|\.\.\.)(?: |$)", self.lines[self.row]))

    def _sequence(self, indent: int) -> Items:
        line, items = self.row + 1, []
        while self._next() == indent and _is_dash(self.lines[self.row][indent:]):
            text = self.lines[self.row]
            if comment_or_nothing(text[indent + 1 :]):
                self.row += 1
                items.append(self._block(indent + 1))
                continue
            self.lines[self.row] = f"{text[:indent]} {text[indent + 1 :]}"
            items.append(self._block(indent + 1))
        return Items(tuple(items), line)

    def _mapping(self, indent: int) -> Table:
        line = self.row + 1
        entries: dict[str, Node] = {}
        places: dict[str, int] = {}
        while self._next() == indent and not self._marks_document():
            found = self._key(indent, self.lines[self.row][indent:])
            if found is None:
                if _is_dash(self.lines[self.row][indent:]) or not entries:
                    break
                raise self._error(
                    "a line that is no `key: value`", "scalars over several lines are not read here"
                )
            name, column = found
            if name in entries:
                raise self._error("a key that stands there twice", "remove one of the two")
            places[name] = self.row + 1
            entries[name] = self._entry(indent, column)
        return Table(entries, places, line)

    def _entry(self, indent: int, column: int) -> Node:
        """The value of a key whose colon ends before `column`."""
        if not comment_or_nothing(self.lines[self.row][column:]):
            return self._value(column, indent)
        here = self.row + 1
        self.row += 1
        after = self._next()
        if after == indent and _is_dash(self.lines[self.row][indent:]):
            return self._sequence(indent)
        return self._block(indent + 1) if after is not None and after > indent else Scalar("", here)

    def _key(self, indent: int, content: str) -> tuple[str, int] | None:
        """The key at the beginning of `content` and the column behind its colon; None when there is no key."""
        if content[0] in "\"'":
            try:
                text, end = quoted(content, 0, self.row + 1)
            except YamlError:
                return None
            found = re.match(r" *:(?= |$)", content[end:])
            return (text, indent + end + found.end()) if found else None
        if content[0] in "[{":
            return None
        end = plain_end(content, 0)
        if not content.startswith(":", end):
            return None
        if content[0] in _UNSUPPORTED:
            raise self._unsupported(_UNSUPPORTED[content[0]])
        if content[0] in _RESERVED or re.match(r"[?:-](?: |$)", content):
            raise self._error("a key that begins with a sign of YAML's own", "put the key in quotes")
        name = content[:end].rstrip(" ")
        if name in {"<<", "="}:
            raise self._unsupported(f"a merge key ({name})")
        return name, indent + end + 1

    # values of one line, or of a flow

    def _value(self, column: int, indent: int) -> Node:
        line = self.lines[self.row]
        start = len(line) - len(line[column:].lstrip(" "))
        first = line[start]
        here = self.row + 1
        if first in "[{":
            flow = Flow(self.lines, self.row, start)
            node = flow.node()
            self.row, end = flow.row, flow.column
            return self._ended(node, end, indent)
        if first in "\"'":
            text, end = quoted(line, start, here)
            return self._ended(Scalar(text, here), end, indent)
        if first == "|" and column > indent:
            return self._literal(line[start:], indent)
        if first in _UNSUPPORTED:
            raise self._unsupported(_UNSUPPORTED[first])
        if first in _RESERVED or re.match(r"[?:-](?: |$)", line[start:]):
            raise self._error("a value that begins with a sign of YAML's own", "put the value in quotes")
        end = plain_end(line, start)
        return self._ended(Scalar(line[start:end].rstrip(" "), here), end, indent)

    def _ended(self, node: Node, end: int, indent: int) -> Node:
        """See that the line, and the value, end here."""
        if not comment_or_nothing(self.lines[self.row][end:]):
            raise self._error("more behind a value", 'put the value in quotes, or check for a ": " in it')
        self.row += 1
        after = self._next()
        if after is not None and after > indent:
            raise self._error(
                "a line that is indented and belongs to no key", "a value has to end on its line"
            )
        return node

    def _literal(self, head: str, indent: int) -> Scalar:
        """A block after `|`: its lines without their common indentation."""
        here = self.row + 1
        found = _LITERAL.fullmatch(head)
        if found is None:
            raise self._unsupported("a literal block (|) with an indentation of its own")
        self.row += 1
        taken: list[str] = []
        width = 0
        while self.row < len(self.lines):
            line = self.lines[self.row]
            deep = len(line) - len(line.lstrip(" "))
            if line and deep == len(line):
                raise self._error("a line of blanks in a literal block", "remove the blanks")
            width = width or deep
            if line and (deep <= indent or deep < width):
                break
            taken.append(line[width:])
            self.row += 1
        text = "\n".join(taken)
        ends = text[len(text.rstrip("\n")) :] + ("\n" if taken and self.row < len(self.lines) else "")
        text = text.rstrip("\n")
        kept = {"+": ends, "-": ""}.get(found[1], ends[:1] if text else "")
        return Scalar(text + kept, here)


def _is_dash(content: str) -> bool:
    return content == "-" or content.startswith("- ")
