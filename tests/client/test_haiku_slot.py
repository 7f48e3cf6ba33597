"""The real client whose haiku slot is on Bedrock, in the situations that are hardest to translate.

What the client itself says (its JSON output) and what each provider got are looked at together, and the requests are
counted: a client that asks again pays again.
"""

import base64
import json
import sys
from pathlib import Path

import pytest

from fakes import mcp_server
from openclaude.config import PRESETS
from openclaude.simulator.script import Answer, Ask, Fail, Script, StreamError, Text, ToolUse, say
from openclaude.simulator.stories import AGENT_TOOLS, is_agent
from support.printed import Json, blocks, operations, outcome, retries, said, session
from support.product import Home

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-haiku-slot")]

QWEN = "qwen.qwen3-coder-next"
BARE = PRESETS["mixed"].replace("when_unsupported", "# when_unsupported")
"""What the model cannot do is left out with a note, and goes to no other."""


# Six calls at once -------------------------------------------------------------------------------------------------

HERONS = [f"heron-{number}" for number in range(6)]
DELAYS = (3.0, 0.1, 0.4)
"""Seconds the last three calls take: they are over in another order than they were made in, also where the first begins early."""


def six_at_once(ask: Ask) -> Answer:
    outcomes = ask.outcomes()
    if is_agent(ask) and outcomes:
        return say("counted " + " ".join(outcome.text.split()[-1] for _, outcome in outcomes))
    if is_agent(ask):
        reads = [ToolUse("Read", {"file_path": f"{name}.txt"}) for name in HERONS[:3]]
        waits = [
            ToolUse("Bash", {"command": f"sleep {delay} && echo {name}", "description": "Wait"})
            for name, delay in zip(HERONS[3:], DELAYS, strict=True)
        ]
        return Answer((Text("Six at once."), *reads, *waits))
    if outcomes:
        return say(f"The agent said: {outcomes[0][1].text}")
    tool = next(name for name in AGENT_TOOLS if name in ask.tools)
    given = {"description": "Count", "prompt": "Count.", "subagent_type": "general-purpose", "model": "haiku"}
    return Answer((ToolUse(tool, {**given, "run_in_background": False}),))


def test_six_parallel_calls_of_a_sub_agent_are_answered_in_one_turn_in_the_order_of_the_calls(
    home: Home, project: Path
) -> None:
    for name in HERONS[:3]:
        (project / f"{name}.txt").write_text(name)
    with session(home, project, six_at_once) as run:
        lines = run.run("go", "--allowedTools", "Bash(echo:*)", "Bash(sleep:*)", "Read", model="opus")
        bedrock, anthropic = run.bedrock, run.anthropic

    assert operations(bedrock) == ["converse-stream"] * 2
    assert len(anthropic) == 2
    *_, calling, answering = bedrock[-1].json()["messages"]
    called = [call["toolUseId"] for call in blocks([calling], "toolUse")]
    results = blocks([answering], "toolResult")
    assert len(set(called)) == 6
    assert [result["toolUseId"] for result in results] == called
    assert [result["content"][0]["text"].split()[-1] for result in results] == HERONS
    # The client itself had them in another order.
    heard = [block["tool_use_id"] for block in said(lines, "user", "tool_result")]
    assert sorted(heard[:6]) == sorted(called)
    assert heard[:6] != called
    failed, answer = outcome(lines)
    assert not failed
    assert f"counted {' '.join(HERONS)}" in answer


# An image in a tool result -----------------------------------------------------------------------------------------

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
SENT = {"image": {"format": "png", "source": {"bytes": PNG}}}


def looks(ask: Ask) -> Answer:
    if not ask.outcomes():
        return Answer((ToolUse("Read", {"file_path": "heron.png"}),))
    return say("It is a heron.")


@pytest.mark.parametrize(
    ("model_id", "inside", "beside"),
    [
        (QWEN, [{"text": "[image omitted: this model does not accept image input]"}], []),
        (
            "qwen.qwen3-vl-235b-a22b",
            [{"text": "[image 1 follows this tool result]"}],
            [{"text": "[image 1 from tool result {id}]"}, SENT],
        ),
        ("us.amazon.nova-2-lite-v1:0", [SENT], []),
    ],
    ids=["a-model-without-images", "images-beside-tool-results", "images-in-tool-results"],
)
def test_an_image_the_client_reads_arrives_as_the_model_takes_it(
    home: Home, project: Path, model_id: str, inside: list[Json], beside: list[Json]
) -> None:
    (project / "heron.png").write_bytes(base64.b64decode(PNG))
    with session(home, project, looks, text=BARE.replace(QWEN, model_id)) as run:
        lines = run.run("look", "--allowedTools", "Read")
        bedrock, anthropic = run.bedrock, run.anthropic

    assert operations(bedrock) == ["converse-stream"] * 2
    assert anthropic == ()
    [shown] = [
        block for block in said(lines, "user", "tool_result")[0]["content"] if block["type"] == "image"
    ]
    assert shown["source"]["data"] == PNG
    first, *rest = bedrock[-1].json()["messages"][-1]["content"]
    assert first["toolResult"]["content"] == inside
    told = json.loads(json.dumps(beside).replace("{id}", first["toolResult"]["toolUseId"]))
    assert rest[: len(told)] == told
    assert ("image" in json.dumps(rest)) == bool(told)
    assert outcome(lines) == (False, "It is a heron.")


# A tool with a long name -------------------------------------------------------------------------------------------


def counts(ask: Ask) -> Answer:
    """Finds the deferred tool as the client wants it found, and calls it under the name it is shown."""
    told = {call.name: outcome.text for call, outcome in ask.outcomes()}
    shown = next((name for name in ask.tools if name.startswith("mcp__")), None)
    if shown is None and "ToolSearch" not in told:
        return Answer((ToolUse("ToolSearch", {"query": f"select:{mcp_server.SHOWN}", "max_results": 1}),))
    if shown and shown not in told:
        return Answer((ToolUse(shown, {"place": "the weir"}),))
    return say(told.get(shown or "", "no such tool"))


def test_a_tool_of_an_mcp_server_whose_name_is_too_long_is_called_by_its_own_name(
    home: Home, project: Path, tmp_path: Path
) -> None:
    record, config = tmp_path / "calls.jsonl", tmp_path / "mcp.json"
    server = {
        "command": sys.executable,
        "args": [mcp_server.__file__],
        "env": {mcp_server.RECORD: str(record)},
    }
    config.write_text(json.dumps({"mcpServers": {mcp_server.SERVER: server}}))
    with session(home, project, counts) as run:
        lines = run.run(
            "count", "--mcp-config", str(config), "--strict-mcp-config",
            "--allowedTools", mcp_server.SHOWN, "ToolSearch",
        )  # fmt: skip
        bedrock = run.bedrock

    assert operations(bedrock) == ["converse-stream"] * 3
    offers = [[tool["toolSpec"]["name"] for tool in row.json()["toolConfig"]["tools"]] for row in bedrock]
    sent = [[name for name in names if name.startswith("mcp__")] for names in offers]
    assert len(mcp_server.SHOWN) == 70
    assert [len(name) for names in sent for name in names] == [64, 64]
    assert sent == [[], sent[1], sent[1]]
    uses = [use["name"] for use in blocks(bedrock[-1].json()["messages"], "toolUse")]
    assert uses == ["ToolSearch", *sent[1]]
    # The client knows nothing of the short name.
    assert [block["name"] for block in said(lines, "assistant", "tool_use")] == [
        "ToolSearch",
        mcp_server.SHOWN,
    ]
    [called] = [json.loads(line) for line in record.read_text().splitlines()]
    assert (called["name"], called["arguments"]) == (mcp_server.TOOL, {"place": "the weir"})
    assert outcome(lines) == (False, "seven herons at the weir")


# A long history ----------------------------------------------------------------------------------------------------

SUMMARY = "They counted herons all day."
LONG = "heron " * 20_000


def remembers(ask: Ask) -> Answer:
    if "summary of the conversation" in ask.user_text:
        return say(f"<analysis>Long.</analysis>\n<summary>{SUMMARY}</summary>")
    return say("Noted." if SUMMARY in ask.turns[0].texts[0] else LONG)


def test_a_long_history_is_compacted_on_bedrock_and_the_session_goes_on(home: Home, project: Path) -> None:
    with session(home, project, remembers) as run:
        identity = run.run("tell " + "reed " * 20_000)[-1]["session_id"]
        for _ in range(2):
            run.run("more " + "reed " * 20_000, "--resume", identity)
        before = len(run.bedrock)
        lines = run.run("/compact", "--resume", identity)
        compacting = run.bedrock[before:]
        after = run.run("and now?", "--resume", identity)
        following = run.bedrock[before + len(compacting) :]

    assert operations(compacting) == operations(following) == ["converse-stream"]
    body = compacting[0].json()
    assert len(json.dumps(body["messages"])) > 500_000
    roles = [message["role"] for message in body["messages"]]
    assert roles == [*["user", "assistant"] * (len(roles) // 2), "user"]
    assert body["toolConfig"]["tools"]
    assert [line["compact_result"] for line in lines if line.get("compact_result")] == ["success"]
    assert any(line.get("subtype") == "compact_boundary" for line in lines)
    assert SUMMARY in following[0].json()["messages"][0]["content"][0]["text"]
    assert len(json.dumps(following[0].json())) < len(json.dumps(body)) / 2
    assert outcome(after) == (False, "Noted.")


# A stream that breaks off ------------------------------------------------------------------------------------------

HALF = "half of a heron"


def broken(name: str, *, in_call: bool = False) -> Script:
    """A model whose first answer breaks off with an exception, in a text or in the input of a call."""

    def script(ask: Ask) -> Answer:
        error = StreamError(name, "The heron flew away")
        if ask.number and ask.stream:
            return say("a whole heron")
        if not in_call:
            return Answer((Text(HALF),), error=error)
        call = ToolUse("Bash", {"command": "touch cut && touch off", "description": "never run"})
        return Answer((call,), chunk=28, error=StreamError(error.name, error.message, after=3))

    return script


@pytest.mark.parametrize(
    "name",
    [
        "modelStreamErrorException",
        "internalServerException",
        "serviceUnavailableException",
        "modelTimeoutException",
    ],
)
def test_a_stream_that_breaks_off_is_resumed_by_the_client_with_one_request(
    home: Home, project: Path, name: str
) -> None:
    """The client keeps the half answer, asks to go on from there, and nothing is repeated by the gateway."""
    with session(home, project, broken(name)) as run:
        lines = run.run("count")
        bedrock = run.bedrock

    assert operations(bedrock) == ["converse-stream"] * 2
    *_, half, resume = bedrock[1].json()["messages"]
    assert half == {"role": "assistant", "content": [{"text": HALF}]}
    assert "cut off mid-stream" in resume["content"][0]["text"]
    assert outcome(lines) == (False, "a whole heron")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("throttlingException", "API Error: Bedrock throttled the request: The heron flew away"),
        ("validationException", "API Error: The heron flew away"),
    ],
)
def test_a_stream_that_breaks_off_for_what_no_repetition_helps_ends_with_bedrocks_words(
    home: Home, project: Path, name: str, message: str
) -> None:
    with session(home, project, broken(name)) as run:
        lines = run.run("count")
        bedrock = run.bedrock

    assert operations(bedrock) == ["converse-stream"]
    assert [block["text"] for block in said(lines, "assistant", "text")] == [HALF, message]
    assert outcome(lines) == (True, message)


@pytest.mark.parametrize("name", ["throttlingException", "modelStreamErrorException"])
def test_a_tool_call_whose_input_was_cut_off_is_not_run(home: Home, project: Path, name: str) -> None:
    with session(home, project, broken(name, in_call=True)) as run:
        lines = run.run("touch", "--allowedTools", "Bash")
        bedrock = run.bedrock

    assert list(project.iterdir()) == []
    assert operations(bedrock) == ["converse-stream"] * 2
    [result] = blocks(bedrock[1].json()["messages"], "toolResult")
    assert result["status"] == "error"
    assert "could not be parsed as JSON" in result["content"][0]["text"]
    assert outcome(lines) == (False, "a whole heron")


def test_an_exception_before_the_first_event_is_met_once_by_the_gateway_and_then_an_http_error_for_the_client(
    home: Home, project: Path
) -> None:
    def script(ask: Ask) -> Answer | Fail:
        if ask.number > 1:
            return say("a whole heron")
        return Answer((Text(HALF),), error=StreamError("throttlingException", "Too many herons", after=0))

    with session(home, project, script) as run:
        lines = run.run("count")
        bedrock = run.bedrock

    assert operations(bedrock) == ["converse-stream"] * 3
    assert retries(lines) == [429]
    assert bedrock[0].json() == bedrock[1].json() == bedrock[2].json()
    assert outcome(lines) == (False, "a whole heron")
