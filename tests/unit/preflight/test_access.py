import time
from collections.abc import Iterator

import pytest

from openclaude.preflight.access import access
from openclaude.preflight.steps import Step
from openclaude.simulator.bedrock_control import ACCOUNT, CATALOGUE, Offered
from openclaude.simulator.world import World
from support.preflight import bedrock, caller, routes, signer

NOVA = "us.amazon.nova-2-lite-v1:0"
ARN = f"arn:aws:bedrock:us-west-2:{ACCOUNT}"


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with World(aws_services=True) as running:
        yield running


@pytest.fixture
def world(shared: World) -> World:
    shared.control.models = CATALOGUE
    return shared


def asked(world: World, model: str) -> tuple[Step, list[bytes]]:
    before = len(world.control.requests())
    [route] = routes(bedrock(model))
    step = access(route, signer(world), None, caller(world, time.time))
    return step, [row.target for row in world.control.requests()[before:]]


LOOK_UPS = [
    pytest.param(
        "qwen.qwen3-coder-next", b"/foundation-model-availability/qwen.qwen3-coder-next", id="model"
    ),
    pytest.param(
        "arn:aws:bedrock:us-west-2::foundation-model/qwen.qwen3-coder-next",
        b"/foundation-model-availability/qwen.qwen3-coder-next",
        id="model ARN",
    ),
    pytest.param(NOVA, b"/inference-profiles/us.amazon.nova-2-lite-v1%3A0", id="profile"),
    pytest.param(
        f"{ARN}:inference-profile/{NOVA}",
        b"/inference-profiles/arn%3Aaws%3Abedrock%3Aus-west-2%3A111122223333%3Ainference-profile%2F"
        b"us.amazon.nova-2-lite-v1%3A0",
        id="profile ARN",
    ),
]


@pytest.mark.parametrize(("model", "target"), LOOK_UPS)
def test_a_model_and_a_profile_are_looked_up_in_their_own_ways(
    world: World, model: str, target: bytes
) -> None:
    step, targets = asked(world, model)
    assert (step.verdict, targets) == ("ok", [target])


def test_what_aws_cannot_be_asked_about_is_skipped(world: World) -> None:
    step, targets = asked(world, f"{ARN}:provisioned-model/abc")
    assert step == Step(
        "access", "m", "skipped", "AWS cannot be asked about a provisioned-model; the attempts below tell"
    )
    assert targets == []


def test_a_profile_that_does_not_exist_is_a_problem(world: World) -> None:
    step, _ = asked(world, "eu.amazon.nova-2-lite-v1:0")
    assert step == Step(
        "access",
        "m",
        "problem",
        "Inference profile eu.amazon.nova-2-lite-v1:0 not found (eu.amazon.nova-2-lite-v1:0 in us-west-2)",
        "check the model id and the route's region",
    )


def test_an_agreement_that_failed_is_a_problem(world: World) -> None:
    world.control.models = (Offered("acme.model-1", "Acme", agreement="ERROR"),)
    assert asked(world, "acme.model-1")[0].seen == "acme.model-1: the account's agreement for it failed"
