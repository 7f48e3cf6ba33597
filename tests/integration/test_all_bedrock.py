"""The all-bedrock set-up as a user gets it: every tier a Claude on Bedrock, asked with the official SDK."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from openclaude.config import PRESETS
from openclaude.domain.models import CLIENT_DEFAULTS
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.script import Answer, Ask, Fail, Script, StreamError, Text, Thinking, ToolUse, say
from openclaude.simulator.world import World
from support.product import Home
from support.staging import Plays, Stage, serving, staged
from support.trust import context

pytestmark = pytest.mark.xdist_group("all-bedrock")

OPUS = "claude-opus-5-5"
TOOL: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MESSAGES_ROUTE = """
[[routes]]
match = "claude-opus-5-5"
to = "bedrock"
model = "us.anthropic.claude-opus-5-5"
region = "us-west-2"
via = "messages"
"""


PLATFORM_ROUTE = """
[[routes]]
match = "claude-opus-5-5"
to = "bedrock"
model = "claude-opus-5-5"
region = "us-west-2"
via = "messages"
endpoint = "platform"
workspace = "wrkspc_simulated"
"""


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with the preset; at its end no credential may have crossed over."""
    with staged(tmp_path_factory.mktemp("all-bedrock") / "home", config=PRESETS["all-bedrock"]) as running:
        yield running


@contextmanager
def client(gateway: Gateway, login: str) -> Iterator[anthropic.Anthropic]:
    with (
        anthropic.DefaultHttpxClient(verify=context(gateway) or False) as http,
        anthropic.Anthropic(
            base_url=gateway.base_url, auth_token=login, max_retries=0, http_client=http
        ) as made,
    ):
        yield made


@pytest.fixture
def sdk(bedrock: Stage) -> Iterator[anthropic.Anthropic]:
    with client(bedrock.gateway, bedrock.home.login) as made:
        yield made


def user(stage: Stage, play: Script) -> Any:
    return {"role": "user", "content": f"{stage.plays.add(play)} {stage.prompt}"}


def weather(ask: Ask) -> Answer:
    """Think, ask for two tools at once, then say what they returned."""
    outcomes = ask.outcomes()
    if not outcomes:
        cities = [ToolUse("weather", {"city": city}) for city in ("Lyon", "Münster")]
        return Answer((Thinking("which cities?", "c2lnbmVk"), *cities))
    return say(" and ".join(f"{call.input['city']}: {outcome.text}" for call, outcome in outcomes))


def test_config_init_writes_the_preset_and_routes_shows_every_tier_on_bedrock(home: Home) -> None:
    done = home.run("config", "init", "--preset", "all-bedrock")
    assert done.returncode == 0, done.stderr
    shown = home.run("routes", "--json")
    tables = json.loads(shown.stdout)
    assert {row["to"] for row in tables["slots"]} == {"https://bedrock-runtime.us-west-2.amazonaws.com"}
    assert {row["profile"]["members"]["via"] for row in tables["routes"]} == {"invoke"}
    assert home.run("config", "check").returncode == 0


@pytest.mark.parametrize("model", [*CLIENT_DEFAULTS.values(), "claude-sonnet-5"])
def test_every_name_the_client_has_is_answered_by_a_claude_on_bedrock(
    sdk: anthropic.Anthropic, bedrock: Stage, model: str
) -> None:
    message = sdk.messages.create(
        model=model, max_tokens=64, messages=[user(bedrock, lambda ask: say(f"{ask.provider} {ask.model}"))]
    )
    provider, _, served_by = message.content[0].text.partition(" ")
    assert (provider, message.model, message.stop_reason) == ("bedrock", model, "end_turn")
    assert served_by.startswith("us.anthropic.claude-")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 10)


def test_a_stream_arrives_piece_by_piece_under_the_client_s_name(
    sdk: anthropic.Anthropic, bedrock: Stage
) -> None:
    text = "streamed words of a simulated Claude, in several pieces " * 3
    with sdk.messages.stream(
        model=OPUS, max_tokens=64, messages=[user(bedrock, lambda _: say(text))]
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert ("".join(pieces), len(pieces) > 3) == (text, True)
    assert (final.model, final.stop_reason) == (OPUS, "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (100, 10)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_loop_with_thinking_and_parallel_tools_ends_with_both_results(
    sdk: anthropic.Anthropic, bedrock: Stage, streamed: bool
) -> None:
    messages = [user(bedrock, weather)]
    ask: Any = {"model": OPUS, "max_tokens": 4096, "tools": [TOOL], "thinking": {"type": "adaptive"}}

    def turn() -> Any:
        if not streamed:
            return sdk.messages.create(messages=messages, **ask)
        with sdk.messages.stream(messages=messages, **ask) as stream:
            return stream.get_final_message()

    first = turn()
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert (first.stop_reason, first.content[0].signature) == ("tool_use", "c2lnbmVk")
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"rain in {call.input['city']}"}
        for call in first.content[1:]
    ]
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results[::-1]},
    ]
    assert turn().content[0].text == "Lyon: rain in Lyon and Münster: rain in Münster"
    rows = bedrock.requests(
        json.dumps({"messages": messages}, default=lambda block: block.model_dump()).encode()
    )
    assert rows[-1].json()["messages"][1]["content"][0]["signature"] == "c2lnbmVk"


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (Fail(429, "ThrottlingException", "slow down"), anthropic.RateLimitError),
        (Fail(403, "AccessDeniedException", "not for you"), anthropic.PermissionDeniedError),
        (
            Fail(400, "ValidationException", "prompt is too long: 2 tokens > 1 maximum"),
            anthropic.BadRequestError,
        ),
    ],
    ids=["throttled", "denied", "too long"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_refusal_of_bedrock_is_the_sdk_s_error(
    sdk: anthropic.Anthropic,
    bedrock: Stage,
    fail: Fail,
    error: type[anthropic.APIStatusError],
    streamed: bool,
) -> None:
    with pytest.raises(error, match=fail.message.partition(":")[0]):
        sdk.messages.create(
            model=OPUS, max_tokens=64, messages=[user(bedrock, lambda _: fail)], stream=streamed
        )


def test_an_exception_before_the_answer_is_an_http_error_and_one_within_it_an_error_event(
    sdk: anthropic.Anthropic, bedrock: Stage
) -> None:
    for after in (0, 4):
        error = StreamError("throttlingException", "slow down", after=after)
        play: Script = lambda _, error=error: Answer((Text("some words that are long enough"),), error=error)  # type: ignore[misc] # noqa: E731
        with (
            pytest.raises(anthropic.APIStatusError, match="slow down") as caught,
            sdk.messages.stream(model=OPUS, max_tokens=64, messages=[user(bedrock, play)]) as stream,
        ):
            stream.get_final_message()
        assert caught.value.status_code == (429 if after == 0 else 200)


def test_what_a_model_turns_out_not_to_take_is_left_out_without_the_client_noticing(
    sdk: anthropic.Anthropic, bedrock: Stage
) -> None:
    def choosy(ask: Ask) -> Answer | Fail:
        if "metadata" in ask.body:
            return Fail(400, "ValidationException", "metadata: Extra inputs are not permitted")
        return say("served")

    message = sdk.messages.create(
        model="claude-fable-5-2",
        max_tokens=64,
        metadata={"user_id": "u"},
        messages=[user(bedrock, choosy)],
    )
    assert message.content[0].text == "served"


def test_web_search_alone_is_refused_and_tokens_are_counted_by_aws(sdk: anthropic.Anthropic) -> None:
    ask: Any = {"model": OPUS, "messages": [{"role": "user", "content": "hi"}]}
    search: Any = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match="web_search"):
        sdk.messages.create(max_tokens=9, tools=[search], **ask)
    answer = sdk.messages.with_raw_response.count_tokens(**ask)
    assert answer.parse().input_tokens > 0
    assert "x-openclaude-token-count" not in answer.headers


def test_the_messages_endpoint_on_aws_serves_whole_answers_and_streams(home: Home) -> None:
    home.state_home.mkdir(mode=0o700)
    (home.state_home / "config.toml").write_text(MESSAGES_ROUTE)
    plays = Plays()
    with (
        World(plays, mantle=True, keep_raw=True) as world,
        serving(home, world.connect_to, world.ca_file, env=world.aws_env()) as gateway,
        client(gateway, home.login) as sdk,
    ):
        name = plays.add(lambda ask: say(f"served as {ask.model}, in several words"))
        ask: Any = {"model": OPUS, "max_tokens": 64, "messages": [{"role": "user", "content": name}]}
        whole = sdk.messages.create(**ask)
        with sdk.messages.stream(**ask) as stream:
            final = stream.get_final_message()
        for message in (whole, final):
            assert message.model == OPUS
            assert message.content[0].text == "served as anthropic.claude-opus-5-5, in several words"
        counted = sdk.messages.with_raw_response.count_tokens(model=OPUS, messages=ask["messages"])
        assert "x-openclaude-token-count" not in counted.headers
        rows = world.requests()
        assert [row.server for row in rows] == ["mantle", "mantle", "mantle"]
        assert not any(home.login.encode() in wire for wire in world.log.wires("mantle"))
        ask["messages"] = [
            {"role": "user", "content": plays.add(lambda _: Fail(529, "overloaded_error", "busy"))}
        ]
        with pytest.raises(anthropic.OverloadedError, match="busy"):
            sdk.messages.create(**ask)


@pytest.mark.parametrize("by_key", [False, True], ids=["signed", "by its API key"])
def test_the_platform_on_aws_serves_and_counts_without_the_client_s_login(
    home: Home, canary: Callable[..., str], by_key: bool
) -> None:
    home.state_home.mkdir(mode=0o700)
    (home.state_home / "config.toml").write_text(PLATFORM_ROUTE)
    with World(Plays(), mantle=True, keep_raw=True) as world:
        key = canary(reaches=("other aws", "processes"))  # the gateway's own environment holds it
        env = {"ANTHROPIC_AWS_API_KEY": key} if by_key else world.aws_env()
        world.platform.api_keys = [key]
        with (
            serving(home, world.connect_to, world.ca_file, env=env) as gateway,
            client(gateway, home.login) as sdk,
        ):
            ask: Any = {"model": OPUS, "messages": [{"role": "user", "content": "hi"}]}
            message = sdk.messages.create(max_tokens=64, **ask)
            with sdk.messages.stream(max_tokens=64, **ask) as stream:
                assert stream.get_final_message().model == message.model == OPUS
            counted = sdk.messages.with_raw_response.count_tokens(**ask)
            assert "x-openclaude-token-count" not in counted.headers
        rows = world.requests()
        assert [row.server for row in rows] == ["platform"] * 3
        assert all((row.header("x-api-key") == key.encode()) is by_key for row in rows)
        assert not any(home.login.encode() in wire for wire in world.log.wires("platform"))


def test_a_route_s_capabilities_reach_the_request(home: Home, tmp_path: Path) -> None:
    config = PRESETS["all-bedrock"].replace(
        'region = "us-west-2"\n',
        'region = "us-west-2"\nservice_tier = "flex"\n\n[routes.capabilities]\nmax_output = 7\n',
        1,
    )
    home.state_home.mkdir(mode=0o700)
    (home.state_home / "config.toml").write_text(config)
    with (
        World(Plays()) as world,
        serving(home, world.connect_to, world.ca_file, env=world.aws_env()) as gateway,
        client(gateway, home.login) as sdk,
    ):
        sdk.messages.create(model=OPUS, max_tokens=64, messages=[{"role": "user", "content": "hi"}])
        (row,) = world.requests()
    assert row.json()["max_tokens"] == 7
    assert row.header("x-amzn-bedrock-service-tier") == b"flex"
