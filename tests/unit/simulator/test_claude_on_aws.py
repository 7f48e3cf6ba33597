"""InvokeModel and the Messages endpoint, as botocore and a signer of AWS see them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from typing import Any

import botocore.session
import httpx2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

from openclaude.simulator.bedrock import BedrockSimulator
from openclaude.simulator.claude_on_aws import (
    MANTLE_SERVICE,
    PLATFORM_SERVICE,
    MantleSimulator,
    PlatformSimulator,
    mantle_host,
    platform_host,
)
from openclaude.simulator.replies import json_reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, StreamError, Text, ToolUse, Usage, say
from openclaude.simulator.world import World
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio

REGION = "us-west-2"
MODEL = "us.anthropic.claude-opus-5-5"
BARE = "anthropic.claude-opus-5-5"
KEY_ID = "ASIA" + secrets.token_hex(8).upper()
SECRET = secrets.token_urlsafe(30)
TOKEN = secrets.token_urlsafe(60)
KEYS = {KEY_ID: (SECRET, TOKEN)}
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi you"}],
}
SESSION = botocore.session.get_session()
FULL = Answer((Text("grüße"), ToolUse("Bash", {"command": "ls"})), usage=Usage(7, 8, 9, 10), chunk=3)


def always(outcome: Answer | Fail) -> Script:
    return lambda ask: outcome


@pytest.fixture
async def simulator() -> AsyncIterator[BedrockSimulator]:
    async with BedrockSimulator(always(FULL), keys=KEYS, region=REGION) as running:
        yield running


@pytest.fixture
async def mantle() -> AsyncIterator[MantleSimulator]:
    async with MantleSimulator(always(FULL), keys=KEYS, region=REGION) as running:
        yield running


async def runtime(simulator: BedrockSimulator, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of botocore's own client, which blocks."""

    def call() -> Any:
        client = SESSION.create_client(
            "bedrock-runtime",
            region_name=REGION,
            endpoint_url=simulator.base_url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            aws_session_token=TOKEN,
            config=Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=DEADLINE),
        )
        try:
            return use(client)
        finally:
            client.close()

    return await asyncio.to_thread(call)


async def invoke(simulator: BedrockSimulator, body: Mapping[str, Any] = BODY, model: str = MODEL) -> Any:
    def use(client: Any) -> Any:
        return json.loads(client.invoke_model(modelId=model, body=json.dumps(body))["body"].read())

    return await runtime(simulator, use)


async def stream(simulator: BedrockSimulator) -> list[dict[str, Any]]:
    def use(client: Any) -> Any:
        found = client.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(BODY))["body"]
        with closing(found):
            return [json.loads(event["chunk"]["bytes"]) for event in found]

    events: list[dict[str, Any]] = await runtime(simulator, use)
    return events


async def send(
    mantle: MantleSimulator,
    body: Any,
    *,
    service: str = MANTLE_SERVICE,
    path: str = "/anthropic/v1/messages",
    **headers: str,
) -> httpx2.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = AWSRequest("POST", f"{mantle.base_url}{path}", headers=headers, data=raw)
    if "authorization" not in headers:
        SigV4Auth(Credentials(KEY_ID, SECRET, TOKEN), service, REGION).add_auth(request)
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(request.url, content=raw, headers=dict(request.headers.items()))


VERSION = {"anthropic-version": "2023-06-01"}
ENVELOPED = {"model": BARE, "max_tokens": 9, "messages": BODY["messages"]}


async def test_botocore_invokes_claude(simulator: BedrockSimulator) -> None:
    message = await invoke(simulator)
    assert (message["type"], message["model"]) == ("message", "claude-opus-5-5")
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert message["usage"]["cache_read_input_tokens"] == 9


async def test_botocore_reads_the_chunks_of_a_stream(simulator: BedrockSimulator) -> None:
    events = await stream(simulator)
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 8
    texts = [event["delta"]["text"] for event in events if event.get("delta", {}).get("type") == "text_delta"]
    assert "".join(texts) == "grüße"


async def test_an_exception_ends_a_stream_and_fails_a_whole_answer(simulator: BedrockSimulator) -> None:
    error = StreamError("throttlingException", "slow down", after=3)
    simulator.script = always(Answer((Text("hi"),), error=error))
    with pytest.raises(EventStreamError, match="slow down"):
        await stream(simulator)
    with pytest.raises(ClientError, match="slow down") as caught:
        await invoke(simulator)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"


async def test_the_script_sees_what_was_asked(simulator: BedrockSimulator) -> None:
    seen: list[Ask] = []

    def script(ask: Ask) -> Answer:
        seen.append(ask)
        return say("ok")

    simulator.script = script
    tool = {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {}}}}
    await invoke(simulator, {**BODY, "system": "S", "tools": [tool]})
    (ask,) = seen
    assert (ask.provider, ask.model, ask.system, ask.user_text) == ("bedrock", MODEL, "S", "hi you")
    assert ask.tools == {"Bash": frozenset({"command"})}
    assert not {"authorization", "x-amz-security-token"} & ask.headers.keys()


@pytest.mark.parametrize(
    ("change", "model", "words"),
    [
        ({"model": "x"}, MODEL, "model: Extra inputs are not permitted"),
        ({"stream": True}, MODEL, "stream: Extra inputs are not permitted"),
        ({"speed": "fast"}, MODEL, "speed: Extra inputs are not permitted"),
        ({"anthropic_version": None}, MODEL, "anthropic_version: Field required"),
        ({}, "qwen.qwen3-coder-next", "another format"),
    ],
)
async def test_what_claude_refuses_is_refused(
    simulator: BedrockSimulator, change: dict[str, Any], model: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        await invoke(simulator, BODY | change, model)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("body", ["[]", "{"])
async def test_a_body_that_is_no_object_is_malformed(simulator: BedrockSimulator, body: str) -> None:
    with pytest.raises(ClientError, match="Malformed input request"):
        await runtime(simulator, lambda client: client.invoke_model(modelId=MODEL, body=body))


async def test_mantle_answers_whole_and_in_events(mantle: MantleSimulator) -> None:
    whole = await send(mantle, ENVELOPED, **VERSION)
    assert (whole.status_code, whole.json()["model"]) == (200, "claude-opus-5-5")
    streamed = await send(mantle, {**ENVELOPED, "stream": True}, **VERSION)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.startswith("event: message_start\n")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": MODEL}, 404, "model: us."),
        ({"anthropic_version": "bedrock-2023-05-31", "speed": "fast"}, 400, "speed: Extra inputs"),
        ({"model": None}, 404, "model: None"),
    ],
)
async def test_mantle_refuses_in_the_messages_api_s_form(
    mantle: MantleSimulator, change: dict[str, Any], status: int, words: str
) -> None:
    refused = await send(mantle, ENVELOPED | change, **VERSION)
    assert (refused.status_code, refused.json()["type"]) == (status, "error")
    assert words in refused.json()["error"]["message"]


async def test_mantle_wants_a_version_a_model_and_a_signature_for_its_own_name(
    mantle: MantleSimulator,
) -> None:
    assert "anthropic-version" in (await send(mantle, ENVELOPED)).text
    assert "model: Field required" in (await send(mantle, b"[]", **VERSION)).text
    other = await send(mantle, ENVELOPED, service="bedrock", **VERSION)
    assert (other.status_code, other.json()["error"]["type"]) == (403, "permission_error")
    assert MANTLE_SERVICE in other.text


async def test_mantle_takes_its_api_keys_and_no_other_bearer() -> None:
    key = secrets.token_urlsafe(20)
    async with MantleSimulator(keys={}, api_keys=[key]) as mantle:
        assert (await send(mantle, ENVELOPED, authorization=f"Bearer {key}", **VERSION)).status_code == 200
        assert (await send(mantle, ENVELOPED, authorization=f"Bearer {key}x", **VERSION)).status_code == 401


async def test_mantle_plays_failures_and_raw_replies(mantle: MantleSimulator) -> None:
    mantle.script = always(Fail(529, "overloaded_error", "busy"))
    assert (await send(mantle, ENVELOPED, **VERSION)).status_code == 529
    mantle.script = lambda ask: json_reply({"odd": True})
    assert (await send(mantle, ENVELOPED, **VERSION)).json() == {"odd": True}
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{mantle.base_url}/v1/models")).status_code == 404


def test_a_world_can_have_the_messages_endpoint_under_its_name() -> None:
    with World(mantle=True) as world:
        names = [entry.partition(":")[0] for entry in world.connect_to]
        assert names[-2] == mantle_host(REGION) == "bedrock-mantle.us-west-2.api.aws"
        assert names[-1] == platform_host(REGION) == "aws-external-anthropic.us-west-2.api.aws"
        assert world.mantle.port > 0


async def count(simulator: BedrockSimulator, model: str, prompt: Mapping[str, Any]) -> int:
    found = await runtime(simulator, lambda client: client.count_tokens(modelId=model, input=prompt))
    return int(found["inputTokens"])


async def test_tokens_are_counted_for_the_base_id(simulator: BedrockSimulator) -> None:
    invoked = {"invokeModel": {"body": json.dumps(BODY).encode()}}
    conversed = {"converse": {"messages": [{"role": "user", "content": [{"text": "hi you"}]}]}}
    assert await count(simulator, BARE, invoked) > 0
    assert await count(simulator, BARE, conversed) > 0


@pytest.mark.parametrize("model", [MODEL, "qwen.qwen3-coder-next", "anthropic.claude-opus-4-8"])
async def test_profiles_and_models_that_are_not_counted_for_are_refused(
    simulator: BedrockSimulator, model: str
) -> None:
    simulator.uncounted = {"anthropic.claude-opus-4-8"}
    with pytest.raises(ClientError, match="support counting tokens"):
        await count(simulator, model, {"invokeModel": {"body": json.dumps(BODY).encode()}})


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"invokeModel": {"body": b"{}"}}, "anthropic_version: Field required"),
        ({"invokeModel": {"body": json.dumps({**BODY, "stream": True}).encode()}}, "stream: Extra inputs"),
        ({"converse": {"messages": []}}, "must start with a user message"),
    ],
    ids=["empty", "stream", "no-messages"],
)
async def test_a_prompt_that_could_not_be_sent_is_not_counted(
    simulator: BedrockSimulator, prompt: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(ClientError, match=said):
        await count(simulator, BARE, prompt)


async def test_the_platform_wants_a_workspace_anthropic_s_ids_and_a_signature_for_its_own_name() -> None:
    space = {"anthropic-workspace-id": PlatformSimulator.workspace}
    async with PlatformSimulator(always(FULL), keys=KEYS, region=REGION) as platform:

        async def ask(body: Any, service: str = PLATFORM_SERVICE, **headers: str) -> Any:
            return await send(platform, body, service=service, path="/v1/messages", **VERSION, **headers)

        body = {**ENVELOPED, "model": "claude-opus-5-5"}
        assert (await ask(body, **space)).json()["content"][0]["text"] == "grüße"
        assert "workspace" in (await ask(body)).text
        assert (await ask(ENVELOPED, **space)).status_code == 404
        assert (await ask(body, service=MANTLE_SERVICE, **space)).status_code == 403


async def test_the_platform_takes_its_api_keys_as_x_api_key() -> None:
    key = secrets.token_urlsafe(20)
    space = {"anthropic-workspace-id": PlatformSimulator.workspace, "authorization": ""}
    body = {**ENVELOPED, "model": "claude-opus-5-5"}
    async with PlatformSimulator(keys={}, api_keys=[key]) as platform:
        for sent, status in ((key, 200), (f"{key}x", 401)):
            more = {**space, "x-api-key": sent}
            found = await send(platform, body, path="/v1/messages", **VERSION, **more)
            assert found.status_code == status
