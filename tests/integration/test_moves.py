"""Requests of the haiku slot that Qwen cannot serve, through the real gateway and its default set-up."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from openclaude.config import PRESETS
from openclaude.simulator.script import say
from support.needs_table import BASH, PDF, PNG, TEXT, recorded
from support.rawhttp import Response
from support.staging import Stage, staged

pytestmark = pytest.mark.xdist_group("moves")

HAIKU = "claude-haiku-5-5"
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
RULES = """
[[routes]]
match = "claude-*"
kinds = ["title", "quota_probe"]
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"

[[routes]]
match = "claude-*"
agent = true
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"

[[routes]]
match = "claude-*"
to = "anthropic"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with the default set-up; at its end no credential may have crossed over."""
    with staged(tmp_path_factory.mktemp("moves") / "home", config=PRESETS["mixed"]) as running:
        yield running


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway whose routes have conditions."""
    with staged(tmp_path_factory.mktemp("rules") / "home", config=RULES) as running:
        yield running


def request(stage: Stage, model: str, *, stream: bool = True, **members: Any) -> bytes:
    """A request whose first text asks the simulated model to say who it is."""
    name = stage.plays.add(lambda ask: say(f"{ask.provider} {ask.model}"))
    first = {"role": "user", "content": [{"type": "text", "text": f"{name} {stage.prompt}"}]}
    rest = members.pop("messages", [])
    body = {"model": model, "max_tokens": 256, "stream": stream, **members, "messages": [first, *rest]}
    return json.dumps(body, ensure_ascii=False).encode()


def sent(stage: Stage, body: bytes) -> tuple[str, bytes]:
    """The provider that got a request, and the body it got."""
    name = json.loads(body)["messages"][0]["content"][0]["text"].partition(" ")[0].encode()
    (row,) = [row for row in stage.world.requests() if row.body is not None and name in row.body]
    assert row.body is not None
    return row.server, row.body


def marks(response: Response) -> tuple[str, str, str]:
    """Route, model and reason as the answer says them."""
    found = {name.lower(): value.decode() for name, value in response.headers}
    return (
        found.get(b"x-openclaude-route", ""),
        found.get(b"x-openclaude-model", ""),
        found.get(b"x-openclaude-reason", ""),
    )


def after(*blocks: Any) -> list[dict[str, Any]]:
    """A tool call and its outcome, which holds these blocks."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "é"}}
    outcome = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(blocks)}
    return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [outcome]}]


@pytest.mark.parametrize(
    ("members", "need"),
    [
        ({"tools": [SEARCH], "tool_choice": {"type": "auto"}}, "web_search"),
        ({"tools": [BASH], "messages": after(PDF)}, "document"),
        ({"tools": [BASH], "messages": after(TEXT, PNG)}, "image"),
        ({"messages": [{"role": "user", "content": "a b " * 190_000}]}, "context"),
        ({"stream": False, "mcp_servers": [{"type": "url", "url": "https://e", "name": "m"}]}, "mcp_servers"),
    ],
    ids=["web search", "pdf", "image", "380,000 words", "mcp servers"],
)
def test_what_qwen_cannot_do_is_answered_by_claude_haiku_with_the_clients_login(
    stage: Stage, members: dict[str, Any], need: str
) -> None:
    body = request(stage, "qwen-3-coder", **members)
    response = stage.ask(body)
    assert response.status == 200
    server, arrived = sent(stage, body)
    assert server == "anthropic"
    assert arrived == body.replace(b'"qwen-3-coder"', f'"{HAIKU}"'.encode(), 1)
    assert marks(response) == ("anthropic", HAIKU, f"unsupported: {need}")


def test_an_ordinary_request_of_the_slot_is_answered_by_qwen(stage: Stage) -> None:
    body = request(stage, "qwen-3-coder", tools=[BASH], messages=after(TEXT))
    response = stage.ask(body)
    assert sent(stage, body)[0] == "bedrock"
    assert marks(response) == ("bedrock", "qwen.qwen3-coder-next", "match")


def test_a_request_of_another_slot_says_who_answered_it_too(stage: Stage) -> None:
    body = request(stage, "claude-opus-5-5", messages=after(PNG))
    response = stage.ask(body)
    assert sent(stage, body) == ("anthropic", body)
    assert marks(response) == ("anthropic", "claude-opus-5-5", "match")


def test_a_count_goes_where_the_request_would(stage: Stage) -> None:
    body = json.dumps(
        {"model": "qwen-3-coder", "tools": [], "messages": [{"role": "user", "content": [PDF]}]}
    ).encode()
    response = stage.ask(body, target="/v1/messages/count_tokens?beta=true")
    assert marks(response) == ("anthropic", HAIKU, "unsupported: document")
    assert json.loads(response.body)["input_tokens"] > 0


def test_the_log_says_why_a_request_went_elsewhere(stage: Stage) -> None:
    stage.ask(request(stage, "qwen-3-coder", messages=after(PNG)))
    log = (stage.home.state_home / "logs" / "gateway.log").read_text()
    lines = [line for line in log.splitlines() if 'reason="unsupported: image"' in line]
    assert lines
    assert all(
        "slot=haiku model=qwen-3-coder route=anthropic status=200" in line
        and f"upstream_model={HAIKU}" in line
        for line in lines
    )
    assert "reason=match" not in log


@pytest.mark.parametrize(
    ("members", "headers", "expected"),
    [
        ({"tools": [BASH]}, (), ("anthropic", HAIKU, "match")),
        (
            {"tools": [BASH]},
            ((b"x-claude-code-agent-id", b"a1b2"),),
            ("bedrock", "qwen.qwen3-coder-next", "match: agent"),
        ),
        (
            {
                key: value
                for key, value in recorded("title_qwen").items()
                if key not in ("messages", "metadata")
            },
            (),
            ("bedrock", "qwen.qwen3-coder-next", "match: kind title"),
        ),
    ],
    ids=["a turn of the session", "a sub-agent", "a title"],
)
def test_routes_are_chosen_by_agent_and_kind(
    ruled: Stage,
    members: dict[str, Any],
    headers: tuple[tuple[bytes, bytes], ...],
    expected: tuple[str, str, str],
) -> None:
    body = request(ruled, HAIKU, **members)
    response = ruled.ask(body, *headers)
    assert response.status == 200
    assert marks(response) == expected
    assert sent(ruled, body)[0] == expected[0]
