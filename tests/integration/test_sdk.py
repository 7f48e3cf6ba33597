"""The official `anthropic` SDK, set up by nothing but what `openclaude env --http` prints, on both routes."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest

from openclaude.simulator.script import Answer, Ask, Fail, Script, ToolUse, say
from support.patience import DEADLINE
from support.product import OPENCLAUDE
from support.staging import QWEN, ROUTES, Stage
from support.trust import context

TOOL: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FAILURES = [
    (400, anthropic.BadRequestError, ("invalid_request_error", "ValidationException")),
    (401, anthropic.AuthenticationError, ("authentication_error", "UnrecognizedClientException")),
    (403, anthropic.PermissionDeniedError, ("permission_error", "AccessDeniedException")),
    (404, anthropic.NotFoundError, ("not_found_error", "ResourceNotFoundException")),
    (429, anthropic.RateLimitError, ("rate_limit_error", "ThrottlingException")),
    (500, anthropic.InternalServerError, ("api_error", "InternalServerException")),
    (529, anthropic.OverloadedError, ("overloaded_error", "ServiceUnavailableException")),
]
BEDROCK_STATUS = {401: 403, 529: 503}
"""What Bedrock answers where the Anthropic API's status is another one."""

pytestmark = pytest.mark.xdist_group("sdk")


@pytest.fixture(scope="module")
def printed(stage: Stage) -> dict[str, str]:
    """What a shell knows after `eval "$(openclaude env --http)"`."""
    command = f'eval "$({shlex.join([*OPENCLAUDE, "env", "--http"])})" && env'
    done = subprocess.run(
        ["sh", "-c", command],
        env=stage.home.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)
    return {name: found[name] for name in ("ANTHROPIC_BASE_URL", "NO_PROXY")}


@pytest.fixture
def environment(printed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads its base URL from the environment, as a program started from that shell would."""
    for name in [
        name for name in os.environ if name.startswith("ANTHROPIC_") or name.lower().endswith("_proxy")
    ]:
        monkeypatch.delenv(name)
    for name, value in printed.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def sdk(environment: None, stage: Stage) -> Iterator[anthropic.Anthropic]:
    betas = {"anthropic-beta": "oauth-2025-04-20"}
    with anthropic.Anthropic(auth_token=stage.home.login, max_retries=0, default_headers=betas) as client:
        yield client


@pytest.fixture
async def async_sdk(environment: None, stage: Stage) -> AsyncIterator[anthropic.AsyncAnthropic]:
    betas = {"anthropic-beta": "oauth-2025-04-20"}
    async with anthropic.AsyncAnthropic(
        auth_token=stage.home.login, max_retries=0, default_headers=betas
    ) as client:
        yield client


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def user(stage: Stage, play: Script) -> Any:
    return {"role": "user", "content": f"{stage.plays.add(play)} {stage.prompt}"}


def weather(ask: Ask) -> Answer:
    """Ask for two tools at once, then say what they returned."""
    outcomes = ask.outcomes()
    if not outcomes:
        return Answer((ToolUse("weather", {"city": "Lyon"}), ToolUse("weather", {"city": "Münster"})))
    return say(" and ".join(f"{call.input['city']}: {outcome.text}" for call, outcome in outcomes))


def failing(status: int, kinds: tuple[str, str]) -> Script:
    def play(ask: Ask) -> Fail:
        if ask.provider == "anthropic":
            return Fail(status, kinds[0], "the simulated refusal")
        return Fail(BEDROCK_STATUS.get(status, status), kinds[1], "the simulated refusal")

    return play


def test_env_prints_what_a_shell_can_evaluate_and_says_what_it_is_on_stderr(stage: Stage) -> None:
    done = stage.home.run("env")
    assert done.returncode == 0
    pair = stage.gateway.pairs[-1]
    trusted = next((stage.home.state_home / "tls").glob("trust-*.pem"))
    assert done.stdout == (
        f"export NODE_EXTRA_CA_CERTS={trusted}\n"
        "export NODE_TLS_REJECT_UNAUTHORIZED=1\n"
        f"export ANTHROPIC_BASE_URL={stage.gateway.base_url}\n"
        f"export CLAUDE_CODE_CLIENT_CERT={pair.client_certificate}\n"
        f"export CLAUDE_CODE_CLIENT_KEY={pair.client_key}\n"
        "export NO_PROXY=127.0.0.1,localhost\n"
    )
    assert done.stderr == (
        "openclaude: the client needs the three files named here (mutual TLS), and brings its own login or API key\n"
        "hint: `openclaude env --http` is for clients that cannot show a certificate\n"
    )


def test_plain_http_is_printed_on_request_only_and_with_what_it_does_not_defend(
    stage: Stage, printed: dict[str, str]
) -> None:
    done = stage.home.run("env", "--http", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    base_url = json.loads(done.stdout)["ANTHROPIC_BASE_URL"]
    assert base_url == printed["ANTHROPIC_BASE_URL"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{40}", base_url)
    assert f":{stage.gateway.running.port}/" not in base_url
    said = stage.home.run("env", "--http").stderr
    assert said.startswith(
        "openclaude: plain HTTP: the URL holds this gateway's secret, and a program that takes"
    )


def test_the_sdk_can_show_the_client_certificate(stage: Stage, route: str) -> None:
    led = json.loads(stage.home.run("env", "--json").stdout)
    with (
        anthropic.DefaultHttpxClient(verify=context(led) or False) as http,
        anthropic.Anthropic(
            base_url=led["ANTHROPIC_BASE_URL"],
            auth_token=stage.home.login,
            max_retries=0,
            default_headers={"anthropic-beta": "oauth-2025-04-20"},
            http_client=http,
        ) as client,
    ):
        message = client.messages.create(
            model=ROUTES[route], max_tokens=64, messages=[user(stage, lambda _: say("over mutual TLS"))]
        )
    assert message.content[0].text == "over mutual TLS"


def test_create_answers(sdk: anthropic.Anthropic, stage: Stage, route: str) -> None:
    message = sdk.messages.create(
        model=ROUTES[route],
        max_tokens=64,
        messages=[user(stage, lambda ask: say(f"hello from {ask.provider}"))],
    )
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == f"hello from {route}"
    assert message.model == ROUTES[route]
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 10)
    assert message._request_id


def test_stream_yields_the_text_as_it_comes_and_a_whole_message(
    sdk: anthropic.Anthropic, stage: Stage, route: str
) -> None:
    text = "streamed words of a simulated model, in several pieces " * 3
    with sdk.messages.stream(
        model=ROUTES[route], max_tokens=64, messages=[user(stage, lambda _: say(text))]
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == text
    assert len(pieces) > 3
    assert final.content[0].text == text
    assert final.stop_reason == "end_turn"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (100, 10)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_loop_with_two_parallel_tools_ends_with_both_results(
    sdk: anthropic.Anthropic, stage: Stage, route: str, streamed: bool
) -> None:
    messages = [user(stage, weather)]
    ask: Any = {"model": ROUTES[route], "max_tokens": 64, "tools": [TOOL]}

    def turn() -> Any:
        if not streamed:
            return sdk.messages.create(messages=messages, **ask)
        with sdk.messages.stream(messages=messages, **ask) as stream:
            return stream.get_final_message()

    first = turn()
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert [(call.name, call.input) for call in calls] == [
        ("weather", {"city": "Lyon"}),
        ("weather", {"city": "Münster"}),
    ]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"rain in {call.input['city']}"}
        for call in calls
    ]
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results[::-1]},
    ]
    assert turn().content[0].text == "Lyon: rain in Lyon and Münster: rain in Münster"


def test_count_tokens_counts(sdk: anthropic.Anthropic, stage: Stage, route: str) -> None:
    short, long = (
        sdk.messages.count_tokens(model=ROUTES[route], messages=[{"role": "user", "content": text}])
        for text in (stage.prompt, stage.prompt * 50)
    )
    assert 0 < short.input_tokens < long.input_tokens


def test_models_lists_the_slots_and_the_clients_defaults(sdk: anthropic.Anthropic) -> None:
    listed = [model.id for model in sdk.models.list()]
    assert listed[0] == QWEN
    assert {"claude-opus-5-5", "claude-sonnet-5-5"} <= set(listed)


@pytest.mark.parametrize(("status", "error", "kinds"), FAILURES, ids=[str(status) for status, *_ in FAILURES])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_refusal_is_the_error_class_of_its_status(
    sdk: anthropic.Anthropic,
    stage: Stage,
    route: str,
    status: int,
    error: type[anthropic.APIStatusError],
    kinds: tuple[str, str],
    streamed: bool,
) -> None:
    with pytest.raises(error) as caught:
        sdk.messages.create(
            model=ROUTES[route],
            max_tokens=64,
            messages=[user(stage, failing(status, kinds))],
            stream=streamed,
        )
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == kinds[0]
    assert "the simulated refusal" in caught.value.message
    assert caught.value.request_id


def test_a_model_without_a_route_is_not_found_and_the_routes_are_named(sdk: anthropic.Anthropic) -> None:
    with pytest.raises(
        anthropic.NotFoundError, match=r"no route matches the model `gpt-4`.*`claude-\*`.*qwen"
    ):
        sdk.messages.create(model="gpt-4", max_tokens=64, messages=[{"role": "user", "content": "hi"}])


def test_a_base_url_without_the_secret_is_unauthorised(sdk: anthropic.Anthropic) -> None:
    bare = str(sdk.base_url).rstrip("/").rpartition("/")[0]
    with pytest.raises(anthropic.AuthenticationError, match="openclaude env"):
        sdk.with_options(base_url=bare).messages.create(
            model="claude-opus-5-5", max_tokens=64, messages=[{"role": "user", "content": "hi"}]
        )


def test_an_api_key_of_the_programs_own_goes_to_anthropic_only(environment: None, stage: Stage) -> None:
    key = "sk-ant-" + "api03-" + "k" * 40
    with anthropic.Anthropic(api_key=key, max_retries=0) as client:
        for model in ROUTES.values():
            client.messages.create(model=model, max_tokens=64, messages=[user(stage, lambda _: say("ok"))])
    holders = {
        server for server in ROUTES if any(key.encode() in wire for wire in stage.world.log.wires(server))
    }
    assert holders == {"anthropic"}


@pytest.mark.anyio
async def test_the_async_client_creates_and_streams(
    async_sdk: anthropic.AsyncAnthropic, stage: Stage, route: str
) -> None:
    message = await async_sdk.messages.create(
        model=ROUTES[route], max_tokens=64, messages=[user(stage, lambda _: say("whole"))]
    )
    assert message.content[0].text == "whole"
    async with async_sdk.messages.stream(
        model=ROUTES[route], max_tokens=64, messages=[user(stage, lambda _: say("piece by piece"))]
    ) as stream:
        assert "".join([text async for text in stream.text_stream]) == "piece by piece"
    counted = await async_sdk.messages.count_tokens(
        model=ROUTES[route], messages=[{"role": "user", "content": stage.prompt}]
    )
    assert counted.input_tokens > 0


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "error", "kinds"), FAILURES, ids=[str(status) for status, *_ in FAILURES])
async def test_the_async_client_raises_the_error_class_of_the_status(
    async_sdk: anthropic.AsyncAnthropic,
    stage: Stage,
    route: str,
    status: int,
    error: type[anthropic.APIStatusError],
    kinds: tuple[str, str],
) -> None:
    with pytest.raises(error) as caught:
        await async_sdk.messages.create(
            model=ROUTES[route], max_tokens=64, messages=[user(stage, failing(status, kinds))]
        )
    assert caught.value.status_code == status
