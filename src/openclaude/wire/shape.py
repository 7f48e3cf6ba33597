"""The shape of a Messages body, read without making values of its texts.

Fast path: msgspec skips what no member of `Shape` is made of, at about a nanosecond for each byte; that is quicker than
searching the bytes for one word. Slow path, for bodies of another form than clients write: the whole body is read.
A test compares the two on made-up bodies.
"""

from typing import Any, Final

import msgspec

from openclaude.domain.kinds import Shape, Tool
from openclaude.wire import jsontext

_NONE: Final = msgspec.Raw()
_CHANGES: Final = frozenset({"tool_addition", "tool_removal", "compaction"})
_TEXT_SOURCES: Final = ("text", "content")
_WITHOUT_MEDIA: Final = ("text", "tool_use", "thinking")


class _OddError(Exception):
    """A body that the fast path does not read."""


class _Typed(msgspec.Struct, gc=False):
    type: str = ""


class _Anything(msgspec.Struct, gc=False):
    """A block of which nothing matters."""


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    source: msgspec.Raw = _NONE
    content: msgspec.Raw = _NONE
    cache_control: msgspec.Raw = _NONE


class _Message(msgspec.Struct, gc=False):
    role: str
    content: list[_Block] | str


class _Tool(msgspec.Struct, gc=False):
    name: str = ""
    type: str = ""
    input_schema: msgspec.Raw = _NONE


class _Body(msgspec.Struct, gc=False):
    messages: list[_Message] = []
    tools: list[_Tool] | None = None
    max_tokens: int = 0
    stream: bool = False
    stop_sequences: list[str] = []
    system: list[_Anything] | str | None = None
    tool_choice: _Typed | None = None
    thinking: _Typed | None = None
    output_config: msgspec.Raw = _NONE
    context_management: msgspec.Raw = _NONE
    safeguards: msgspec.Raw = _NONE
    mcp_servers: msgspec.Raw = _NONE


_BODY: Final = msgspec.json.Decoder(_Body)
_PARTS: Final = msgspec.json.Decoder(list[_Block])
_TYPED: Final = msgspec.json.Decoder(_Typed)
_LIST, _OBJECT = b"[{"


def shape_of(raw: bytes) -> Shape | None:
    """The shape of a body; None when it is no JSON object."""
    if not jsontext.is_in_pieces():
        try:
            return _skimmed(_BODY.decode(raw))
        except (_OddError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    try:
        body = jsontext.loads(raw)
    except jsontext.JsonError:
        return None
    return shape_of_values(body) if isinstance(body, dict) else None


# the fast path


def _skimmed(body: _Body) -> Shape:
    media: set[str] = set()
    for message in body.messages:
        if not isinstance(message.content, str):
            _skim(message.content, media, of_user=message.role == "user")
    last = body.messages[-1] if body.messages else None
    before = body.messages[-2] if len(body.messages) > 1 else None
    return Shape(
        max_tokens=body.max_tokens,
        stream=body.stream,
        tools=None if body.tools is None else tuple(map(_tool, body.tools)),
        choice=body.tool_choice.type if body.tool_choice else "",
        system=len(body.system) if isinstance(body.system, list) else bool(body.system),
        messages=len(body.messages),
        ends_with_text=last is not None and last.role == "user" and isinstance(last.content, str),
        marked_before_end=before is not None
        and before.role == "assistant"
        and isinstance(before.content, list)
        and bool(before.content and _is_set(before.content[-1].cache_control)),
        thinking=body.thinking.type if body.thinking else "",
        wanted=_wanted(_value(body.output_config)),
        stops=tuple(body.stop_sequences),
        managed=_is_set(body.context_management),
        safeguards=_is_set(body.safeguards),
        mcp_servers=_is_set(body.mcp_servers),
        images="image" in media,
        documents="document" in media,
    )


def _skim(blocks: list[_Block], media: set[str], *, of_user: bool) -> None:
    for block in blocks:
        kind = block.type
        if kind in _WITHOUT_MEDIA:
            continue
        if kind == "tool_result":
            first = _first(block.content)
            if first == _LIST:
                for part in _PARTS.decode(block.content):
                    _skim_media(part, media)
            elif first == _OBJECT:
                raise _OddError
        elif kind in _CHANGES:
            raise _OddError
        elif of_user:
            _skim_media(block, media)


def _skim_media(block: _Block, media: set[str]) -> None:
    if block.type == "image":
        media.add("image")
    elif block.type == "document":
        source = _TYPED.decode(block.source).type if _first(block.source) == _OBJECT else ""
        if source not in _TEXT_SOURCES:
            media.add("document")


def _tool(tool: _Tool) -> Tool:
    return Tool(tool.name, tool.type, tool.type != "" and _first(tool.input_schema) == _OBJECT)


def _first(raw: msgspec.Raw) -> int:
    """The first byte of a value; 0 where there is none."""
    view = memoryview(raw)
    return view[0] if view else 0


def _is_set(raw: msgspec.Raw) -> bool:
    """Whether a member is there and is true in Python's sense; a long value is not read for it."""
    view = memoryview(raw)
    if not view:
        return False
    if view[0] in (_LIST, _OBJECT) and (inside := bytes(view[1:32]).lstrip()):
        return inside[0] not in b"]}"
    return bool(_value(raw))


def _value(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw) if memoryview(raw) else None


# the slow path


def shape_of_values(body: dict[str, Any]) -> Shape:
    """The shape of a body that was read; its members may have any type."""
    messages = _objects(body.get("messages"))
    media: set[str] = set()
    removed: dict[str, bool] = {}
    for message in messages:
        for block in _blocks(message.get("content")):
            _look(block, media, removed, of_user=message.get("role") == "user")
    limit, tools, system, stops = (
        body.get(name) for name in ("max_tokens", "tools", "system", "stop_sequences")
    )
    last = messages[-1] if messages else {}
    before = messages[-2] if len(messages) > 1 else {}
    ending = _blocks(before.get("content"))[-1:]
    return Shape(
        max_tokens=limit if isinstance(limit, int) and not isinstance(limit, bool) else 0,
        stream=body.get("stream") is True,
        tools=tuple(map(_tool_of, _objects(tools))) if isinstance(tools, list) else None,
        choice=_type_in(body.get("tool_choice")),
        system=len(system) if isinstance(system, list) else bool(system),
        messages=len(messages),
        ends_with_text=last.get("role") == "user" and isinstance(last.get("content"), str),
        marked_before_end=before.get("role") == "assistant"
        and bool(ending and ending[0].get("cache_control")),
        thinking=_type_in(body.get("thinking")),
        wanted=_wanted(body.get("output_config")),
        stops=tuple(stop for stop in stops if isinstance(stop, str)) if isinstance(stops, list) else (),
        managed=bool(body.get("context_management")),
        safeguards=bool(body.get("safeguards")),
        mcp_servers=bool(body.get("mcp_servers")),
        images="image" in media,
        documents="document" in media,
        removed=frozenset(name for name, is_removed in removed.items() if is_removed),
    )


def _look(block: dict[str, Any], media: set[str], removed: dict[str, bool], *, of_user: bool) -> None:
    kind = block.get("type")
    if kind == "tool_result":
        for part in _blocks(block.get("content")):
            _look_for_media(part, media)
    elif kind == "compaction":
        for change in _objects(block.get("tool_changes")):
            _note_change(change, removed)
    elif kind in ("tool_addition", "tool_removal"):
        _note_change(block, removed)
    elif of_user:
        _look_for_media(block, media)


def _note_change(change: dict[str, Any], removed: dict[str, bool]) -> None:
    tool = change.get("tool")
    name = tool.get("name") if isinstance(tool, dict) else None
    if isinstance(name, str):
        removed[name] = change.get("type") == "tool_removal"


def _look_for_media(block: dict[str, Any], media: set[str]) -> None:
    kind, source = block.get("type"), block.get("source")
    if kind == "image" or (
        kind == "document" and not (isinstance(source, dict) and source.get("type") in _TEXT_SOURCES)
    ):
        media.add(kind)


def _tool_of(tool: dict[str, Any]) -> Tool:
    name, kind = tool.get("name"), tool.get("type")
    return Tool(
        name if isinstance(name, str) else "",
        kind if isinstance(kind, str) else "",
        bool(kind) and isinstance(kind, str) and isinstance(tool.get("input_schema"), dict),
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [content] if isinstance(content, dict) else _objects(content)


# both


def _type_in(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def _wanted(config: Any) -> tuple[str, ...] | None:
    form = config.get("format") if isinstance(config, dict) else None
    schema = form.get("schema") if isinstance(form, dict) else None
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties")
    return tuple(properties) if isinstance(properties, dict) else ()
