"""Each situation of the check, its text whole, against simulated services that verify every signature."""

import time
from collections.abc import Iterator, Mapping

import pytest

from openclaude.demo.oracle import holds
from openclaude.preflight.check import check
from openclaude.simulator.bedrock_control import CATALOGUE, Offered
from openclaude.simulator.script import Answer, Ask, Fail, Script, StreamError, Text, Usage
from openclaude.simulator.sts import ARN
from openclaude.simulator.world import World
from support.preflight import bedrock, routes, shown, tools

QWEN = "qwen.qwen3-coder-next"
ROUTE = bedrock(QWEN)
USER = f"User: {ARN} is not authorized to perform"
MODEL = f"arn:aws:bedrock:us-west-2::foundation-model/{QWEN}"
IDENTITY = f"ok       identity        {ARN} in account 111122223333\n"
CLOCK = "ok       clock           this machine's clock and AWS's agree within a minute\n"
REGION = "ok       region          m: us-west-2, https://bedrock-runtime.us-west-2.amazonaws.com\n"
ACCESS = f"ok       access          m: {QWEN}: the account has access to it in us-west-2\n"
WHOLE = f"ok       Converse        m: {QWEN} answered: 9 tokens in, 1 out\n"
STREAM = f"ok       ConverseStream  m: {QWEN} streamed: 9 tokens in, 1 out\n"
SAME = "skipped  ConverseStream  m: it would meet the same problem\n"


def one_token(ask: Ask) -> Answer:
    return Answer((Text("Hi"),), stop="max_tokens", usage=Usage(9, 1))


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with World(one_token, aws_services=True) as running:
        yield running


@pytest.fixture
def world(shared: World) -> World:
    shared.bedrock.script = one_token
    shared.control.models = CATALOGUE
    shared.control.denied.clear()
    for server in (shared.bedrock, shared.sts, shared.control):
        server.verifier.expired.clear()
    return shared


def found(world: World, *tables: str, env: Mapping[str, str] | None = None, behind: float = 0.0) -> str:
    """What the check prints, which holds no secret."""
    own = world.aws_env()
    text = shown(list(check(routes(*tables), tools(world, lambda: time.time() - behind, env or own))))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert not holds(text.encode(), own[name])
    return text


def credentials(world: World) -> str:
    last = world.aws_env()["AWS_ACCESS_KEY_ID"][-4:]
    return (
        f"ok       credentials     AWS's default chain, method env, key id ends in {last}, no end is known\n"
    )


def head(world: World) -> str:
    return credentials(world) + IDENTITY + CLOCK + REGION


def test_a_route_that_works_is_ok_in_every_step(world: World) -> None:
    assert found(world, ROUTE) == head(world) + ACCESS + WHOLE + STREAM


def test_the_two_attempts_ask_for_one_token_each(world: World) -> None:
    before = len(world.bedrock.requests())
    found(world, ROUTE)
    rows = world.bedrock.requests()[before:]
    assert [row.target for row in rows] == [
        f"/model/{QWEN}/converse".encode(),
        f"/model/{QWEN}/converse-stream".encode(),
    ]
    assert [row.json()["inferenceConfig"]["maxTokens"] for row in rows] == [1, 1]


def test_without_a_bedrock_route_there_is_nothing_to_check(world: World) -> None:
    assert found(world, 'match = "claude-*"; to = "anthropic"') == (
        "skipped  routes          no route goes to Bedrock: nothing of AWS is used\n"
    )


def test_without_credentials_nothing_is_tried(world: World, tmp_path: str) -> None:
    before = len(world.requests())
    env = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    assert found(world, ROUTE, env=env) == (
        "problem  credentials     no AWS credentials for the Bedrock route: none in the environment, none in "
        f"{tmp_path}/.aws/credentials or {tmp_path}/.aws/config. remedy: aws configure (or aws configure --profile "
        'openclaude, and profile = "openclaude" on the route)\n'
        + REGION
        + "skipped  access          m: there are no credentials to try it with\n"
        "skipped  Converse        m: there are no credentials to try it with\n"
        "skipped  ConverseStream  m: there are no credentials to try it with\n"
    )
    assert len(world.requests()) == before


def test_an_expired_session_is_named_with_the_remedy(world: World) -> None:
    for server in (world.bedrock, world.sts, world.control):
        server.verifier.expired.add(world.aws_env()["AWS_ACCESS_KEY_ID"])
    said = (
        "The security token included in the request is expired (the AWS credentials of this route have expired). "
        "remedy: renew them; for an SSO profile `aws sso login`\n"
    )
    assert found(world, ROUTE) == (
        credentials(world)
        + f"problem  identity        {said}{CLOCK}{REGION}"
        + f"problem  access          m: {said}"
        + f"problem  Converse        m: {said}"
        + SAME
    )


def denies(operation: str, action: str) -> Script:
    def script(ask: Ask) -> Answer | Fail:
        if ask.stream == (operation == "ConverseStream"):
            text = f"{USER}: {action} on resource: {MODEL} because no identity-based policy allows the {action} action"
            return Fail(403, "AccessDeniedException", text)
        return one_token(ask)

    return script


MISSING = [
    pytest.param("Converse", "bedrock:InvokeModel", id="whole answers"),
    pytest.param("ConverseStream", "bedrock:InvokeModelWithResponseStream", id="streams"),
]


@pytest.mark.parametrize(("operation", "action"), MISSING)
def test_the_missing_permission_is_named_and_the_other_operation_is_tried(
    world: World, operation: str, action: str
) -> None:
    world.bedrock.script = denies(operation, action)
    problem = (
        f"problem  {operation:<14}  m: {USER}: {action} on resource: {MODEL} because no identity-based policy allows the "
        f'{action} action. remedy: allow {{"Effect":"Allow","Action":"{action}","Resource":"{MODEL}"}}; '
        "`openclaude aws policy` prints the whole policy\n"
    )
    expected = [problem, STREAM] if operation == "Converse" else [WHOLE, problem]
    assert found(world, ROUTE) == head(world) + ACCESS + "".join(expected)


def always(fail: Fail) -> Script:
    return lambda ask: fail


def test_a_model_without_access_is_found_by_the_look_up_and_by_the_attempt(world: World) -> None:
    world.control.models = (Offered(QWEN, "Qwen", authorized=False),)
    said = "You don't have access to the model with the specified model ID."
    world.bedrock.script = always(Fail(403, "AccessDeniedException", said))
    attempt = (
        f"m: {said} (no model access to {QWEN} in us-west-2). remedy: accept the Marketplace agreement or the use-case "
        "form for it under Model access in the Bedrock console of that region\n"
    )
    assert found(world, ROUTE) == head(world) + (
        f"problem  access          m: {QWEN}: the account has no access to it. remedy: ask for access to the model in "
        "the Bedrock console of us-west-2\n"
        f"problem  Converse        {attempt}problem  ConverseStream  {attempt}"
    )


OFFERS = [
    pytest.param(
        Offered(QWEN, "Qwen", here=False),
        "not offered in us-west-2. remedy: choose another region, or an inference profile: `openclaude aws models` "
        "lists what there is",
        id="another region",
    ),
    pytest.param(
        Offered(QWEN, "Qwen", agreement="NOT_AVAILABLE"),
        "the account's agreement for it has not been accepted. remedy: open the model in the Bedrock console of "
        "us-west-2, see to the agreement, and wait for it",
        id="no agreement",
    ),
    pytest.param(
        Offered(QWEN, "Qwen", agreement="PENDING"),
        "the account's agreement for it is pending. remedy: open the model in the Bedrock console of us-west-2, see to "
        "the agreement, and wait for it",
        id="a pending agreement",
    ),
]


@pytest.mark.parametrize(("offer", "said"), OFFERS)
def test_what_the_control_plane_says_of_the_model_is_told(world: World, offer: Offered, said: str) -> None:
    world.control.models = (offer,)
    assert (
        found(world, ROUTE) == head(world) + f"problem  access          m: {QWEN}: {said}\n" + WHOLE + STREAM
    )


def test_credentials_that_may_not_look_models_up_are_no_problem(world: World) -> None:
    world.control.denied.add("GetFoundationModelAvailability")
    assert found(world, ROUTE) == head(world) + (
        "skipped  access          m: these credentials may not ask (bedrock:GetFoundationModelAvailability); the "
        "attempts below tell. remedy: none is needed for requests; `openclaude aws policy --read-models` prints what "
        "allows the look-up\n"
        f"{WHOLE}{STREAM}"
    )


def test_an_unknown_model_id_gets_the_likely_inference_profiles_for_a_hint(world: World) -> None:
    invalid = Fail(400, "ValidationException", "The provided model identifier is invalid.")
    world.bedrock.script = always(invalid)
    said = (
        "The provided model identifier is invalid. (acme.model-9 in us-west-2). remedy: check the id, or try "
        "us.acme.model-9 or global.acme.model-9\n"
    )
    assert found(world, bedrock("acme.model-9")) == head(world) + (
        f"problem  access          m: {said}problem  Converse        m: {said}{SAME}"
    )


def test_a_model_that_needs_a_profile_is_told_which_one(world: World) -> None:
    sonnet = "anthropic.claude-sonnet-4-6"
    refusal = f"Invocation of model ID {sonnet} with on-demand throughput isn\u2019t supported."
    world.bedrock.script = always(Fail(400, "ValidationException", refusal))
    text = found(world, bedrock("amazon.nova-2-lite-v1:0"))
    assert (
        "amazon.nova-2-lite-v1:0 in us-west-2 needs an inference profile). remedy: use us.amazon.nova-2-lite-v1:0 or "
        "global.amazon.nova-2-lite-v1:0\n"
    ) in text


def test_an_inference_profile_is_shown_with_the_regions_it_routes_to(world: World) -> None:
    profile = "us.amazon.nova-2-lite-v1:0"
    assert found(world, bedrock(profile)) == head(world) + (
        f"ok       access          m: {profile}: inference profile, ACTIVE, routes to us-east-1, us-east-2, us-west-2\n"
        f"ok       Converse        m: {profile} answered: 9 tokens in, 1 out\n"
        f"ok       ConverseStream  m: {profile} streamed: 9 tokens in, 1 out\n"
    )


@pytest.mark.parametrize("minutes", [10, -10], ids=["behind", "ahead"])
def test_a_wrong_clock_is_the_one_problem_and_the_rest_is_tried_with_awss_time(
    world: World, minutes: int
) -> None:
    side = "behind" if minutes > 0 else "ahead of"
    assert found(world, ROUTE, behind=minutes * 60) == (
        f"{credentials(world)}{IDENTITY}"
        f"problem  clock           this machine's clock is 10 min {side} AWS's; AWS refuses signatures from 5 min on. "
        "remedy: set it: `sudo timedatectl set-ntp true` on Linux, `sudo sntp -sS time.apple.com` on macOS\n"
        f"{REGION}{ACCESS}{WHOLE}{STREAM}"
    )


def test_a_clock_that_is_a_little_wrong_is_said_to_be(world: World) -> None:
    assert (
        "ok       clock           this machine's clock is 2 min behind AWS's; AWS refuses signatures from 5 min on\n"
    ) in found(world, ROUTE, behind=121)


def test_a_region_of_the_environment_that_the_route_does_not_use_is_mentioned(world: World) -> None:
    env = {**world.aws_env(), "AWS_REGION": "eu-west-1"}
    assert (
        "ok       region          m: us-west-2, https://bedrock-runtime.us-west-2.amazonaws.com (the environment's "
        "eu-west-1 is not used)\n"
    ) in found(world, ROUTE, env=env)


def test_what_would_move_the_endpoint_is_named_and_not_followed(world: World) -> None:
    aside = {
        "AWS_ENDPOINT_URL": "https://evil.invalid",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_CA_BUNDLE": "/evil",
    }
    text = found(world, ROUTE, env={**world.aws_env(), **aside})
    assert (
        REGION.rstrip()
        + "; AWS_USE_FIPS_ENDPOINT is not followed: write fips = true on the route; AWS_ENDPOINT_URL is "
        "not followed: write endpoint_url on the route; AWS_CA_BUNDLE is not followed\n"
    ) in text
    assert WHOLE in text
    assert "evil" not in text


def test_a_stream_that_fails_on_its_way_is_a_problem(world: World) -> None:
    def script(ask: Ask) -> Answer:
        error = StreamError("modelStreamErrorException", "it fell over", after=1)
        return Answer((Text("Hi"),), usage=Usage(9, 1), error=error if ask.stream else None)

    world.bedrock.script = script
    assert found(world, ROUTE).endswith(
        f"{WHOLE}problem  ConverseStream  m: The model's stream failed: it fell over. remedy: try again in a minute; if "
        "it stays so, `openclaude logs` shows whether sessions meet it too\n"
    )


def test_keys_that_aws_does_not_know_are_a_problem_of_identity(world: World) -> None:
    env = {**world.aws_env(), "AWS_ACCESS_KEY_ID": "AKIAUNKNOWN0WXYZ"}
    said = (
        "The security token included in the request is invalid. (AWS did not accept the AWS credentials of this route). "
        "remedy: see which source they come from, profile or environment, with `aws sts get-caller-identity` and `aws "
        "configure list`\n"
    )
    assert found(world, ROUTE, env=env) == (
        "ok       credentials     AWS's default chain, method env, key id ends in WXYZ, no end is known\n"
        f"problem  identity        {said}{CLOCK}{REGION}problem  access          m: {said}problem  Converse        m: "
        f"{said}{SAME}"
    )


def test_an_api_key_is_tried_and_not_asked_whose_it_is(world: World) -> None:
    key = "bedrock-api-key-" + world.aws_env()["AWS_SECRET_ACCESS_KEY"]
    world.bedrock.api_keys = world.control.api_keys = frozenset({key})
    before = len(world.sts.requests())
    assert found(world, ROUTE, env={"AWS_BEARER_TOKEN_BEDROCK": key}) == (
        "ok       credentials     the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK\n"
        "skipped  identity        a Bedrock API key does not tell whose it is\n"
        f"{REGION}{ACCESS}{CLOCK}{WHOLE}{STREAM}"
    )
    assert len(world.sts.requests()) == before


def test_what_cannot_be_reached_is_named_and_only_the_runtime_matters(world: World) -> None:
    own = world.aws_env()
    gone = "127.0.0.1:9"  # the discard port, where nobody listens
    world_of = tools(world, time.time, own)
    with World(one_token, aws_services=True) as ended:
        unreachable = tools(ended, time.time, own)
    del world_of, gone
    steps = list(check(routes(ROUTE), unreachable))
    assert shown(steps) == credentials(world) + (
        "skipped  identity        https://sts.us-west-2.amazonaws.com cannot be reached (connection refused); requests "
        "do not need it\n"
        f"{REGION}"
        "skipped  access          m: https://bedrock.us-west-2.amazonaws.com cannot be reached (connection refused); the "
        "attempts below tell\n"
        "problem  Converse        m: https://bedrock-runtime.us-west-2.amazonaws.com cannot be reached (connection "
        "refused). remedy: check the network, and that Bedrock is offered in us-west-2\n"
        f"{SAME}"
    )


def test_each_profile_is_looked_up_once_and_its_routes_follow(world: World) -> None:
    text = found(
        world,
        bedrock(QWEN, match="a"),
        bedrock(QWEN, match="b", more='profile = "p"'),
        bedrock(QWEN, match="c"),
    )
    order = [(line.split()[1], line.split()[2].strip(":")) for line in text.splitlines()]
    assert [about for name, about in order if name == "region"] == ["a", "c", "b"]
    assert [name for name, _ in order].count("credentials") == 2
    assert [name for name, _ in order].count("clock") == 1
