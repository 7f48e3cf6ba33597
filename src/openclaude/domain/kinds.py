"""What kind of request Claude Code sends, recognised from its structure and never from what a prompt says.

Structure is: headers, which members a body has, how many messages and tools, the limits and stop sequences, the form of
the wanted output. Source of each mark: the client sheet §3 and recorded bodies of Claude Code 2.1.330.

What structure cannot tell apart:

- A sub-agent without `x-claude-code-agent-id` (clients older than that header) is `main`.
- A compaction is told by where the client marks the prompt cache: before its own last message, which is plain text.
  With `DISABLE_PROMPT_CACHING=1` there is no mark, and a compaction is `main` (or `subagent`).
- Other small questions of the client without tools, such as prompt hooks, are `webfetch_summary` when they have the same
  members; when they have not, they are `other`.
- WebSearch (a server tool and nothing else) and everything no rule knows is `other`. A route without `kinds` takes it.
"""

import enum
from typing import Final, NamedTuple

AGENT_HEADER: Final = b"x-claude-code-agent-id"
"""On every request of a sub-agent (client sheet §2)."""
CLASSIFIER_STOP: Final = "</severity>"
"""The stop sequence of auto mode's own safety check (client sheet §9, 11)."""
CLASSIFIER_MODEL: Final = "claude-sonnet-5"
"""The model that Claude Code 2.1.330 asks for that check."""
_CLASSIFIER_LIMIT: Final = 8192


class Kind(enum.Enum):
    """The kinds a route can be chosen by; the value is how they are written in config.toml."""

    MAIN = "main"
    SUBAGENT = "subagent"
    TITLE = "title"
    QUOTA_PROBE = "quota_probe"
    WEBFETCH_SUMMARY = "webfetch_summary"
    COMPACTION = "compaction"
    CLASSIFIER = "classifier"
    OTHER = "other"


class Tool(NamedTuple):
    """A tool of a request's list: its name, its type (empty for a client's own), whether one with a type has a schema."""

    name: str
    type: str
    has_schema: bool


class Shape(NamedTuple):
    """A Messages body seen from outside: counts and names, no texts.

    Attributes:
        max_tokens: as asked for; 0 when it is missing or no number.
        stream: whether a stream is wanted.
        tools: the list of tools; None when the body has none.
        choice: the type of `tool_choice`, empty without one.
        system: how many blocks the system prompt has; a text counts as one.
        messages: how many messages there are.
        ends_with_text: whether the last message is the user's and its content is a plain text.
        marked_before_end: whether the message before the last is the assistant's and ends with a cache mark.
        thinking: the type of `thinking`, empty without one.
        wanted: the property names of the JSON schema the answer has to have; None when any text will do.
        stops: the stop sequences.
        managed: whether there is a `context_management`.
        safeguards: whether there are `safeguards`.
        mcp_servers: whether there are `mcp_servers`.
        images: whether a message of the user or a tool result holds an image.
        documents: the same for documents that are no plain text.
        removed: names of tools that the conversation took away.
    """

    max_tokens: int = 0
    stream: bool = False
    tools: tuple[Tool, ...] | None = None
    choice: str = ""
    system: int = 0
    messages: int = 0
    ends_with_text: bool = False
    marked_before_end: bool = False
    thinking: str = ""
    wanted: tuple[str, ...] | None = None
    stops: tuple[str, ...] = ()
    managed: bool = False
    safeguards: bool = False
    mcp_servers: bool = False
    images: bool = False
    documents: bool = False
    removed: frozenset[str] = frozenset()


def kind_of(shape: Shape, *, agent: bool) -> Kind:
    """The kind of a request to `/v1/messages`; `agent` says whether it has the header of a sub-agent."""
    if shape.tools:
        return _with_tools(shape, agent=agent)
    if is_classifier(shape):
        return Kind.CLASSIFIER
    if shape.max_tokens == 1 and shape.messages == 1 and not shape.stream and not shape.system:
        return Kind.QUOTA_PROBE
    if shape.thinking or shape.messages != 1 or not shape.stream or shape.stops:
        return Kind.OTHER
    if shape.wanted is not None:
        return Kind.TITLE if shape.wanted == ("title",) else Kind.OTHER
    return Kind.WEBFETCH_SUMMARY if shape.tools is not None and shape.system > 1 else Kind.OTHER


def is_classifier(shape: Shape) -> bool:
    """Whether it is auto mode's own safety check, in the form that the client itself sends.

    By its stop sequence; by everything else it has, should the sequence ever be called something else.
    """
    if shape.tools or not shape.stops:
        return False
    if any(CLASSIFIER_STOP in stop for stop in shape.stops):
        return True
    is_small = 0 < shape.max_tokens <= _CLASSIFIER_LIMIT
    tags = all(stop.startswith("</") for stop in shape.stops)
    return tags and is_small and shape.thinking == "disabled" and not shape.stream and shape.system > 1


def _with_tools(shape: Shape, *, agent: bool) -> Kind:
    if all(tool.type not in ("", "custom") for tool in shape.tools or ()):
        return Kind.OTHER
    if shape.ends_with_text and shape.marked_before_end:
        return Kind.COMPACTION
    return Kind.SUBAGENT if agent else Kind.MAIN
