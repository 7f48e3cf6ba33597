import json
from typing import Any

import pytest

from openclaude.config import RouteConfig, parse
from openclaude.config.presets import PRESETS
from openclaude.preflight.places import DESTINATIONS
from openclaude.preflight.policy import policy
from support.preflight import bedrock, routes

INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
ANTHROPIC = 'match = "claude-*"; to = "anthropic"'
READ = {
    "Sid": "LookModelsUp",
    "Effect": "Allow",
    "Action": [
        "bedrock:ListFoundationModels",
        "bedrock:ListInferenceProfiles",
        "bedrock:GetInferenceProfile",
        "bedrock:GetFoundationModelAvailability",
    ],
    "Resource": ["*"],
}
API_KEY = {
    "Sid": "UseApiKey",
    "Effect": "Allow",
    "Action": ["bedrock:CallWithBearerToken"],
    "Resource": ["*"],
}


def invoke(*resources: str) -> dict[str, Any]:
    return {"Sid": "InvokeModels", "Effect": "Allow", "Action": INVOKE, "Resource": list(resources)}


def count(*resources: str) -> dict[str, Any]:
    action = ["bedrock:CountTokens"]
    return {"Sid": "CountTokens", "Effect": "Allow", "Action": action, "Resource": list(resources)}


def invoke_and_count(*resources: str) -> dict[str, Any]:
    """Where both have the same resources, one statement says so."""
    return invoke(*resources) | {"Action": [*INVOKE, "bedrock:CountTokens"]}


def model(region: str, name: str, aws: str = "aws") -> str:
    return f"arn:{aws}:bedrock:{region}::foundation-model/{name}"


SONNET = "anthropic.claude-sonnet-4-6"
SONNET_US = [
    f"arn:aws:bedrock:us-west-2:*:inference-profile/us.{SONNET}",
    model("us-west-2", SONNET),
    model("us-east-1", SONNET),
    model("us-east-2", SONNET),
]
NOVA = "amazon.nova-2-lite-v1:0"
APPLICATION = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123"

CASES = [
    pytest.param(
        [bedrock("qwen.qwen3-coder-next")],
        [invoke(model("us-west-2", "qwen.qwen3-coder-next"))],
        id="a model",
    ),
    pytest.param([ANTHROPIC], [], id="no route to Bedrock"),
    pytest.param(
        [ANTHROPIC, bedrock("deepseek.v3.2", "us-east-1")],
        [invoke(model("us-east-1", "deepseek.v3.2"))],
        id="a model with a dot in its name, beside the login's route",
    ),
    pytest.param([bedrock(f"us.{SONNET}")], [invoke_and_count(*SONNET_US)], id="a profile of Claude"),
    pytest.param(
        [bedrock(f"us.{NOVA}", "ca-central-1")],
        [
            invoke(
                f"arn:aws:bedrock:ca-central-1:*:inference-profile/us.{NOVA}",
                *(model(region, NOVA) for region in ("ca-central-1", "us-east-1", "us-east-2", "us-west-2")),
            )
        ],
        id="a profile called from outside its geo",
    ),
    pytest.param(
        [bedrock(f"global.{NOVA}")],
        [
            invoke(
                f"arn:aws:bedrock:us-west-2:*:inference-profile/global.{NOVA}",
                model("us-west-2", NOVA),
                model("", NOVA),
            )
        ],
        id="a global profile",
    ),
    pytest.param(
        [bedrock(f"us-gov.{NOVA}", "us-gov-west-1")],
        [
            invoke(
                f"arn:aws-us-gov:bedrock:us-gov-west-1:*:inference-profile/us-gov.{NOVA}",
                model("us-gov-west-1", NOVA, "aws-us-gov"),
                model("us-gov-east-1", NOVA, "aws-us-gov"),
            )
        ],
        id="the government's partition",
    ),
    pytest.param(
        [bedrock("qwen.qwen3-32b-v1:0", "cn-north-1")],
        [invoke(model("cn-north-1", "qwen.qwen3-32b-v1:0", "aws-cn"))],
        id="China's partition",
    ),
    pytest.param(
        [bedrock(APPLICATION, "eu-west-1", more='base_model = "qwen.qwen3-coder-next"')],
        [invoke(APPLICATION, model("eu-west-1", "qwen.qwen3-coder-next"))],
        id="an application inference profile",
    ),
    pytest.param(
        [bedrock(APPLICATION, "eu-west-1", more=f'base_model = "jp.{SONNET}"')],
        [
            invoke_and_count(
                APPLICATION,
                *(model(region, SONNET) for region in ("eu-west-1", "ap-northeast-1", "ap-northeast-3")),
            )
        ],
        id="an application inference profile of a geo",
    ),
    pytest.param(
        [bedrock("anthropic.claude-opus-5-5", more='via = "messages"')],
        [
            {
                "Sid": "UseMantle",
                "Effect": "Allow",
                "Action": ["bedrock-mantle:CreateInference", "bedrock-mantle:CountTokens"],
                "Resource": ["arn:aws:bedrock-mantle:us-west-2:*:project/*"],
            }
        ],
        id="mantle",
    ),
    pytest.param(
        [bedrock("claude-opus-5-5", more='via = "messages"; endpoint = "platform"; workspace = "wrkspc_01"')],
        [
            {
                "Sid": "UsePlatform",
                "Effect": "Allow",
                "Action": ["aws-external-anthropic:CreateInference", "aws-external-anthropic:CountTokens"],
                "Resource": ["arn:aws:aws-external-anthropic:us-west-2:*:workspace/wrkspc_01"],
            }
        ],
        id="the platform",
    ),
    pytest.param(
        [bedrock(SONNET, more='via = "messages"; endpoint = "runtime"')],
        [invoke_and_count(model("us-west-2", SONNET))],
        id="the runtime's Messages endpoint",
    ),
    pytest.param(
        [bedrock(f"arn:aws:bedrock:us-west-2:444455556666:inference-profile/us.{NOVA}")],
        [
            invoke(
                f"arn:aws:bedrock:us-west-2:444455556666:inference-profile/us.{NOVA}",
                *(model(region, NOVA) for region in ("us-west-2", "us-east-1", "us-east-2")),
            )
        ],
        id="the ARN of an inference profile",
    ),
    pytest.param(
        [bedrock(model("us-west-2", SONNET))],
        [invoke_and_count(model("us-west-2", SONNET))],
        id="the ARN of a model",
    ),
    pytest.param(
        [bedrock("qwen.qwen3-coder-next", match="a"), bedrock("qwen.qwen3-coder-next", match="b")],
        [invoke(model("us-west-2", "qwen.qwen3-coder-next"))],
        id="the same model twice",
    ),
    pytest.param(
        [bedrock(f"us.{SONNET}", match="s"), bedrock("qwen.qwen3-coder-next", "eu-west-1", match="q")],
        [invoke(*SONNET_US, model("eu-west-1", "qwen.qwen3-coder-next")), count(*SONNET_US)],
        id="Claude beside another model",
    ),
]


@pytest.mark.parametrize(("tables", "statements"), CASES)
def test_the_policy_of_a_configuration_is_exactly(
    tables: list[str], statements: list[dict[str, Any]]
) -> None:
    assert policy(routes(*tables)).document == {"Version": "2012-10-17", "Statement": statements}


@pytest.mark.parametrize("geo", DESTINATIONS)
def test_every_geo_expands_to_the_model_in_each_of_its_regions(geo: str) -> None:
    region = DESTINATIONS[geo][-1]
    [statement] = policy(routes(bedrock(f"{geo}.{NOVA}", region))).document["Statement"]
    profile, *models = statement["Resource"]
    assert profile.endswith(f":bedrock:{region}:*:inference-profile/{geo}.{NOVA}")
    assert {arn.split(":")[3] for arn in models} == set(DESTINATIONS[geo])
    assert {arn.rpartition("/")[2] for arn in models} == {NOVA}


def test_the_account_takes_the_place_of_its_stand_in_everywhere() -> None:
    found = policy(routes(bedrock(f"us.{SONNET}")), account="111122223333")
    assert ":*:" not in json.dumps(found.document)
    assert found.notes == ()


def test_the_policy_of_every_tier_on_bedrock_fits_into_a_users_inline_policy() -> None:
    read = parse(PRESETS["all-bedrock"], "test.toml").routes
    found = policy(read, account="111122223333")
    assert len(json.dumps(found.document, separators=(",", ":"))) <= 2048
    assert found.notes == ()


def test_a_policy_too_long_for_a_users_inline_policy_says_so() -> None:
    names = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1")
    read = routes(*(bedrock(f"apac.anthropic.{name}", "ap-south-1", name) for name in names))
    found = policy(read, account="111122223333")
    size = len(json.dumps(found.document, separators=(",", ":")))
    [note] = found.notes
    assert note.startswith(
        f"the policy has {size:,} characters without white space and a user's inline policies hold"
    )


def test_looking_models_up_and_the_api_key_are_allowed_when_asked_for() -> None:
    found = policy(routes(bedrock("qwen.qwen3-coder-next")), read_models=True, api_key=True)
    assert found.document["Statement"][1:] == [READ, API_KEY]
    assert policy(routes(ANTHROPIC), read_models=True).document["Statement"] == [READ]


HIDDEN = [
    pytest.param(
        bedrock(APPLICATION, "eu-west-1", more='base_model = "qwen.qwen3-coder-next"'),
        f"{APPLICATION} is taken to stay in eu-west-1; if it copies a profile of several regions, write base_model with "
        "its prefix, as in us.anthropic.claude-sonnet-5-5",
        id="application profile",
    ),
    pytest.param(
        bedrock(SONNET, more='via = "messages"; endpoint = "runtime"'),
        "the route m uses the runtime's Messages endpoint, for which AWS names no action: the actions of InvokeModel "
        "are assumed",
        id="the runtime's Messages endpoint",
    ),
    pytest.param(
        bedrock("arn:aws:bedrock:eu-west-1:111122223333:prompt/P1:1", "eu-west-1"),
        "arn:aws:bedrock:eu-west-1:111122223333:prompt/P1:1 names its model: add bedrock:RenderPrompt on the prompt "
        "and both actions on the model's ARN",
        id="prompt",
    ),
    pytest.param(
        bedrock("arn:aws:bedrock:eu-west-1:111122223333:prompt-router/r", "eu-west-1"),
        "arn:aws:bedrock:eu-west-1:111122223333:prompt-router/r chooses between models: add the ARNs of those it can "
        "choose",
        id="router",
    ),
    pytest.param(
        bedrock(f"eu.{NOVA}", "eu-west-1"),
        "`*` stands for your account in ARNs of what it owns; --account writes its 12 digits instead",
        id="account",
    ),
]


@pytest.mark.parametrize(("table", "note"), HIDDEN)
def test_what_the_policy_cannot_know_is_said(table: str, note: str) -> None:
    assert policy(routes(table), account=None if "eu.amazon" in table else "111122223333").notes == (note,)


def test_an_api_key_for_mantle_has_an_action_of_its_own() -> None:
    mantle = bedrock("anthropic.claude-opus-5-5", more='via = "messages"')
    both = routes(mantle, bedrock("qwen.qwen3-coder-next", match="q"))
    for read, actions in (
        (routes(mantle), ["bedrock-mantle:CallWithBearerToken"]),
        (both, ["bedrock:CallWithBearerToken", "bedrock-mantle:CallWithBearerToken"]),
    ):
        assert policy(read, api_key=True).document["Statement"][-1]["Action"] == actions


def test_the_same_routes_always_give_the_same_text() -> None:
    read: tuple[RouteConfig, ...] = routes(
        bedrock(f"eu.{SONNET}", "eu-west-1", "a"), bedrock(f"us.{NOVA}", match="b")
    )
    assert len({json.dumps(policy(read, read_models=True).document) for _ in range(5)}) == 1
