"""Request bodies in the shape of Claude Code's: a long system prompt, tools with schemas, many tool results, UTF-8.

All text is made up here from a fixed seed, so that every run and every machine sends the same bytes. Keys stand in the
client's order: `model` first, `stream` last.
"""

import functools
import json
import os
import random
from pathlib import Path
from typing import Any, Final

from benchmarks.paths import BODIES

CLAUDE: Final = "claude-sonnet-4-5-20250929"
"""Asked for on pass-through rows."""
BEDROCK: Final = "qwen-3-coder"
"""Asked for on rows that are translated for Amazon Bedrock."""
MARK: Final = "openclaude-benchmark-last-word"
"""Ends the last message: an upstream that met it has got the whole conversation."""
SIZES: Final = {
    "2k": (2_000, 0, 40),
    "150k": (150_000, 20, 900),
    "1m": (1_000_000, 40, 1500),
    "10m": (10_000_000, 60, 1500),
}
"""By name: bytes, tools, words of the system prompt."""
_WORDS: Final = [
    "when",
    "a",
    "path",
    "is",
    "missing",
    "the",
    "reader",
    "returns",
    "an",
    "error",
    "so",
    "check",
    "it",
    "first",
    "then",
    "parse",
    "every",
    "token",
    "of",
    "the",
    "buffer",
    "into",
    "a",
    "node",
    "and",
    "write",
    "the",
    "result",
    "back",
    "with",
    "one",
    "rename",
    "because",
    "half",
    "a",
    "file",
    "is",
    "worse",
    "than",
    "none",
    "naïve",
    "façade",
    "Überprüfung",
    "日本語",
    "данные",
    "✓",
    "→",
    "“quoted”",
    "🙂",
]


class Writer:
    """Makes up text, always the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def words(self, count: int) -> str:
        return " ".join(self._random.choices(_WORDS, k=count))

    def source(self, lines: int) -> str:
        """A file as the client's Read tool shows it: numbered lines with tabs, quotes and backslashes."""
        return "".join(
            f"{number:6d}\t    value_{number}[\"{self._random.choice(_WORDS)}\"] = call('{self.words(2)}\\n', "
            f"{self._random.random():.6f})  # {self.words(3)}\n"
            for number in range(1, lines + 1)
        )

    def schema(self, depth: int = 0) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for number in range(self._random.randint(2, 6)):
            properties[f"option_{number}"] = self._property(depth)
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:2],
            "additionalProperties": False,
        }

    def _property(self, depth: int) -> dict[str, Any]:
        match self._random.randint(0, 4):
            case 0:
                choices = [f"choice_{number}" for number in range(4)]
                return {"type": "string", "enum": choices, "description": self.words(8)}
            case 1:
                return {"type": "array", "items": {"type": "string"}, "description": self.words(12)}
            case 2 if depth < 2:
                return self.schema(depth + 1)
            case 3:
                return {"type": "number", "description": self.words(10)}
            case _:
                return {"type": "string", "description": self.words(14)}

    def tool(self, number: int) -> dict[str, Any]:
        name = f"Tool_{number}" if number < 14 else f"mcp__server_{number % 5}__action_{number}"
        return {"name": name, "description": self.words(90), "input_schema": self.schema()}

    def step(self, number: int, lines: int) -> list[dict[str, Any]]:
        """One call of a tool and its result."""
        identity = f"toolu_{self._random.getrandbits(96):024x}"
        call = {
            "type": "tool_use",
            "id": identity,
            "name": f"Tool_{number % 10}",
            "input": {"file_path": f"/home/user/project/module_{number}.py", "limit": 200},
        }
        text = self.source(lines)
        result = {
            "type": "tool_result",
            "tool_use_id": identity,
            "content": text if number % 3 else [{"type": "text", "text": text}],
        }
        return [
            {"role": "assistant", "content": [{"type": "text", "text": self.words(20)}, call]},
            {"role": "user", "content": [result]},
        ]


def body(size: str, *, model: str, stream: bool) -> bytes:
    """A request body of a size of `SIZES`."""
    wanted, tools, words = SIZES[size]
    writer = Writer(seed=7)
    system = [
        {"type": "text", "text": "You are a coding assistant that works in a terminal."},
        {"type": "text", "text": writer.words(words), "cache_control": {"type": "ephemeral"}},
    ]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": f"<system-reminder>\n{writer.words(40)}"}]}
    ]
    request: dict[str, Any] = {"model": model, "messages": messages, "system": system}
    if tools:
        request["tools"] = [writer.tool(number) for number in range(tools)]
    request |= {"metadata": {"user_id": "user_0_account__session_1"}, "max_tokens": 32000, "stream": stream}
    missing = wanted - len(_encoded(request))
    for number in range(1_000):
        if missing < 1_500:
            break
        step = writer.step(number, lines=max(1, min(400, missing // 150)))
        missing -= len(_encoded(step))
        messages += step
    last = messages[-1]["content"]
    last.append({"type": "text", "text": f"{writer.words(max(1, int(missing / 6.6)))} {MARK}"})
    return _encoded(request)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@functools.cache
def path(size: str, *, translated: bool, stream: bool) -> Path:
    """The file that holds such a body; it is written when it is first asked for."""
    model = BEDROCK if translated else CLAUDE
    file = BODIES / f"{size}-{'bedrock' if translated else 'claude'}-{'stream' if stream else 'whole'}.json"
    BODIES.mkdir(parents=True, exist_ok=True)
    text = body(size, model=model, stream=stream)
    if not file.exists() or file.stat().st_size != len(text):
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(text)
        unfinished.rename(file)
    return file
