"""The tools of a request: which are offered, under which names, and what the model is told to choose.

Reading the list costs more than anything else in a translation and the client sends the same list with every turn,
so what the list alone decides is kept in a Catalog, by a digest of the list.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from openclaude.adapters.bedrock_converse import schema, typed_tools
from openclaude.adapters.bedrock_converse.blocks import blocks_of
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, Piece, objects, string, ttl_of
from openclaude.adapters.profiles import Profile
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.wire import jsontext

PLACEHOLDER = "openclaude_no_tools"
"""Stands in `toolConfig` when the history has tool calls and the request has no tools: Bedrock insists on one."""

_PLACEHOLDER_SPEC: Json = {
    "name": PLACEHOLDER,
    "description": "Placeholder. Never call this tool.",
    "inputSchema": {"json": {"type": "object", "properties": {}}},
}
_MAX_STRICT = 20
_CATALOGS_KEPT = 32
_LISTS_KEPT = 16
"""Lists of tools whose text is remembered. A session sends two or three different ones, of some 50 kB."""
_CHOICES = frozenset({"auto", "any", "tool", "none"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool of the request's list.

    Attributes:
        name: the client's name.
        kind: "offer", "server" or "drop".
        spec: the toolSpec, for an offer.
        deferred: whether it stays out of sight until something names it.
        cache: the time to live of its `cache_control`.
        notes: codes to add when it is offered or dropped.
    """

    name: str
    kind: str
    spec: Json = field(repr=False)
    deferred: bool
    cache: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the list of tools says by itself. Shared between requests: never changed.

    Attributes:
        entries: the tools, each name once.
        names: the names they are sent under.
        tool_search: whether one of them searches the others.
        ordinary: what is offered of tools that are all offered always and carry no cache points; None for others.
        text: the same as JSON.
    """

    entries: tuple[Entry, ...]
    names: Names
    tool_search: bool
    ordinary: list[Piece] | None
    text: bytes = field(repr=False)


@dataclass(slots=True)
class History:
    """What the messages say about tools: names referenced and called, and the last state of each change.

    `compacted` says that there is a compaction block somewhere.
    """

    wanted: set[str] = field(default_factory=set)
    state: dict[str, bool] = field(default_factory=dict)
    definitions: list[Json] = field(default_factory=list)
    compacted: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """`tool_choice`: kind is auto, any, tool or none."""

    kind: str
    name: str
    one_at_a_time: bool


class Catalogs:
    """The catalogs of the lists seen last, for one profile."""

    __slots__ = ("_kept", "_latest", "_lists", "_profile")

    def __init__(self, profile: Profile) -> None:
        self._latest: tuple[bytes, list[Any], Catalog] | None = None
        self._profile = profile
        self._kept: dict[bytes, Catalog] = {}
        self._lists: dict[bytes, tuple[list[Any], Catalog]] = {}

    def list_of(self, raw: bytes) -> list[Any] | None:
        """The list that a request's `tools` say, read once for every text: do not change it.

        None for a text that is no list of objects, or holds an unpaired surrogate.
        """
        found = self.found(raw)
        return None if found is None else found[1]

    def found(self, raw: bytes) -> tuple[bytes, list[Any], Catalog] | None:
        """As `list_of`, with the list's catalog behind it."""
        latest = self._latest
        if latest is not None and latest[0] == raw:  # quicker than its hash
            return latest
        known = self._lists.pop(raw, None)
        if known is None:
            try:
                read = jsontext.loads(raw)
            except jsontext.JsonError:
                return None
            if not isinstance(read, list) or not all(isinstance(tool, dict) for tool in read):
                return None
            known = read, self._of_digest(read)
        # Taken out and put back: the one used last is the last to go.
        self._lists[raw] = known
        if len(self._lists) > _LISTS_KEPT:
            del self._lists[next(iter(self._lists))]
        self._latest = latest = raw, *known
        return latest

    def read(self, tools: list[Any]) -> Catalog:
        """The catalog of a list of tools.

        Raises:
            ApiError: an entry is not an object.
        """
        latest = self._latest
        if latest is not None and latest[1] is tools:
            return latest[2]
        return self._of_digest(tools)

    def _of_digest(self, tools: list[Any]) -> Catalog:
        digest = hashlib.blake2b(jsontext.dumps(tools), digest_size=16).digest()
        catalog = self._kept.pop(digest, None) or read_catalog(tools, self._profile)
        self._kept[digest] = catalog
        if len(self._kept) > _CATALOGS_KEPT:
            del self._kept[next(iter(self._kept))]
        return catalog


def read_catalog(tools: list[Any], profile: Profile) -> Catalog:
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid_request(f"tools.{index}: Input should be an object")
    names = Names(_name(tool, index) for index, tool in enumerate(tools))
    entries: list[Entry] = []
    strict_left = _MAX_STRICT if profile.strict else 0
    taken: set[str] = set()
    for index, tool in enumerate(tools):
        entry = _entry(tool, index, names, profile)
        if entry.name in taken:
            # Bedrock refuses two tools of one name; the first is the one the client's list means.
            continue
        taken.add(entry.name)
        if entry.kind == "offer" and tool.get("strict") is True and strict_left:
            strict_left -= 1
            entry.spec["strict"] = True
        entries.append(entry)
    search = any(string(tool.get("type")).startswith(typed_tools.TOOL_SEARCH_PREFIX) for tool in tools)
    ordinary = None
    if entries and all(e.kind == "offer" and not e.deferred and e.cache is None for e in entries):
        ordinary = [Piece("toolSpec", {"toolSpec": entry.spec}) for entry in entries]
    text = jsontext.dumps([piece.block for piece in ordinary or ()])
    return Catalog(tuple(entries), names, search, ordinary, text)


def _name(tool: Json, index: int) -> str:
    return string(tool.get("name")) or string(tool.get("type")) or f"unnamed_tool_{index}"


def _entry(tool: Json, index: int, names: Names, profile: Profile) -> Entry:
    name, kind = _name(tool, index), string(tool.get("type"))
    custom = tool.get("custom")
    deferred = tool.get("defer_loading") is True or (
        isinstance(custom, dict) and custom.get("defer_loading") is True
    )
    cache = ttl_of(tool) if profile.cache_points else None
    notes: tuple[str, ...] = ()
    if kind.startswith(typed_tools.SERVER_PREFIXES):
        return Entry(name, "server", {}, deferred, cache, ("server_tool_dropped",))
    callers = tool.get("allowed_callers")
    if isinstance(callers, list) and "direct" not in callers:
        return Entry(name, "drop", {}, deferred, cache, ())
    raw_schema, description = tool.get("input_schema"), string(tool.get("description"))
    if kind not in ("", "custom"):
        typed = typed_tools.client_tool(kind)
        if typed is not None:
            raw_schema, description, notes = typed["schema"], typed["description"], ("typed_tool_emulated",)
        elif not isinstance(raw_schema, dict):
            return Entry(name, "drop", {}, deferred, cache, ("typed_tool_dropped",))
    json_schema, changed = schema.normalise(raw_schema, closed=profile.family not in ("mistral", "llama"))
    spec: Json = {"name": names.sent(name), "inputSchema": {"json": json_schema}}
    if description.strip():
        spec["description"] = description
    return Entry(name, "offer", spec, deferred, cache, (*notes, "schema_normalised") if changed else notes)


def read_history(messages: list[Json]) -> History:
    """What a conversation says about tools. The last addition or removal of a tool wins."""
    history = History()
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            continue
        for block in blocks_of(content):
            kind = block.get("type")
            if kind == "tool_use":
                history.wanted.add(string(block.get("name")))
            elif kind == "tool_result":
                if not isinstance(found := block.get("content"), str):
                    _read_references(found, history)
            elif kind != "text":
                _read_block(block, history)
    return history


def _read_block(block: Json, history: History) -> None:
    kind = string(block.get("type"))
    if kind == "tool_search_tool_result":
        found = block.get("content")
        _read_references(found.get("tool_references") if isinstance(found, dict) else found, history)
    elif kind in ("tool_addition", "tool_removal"):
        _read_change(block, history, added=kind == "tool_addition")
    elif kind == "compaction":
        history.compacted = True
        for change in objects(block.get("tool_changes")):
            _read_change(change, history, added=change.get("type") == "tool_addition")


def _read_references(content: Any, history: History) -> None:
    for part in blocks_of(content):
        if part.get("type") == "tool_reference":
            history.wanted.add(string(part.get("tool_name")))


def _read_change(change: Json, history: History, *, added: bool) -> None:
    tool = change.get("tool")
    if not isinstance(tool, dict):
        return
    definition = tool.get("definition")
    if isinstance(definition, dict) and added:
        history.definitions.append(definition)
        tool = definition
    if name := string(tool.get("name")):
        history.state[name] = added


def read_choice(value: Any) -> Choice:
    """The client's `tool_choice`.

    Raises:
        ApiError: not an object, or of a type that does not exist.
    """
    if value is None:
        return Choice("auto", "", one_at_a_time=False)
    if not isinstance(value, dict):
        raise invalid_request("tool_choice: Input should be an object")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _CHOICES:
        raise invalid_request("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    return Choice(
        kind, string(value.get("name")), one_at_a_time=value.get("disable_parallel_tool_use") is True
    )


def offered(catalog: Catalog, history: History, choice: Choice, notes: Notes) -> list[Piece]:
    """The tools to send, in the order of the list.

    Raises:
        ApiError: only tools that run on Anthropic's servers are left, or one of them has to be called.
    """
    if catalog.ordinary is not None and not history.state and choice.kind != "none":
        notes.add_all(code for entry in catalog.entries for code in entry.notes)
        return catalog.ordinary
    pieces: list[Piece] = []
    refused: list[str] = []
    codes: list[str] = []
    inline = {_name(definition, 0) for definition in history.definitions}
    for entry in catalog.entries:
        shown = entry.kind == "offer" and _in_sight(entry, catalog, history, choice)
        if entry.kind == "server" and entry.name not in inline and history.state.get(entry.name) is not False:
            refused.append(entry.name)
        if shown:
            pieces.append(Piece("toolSpec", {"toolSpec": entry.spec}, entry.cache))
        elif entry.cache is not None and pieces:
            pieces[-1].cache = entry.cache
        if shown or entry.kind != "offer":
            codes += entry.notes
    forced = choice.kind == "tool" and choice.name in refused
    if refused and choice.kind != "none" and (forced or not (pieces or _removed(catalog, history))):
        raise cannot_run(refused)
    if choice.kind == "none":
        return []
    if catalog.tool_search and any(entry.deferred and entry.kind == "offer" for entry in catalog.entries):
        codes.append("deferred_tools_sent")
    notes.add_all(codes)
    return pieces


def _removed(catalog: Catalog, history: History) -> bool:
    """Whether the conversation took a tool away: what it says is no reason to refuse a request."""
    return any(entry.kind == "offer" and history.state.get(entry.name) is False for entry in catalog.entries)


def _in_sight(entry: Entry, catalog: Catalog, history: History, choice: Choice) -> bool:
    state = history.state.get(entry.name)
    if state is not None:
        return state
    if not entry.deferred or catalog.tool_search or entry.name in history.wanted:
        return True
    return choice.kind == "tool" and choice.name == entry.name


def cannot_run(names: list[str]) -> ApiError:
    """The refusal of a request that only tools of Anthropic's servers could serve."""
    listed = ", ".join(dict.fromkeys(names))
    return invalid_request(
        f"tools: {listed} runs on Anthropic's servers and cannot run on Amazon Bedrock. "
        "hint: use another tool for this, or run this request on a Claude model of the Anthropic API",
    )


def tool_choice(
    choice: Choice,
    pieces: list[Piece],
    names: Names,
    profile: Profile,
    notes: Notes,
    *,
    thinking: bool,
) -> Json | None:
    """Converse's ToolChoice; None is auto, which is what Bedrock does by itself."""
    if choice.kind not in ("any", "tool") or not pieces:
        return None
    sent = names.sent(choice.name) if choice.kind == "tool" else ""
    known = choice.kind == "any" or any(piece.block["toolSpec"]["name"] == sent for piece in pieces)
    if not known or thinking or choice.kind not in profile.tool_choice:
        notes.add("tool_choice_downgraded")
        return None
    return {"any": {}} if choice.kind == "any" else {"tool": {"name": sent}}


def placeholder() -> list[Piece]:
    return [Piece("toolSpec", {"toolSpec": _PLACEHOLDER_SPEC})]
