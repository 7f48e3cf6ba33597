import time
from collections.abc import Iterator

import pytest

from openclaude.adapters.profiles import UNKNOWN, profile_for
from openclaude.domain.errors import ApiError
from openclaude.preflight.models import Model, models, prices
from openclaude.simulator.bedrock_control import CATALOGUE, Offered
from openclaude.simulator.world import World
from support.preflight import caller, signer


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with World(aws_services=True) as running:
        yield running


@pytest.fixture
def world(shared: World) -> World:
    shared.control.models = CATALOGUE
    shared.control.denied.clear()
    return shared


def listed(world: World) -> dict[str, Model]:
    found, others = models(caller(world, time.time), signer(world), world.region)
    assert others == sum(not offer.text for offer in world.control.models)
    assert [model.id for model in found] == sorted(model.id for model in found)
    return {model.id: model for model in found}


def test_a_model_has_what_aws_says_and_what_openclaude_would_make_of_it(world: World) -> None:
    assert listed(world)["qwen.qwen3-coder-480b-a35b-v1:0"] == Model(
        id="qwen.qwen3-coder-480b-a35b-v1:0",
        provider="Qwen",
        streams=True,
        on_demand=True,
        profiles=(),
        active=False,
        ends="2027-03-30",
        capabilities=profile_for("qwen.qwen3-coder-480b-a35b-v1:0"),
        price=(0.45, 1.80),
    )


def test_models_without_text_are_counted_and_left_out(world: World) -> None:
    assert "amazon.titan-embed-text-v2:0" not in listed(world)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("qwen.qwen3-coder-next", ("qwen.qwen3-coder-next",)),
        ("amazon.nova-2-lite-v1:0", ("us.amazon.nova-2-lite-v1:0", "global.amazon.nova-2-lite-v1:0")),
        (
            "meta.llama4-scout-17b-instruct-v1:0",
            ("meta.llama4-scout-17b-instruct-v1:0", "us.meta.llama4-scout-17b-instruct-v1:0"),
        ),
    ],
)
def test_a_model_is_called_by_its_own_id_on_demand_and_by_its_profiles(
    world: World, name: str, ids: tuple[str, ...]
) -> None:
    assert listed(world)[name].called_by == ids


def test_every_page_of_profiles_is_read(world: World) -> None:
    geos = tuple((geo, ("us-west-2",)) for geo in ("us", "eu", "apac", "jp", "au"))
    world.control.models = (Offered("acme.model-1", "Acme", on_demand=False, geos=geos),)
    before = len(world.control.requests())
    assert len(listed(world)["acme.model-1"].profiles) == 5
    targets = [row.target for row in world.control.requests()[before:]]
    assert targets == [
        b"/foundation-models",
        b"/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED",
        b"/inference-profiles?maxResults=1000&nextToken=2&type=SYSTEM_DEFINED",
        b"/inference-profiles?maxResults=1000&nextToken=4&type=SYSTEM_DEFINED",
    ]


def test_an_unknown_model_has_the_unknown_profile_and_no_price(world: World) -> None:
    model = listed(world)["newcomer.first-model-v1:0"]
    assert model.capabilities.name == UNKNOWN
    assert model.price is None


@pytest.mark.parametrize("operation", ["ListFoundationModels", "ListInferenceProfiles"])
def test_credentials_that_may_not_list_are_told_which_statement_allows_it(
    world: World, operation: str
) -> None:
    world.control.denied.add(operation)
    with pytest.raises(ApiError, match=f'"Action":"bedrock:{operation}"') as caught:
        listed(world)
    assert caught.value.type == "permission_error"


@pytest.mark.parametrize("name", prices()[0])
def test_every_price_is_of_a_model_with_a_profile_of_its_own_and_out_costs_more(name: str) -> None:
    into, out = prices()[0][name]
    assert 0 < into < out
    assert profile_for(name).name != UNKNOWN


def test_the_prices_have_their_date() -> None:
    assert prices()[1] == "Nov 2026"
