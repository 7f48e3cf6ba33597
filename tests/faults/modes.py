"""The six ways a request takes through the gateway, with what its provider says when all is well.

| mode | route | the client wants | its provider answers |
|---|---|---|---|
| anthropic-stream | pass-through | a stream | server-sent events |
| anthropic-whole | pass-through | a message | JSON |
| converse-stream | Bedrock Converse | a stream | event-stream frames |
| converse-whole | Bedrock Converse | a message | JSON |
| invoke-stream | Bedrock InvokeModel (Claude) | a stream | event-stream frames that hold Claude's events |
| count | Bedrock CountTokens (Claude) | a count | JSON; anything else ends in an estimate |
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from openclaude.simulator import anthropic, bedrock, claude_on_aws
from openclaude.simulator.script import Answer, StreamError, say

REGION = "us-west-2"
HOSTS = {
    "anthropic": anthropic.HOST,
    "bedrock": bedrock.host(REGION),
    "mantle": claude_on_aws.mantle_host(REGION),
}
CLAUDE = "us.anthropic.claude-opus-5-5"
CONFIG = f"""
[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "{REGION}"

[[routes]]
match = "opus-on-aws"
to = "bedrock"
model = "{CLAUDE}"
region = "{REGION}"

[[routes]]
match = "sonnet-on-aws"
to = "bedrock"
via = "messages"
model = "anthropic.claude-sonnet-4-6"
region = "{REGION}"
"""
WORDS = "some words of a simulated answer, cut into several pieces of a stream"
COUNTED = 1234
Family = Literal["pass-stream", "pass-whole", "stream", "whole", "count"]
"""What a fault's rule may depend on: the pass-through route by what it relays, Bedrock by what the client wants."""


@dataclass(frozen=True)
class Mode:
    """One way. `encode` gives the pieces of a provider's whole answer, one for each event where it streams."""

    id: str
    family: Family
    provider: Literal["anthropic", "bedrock", "mantle"]
    model: str
    encode: Callable[[Answer], Sequence[bytes]]
    content_type: str
    target: str = "/v1/messages?beta=true"

    @property
    def streams(self) -> bool:
        return self.family.endswith("stream")

    @property
    def passes(self) -> bool:
        return self.family.startswith("pass")

    @property
    def framed(self) -> bool:
        """Whether its provider streams frames of AWS's instead of server-sent events."""
        return self.content_type == _FRAMES

    @property
    def host(self) -> str:
        return HOSTS[self.provider]

    def body(self, text: str, *, padding: int = 0) -> bytes:
        """A client's request; `padding` is how many bytes it has at least."""
        request: dict[str, object] = {"model": self.model}
        if self.family != "count":
            request |= {"max_tokens": 256, "stream": self.streams}
        content = text + " " + "u" * padding if padding else text
        return json.dumps({**request, "messages": [{"role": "user", "content": content}]}).encode()

    def pieces(self) -> list[bytes]:
        """A good answer, in at least four pieces."""
        return list(self.encode(say(WORDS)))

    def failing(self) -> list[bytes]:
        """A stream that ends with its provider's own word that it is overloaded."""
        name = "serviceUnavailableException" if self.framed else "overloaded_error"
        return list(self.encode(Answer(say(WORDS).parts, error=StreamError(name, "too many", after=3))))


def _cut(value: object) -> list[bytes]:
    raw = json.dumps(value).encode()
    size = len(raw) // 5 + 1
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def _sse(answer: Answer) -> list[bytes]:
    return [
        piece for piece in anthropic.stream(answer, "claude-opus-5-5", "req_1") if isinstance(piece, bytes)
    ]


_SSE, _FRAMES, _JSON = "text/event-stream", "application/vnd.amazon.eventstream", "application/json"
MODES = (
    Mode("anthropic-stream", "pass-stream", "anthropic", "claude-opus-5-5", _sse, _SSE),
    Mode(
        "anthropic-whole",
        "pass-whole",
        "anthropic",
        "claude-opus-5-5",
        lambda answer: _cut(anthropic.message(answer, "claude-opus-5-5")),
        _JSON,
    ),
    Mode(
        "converse-stream",
        "stream",
        "bedrock",
        "qwen-3-coder",
        lambda answer: list(bedrock.frames(answer, None)),
        _FRAMES,
    ),
    Mode(
        "converse-whole",
        "whole",
        "bedrock",
        "qwen-3-coder",
        lambda answer: _cut(bedrock.message(answer)),
        _JSON,
    ),
    Mode(
        "invoke-stream",
        "stream",
        "bedrock",
        "opus-on-aws",
        lambda answer: list(claude_on_aws.frames(answer, CLAUDE, None)),
        _FRAMES,
    ),
    Mode(
        "count",
        "count",
        "bedrock",
        "opus-on-aws",
        lambda _: _cut({"inputTokens": COUNTED}),
        _JSON,
        "/v1/messages/count_tokens?beta=true",
    ),
)
MESSAGES = (
    Mode("messages-stream", "stream", "mantle", "sonnet-on-aws", _sse, _SSE),
    Mode(
        "messages-whole",
        "whole",
        "mantle",
        "sonnet-on-aws",
        lambda answer: _cut(anthropic.message(answer, "claude-sonnet-4-6")),
        _JSON,
    ),
)
"""Two more ways, beyond the matrix: AWS's own Messages endpoint."""
