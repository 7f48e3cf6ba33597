"""Model names: how they are cleaned for routing, and how a route's pattern reads them."""

from fnmatch import fnmatchcase
from typing import Final

SLOTS: Final = ("opus", "sonnet", "haiku", "fable")
"""Claude Code's tiers: the aliases its user and its sub-agents choose models by. Claude Code 2.1.330."""

CLIENT_DEFAULTS: Final = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
    "fable": "claude-fable-5-2",
}
"""What Claude Code calls its tiers when nothing is configured. Claude Code 2.1.330."""

_LONG_CONTEXT: Final = "[1m]"
WILDCARDS: Final = frozenset("*?")


def normalise(name: str) -> str:
    """The name without surrounding blanks and without `[1m]` suffixes of any case, however many.

    The client writes `[1m]` to ask for a long context window. It is no part of the model's name and no provider
    knows it. A name that needs no change comes back as the same object.
    """
    kept = name.strip()
    while kept[-len(_LONG_CONTEXT) :].lower() == _LONG_CONTEXT:
        kept = kept[: -len(_LONG_CONTEXT)].rstrip()
    return kept


def is_pattern(name: str) -> bool:
    """Whether the name has a wildcard in it."""
    return not WILDCARDS.isdisjoint(name)


def matches(pattern: str, name: str) -> bool:
    """Whether `pattern` takes `name`: `*` is any text, `?` is any one character, all else is itself.

    Case matters. Brackets are ordinary characters: model names are written with them.
    """
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def covers(wide: str, narrow: str) -> bool:
    """Whether every name `narrow` matches is matched by `wide` as well.

    A yes is always right. A no may be wrong for odd pairs such as `*?` and `?*`: a wildcard of `narrow` counts as
    covered only by a wildcard of `wide` that takes as much.
    """
    places = _past_stars(wide, {0})
    for symbol in narrow:
        places = _past_stars(wide, {after for place in places for after in _after(wide, place, symbol)})
    return len(wide) in places


def is_claude(name: str) -> bool:
    """Whether the client takes the name for one of Anthropic's models: it begins with `claude-`."""
    return name.startswith("claude-")


def _past_stars(pattern: str, places: set[int]) -> set[int]:
    reached = set(places)
    for place in places:
        end = place
        while pattern[end : end + 1] == "*":
            end += 1
            reached.add(end)
    return reached


def _after(wide: str, place: int, symbol: str) -> tuple[int, ...]:
    here = wide[place : place + 1]
    if here == "*":
        return (place,)
    if symbol != "*" and here in {symbol, "?"}:
        return (place + 1,)
    return ()
