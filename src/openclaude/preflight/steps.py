"""The lines of the check, and how an error becomes one."""

from dataclasses import dataclass
from typing import Final, Literal

from openclaude.domain.errors import ApiError

Verdict = Literal["ok", "problem", "skipped"]

_HINT: Final = "hint: "
_WHOLE_POLICY: Final = "`openclaude aws policy` prints the whole policy"
_AGAIN: Final = "try again in a minute; if it stays so, `openclaude logs` shows whether sessions meet it too"
_WITHOUT_HINT: Final = {
    "permission_error": "ask those who administer the account",
    "rate_limit_error": _AGAIN,
    "overloaded_error": _AGAIN,
    "timeout_error": _AGAIN,
    "api_error": _AGAIN,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at.

    Attributes:
        name: credentials, identity, clock, region, access, or the operation that was tried (Converse, ConverseStream, …).
        about: the route's pattern, or whose credentials; empty for what concerns all.
        verdict: how it went.
        seen: what was seen.
        remedy: exactly what to do; empty when nothing has to be done.
    """

    name: str
    about: str
    verdict: Verdict
    seen: str
    remedy: str = ""

    def __str__(self) -> str:
        about = f"{self.about}: " if self.about else ""
        remedy = f". remedy: {self.remedy}" if self.remedy else ""
        return f"{self.verdict:<7}  {self.name:<14}  {about}{self.seen}{remedy}"


def problem_of(error: ApiError) -> tuple[str, str]:
    """What an error says was seen, and its remedy: the hint at the end of its text, in brackets or not."""
    seen, found, remedy = error.message.removeprefix("openClaude: ").partition(_HINT)
    if not found:
        return seen, _WITHOUT_HINT.get(
            error.type, "change the route in config.toml (`openclaude config path`)"
        )
    seen = seen.rstrip(" .(")
    # The hint may have stood in the brackets of what is now cut in two.
    if remedy.endswith(")") and remedy.count(")") > remedy.count("("):
        remedy = remedy[:-1]
    if seen.count("(") > seen.count(")"):
        seen += ")"
    return seen, remedy


def problem_step(name: str, about: str, error: ApiError, profile: str | None) -> Step:
    """The step for an error, with the profile where its remedy leaves the name open."""
    seen, remedy = problem_of(error)
    remedy = remedy.replace(" --profile NAME", f" --profile {profile}" if profile else "")
    if '"Action"' in remedy:
        remedy = f"{remedy}; {_WHOLE_POLICY}"
    return Step(name, about, "problem", seen, remedy)
