"""What a model can do, as data: `profiles.toml` beside this module.

A profile is chosen by the longest matching prefix of the model id without its geo prefix. An unknown model gets the
most restrictive profile that still runs tools; what it refuses is learned from its answers.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

UNKNOWN = "unknown"
"""The profile of a model no prefix matches."""

_FIRST_PARTY = "claude-"
"""How Anthropic's own ids of models begin, which Claude Platform on AWS uses."""
_INTERLEAVED = "interleaved-thinking-2025-05-14"
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
        tool_search: whether it searches deferred tools by itself (Claude's own format only).
        mid_conversation_system: whether it takes system messages in mid-conversation (Claude's own format only).
        interleaved_thinking: whether the beta of that name may be sent to it (Claude's own format only).
        betas: the `anthropic-beta` values that may be sent, in place of the dialect's own list; None keeps that one.
        neutral_names: whether documents are sent under neutral names; a name is text the model reads.
        service_tier: the tier a route asks for with every request; None leaves it to the client.
        base_model: the id of the model, where the route's own id hides it.
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
    tool_search: bool = False
    mid_conversation_system: bool = False
    interleaved_thinking: bool = False
    betas: frozenset[str] | None = None
    neutral_names: bool = False
    service_tier: str | None = None
    base_model: str | None = None
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
    if bare.startswith(_FIRST_PARTY):
        bare = f"anthropic.{bare}"
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


def effective(
    model_id: str,
    *,
    base_model: str | None = None,
    via: str | None = None,
    reasoning: str | None = None,
    service_tier: str | None = None,
    capabilities: Mapping[str, Any] = MappingProxyType({}),
) -> Profile:
    """The profile a route works with: the model's own, with everything the route says laid over it.

    Args:
        model_id: the route's model id or ARN.
        base_model: the id of the model behind it, where the route names one.
        via: the dialect the route chooses; None keeps the profile's.
        reasoning: the effort the route asks of a model that is not Claude.
        service_tier: the tier the route asks for.
        capabilities: members of the profile, as the data file spells them.

    Raises:
        ProfileError: a capability no profile has.
    """
    chosen = {
        "via": via,
        "reasoning_effort": reasoning,
        "service_tier": service_tier,
        "base_model": base_model,
    }
    said = {name: value for name, value in chosen.items() if value is not None}
    return overridden(profile_for(base_model or model_id), **capabilities, **said)


def beta_name(name: str, dialect: str, profile: Profile) -> str | None:
    """What an `anthropic-beta` value is called in a dialect ("converse", "invoke", "messages"); None: not sent.

    A value Bedrock does not know answers `invalid beta flag`.
    """
    sent: str = _data()["renamed_betas"].get(name, name) if dialect != "converse" else name
    if profile.betas is not None:
        return sent if sent in profile.betas else None
    if sent == _INTERLEAVED and profile.interleaved_thinking:
        return sent
    return sent if any(pattern.fullmatch(sent) for pattern in _betas(dialect)) else None


@cache
def _betas(dialect: str) -> tuple[re.Pattern[str], ...]:
    lists = _data()["betas"]
    patterns = [*lists["invoke"], *lists["messages"]] if dialect == "messages" else lists[dialect]
    return tuple(re.compile(pattern) for pattern in patterns)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("profiles.toml").read_text("utf-8"))


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
