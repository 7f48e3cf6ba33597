"""A small client of the Messages API: one user turn, one tool, streamed or not."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TOOL = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "What is the weather in Lyon?"
TOOL_RESULT = "18 degrees, light rain"


@dataclass(slots=True)
class Exchange:
    """One conversation: what was asked and what came of it.

    `raw` is every byte of every answer, heads included.
    """

    model: str
    stream: bool
    text: str = ""
    requests: int = 0
    tool_calls: int = 0
    events: int = 0
    error: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Way:
    """Where the gateway is, and what its TLS needs; None for plain HTTP."""

    base_url: str
    tls: ssl.SSLContext | None = None

    def connect(self) -> http.client.HTTPConnection:
        url = urlsplit(self.base_url)
        if self.tls is None:
            return http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)
        return http.client.HTTPSConnection(str(url.hostname), url.port, timeout=30, context=self.tls)


def converse(
    way: Way, model: str, credential: str | Mapping[str, str], *, stream: bool, question: str = QUESTION
) -> Exchange:
    """Ask about the weather, run the tool the model asks for, and read its answer.

    Args:
        way: where the gateway is.
        model: the name as a client sends it.
        credential: a login, or the headers that carry credentials.
        stream: whether to ask for events.
        question: what is asked; the model's name is added.
    """
    done = Exchange(model, stream)
    headers = {"authorization": f"Bearer {credential}"} if isinstance(credential, str) else credential
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"{question} ({model})"}]
    for _ in range(4):
        message = _send(way, done, headers, messages)
        if message is None:
            return done
        calls = [block for block in message["content"] if block["type"] == "tool_use"]
        done.text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
        if not calls:
            return done
        done.tool_calls += len(calls)
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": TOOL_RESULT} for call in calls
        ]
        messages += [
            {"role": "assistant", "content": message["content"]},
            {"role": "user", "content": results},
        ]
    done.error = "the model went on calling its tool"
    return done


def _send(
    way: Way, done: Exchange, headers: Mapping[str, str], messages: list[dict[str, Any]]
) -> dict[str, Any] | None:
    body = {
        "model": done.model,
        "max_tokens": 512,
        "stream": done.stream,
        "messages": messages,
        "tools": [TOOL],
        "system": "You are a weather service.",
    }
    connection = way.connect()
    try:
        connection.request(
            "POST",
            f"{urlsplit(way.base_url).path}/v1/messages?beta=true",
            json.dumps(body),
            {
                "content-type": "application/json",
                "anthropic-version": "2023-06-01",
                "anthropic-beta": "oauth-2025-04-20",
                "x-app": "demo",
                **headers,
            },
        )
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        done.error = f"{type(error).__name__}: {error}"
        return None
    finally:
        connection.close()
    done.requests += 1
    done.raw += str(response.getheaders()).encode() + data
    if response.status != 200:
        done.error = f"HTTP {response.status}: {data[:300].decode('utf-8', 'replace')}"
        return None
    return _read_stream(data, done) if done.stream else dict(json.loads(data))


def _read_stream(data: bytes, done: Exchange) -> dict[str, Any] | None:
    """Put the message together from its events."""
    content: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    complete = False
    for chunk in data.decode().split("\n\n"):
        line = next((line for line in chunk.splitlines() if line.startswith("data: ")), None)
        if line is None:
            continue
        event = json.loads(line[6:])
        done.events += 1
        match event["type"]:
            case "content_block_start":
                content.append(event["content_block"])
            case "content_block_delta":
                _apply(content, inputs, event)
            case "message_stop":
                complete = True
            case "error":
                done.error = event["error"]["message"]
    if not complete:
        done.error = done.error or "the stream ended before message_stop"
        return None
    for index, text in inputs.items():
        content[index]["input"] = json.loads(text or "{}")
    return {"content": content}


def _apply(content: list[dict[str, Any]], inputs: dict[int, str], event: dict[str, Any]) -> None:
    index, delta = event["index"], event["delta"]
    if delta["type"] == "text_delta":
        content[index]["text"] += delta["text"]
    elif delta["type"] == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
