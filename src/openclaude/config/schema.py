"""Every key the configuration file may have. `docs/configuration.md` explains each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from openclaude.config import checks, fallbacks
from openclaude.config.checks import Fault
from openclaude.domain.models import SLOTS


@dataclass(frozen=True, slots=True)
class Key:
    """A key the file may have.

    Attributes:
        kind: the type of its value.
        check: whether a value of that type is right.
        example: a right value, as TOML.
        names_model: whether the value is a model name, to be normalised.
    """

    kind: type[str] | type[int] | type[float] | type[bool] | type[list[str]] | type[dict[str, Any]]
    check: Callable[[Any], Fault | None]
    example: str
    names_model: bool = False


GEOS: Final = ("us", "eu", "apac", "jp", "au", "ca", "in", "us-gov", "global")
FAMILIES: Final = (
    "claude",
    "deepseek",
    "glm",
    "gpt",
    "gpt-oss",
    "grok",
    "kimi",
    "llama",
    "minimax",
    "mistral",
    "nova",
    "qwen",
    "writer",
)

_SWITCH: Final = Key(bool, checks.anything, "true")
_ANTHROPIC_ROUTE: Final = {
    "match": Key(str, checks.pattern, '"claude-*"', names_model=True),
    "to": Key(str, checks.choice("anthropic", "bedrock"), '"bedrock"'),
    "agent": _SWITCH,
    "kinds": Key(list, checks.kinds, '["title", "quota_probe"]'),
    "fallback": Key(list, fallbacks.names, '["opus-on-bedrock"]'),
    "spill_at": Key(float, fallbacks.share, "0.95"),
}
_BEDROCK_ROUTE: Final = _ANTHROPIC_ROUTE | {
    "model": Key(str, checks.model, '"qwen.qwen3-coder-next"', names_model=True),
    "region": Key(str, checks.region, '"us-west-2"'),
    "profile": Key(str, checks.profile, '"openclaude"'),
    "endpoint_url": Key(
        str, checks.endpoint_url, '"https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"'
    ),
    "fips": _SWITCH,
    "dualstack": _SWITCH,
    "via": Key(str, checks.choice("converse", "invoke", "messages"), '"converse"'),
    "endpoint": Key(str, checks.choice("mantle", "runtime", "platform"), '"mantle"'),
    "workspace": Key(str, checks.workspace, '"wrkspc_01ABC"'),
    "base_model": Key(str, checks.base_model, '"us.anthropic.claude-sonnet-5-5"', names_model=True),
    "geo": Key(str, checks.choice(*GEOS), '"us"'),
    "service_tier": Key(str, checks.choice("priority", "default", "flex", "reserved"), '"flex"'),
    "reasoning": Key(str, checks.choice("low", "medium", "high"), '"low"'),
    "capabilities": Key(dict, checks.anything, "{ max_output = 8192 }"),
    "when_unsupported": Key(str, checks.name, '"claude-haiku-5-5"', names_model=True),
    "reroute_safeguards": _SWITCH,
}

_TOKENS: Final = Key(int, checks.tokens, "8192")
CAPABILITIES: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "family": Key(str, checks.choice(*FAMILIES), '"claude"'),
        "max_output": _TOKENS,
        "context": _TOKENS,
        "tools": _SWITCH,
        "stream_tools": _SWITCH,
        "tool_choice": Key(list, checks.some("auto", "any", "tool"), '["auto", "any"]'),
        "strict": _SWITCH,
        "tool_search": _SWITCH,
        "tool_result_media": Key(list, checks.some("image", "document"), '["image"]'),
        "tool_result_status": _SWITCH,
        "colocate": Key(list, checks.some("text", "image", "document"), '["text", "image"]'),
        "images": _SWITCH,
        "documents": _SWITCH,
        "neutral_names": _SWITCH,
        "cache_points": _SWITCH,
        "cache_tools": _SWITCH,
        "cache_ttl_1h": _SWITCH,
        "leading_assistant": _SWITCH,
        "trailing_assistant": _SWITCH,
        "mid_conversation_system": _SWITCH,
        "json_schema": _SWITCH,
        "stop_sequences": _SWITCH,
        "top_k": Key(str, checks.choice("anthropic", "nova", ""), '"nova"'),
        "reasoning": Key(str, checks.choice("anthropic", "openai", "qwen", "nova", ""), '"openai"'),
        "replay_reasoning": _SWITCH,
        "interleaved_thinking": _SWITCH,
        "betas": Key(list, checks.betas, '["context-1m-2025-08-07"]'),
    }
)
"""The members of a capability profile that `[routes.capabilities]` may set, as `adapters.profiles.Profile` has them."""

TABLES: Final[Mapping[str, Mapping[str, Key]]] = MappingProxyType(
    {
        "gateway": {
            "port": Key(int, checks.port, "4000"),
            "linger": Key(int, checks.linger, "1800"),
        },
        "slots": {slot: Key(str, checks.name, '"qwen-3-coder"', names_model=True) for slot in SLOTS},
        "client": {"config": Key(str, checks.choice("shared", "isolated"), '"shared"')},
        "routes": _BEDROCK_ROUTE,
    }
)
"""Every key the file may have. `routes` is an array of tables and lists the keys of all its kinds."""

ROUTES: Final[Mapping[str, Mapping[str, Key]]] = MappingProxyType(
    {"anthropic": _ANTHROPIC_ROUTE, "bedrock": _BEDROCK_ROUTE}
)
"""The keys of a route by what its `to` says."""
