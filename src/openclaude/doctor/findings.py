"""The lines of the examination."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, one or two words.
        verdict: "problem" keeps sessions from working or a promise from holding; "warning" may surprise.
        seen: what was seen; never a secret, and of variables never the value.
        remedy: exactly what to do; empty when nothing has to be done.
        fix: mends it and says what it did; only where the thing is ours and mending it is safe. Raises OSError.
    """

    check: str
    verdict: Verdict
    seen: str
    remedy: str = ""
    fix: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        remedy = f". remedy: {self.remedy}" if self.remedy else ""
        return printable(f"{self.verdict:<7}  {self.check:<14}  {self.seen}{remedy}")


def ok(check: str, seen: str) -> Finding:
    """Nothing has to be done."""
    return Finding(check, "ok", seen)


def warning(check: str, seen: str, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """Sessions work, but not as somebody may expect."""
    return Finding(check, "warning", seen, remedy, fix)


def problem(check: str, seen: str, remedy: str, fix: Callable[[], str] | None = None) -> Finding:
    """Something does not work, or a promise does not hold."""
    return Finding(check, "problem", seen, remedy, fix)


def printable(text: str) -> str:
    """The text with everything escaped that could drive a terminal: names of files and models are foreign."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
