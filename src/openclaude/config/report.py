"""Collects what is noticed about one file, and knows the line of every key."""

import re
from typing import Final

from openclaude.config.checks import Fault, shown
from openclaude.config.lines import KeyPath, Lines
from openclaude.config.values import ConfigError, Problem

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Report:
    """The problems of one file, and the names in it that are used in another form.

    Attributes:
        normalised: model names as written, and as used, where the two differ.
        refused: paths whose value must not be looked at again.
    """

    def __init__(self, filename: str, lines: Lines) -> None:
        self.normalised: dict[str, str] = {}
        self.refused: set[KeyPath] = set()
        self._filename = filename
        self._lines = lines
        self._problems: list[Problem] = []

    def add(self, path: KeyPath, fault: Fault) -> None:
        self._problems.append(Problem(self._filename, self.line(path), dotted(path), *fault))

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest table around a key that is missing; 0 outside the file."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 0)

    def is_written(self, path: KeyPath) -> bool:
        """Whether a key stands in the file, whatever its value."""
        return path in self._lines

    def close(self) -> None:
        """Nothing more is to come.

        Raises:
            ConfigError: with every problem that was added.
        """
        if self._problems:
            raise ConfigError(self._problems)


def dotted(path: KeyPath) -> str:
    """The path as a person writes it: `routes[0].region`; keys that need quotes get them, on one line."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else shown(part))
    return text
