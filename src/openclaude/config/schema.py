"""Every key the configuration file may have. `docs/configuration.md` explains each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from openclaude.config import checks
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

    kind: type[str] | type[int]
    check: Callable[[Any], Fault | None]
    example: str
    names_model: bool = False


_ANTHROPIC_ROUTE: Final = {
    "match": Key(str, checks.pattern, '"claude-*"', names_model=True),
    "to": Key(str, checks.choice("anthropic", "bedrock"), '"bedrock"'),
}
_BEDROCK_ROUTE: Final = _ANTHROPIC_ROUTE | {
    "model": Key(str, checks.model, '"qwen.qwen3-coder-next"', names_model=True),
    "region": Key(str, checks.region, '"us-west-2"'),
    "profile": Key(str, checks.profile, '"openclaude"'),
    "endpoint_url": Key(
        str, checks.endpoint_url, '"https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"'
    ),
}

TABLES: Final[Mapping[str, Mapping[str, Key]]] = MappingProxyType(
    {
        "gateway": {"port": Key(int, checks.port, "4000")},
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
