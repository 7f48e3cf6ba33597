import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from openclaude.simulator.bedrock import BODY_LIMIT, BedrockSimulator
from openclaude.simulator.certs import Authority
from openclaude.simulator.http import Setup
from openclaude.simulator.replies import json_reply
from openclaude.simulator.script import (
    Answer,
    Ask,
    Fail,
    Script,
    StreamError,
    Text,
    Thinking,
    ToolUse,
    Usage,
    say,
)
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio

REGION = "us-west-2"
MODEL = "qwen.qwen3-coder-next"
ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/us.qwen.qwen3-coder-next"
KEY_ID = "ASIA" + secrets.token_hex(8).upper()
SECRET = secrets.token_urlsafe(30)
TOKEN = secrets.token_urlsafe(60)
HI = [{"role": "user", "content": [{"text": "hi there"}]}]
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "Bash",
                "inputSchema": {"json": {"type": "object", "properties": {"command": {"type": "string"}}}},
            }
        }
    ]
}
SESSION = botocore.session.get_session()


@pytest.fixture
async def simulator() -> AsyncIterator[BedrockSimulator]:
    async with BedrockSimulator(keys={KEY_ID: (SECRET, TOKEN)}, region=REGION) as running:
        yield running


@contextmanager
def client(simulator: BedrockSimulator, *, verify: str | None = None, secret: str = SECRET) -> Iterator[Any]:
    """botocore's own client; blocking, so for threads."""
    runtime = SESSION.create_client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=simulator.base_url,
        verify=verify,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=secret,
        aws_session_token=TOKEN,
        config=Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=DEADLINE),
    )
    try:
        yield runtime
    finally:
        runtime.close()


async def converse(
    simulator: BedrockSimulator, *, verify: str | None = None, secret: str = SECRET, **params: Any
) -> Any:
    def call() -> Any:
        with client(simulator, verify=verify, secret=secret) as runtime:
            return runtime.converse(**{"modelId": MODEL, "messages": HI, **params})

    return await asyncio.to_thread(call)


async def with_stream(simulator: BedrockSimulator, read: Callable[[Any], Any], **params: Any) -> Any:
    """What `read` makes of the event stream that answers."""

    def call() -> Any:
        with client(simulator) as runtime:
            stream = runtime.converse_stream(**{"modelId": MODEL, "messages": HI, **params})["stream"]
            with closing(stream):
                return read(stream)

    return await asyncio.to_thread(call)


def always(outcome: Answer | Fail) -> Script:
    return lambda ask: outcome


FULL = Answer(
    (Thinking("hm", "sig"), Text("grüße"), ToolUse("Bash", {"command": "ls"})),
    usage=Usage(7, 8, 9, 10),
    chunk=4,
)
USAGE = {
    "inputTokens": 7,
    "outputTokens": 8,
    "totalTokens": 34,
    "cacheReadInputTokens": 9,
    "cacheWriteInputTokens": 10,
}


@pytest.mark.parametrize("model", [MODEL, "qwen.qwen3-coder-480b-a35b-v1:0", ARN])
async def test_botocore_converses(simulator: BedrockSimulator, model: str) -> None:
    simulator.script = always(FULL)
    answer = await converse(simulator, modelId=model, toolConfig=TOOLS)
    thinking, text, use = answer["output"]["message"]["content"]
    assert thinking == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}
    assert text == {"text": "grüße"}
    assert (use["toolUse"]["name"], use["toolUse"]["input"]) == ("Bash", {"command": "ls"})
    assert (answer["stopReason"], answer["usage"]) == ("tool_use", USAGE)


@pytest.mark.parametrize("slice_bytes", [None, 1, 33])
async def test_botocore_reads_a_stream_however_it_is_cut(
    simulator: BedrockSimulator, slice_bytes: int | None
) -> None:
    simulator.script = always(Answer(FULL.parts, usage=FULL.usage, chunk=4, slice_bytes=slice_bytes))
    events = await with_stream(simulator, list, toolConfig=TOOLS)
    assert [(name, event.get("contentBlockIndex")) for item in events for name, event in item.items()] == [
        ("messageStart", None),
        ("contentBlockDelta", 0),
        ("contentBlockDelta", 0),
        ("contentBlockStop", 0),
        ("contentBlockDelta", 1),
        ("contentBlockDelta", 1),
        ("contentBlockStop", 1),
        ("contentBlockStart", 2),
        *[("contentBlockDelta", 2)] * 5,
        ("contentBlockStop", 2),
        ("messageStop", None),
        ("metadata", None),
    ]
    deltas = [item["contentBlockDelta"]["delta"] for item in events if "contentBlockDelta" in item]
    assert "".join(delta.get("text", "") for delta in deltas) == "grüße"
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)) == {
        "command": "ls"
    }
    assert events[7]["contentBlockStart"]["start"]["toolUse"]["name"] == "Bash"
    assert events[-1]["metadata"]["usage"] == USAGE


async def test_botocore_carries_a_tool_through_a_conversation(simulator: BedrockSimulator) -> None:
    seen: list[Ask] = []

    def script(ask: Ask) -> Answer:
        seen.append(ask)
        outcomes = ask.outcomes()
        return (
            say(f"it said {outcomes[0][1].text}")
            if outcomes
            else Answer((ToolUse("Bash", {"command": "ls"}),))
        )

    simulator.script = script
    first = await converse(simulator, toolConfig=TOOLS, system=[{"text": "rules"}])
    said = first["output"]["message"]
    use = said["content"][0]["toolUse"]
    result = {
        "toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "a.txt"}], "status": "error"}
    }
    events = await with_stream(
        simulator, list, toolConfig=TOOLS, messages=[*HI, said, {"role": "user", "content": [result]}]
    )
    assert "".join(
        item["contentBlockDelta"]["delta"]["text"] for item in events if "contentBlockDelta" in item
    ) == ("it said a.txt")
    one, two = seen
    assert (one.provider, one.model, one.system, one.stream, two.stream) == (
        "bedrock",
        MODEL,
        "rules",
        False,
        True,
    )
    assert one.tools == {"Bash": frozenset({"command"})}
    assert one.user_text == "hi there"
    (call, outcome) = two.outcomes()[0]
    assert (call.name, call.input, outcome.failed) == ("Bash", {"command": "ls"}, True)
    assert not {"authorization", "x-amz-security-token"} & one.headers.keys()


async def test_botocore_converses_over_tls(tmp_path: Path) -> None:
    authority = Authority()
    setup = Setup(tls=authority.server_context("127.0.0.1"))
    ca_file = authority.write_ca(tmp_path / "ca.pem")
    async with BedrockSimulator(keys={KEY_ID: (SECRET, TOKEN)}, setup=setup) as simulator:
        answer = await converse(simulator, verify=str(ca_file))
    assert answer["output"]["message"]["content"] == [{"text": f"{MODEL} heard: hi there"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(429, "ThrottlingException", id="throttled"),
        pytest.param(403, "AccessDeniedException", id="denied"),
        pytest.param(503, "ServiceUnavailableException", id="unavailable"),
    ],
)
async def test_botocore_reads_the_kind_of_a_scripted_failure(
    simulator: BedrockSimulator, status: int, kind: str
) -> None:
    simulator.script = always(Fail(status, kind, "scripted"))
    with pytest.raises(ClientError) as raised:
        await converse(simulator)
    response = raised.value.response
    assert response["Error"] == {"Code": kind, "Message": "scripted"}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("after", "count"),
    [pytest.param(0, 0, id="first frame"), pytest.param(None, 3, id="after what was said")],
)
async def test_botocore_raises_an_exception_of_a_stream(
    simulator: BedrockSimulator, after: int | None, count: int
) -> None:
    error = StreamError("throttlingException", "slow down", after)
    simulator.script = always(Answer((Text("partial"),), error=error))

    def read(stream: Any) -> tuple[int, EventStreamError]:
        events = iter(stream)
        for number in range(100):
            try:
                next(events)
            except EventStreamError as raised:
                return number, raised
        raise AssertionError("the stream had no exception")

    number, raised = await with_stream(simulator, read)
    assert number == count
    assert raised.response["Error"] == {"Code": "throttlingException", "Message": "slow down"}
    with pytest.raises(ClientError, match=r"\(ThrottlingException\).*slow down"):
        await converse(simulator)


async def test_real_events_carry_padding_of_many_lengths(simulator: BedrockSimulator) -> None:
    simulator.script = always(Answer((Text("x" * 30),), chunk=1))
    bodies = []
    for padding in (True, False):
        simulator.padding = padding
        bodies.append(await with_stream(simulator, lambda stream: stream._raw_stream.read()))
    assert bodies[0].count(b'"p":"a') == 34
    assert bodies[1].count(b'"p":"a') == 0


async def test_a_wrong_secret_is_refused(simulator: BedrockSimulator) -> None:
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        await converse(simulator, secret=SECRET + "x")


async def raw(simulator: BedrockSimulator, target: str, body: bytes, **headers: str) -> tuple[int, str, str]:
    """One request by hand; the result is the status, the error type and the message."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    fields = {"Host": "h", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    head_text, _, content = answer.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head_text.decode().split("\r\n")[1:])
    kind = lines.get("x-amzn-errortype", "").partition(":")[0]
    return int(head_text.split()[1]), kind, json.loads(content).get("message", "")


TARGET = f"/model/{MODEL}/converse"


async def test_a_request_without_signature_is_refused(simulator: BedrockSimulator) -> None:
    status, kind, _ = await raw(simulator, TARGET, b"{}")
    assert (status, kind) == (403, "MissingAuthenticationTokenException")


async def test_a_bearer_token_is_refused_unless_it_is_an_api_key_of_bedrock() -> None:
    key = secrets.token_urlsafe(20)
    async with BedrockSimulator(keys={}, api_keys=[key]) as simulator:
        body = json.dumps({"messages": HI}).encode()
        assert (await raw(simulator, TARGET, body, Authorization=f"Bearer {key}"))[0] == 200
        status, kind, message = await raw(simulator, TARGET, body, Authorization=f"Bearer {key}x")
        assert (status, kind) == (403, "AccessDeniedException")
        assert "API Key" in message


@pytest.mark.parametrize(
    ("target", "body", "status", "kind", "words"),
    [
        pytest.param(
            f"/model/{MODEL}/apply-guardrail",
            b"{}",
            404,
            "UnknownOperationException",
            "",
            id="other operation",
        ),
        pytest.param(
            "/model/a/b/converse", b"{}", 404, "UnknownOperationException", "", id="raw slash in the id"
        ),
        pytest.param(TARGET + "?x=1", b"{}", 404, "UnknownOperationException", "", id="query"),
        pytest.param(TARGET, b"{", 400, "SerializationException", "not valid JSON", id="broken JSON"),
        pytest.param(TARGET, b"[]", 400, "SerializationException", "JSON object", id="not an object"),
        pytest.param(
            "/model/qwen%203/converse",
            b"{}",
            400,
            "ValidationException",
            "identifier is invalid",
            id="model id",
        ),
        pytest.param(
            TARGET,
            b'{"stream":true,"messages":5}',
            400,
            "ValidationException",
            "2 validation errors detected: ",
            id="shapes",
        ),
        pytest.param(
            TARGET,
            b'{"messages":[{"role":"user","content":[{"text":" "}]}]}',
            400,
            "ValidationException",
            "messages.0.content.0 is blank",
            id="conversation",
        ),
        pytest.param(
            TARGET,
            b" " * (BODY_LIMIT + 1),
            413,
            "RequestEntityTooLargeException",
            "Request size",
            id="too large",
        ),
    ],
)
async def test_what_bedrock_refuses_is_refused(
    target: str, body: bytes, status: int, kind: str, words: str
) -> None:
    key = secrets.token_urlsafe(20)
    async with BedrockSimulator(keys={}, api_keys=[key]) as simulator:
        got = await raw(simulator, target, body, Authorization=f"Bearer {key}")
    assert got[:2] == (status, kind)
    assert words in got[2]


async def test_a_script_may_answer_below_the_protocol() -> None:
    key = secrets.token_urlsafe(20)
    async with BedrockSimulator(
        lambda ask: json_reply({"message": "odd"}, status=418), keys={}, api_keys=[key]
    ) as odd:
        body = json.dumps({"messages": HI}).encode()
        assert await raw(odd, TARGET, body, Authorization=f"Bearer {key}") == (418, "", "odd")
