"""What the haiku slot's model on Bedrock cannot serve is answered by a Claude: that one request, and no other."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from openclaude.simulator.recorded import Recorded
from openclaude.simulator.script import Answer, Ask, Script, Search, ToolUse, say
from openclaude.simulator.stories import AGENT_TOOLS, is_agent
from support.printed import Session, blocks, operations, outcome, session
from support.product import Home

pytestmark = pytest.mark.client

OPUS = "claude-opus-5-5"
INSTEAD = "claude-haiku-5-5"
FOUND = Search("herons", (("Herons of the weir", "https://herons.example/weir"),))


def models(rows: tuple[Recorded, ...]) -> list[str]:
    return [row.json()["model"] for row in rows]


def reasons(run: Session) -> list[str]:
    """Why each request in the gateway's log went where it went, where that is more than its name."""
    log = (run.home.state_home / "logs" / "gateway.log").read_text()
    return re.findall(r'reason="unsupported: (\w+)"', log)


# A web search ------------------------------------------------------------------------------------------------------


def searches(ask: Ask) -> Answer:
    """A model that uses the client's tool, and the provider of the request that the client makes of it."""
    if ask.provider == "anthropic":
        return Answer(say("There are herons at the weir.").parts, searches=(FOUND,))
    told = {call.name: outcome.text for call, outcome in ask.outcomes()}
    if "WebSearch" in told:
        return say(f"I read: {told['WebSearch']}")
    if "WebSearch" not in ask.tools:
        return Answer((ToolUse("ToolSearch", {"query": "select:WebSearch", "max_results": 1}),))
    return Answer((ToolUse("WebSearch", {"query": "herons"}),))


def test_a_session_in_the_haiku_slot_searches_the_web_at_anthropic_and_goes_on_on_bedrock(
    home: Home, project: Path
) -> None:
    with session(home, project, searches) as run:
        lines = run.run("search", "--allowedTools", "WebSearch", "ToolSearch")
        anthropic, bedrock = run.anthropic, run.bedrock
        assert reasons(run) == ["web_search"]

    assert models(anthropic) == [INSTEAD]
    [tool] = anthropic[0].json()["tools"]
    assert (tool["type"], tool["name"]) == ("web_search_20250305", "web_search")
    assert anthropic[0].values("authorization") == (f"Bearer {home.login}".encode(),)
    assert operations(bedrock) == ["converse-stream"] * 3
    *_, result = blocks(bedrock[-1].json()["messages"], "toolResult")
    text = result["content"][0]["text"]
    assert all(word in text for word in (*FOUND.results[0], "There are herons at the weir."))
    failed, said = outcome(lines)
    assert (failed, run.code) == (False, 0)
    assert said.startswith("I read: ")
    assert FOUND.results[0][1] in said


# An image and a PDF, read by a sub-agent ---------------------------------------------------------------------------

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def a_pdf(text: str) -> bytes:
    """One page with one line."""
    drawn = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(data)
    return (
        data
        + b"xref\n0 6\n0000000000 65535 f \n%btrailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (
            table,
            start,
        )
    )


def reader(file: str) -> Script:
    """A main model that lets a haiku sub-agent read a file; the sub-agent says who looks at it."""

    def script(ask: Ask) -> Answer:
        outcomes = ask.outcomes()
        if is_agent(ask):
            read = ToolUse("Read", {"file_path": file})
            return say(f"A heron, seen by {ask.model}") if outcomes else Answer((read,))
        if outcomes:
            return say(f"The agent said: {outcomes[0][1].text}")
        tool = next(name for name in AGENT_TOOLS if name in ask.tools)
        given = {
            "description": "Look",
            "prompt": "Look.",
            "subagent_type": "general-purpose",
            "model": "haiku",
        }
        return Answer((ToolUse(tool, {**given, "run_in_background": False}),))

    return script


def media(value: Any, kind: str) -> list[str]:
    """The data of every block of a type, wherever it stands in a request."""
    if isinstance(value, list):
        return [found for each in value for found in media(each, kind)]
    if not isinstance(value, dict):
        return []
    if value.get("type") == kind:
        return [value["source"]["data"]]
    return [found for each in value.values() for found in media(each, kind)]


@pytest.mark.parametrize(
    ("file", "kind", "data"),
    [
        ("heron.png", "image", base64.b64decode(PNG)),
        ("heron.pdf", "document", a_pdf("The heron of the weir")),
    ],
    ids=["image", "document"],
)
def test_what_a_haiku_sub_agent_reads_and_its_model_cannot_see_is_looked_at_by_a_claude(
    home: Home, project: Path, file: str, kind: str, data: bytes
) -> None:
    (project / file).write_bytes(data)
    with session(home, project, reader(file)) as run:
        lines = run.run("look", "--allowedTools", "Read", model="opus")
        anthropic, bedrock = run.anthropic, run.bedrock
        assert reasons(run) == [kind]

    assert operations(bedrock) == ["converse-stream"]
    assert models(anthropic) == [OPUS, INSTEAD, OPUS]
    moved = anthropic[1]
    assert moved.header("x-claude-code-agent-id")
    assert moved.values("authorization") == (f"Bearer {home.login}".encode(),)
    assert [base64.b64decode(each) for each in media(moved.json()["messages"], kind)] == [data]
    assert not any(media(row.json(), kind) for row in (anthropic[0], anthropic[2]))
    failed, said = outcome(lines)
    assert (failed, run.code) == (False, 0)
    assert f"A heron, seen by {INSTEAD}" in said


# A request that is too long ----------------------------------------------------------------------------------------


def signs(number: int) -> str:
    """Different signs, each of them a token at least to any model, and a quarter of one in the client's own estimate."""
    return "".join(chr(0x4E00 + place * 7919 % 20_000) for place in range(number))


@pytest.mark.parametrize(
    ("length", "moved"), [(300_000, True), (60_000, False)], ids=["300,000 tokens", "60,000 tokens"]
)
def test_a_request_longer_than_the_window_of_qwen_goes_to_anthropic_and_an_ordinary_one_to_bedrock(
    home: Home, project: Path, length: int, *, moved: bool
) -> None:
    """The client itself stops at the window it is told, but by an estimate that is short of such a text."""
    with session(home, project, lambda ask: say(f"long, said {ask.model}")) as run:
        lines = run.run("how long?", piped=signs(length))
        anthropic, bedrock = run.anthropic, run.bedrock
        assert reasons(run) == ["context"] * moved

    assert models(anthropic) == [INSTEAD] * moved
    assert operations(bedrock) == ["converse-stream"] * (not moved)
    sent = json.dumps((anthropic + bedrock)[0].json(), ensure_ascii=False)
    assert signs(length) in sent
    failed, said = outcome(lines)
    assert (failed, run.code) == (False, 0)
    assert said == f"long, said {INSTEAD if moved else 'qwen.qwen3-coder-next'}"
