"""Scripts: what a simulated model answers, decided from a neutral view of what it was asked.

A script knows no protocol, so the same one can play a model behind the Anthropic API and behind Amazon Bedrock.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from openclaude.simulator.replies import Cut, Ending, Headers, Pause, Piece, Reply, resliced

Provider = Literal["anthropic", "bedrock"]
_GATED_AFTER: Final = 5


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool use found in the conversation."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A tool result found in the conversation; `text` is all its text, joined by line feeds."""

    id: str
    text: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: its text blocks and its tool blocks, in order."""

    role: str
    texts: tuple[str, ...]
    calls: tuple[ToolCall, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """What a model was asked.

    `tools` are the names on offer with the names of their parameters. `headers` are the request's, with lower-case names, without credentials.
    `number` counts the simulator's requests from 0. `body` is the parsed request, for scripts that need more.
    """

    provider: Provider
    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: Mapping[str, frozenset[str]]
    stream: bool
    headers: Mapping[str, str]
    number: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def user_text(self) -> str:
        """The last text block a user wrote; what the client adds in `<system-reminder>` blocks does not count."""
        texts = [text for turn in self.turns if turn.role == "user" for text in turn.texts]
        return next(
            (text for text in reversed(texts) if not text.lstrip().startswith("<system-reminder>")), ""
        )

    def outcomes(self) -> tuple[tuple[ToolCall, ToolOutcome], ...]:
        """Every tool call that has its result, in the order of the calls."""
        results = {outcome.id: outcome for turn in self.turns for outcome in turn.outcomes}
        calls = [call for turn in self.turns for call in turn.calls]
        return tuple((call, results[call.id]) for call in calls if call.id in results)


@dataclass(frozen=True, slots=True)
class Text:
    """A text block."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool use block; its id is made by the simulator."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block (reasoning content on Bedrock)."""

    text: str
    signature: str


Part = Text | ToolUse | Thinking


@dataclass(frozen=True, slots=True)
class Search:
    """A web search of Anthropic's servers, with the title and address of each result."""

    query: str
    results: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; `input_tokens` excludes what was read from or written to the cache."""

    input_tokens: int = 100
    output_tokens: int = 10
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class StreamError:
    """An error inside a stream, after `after` events (None: where the message would stop).

    `name` is an Anthropic error type (`overloaded_error`) or a Bedrock exception (`throttlingException`).
    Without streaming it becomes an HTTP error.
    """

    name: str
    message: str
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A message. An empty `stop` means `tool_use` when a part is a tool use, else `end_turn`.

    `chunk` is the characters of each delta; `pace` the seconds between two events; `hold` the seconds before the
    head. `cut_after` ends a stream after that many events (or after the last) with `cut_with`, by default a clean end of
    the connection.
    With a `gate` a stream stands still after its fifth event until the gate is set.
    `slice_bytes` regroups a stream into pieces of that size whatever the events. `searches` come before the parts, and
    only from the Anthropic API: no other provider has them.
    """

    parts: tuple[Part, ...]
    stop: str = ""
    usage: Usage = field(default_factory=Usage)
    pace: float = 0.0
    chunk: int = 24
    hold: float = 0.0
    error: StreamError | None = None
    cut_after: int | None = None
    cut_with: tuple[Piece, ...] = (Cut(Ending.EOF),)
    slice_bytes: int | None = None
    searches: tuple[Search, ...] = ()
    gate: threading.Event | None = None

    @property
    def stop_reason(self) -> str:
        calls_tool = any(isinstance(part, ToolUse) for part in self.parts)
        return self.stop or ("tool_use" if calls_tool else "end_turn")


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error in the provider's own form: `kind` is an Anthropic error type or a Bedrock exception name."""

    status: int
    kind: str
    message: str
    headers: Headers = ()
    hold: float = 0.0


Script = Callable[[Ask], Answer | Fail | Reply]
"""What a model does. A `Reply` goes out untouched, for faults below the protocol."""


def say(text: str) -> Answer:
    """An answer of one text block."""
    return Answer((Text(text),))


def echo(ask: Ask) -> Answer:
    """Name the model and repeat the first words of the last user text: the same request, the same answer."""
    words = " ".join(ask.user_text.split()[:8])
    return say(f"{ask.model} heard: {words or 'nothing'}")


def performed(events: Iterable[bytes], answer: Answer) -> Iterator[Piece]:
    """The encoded events of a stream with the answer's pace, planned end and slicing."""
    pieces = _planned(events, answer)
    return iter(resliced(pieces, answer.slice_bytes) if answer.slice_bytes else pieces)


def _planned(events: Iterable[bytes], answer: Answer) -> Iterator[Piece]:
    for number, event in enumerate(events):
        if number == answer.cut_after:
            yield from answer.cut_with
            return
        if number == _GATED_AFTER and answer.gate is not None:
            while not answer.gate.is_set():
                yield Pause(0.02)
        if number and answer.pace:
            yield Pause(answer.pace)
        yield event
    if answer.cut_after is not None:
        yield from answer.cut_with
