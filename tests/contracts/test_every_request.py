"""No test can make a request that Bedrock would not read and stay green."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import Translation, adapter, request, translate
from openclaude.adapters.profiles import named
from openclaude.simulator.recorded import Recorded
from support.converse_check import NotConverseError
from support.every_request import check_rows

MODEL = "qwen.qwen3-coder-next"
BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def expected(broken_requests: list[NotConverseError]) -> Iterator[list[NotConverseError]]:
    """What was broken, for a test that breaks it on purpose."""
    yield broken_requests
    broken_requests.clear()


def spoiled(**members: Any) -> Translation:
    built = translate(BODY, named("qwen-text"), model_id=MODEL)
    return built._replace(body={**built.body, **members})


@pytest.mark.parametrize(
    "members",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"text": " "}]}]},
        {"messages": [{"role": "user", "content": [{"text": "a"}]}] * 2},
        {"inferenceConfig": {"maxTokens": 0}},
        {"inferenceConfig": {"temperature": 2}},
        {"serviceTier": {"type": "gold"}},
        {"metadata": {}},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "a b", "inputSchema": {"json": {"type": "object"}}}}]}},
    ],
    ids=["empty", "blank", "roles", "minimum", "maximum", "enum", "unknown", "pattern"],
)  # fmt: skip
@pytest.mark.parametrize("module", [request, adapter], ids=["translated", "prepared"])
def test_a_bad_body_is_noticed_where_it_is_made_and_kept(
    members: dict[str, Any], module: Any, expected: list[NotConverseError]
) -> None:
    with pytest.raises(NotConverseError):
        module.sealed(spoiled(**members))
    assert len(expected) == 1


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
def test_a_bad_body_of_a_gateway_is_noticed_where_it_arrived(operation: str) -> None:
    line = f"POST /model/qwen.qwen3-coder-30b-a3b-v1%3A0/{operation} HTTP/1.1".encode()
    good = Recorded("bedrock", 0, 0, line, (), 0.0, body=json.dumps(spoiled().body).encode())
    bad = replace(good, body=json.dumps(spoiled(messages=[]).body).encode())
    check_rows([good, replace(bad, request_line=b"GET /ping HTTP/1.1")])
    with pytest.raises(NotConverseError, match="no messages"):
        check_rows([good, bad])
