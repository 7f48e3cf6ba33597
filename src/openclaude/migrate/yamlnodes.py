"""What a YAML file says, with the lines on which it says it, and what is said of a file that cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `line` is 1 for the first line of the file."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order of the file. `lines` says for each key where it stands."""

    entries: "Mapping[str, Node]"
    lines: Mapping[str, int]
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    nodes: "tuple[Node, ...]"
    line: int


Node = Scalar | Table | Items


class YamlError(Exception):
    """The text cannot be read.

    Attributes:
        line: where, 1 for the first line.
        what: what stands there, in words; never the text itself, which may be a secret.
        hint: what to do.
    """

    def __init__(self, line: int, what: str, hint: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what
        self.hint = hint
