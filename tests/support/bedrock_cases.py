"""The contract cases of the Bedrock dialects, and what it takes to run them."""

import functools
import itertools
import json
from pathlib import Path
from typing import Any

from openclaude.adapters.bedrock_converse import ConverseAdapter, ConverseCall
from openclaude.adapters.profiles import named
from openclaude.domain.http import Header

DATA = Path(__file__).parent.parent / "data"
ROUTE = "qwen"
MODEL_OF_PROFILE = {
    "qwen-text": "qwen.qwen3-coder-480b-a35b-v1:0",
    "qwen-vl": "qwen.qwen3-vl-235b-a22b",
    "nova": "us.amazon.nova-2-lite-v1:0",
    "claude": "us.anthropic.claude-sonnet-4-6",
    "llama4": "us.meta.llama4-maverick-17b-instruct-v1:0",
    "gpt-oss": "openai.gpt-oss-120b-1:0",
}
Case = dict[str, Any]


@functools.cache
def all_cases() -> tuple[Case, ...]:
    lines = (DATA / "bedrock" / "cases.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines if line.strip())


@functools.cache
def more_requests() -> tuple[Case, ...]:
    """Our own request cases, in the form of the contract's.

    One for each rule that the contract's cases leave out, and those of an examiner who wrote them from the contract
    alone, without having seen the translation or its tests.
    """
    return _lines("more_requests.jsonl") + _lines("outside_requests.jsonl")


@functools.cache
def outside_answers() -> tuple[Case, ...]:
    """The examiner's cases of the other kinds: response, stream and error."""
    return _lines("outside_answers.jsonl")


def _lines(name: str) -> tuple[Case, ...]:
    lines = (DATA / "bedrock" / name).read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def is_invoke(case: Case) -> bool:
    """Whether a case is about InvokeModel, which is another dialect."""
    return case["input"].get("profile") == "claude-invoke" or str(case["input"].get("api", "")).startswith(
        "InvokeModel"
    )


def cases(kind: str) -> list[Case]:
    return [case for case in all_cases() if case["kind"] == kind and not is_invoke(case)]


def name_of(case: Case) -> str:
    return str(case["name"])


def body_of(case: Case) -> dict[str, Any]:
    """The request body of a case; `_test_body_bytes` stands for a text of that many bytes."""
    body = dict(case["input"]["body"])
    size = body.pop("_test_body_bytes", None)
    if size is not None:
        body["messages"] = [{"role": "user", "content": [{"type": "text", "text": "x" * size}]}]
    return body


def adapter_of(profile: str, **extra: Any) -> ConverseAdapter:
    model_id = MODEL_OF_PROFILE[profile]
    return ConverseAdapter(
        route=ROUTE, model_id=model_id, region="us-east-1", profile=named(profile), **extra
    )


def headers_of(case: Case) -> list[Header]:
    return [(name.encode(), value.encode()) for name, value in case["input"].get("headers", {}).items()]


def call_for(case: Case) -> ConverseCall:
    """A call whose answer may be the one in a response or stream case.

    The request is made so that it has the tools and stop sequences the case's `request` tells of.
    """
    known = case["input"].get("request", {})
    tools = [{"name": name, "input_schema": {}} for name in known.get("tool_name_map", {}).values()]
    body = {
        "model": "route-alias",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": case["kind"] == "stream",
        "tools": tools,
        "stop_sequences": known.get("stop_sequences", []),
    }
    return adapter_of("qwen-text").prepare(json.dumps(body).encode())


def fixture(name: str) -> bytes:
    """A request body as the real client sends it."""
    return (DATA / "claude-code" / f"{name}.json").read_bytes()


def fixtures() -> list[str]:
    return sorted(path.stem for path in (DATA / "claude-code").glob("*.json"))


def sse_events(text: bytes) -> list[dict[str, Any]]:
    """The data of each event; its `event:` line has to name its type."""
    events = []
    for part in text.split(b"\n\n")[:-1]:
        name, data = part.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        events.append(event)
    return events


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at the given places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]
