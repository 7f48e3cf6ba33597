import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic, BadRequestError, DefaultAsyncHttpxClient
from anthropic.types import ServerToolUseBlock, TextBlock, WebSearchToolResultBlock

from openclaude.simulator.anthropic import HOST, STATUS, AnthropicSimulator
from openclaude.simulator.certs import Authority
from openclaude.simulator.http import Setup
from openclaude.simulator.replies import Cut, Ending, redirect
from openclaude.simulator.script import (
    Answer,
    Ask,
    Fail,
    Script,
    Search,
    StreamError,
    Text,
    Thinking,
    ToolUse,
    Usage,
    echo,
    say,
)
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio

MODEL = "claude-opus-5-5"
HI = [{"role": "user", "content": "hi there"}]
TOOLS: list[Any] = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {}}}}]


@pytest.fixture
async def simulator() -> AsyncIterator[AnthropicSimulator]:
    async with AnthropicSimulator() as running:
        yield running


@pytest.fixture
async def client(
    simulator: AnthropicSimulator, canary: Callable[[str], str]
) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key=canary("sk-ant-api03-"), base_url=simulator.base_url, max_retries=0, timeout=DEADLINE
    ) as sdk:
        yield sdk


def always(outcome: Answer | Fail) -> Script:
    return lambda ask: outcome


async def test_the_sdk_creates_a_message(simulator: AnthropicSimulator, client: AsyncAnthropic) -> None:
    simulator.script = always(
        Answer(
            (Thinking("hm", "sig"), Text("grüße"), ToolUse("Bash", {"command": "ls"})),
            usage=Usage(7, 8, 9, 10),
        )
    )
    answer = await client.messages.create(model=MODEL, max_tokens=10, messages=HI, tools=TOOLS)
    thinking, text, use = answer.content
    assert (thinking.thinking, thinking.signature, text.text) == ("hm", "sig", "grüße")
    assert (use.name, use.input, answer.stop_reason, answer.model) == (
        "Bash",
        {"command": "ls"},
        "tool_use",
        MODEL,
    )
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens) == (7, 8)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (9, 10)


@pytest.mark.parametrize("slice_bytes", [None, 1, 17])
async def test_the_sdk_accumulates_a_stream_however_it_is_cut(
    simulator: AnthropicSimulator, client: AsyncAnthropic, slice_bytes: int | None
) -> None:
    parts = (
        Thinking("because", "sig"),
        Text("grüße " * 20),
        ToolUse("Bash", {"command": "ls", "n": [1, None]}),
    )
    simulator.script = always(Answer(parts, usage=Usage(7, 8), slice_bytes=slice_bytes))
    async with client.messages.stream(model=MODEL, max_tokens=10, messages=HI, tools=TOOLS) as stream:
        answer = await stream.get_final_message()
    thinking, text, use = answer.content
    assert (thinking.thinking, thinking.signature, text.text) == ("because", "sig", "grüße " * 20)
    assert (use.name, use.input) == ("Bash", {"command": "ls", "n": [1, None]})
    assert (answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens) == ("tool_use", 7, 8)


SEARCH = Search("herons", (("A heron", "https://herons.example/1"), ("Two", "https://herons.example/2")))
WEB_SEARCH: Any = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_sdk_reads_a_web_search(
    simulator: AnthropicSimulator, client: AsyncAnthropic, *, stream: bool
) -> None:
    simulator.script = always(Answer((Text("Two herons."),), searches=(SEARCH,), chunk=3))
    asked: Any = {"model": MODEL, "max_tokens": 10, "messages": HI, "tools": WEB_SEARCH}
    if stream:
        async with client.messages.stream(**asked) as running:
            answer = await running.get_final_message()
    else:
        answer = await client.messages.create(**asked)
    use, found, text = answer.content
    assert isinstance(use, ServerToolUseBlock)
    assert isinstance(found, WebSearchToolResultBlock)
    assert isinstance(text, TextBlock)
    assert (use.name, use.input, found.tool_use_id) == ("web_search", {"query": "herons"}, use.id)
    assert isinstance(found.content, list)
    assert [(each.title, each.url) for each in found.content] == list(SEARCH.results)
    assert (text.text, answer.stop_reason) == ("Two herons.", "end_turn")
    assert answer.usage.server_tool_use is not None
    assert answer.usage.server_tool_use.web_search_requests == 1


async def test_a_search_without_the_tool_for_it_is_refused(
    simulator: AnthropicSimulator, client: AsyncAnthropic
) -> None:
    simulator.script = always(Answer((), searches=(SEARCH,)))
    with pytest.raises(BadRequestError, match="the request has no tool for it"):
        await client.messages.create(model=MODEL, max_tokens=10, messages=HI, tools=TOOLS)


async def test_a_stream_has_the_events_of_the_real_one(
    simulator: AnthropicSimulator, client: AsyncAnthropic
) -> None:
    simulator.script = always(Answer((Text("abcd"), ToolUse("Bash", {})), chunk=2))
    async with client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=10, messages=HI, tools=TOOLS, stream=True
    ) as response:
        body = (await response.read()).decode()
        request_id = response.headers["request-id"]
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert request_id.startswith("req_")
    blocks = [block.split("\n") for block in body.removesuffix("\n\n").split("\n\n")]
    assert all(len(block) == 2 for block in blocks)
    names = [name.removeprefix("event: ") for name, _ in blocks]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert [json.loads(data.removeprefix("data: "))["type"] for _, data in blocks] == names


async def test_a_script_sees_the_conversation_without_credentials(
    simulator: AnthropicSimulator, client: AsyncAnthropic
) -> None:
    seen: list[Ask] = []

    def script(ask: Ask) -> Answer:
        seen.append(ask)
        return say("ok")

    simulator.script = script
    messages: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"a": 1}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no"}],
                },
                {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
            ],
        },
    ]
    await client.messages.create(
        model=MODEL, max_tokens=1, system=[{"type": "text", "text": "rules"}], messages=messages, tools=TOOLS
    )
    (ask,) = seen
    assert (ask.provider, ask.model, ask.system, ask.stream, ask.number) == (
        "anthropic",
        MODEL,
        "rules",
        False,
        0,
    )
    assert ask.tools == {"Bash": frozenset({"command"})}
    assert ask.user_text == "go"
    (call, outcome) = ask.outcomes()[0]
    assert (call.name, call.input, outcome.text, outcome.failed) == ("Bash", {"a": 1}, "no", True)
    assert ask.turns[2].outcomes[1].text == "plain"
    assert ask.headers["content-type"] == "application/json"
    assert not {"authorization", "x-api-key"} & ask.headers.keys()
    assert ask.body["messages"] == messages


async def test_the_sdk_counts_tokens_and_lists_models(
    simulator: AnthropicSimulator, client: AsyncAnthropic
) -> None:
    count = await client.messages.count_tokens(model=MODEL, messages=HI)
    assert count.input_tokens == simulator.requests()[0].body_length // 4
    listed = [model.id async for model in client.models.list()]
    assert listed[0] == MODEL


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param("invalid_request_error", anthropic.BadRequestError, id="400"),
        pytest.param("permission_error", anthropic.PermissionDeniedError, id="403"),
        pytest.param("rate_limit_error", anthropic.RateLimitError, id="429"),
        pytest.param("api_error", anthropic.InternalServerError, id="500"),
        pytest.param("overloaded_error", anthropic.OverloadedError, id="529"),
    ],
)
async def test_the_sdk_maps_a_scripted_failure(
    simulator: AnthropicSimulator, client: AsyncAnthropic, kind: str, error: type[anthropic.APIStatusError]
) -> None:
    simulator.script = always(Fail(STATUS[kind], kind, "scripted", (("retry-after", "3"),)))
    with pytest.raises(error) as raised:
        await client.messages.create(model=MODEL, max_tokens=1, messages=HI)
    body: Any = raised.value.body
    assert body["error"] == {"type": kind, "message": "scripted"}
    assert raised.value.response.headers["retry-after"] == "3"
    assert raised.value.request_id == body["request_id"]


async def test_an_error_in_a_stream_comes_after_what_was_said(
    simulator: AnthropicSimulator, client: AsyncAnthropic
) -> None:
    simulator.script = always(Answer((Text("partial"),), error=StreamError("overloaded_error", "too much")))
    async with client.messages.stream(model=MODEL, max_tokens=1, messages=HI) as stream:
        texts = aiter(stream.text_stream)
        assert await anext(texts) == "partial"
        with pytest.raises(anthropic.APIStatusError, match="too much"):
            await anext(texts)
    with pytest.raises(anthropic.OverloadedError):
        await client.messages.create(model=MODEL, max_tokens=1, messages=HI)


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        pytest.param(Ending.EOF, httpx2.RemoteProtocolError, id="clean end"),
        pytest.param(Ending.RESET, httpx2.ReadError, id="reset"),
    ],
)
async def test_a_stream_that_is_cut_is_a_transport_error(
    simulator: AnthropicSimulator, client: AsyncAnthropic, ending: Ending, error: type[Exception]
) -> None:
    simulator.script = always(Answer((Text("partial"),), cut_after=4, cut_with=(Cut(ending),)))
    async with client.messages.stream(model=MODEL, max_tokens=1, messages=HI) as stream:
        with pytest.raises(error):
            await stream.get_final_message()


async def test_the_simulator_speaks_tls_as_the_real_host(canary: Callable[[str], str]) -> None:
    authority = Authority()
    setup = Setup(tls=authority.server_context(HOST, "127.0.0.1"))
    async with (
        AnthropicSimulator(echo, setup=setup) as simulator,
        DefaultAsyncHttpxClient(verify=authority.client_context()) as http,
        AsyncAnthropic(api_key=canary(), base_url=simulator.base_url, http_client=http) as sdk,
    ):
        answer = await sdk.messages.create(model=MODEL, max_tokens=1, messages=HI)
    assert answer.content[0].text == f"{MODEL} heard: hi there"


async def exchange(
    simulator: AnthropicSimulator, line: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], Any]:
    """One request by hand; the result is the status, the headers and the parsed body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    fields = {"Host": "h", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    head_text, _, content = answer.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head_text.decode().split("\r\n")[1:])
    return int(head_text.split()[1]), lines, json.loads(content) if content else None


async def raw(
    simulator: AnthropicSimulator, line: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, Any]:
    status, _, answer = await exchange(simulator, line, headers, body)
    return status, answer


VERSION = {"anthropic-version": "2023-06-01"}
GOOD_BODY = json.dumps({"model": MODEL, "max_tokens": 1, "messages": HI}).encode()


def body(**changes: Any) -> bytes:
    values = {**json.loads(GOOD_BODY), **changes}
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param({}, "x-api-key header is required", id="no credential"),
        pytest.param({"Authorization": "Basic abc"}, "x-api-key header is required", id="not a bearer"),
        pytest.param(
            {"Authorization": "Bearer " + "sk-ant-" + "oat01-x"},
            "OAuth authentication is currently not supported.",
            id="plan login without its beta",
        ),
    ],
)
async def test_what_carries_no_usable_credential_is_refused(
    simulator: AnthropicSimulator, headers: dict[str, str], message: str
) -> None:
    status, answer = await raw(simulator, "POST /v1/messages?beta=true", VERSION | headers, GOOD_BODY)
    assert (status, answer["error"]) == (401, {"type": "authentication_error", "message": message})


async def test_only_accepted_credentials_are_let_in_when_they_are_listed(
    canary: Callable[[str], str],
) -> None:
    key, token, other = canary("k"), canary("t"), canary("o")
    async with AnthropicSimulator(accepted=[key, token]) as simulator:

        async def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await raw(simulator, "POST /v1/messages", VERSION | named, GOOD_BODY))[0]

        assert await status(x_api_key=key) == 200
        assert await status(authorization=f"Bearer {token}") == 200
        assert await status(x_api_key=other) == 401
        assert await status(x_api_key=key, authorization=f"Bearer {other}") == 401


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        pytest.param(b"{", 400, "The request body is not valid JSON", id="broken JSON"),
        pytest.param(b"[]", 400, "The request body must be a JSON object", id="not an object"),
        pytest.param(body(model=...), 400, "model: Field required", id="no model"),
        pytest.param(body(max_tokens=...), 400, "max_tokens: Field required", id="no max_tokens"),
        pytest.param(body(messages=[]), 400, "messages: at least one message is required", id="no messages"),
        pytest.param(body(model="claude-opus-5-5 "), 404, "model: claude-opus-5-5 ", id="model with a blank"),
        pytest.param(
            body(model="claude-opus-5-5[1m]"), 404, "model: claude-opus-5-5[1m]", id="model with [1m]"
        ),
        pytest.param(body(model="qwen-3-coder"), 404, "model: qwen-3-coder", id="another maker's model"),
        pytest.param(body(model=5), 404, "model: 5", id="model not a name"),
    ],
)
async def test_what_the_real_api_refuses_is_refused(
    simulator: AnthropicSimulator, content: bytes, status: int, message: str
) -> None:
    got, answer = await raw(simulator, "POST /v1/messages", VERSION | {"x-api-key": "k"}, content)
    assert got == status
    assert answer["error"]["message"].startswith(message)
    assert answer["type"] == "error"


async def test_plan_limits_ride_on_answers_to_bearer_tokens_only(
    simulator: AnthropicSimulator, canary: Callable[[str], str]
) -> None:
    login = {"Authorization": f"Bearer {canary('sk-ant-oat01-')}", "anthropic-beta": "a,oauth-2025-04-20"}
    _, by_plan, _ = await exchange(simulator, "POST /v1/messages", VERSION | login, GOOD_BODY)
    assert by_plan["anthropic-ratelimit-unified-status"] == "allowed"
    assert by_plan["anthropic-ratelimit-unified-5h-utilization"] == "0.25"
    _, by_key, _ = await exchange(simulator, "POST /v1/messages", VERSION | {"x-api-key": "k"}, GOOD_BODY)
    assert not [name for name in by_key if "ratelimit" in name]


async def test_a_request_needs_an_api_version(simulator: AnthropicSimulator) -> None:
    status, answer = await raw(simulator, "POST /v1/messages", {"x-api-key": "k"}, GOOD_BODY)
    assert (status, answer["error"]["message"]) == (400, "anthropic-version: header is required")


async def test_further_models_may_be_named() -> None:
    async with AnthropicSimulator(models=["qwen-3-coder"]) as simulator:
        status, _ = await raw(
            simulator, "POST /v1/messages", VERSION | {"x-api-key": "k"}, body(model="qwen-3-coder")
        )
    assert status == 200


async def test_the_greeting_needs_no_credential_and_other_paths_are_unknown(
    simulator: AnthropicSimulator,
) -> None:
    assert await raw(simulator, "HEAD /api/hello", {}) == (200, None)
    assert (await raw(simulator, "GET /v1/unknown", {"x-api-key": "k"}))[0] == 404
    assert (await raw(simulator, "GET /v1/models?limit=1000", {}))[0] == 401


async def test_a_script_may_answer_below_the_protocol(simulator: AnthropicSimulator) -> None:
    simulator.script = lambda ask: redirect("https://evil.invalid/")
    status, answer = await raw(simulator, "POST /v1/messages", VERSION | {"x-api-key": "k"}, GOOD_BODY)
    assert (status, answer) == (307, None)
