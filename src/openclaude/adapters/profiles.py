"""What a model can do, as data: `profiles.toml` beside this module.

A profile is chosen by the longest matching prefix of the model id without its geo prefix. An unknown model gets the
most restrictive profile that still runs tools; what it refuses is learned from its answers.
"""

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any

UNKNOWN = "unknown"
"""The profile of a model no prefix matches."""

_GEO = re.compile(r"(?:us-gov|us|eu|apac|jp|au|ca|in|global)\.(?=[a-z0-9-]+\.)")


class ProfileError(ValueError):
    """A profile that does not exist, or an override that no profile has."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The capabilities of one model family.

    Attributes:
        name: the entry of `profiles.toml` it came from.
        family: qwen, claude, nova, ...; selects the few rules that are not a capability.
        via: the dialect the family is meant to be spoken to with.
        tools: whether the model takes tools at all.
        stream_tools: whether it takes tools in a stream; if not, the stream is emulated.
        tool_choice: the kinds of forced choice it takes.
        cache_points: whether it takes explicit cache points; `cache_tools` the same for the list of tools.
        cache_ttl_1h: whether a cache point may live for an hour.
        images: whether a user turn may hold images; `documents` the same for documents.
        tool_result_media: the media a tool result may hold.
        tool_result_status: whether a tool result may carry a status.
        colocate: the kinds of block that may share a turn with tool results.
        leading_assistant: whether a conversation may begin with the assistant; `trailing_assistant`: end with it.
        top_k: the spelling of top_k (anthropic, nova), or None when the model takes none.
        reasoning: the spelling of a reasoning request (anthropic, openai, qwen, nova), or None.
        reasoning_effort: the effort a route asks of a model that is not Claude; None asks for nothing.
        replay_reasoning: whether signed reasoning in the history goes back to the model.
        strict: whether strict tools are passed on.
        json_schema: whether structured output is native; if not, the schema is put into the prompt.
        stop_sequences: whether the model takes stop sequences.
        max_output: the most tokens of one answer.
        context: the window, in tokens.
    """

    name: str
    family: str
    via: str
    tools: bool
    stream_tools: bool
    tool_choice: frozenset[str]
    cache_points: bool
    cache_ttl_1h: bool
    images: bool
    documents: bool
    tool_result_media: frozenset[str]
    tool_result_status: bool
    colocate: frozenset[str]
    leading_assistant: bool
    trailing_assistant: bool
    top_k: str | None
    reasoning: str | None
    replay_reasoning: bool
    strict: bool
    json_schema: bool
    stop_sequences: bool
    max_output: int
    context: int
    cache_tools: bool = True
    reasoning_effort: str | None = None
    prefixes: tuple[str, ...] = field(default=(), repr=False)


def without_geo(model_id: str) -> str:
    """The model id without the geo prefix of an inference profile, and without the ARN around it."""
    bare = model_id.rsplit("/", 1)[-1] if model_id.startswith("arn:") else model_id
    return _GEO.sub("", bare, count=1)


def profile_for(model_id: str) -> Profile:
    """The profile of a Bedrock model id or inference profile id; the unknown profile when none matches.

    An application inference profile hides its model: give the id of the model behind it.
    """
    bare = without_geo(model_id)
    best = max(
        (
            (len(prefix), profile)
            for profile in profiles().values()
            for prefix in profile.prefixes
            if bare.startswith(prefix)
        ),
        key=lambda found: found[0],
        default=None,
    )
    return best[1] if best else named(UNKNOWN)


def named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ProfileError: there is none; the message lists those there are.
    """
    found = profiles().get(name)
    if found is None:
        raise ProfileError(
            f"there is no capability profile {name!r}; there are {', '.join(sorted(profiles()))}"
        )
    return found


def overridden(profile: Profile, **changes: Any) -> Profile:
    """`profile` with a route's own values; lists become sets as in the data file.

    Raises:
        ProfileError: a name no profile has.
    """
    known = {entry.name for entry in fields(Profile)}
    if unknown := sorted(set(changes) - known):
        raise ProfileError(f"a capability profile has no member {', '.join(unknown)}")
    return replace(profile, **_typed(changes))


@cache
def profiles() -> dict[str, Profile]:
    """Every profile of the data file, by name."""
    table = _data()["profile"]
    return {name: _build(name, table) for name in table}


@cache
def converse_betas() -> tuple[re.Pattern[str], ...]:
    """The `anthropic-beta` values Claude takes through Converse; any other answers `invalid beta flag`."""
    return tuple(re.compile(pattern) for pattern in _data()["betas"]["converse"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("profiles.toml").read_text("utf-8"))


def _build(name: str, table: dict[str, dict[str, Any]]) -> Profile:
    entry = dict(table[name])
    base = entry.pop("base", None)
    if base is None:
        return Profile(name=name, **_typed(entry))
    return replace(_build(base, table), name=name, **_typed({"prefixes": [], **entry}))


def _typed(entry: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null and no sets: an empty string is None, a list is a set, except for the prefixes."""
    typed: dict[str, Any] = {}
    for key, value in entry.items():
        if key == "prefixes":
            typed[key] = tuple(value)
        elif isinstance(value, list):
            typed[key] = frozenset(value)
        else:
            typed[key] = None if value == "" else value
    return typed
