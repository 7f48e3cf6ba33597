"""The tools of a request as Claude on Bedrock takes them.

Tools Anthropic defines and the client runs (bash, text editor, memory, computer) are known to Claude by their types and
pass; tools that run on Anthropic's servers do not exist here.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from openclaude.adapters.bedrock_converse.pieces import Json, Notes, string
from openclaude.adapters.bedrock_converse.tools import Choice, History, cannot_run
from openclaude.adapters.bedrock_converse.typed_tools import SERVER_PREFIXES, TOOL_SEARCH_PREFIX
from openclaude.adapters.bedrock_invoke.surface import Surface
from openclaude.adapters.bedrock_invoke.tidy import kept, object_schema, with_cache_control
from openclaude.adapters.profiles import Profile
from openclaude.domain.errors import invalid_request

FINE_GRAINED: Final = "fine-grained-tool-streaming-2025-05-14"
TOOL_SEARCH: Final = "tool-search-tool-2025-10-19"

TOOLSETS: Final = ("browser_toolset_", "computer_toolset_")
_CUSTOM_MEMBERS: Final = frozenset(
    {"type", "name", "description", "input_schema", "cache_control", "defer_loading"}
)
_NOT_TYPED_MEMBERS: Final = frozenset(
    {"custom", "allowed_callers", "eager_input_streaming", "input_examples", "strict"}
)
_MAX_STRICT: Final = 20


@dataclass(slots=True)
class Offer:
    """The tools that are sent.

    Attributes:
        tools: as they go on the wire.
        refused: the names of those that cannot run here.
        betas: what has to be announced for them.
        codes: of what was degraded.
    """

    tools: list[Json] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    betas: set[str] = field(default_factory=set)
    codes: list[str] = field(default_factory=list)

    def names(self) -> frozenset[str]:
        return frozenset(string(tool.get("name")) for tool in self.tools)

    def server_tools(self) -> tuple[str, ...]:
        """The beginnings of the types of the server tools among them."""
        kinds = [string(tool.get("type")) for tool in self.tools]
        return tuple(prefix for prefix in SERVER_PREFIXES if any(kind.startswith(prefix) for kind in kinds))


def offer(tools: list[Any], history: History, choice: Choice, profile: Profile, surface: Surface) -> Offer:
    """Read the list of tools.

    Raises:
        ApiError: an entry is not an object, only tools that run on Anthropic's servers are left, or one of them has to
            be called.
    """
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid_request(f"tools.{index}: Input should be an object")
    if not profile.tools:
        return Offer()
    reading = _Reading(history, choice, profile, surface, searched=_has_search(tools))
    taken: set[str] = set()
    for index, tool in enumerate([*tools, *history.definitions]):
        name = string(tool.get("name")) or f"unnamed_tool_{index}"
        if name not in taken:
            # Two tools of one name are refused; the first is the one the client's list means.
            taken.add(name)
            reading.read(tool, name, declared=index < len(tools))
    found = reading.offer
    forced = choice.kind == "tool" and choice.name in found.refused
    if found.refused and choice.kind != "none" and (forced or not (found.tools or reading.removed)):
        raise cannot_run(found.refused)
    return found


def _has_search(tools: list[Json]) -> bool:
    return any(string(tool.get("type")).startswith(TOOL_SEARCH_PREFIX) for tool in tools)


class _Reading:
    """One list of tools on its way."""

    def __init__(
        self, history: History, choice: Choice, profile: Profile, surface: Surface, *, searched: bool
    ) -> None:
        self.offer = Offer()
        self.removed = False
        self._history = history
        self._choice = choice
        self._profile = profile
        self._surface = surface
        self._searched = searched
        self._strict_left = _MAX_STRICT if profile.strict else 0

    def read(self, tool: Json, name: str, *, declared: bool) -> None:
        """Read one tool; what the conversation added or took away is no reason to refuse the request."""
        kind = string(tool.get("type"))
        taken_away = self._history.state.get(name) is False
        if kind.startswith(SERVER_PREFIXES):
            self._server(tool, kind, name, wanted=declared and not taken_away)
        elif kind.startswith(TOOLSETS):
            self.offer.codes.append("typed_tool_dropped")
        elif self._may_be_called(tool) and self._in_sight(tool, name):
            self._client(tool, kind, name)
        else:
            self.removed |= taken_away

    def _server(self, tool: Json, kind: str, name: str, *, wanted: bool) -> None:
        searches = kind.startswith(TOOL_SEARCH_PREFIX) and self._profile.tool_search
        if not searches and not kind.startswith(self._surface.server_tools or ("\0",)):
            if wanted:
                self.offer.refused.append(name)
            self.offer.codes.append("server_tool_dropped")
            return
        if searches:
            self.offer.betas.add(TOOL_SEARCH)
        sent = {
            key: value for key, value in tool.items() if key not in _NOT_TYPED_MEMBERS and value is not None
        }
        self.offer.tools.append(self._marked({**sent, "name": name}))

    def _may_be_called(self, tool: Json) -> bool:
        """Whether the model itself may call it: nothing here runs the code that otherwise would."""
        callers = tool.get("allowed_callers")
        return not isinstance(callers, list) or "direct" in callers

    def _in_sight(self, tool: Json, name: str) -> bool:
        if not self._profile.mid_conversation_system and name in self._history.state:
            return self._history.state[name]
        if not _is_deferred(tool) or self._profile.tool_search:
            return True
        if self._searched:
            self.offer.codes.append("deferred_tools_sent")
            return True
        return name in self._history.wanted or (self._choice.kind == "tool" and self._choice.name == name)

    def _client(self, tool: Json, kind: str, name: str) -> None:
        if kind in ("", "custom"):
            sent = kept(tool, _CUSTOM_MEMBERS | self._surface.tool_members)
            sent["input_schema"] = object_schema(tool.get("input_schema"))
            sent = {
                key: value
                for key, value in sent.items()
                if isinstance(value, str) or key not in ("type", "description")
            }
        else:
            sent = {
                key: value
                for key, value in tool.items()
                if key not in _NOT_TYPED_MEMBERS and value is not None
            }
        sent.pop("defer_loading", None)
        if _is_deferred(tool) and self._profile.tool_search and not self._was_added(name):
            sent["defer_loading"] = True
        if tool.get("eager_input_streaming") is True:
            self.offer.betas.add(FINE_GRAINED)
        if tool.get("strict") is True and self._strict_left:
            self._strict_left -= 1
            sent["strict"] = True
        self.offer.tools.append(self._marked({**sent, "name": name}))

    def _was_added(self, name: str) -> bool:
        return not self._profile.mid_conversation_system and self._history.state.get(name) is True

    def _marked(self, tool: Json) -> Json:
        return with_cache_control(tool, ttl=self._profile.cache_ttl_1h)


def _is_deferred(tool: Json) -> bool:
    custom = tool.get("custom")
    nested = isinstance(custom, dict) and custom.get("defer_loading") is True
    return nested or tool.get("defer_loading") is True


def tool_choice(value: Any, choice: Choice, found: Offer, notes: Notes, *, thinking: bool) -> Json | None:
    """The `tool_choice` to send for the client's `value`, which was read as `choice`; None when there is none."""
    if value is None or not found.tools:
        return None
    kind = choice.kind
    if kind in ("any", "tool") and (thinking or (kind == "tool" and choice.name not in found.names())):
        notes.add("tool_choice_downgraded")
        kind = "auto"
    sent: Json = {"type": kind}
    if kind == "tool":
        sent["name"] = choice.name
    if choice.one_at_a_time and kind != "none":
        sent["disable_parallel_tool_use"] = True
    return sent
