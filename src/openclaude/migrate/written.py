"""Routes as the text of a `config.toml`, with comments that say where each comes from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openclaude.domain.models import SLOTS

_HEAD = """\
# openClaude: who answers which of Claude Code's tiers, and with which credential.
# Imported from LiteLLM. After a change: openclaude config check

[gateway]
port = 4000                     # on 127.0.0.1, and nowhere else
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One `[[routes]]` entry to be written. `keys` are those behind `match` and `to`."""

    match: str
    to: str
    keys: Mapping[str, str]
    comment: str


def text_of(routes: Sequence[Route], slots: Mapping[str, str], why: Mapping[str, str]) -> str:
    """The configuration. `why` says for each slot how its model was found."""
    parts = [_HEAD]
    if slots:
        lines = [f"{slot} = {_quoted(slots[slot])}  # {why[slot]}" for slot in SLOTS if slot in slots]
        parts.append(
            "\n".join(
                [
                    "[slots]                         # what Claude Code's tiers are called on the wire",
                    *lines,
                    "",
                ]
            )
        )
    parts += [_route(route) for route in routes]
    return "\n".join(parts)


def _route(route: Route) -> str:
    entries = {"match": route.match, "to": route.to, **route.keys}
    width = max(map(len, entries))
    lines = [f"{name:<{width}} = {_quoted(value)}" for name, value in entries.items()]
    return "\n".join([f"[[routes]]                      # {_one_line(route.comment)}", *lines, ""])


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
