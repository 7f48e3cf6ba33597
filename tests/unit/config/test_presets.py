import pytest

from openclaude.config import PRESETS, REGION, capabilities, is_preset, parse, preset_text
from openclaude.domain.models import CLIENT_DEFAULTS
from openclaude.domain.routes import RouteTable


def test_there_are_three_presets_and_the_mixed_one_is_first() -> None:
    assert list(PRESETS) == ["mixed", "all-anthropic", "all-bedrock"]


def test_the_mixed_preset_sends_haiku_to_qwen_and_the_rest_to_anthropic() -> None:
    config = parse(PRESETS["mixed"], "config.toml")
    assert (config.port, dict(config.slots), config.client_config) == (
        4000,
        {"haiku": "qwen-3-coder"},
        "shared",
    )
    assert [(route.match, route.to, route.model, route.region) for route in config.routes] == [
        ("claude-*", "anthropic", None, None),
        ("qwen-3-coder", "bedrock", "qwen.qwen3-coder-next", "us-west-2"),
    ]
    assert {(route.profile, route.endpoint_url) for route in config.routes} == {(None, None)}


def test_the_all_anthropic_preset_has_no_other_route() -> None:
    config = parse(PRESETS["all-anthropic"], "config.toml")
    assert config.slots == {}
    assert [(route.match, route.to) for route in config.routes] == [("claude-*", "anthropic")]


def test_the_all_bedrock_preset_takes_every_name_the_client_has_for_a_tier_to_a_claude_on_bedrock() -> None:
    config = parse(PRESETS["all-bedrock"], "config.toml")
    assert config.slots == {}
    assert {route.to for route in config.routes} == {"bedrock"}
    assert {capabilities(route).via for route in config.routes} == {"invoke"}
    table = RouteTable([(route.match, route.model) for route in config.routes])
    found = {slot: table.decide(name) for slot, name in CLIENT_DEFAULTS.items()}
    assert {slot: decision and decision.route for slot, decision in found.items()} == {
        "opus": "us.anthropic.claude-opus-5-5",
        "sonnet": "us.anthropic.claude-sonnet-5-5",
        "haiku": "us.anthropic.claude-haiku-5-5",
        "fable": "us.anthropic.claude-fable-5-1",
    }


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_right_with_all_its_commented_settings_switched_on(name: str) -> None:
    rows = PRESETS[name].splitlines()
    switched = [row.removeprefix("# ") if " = " in row or row == "# [client]" else row for row in rows]
    config = parse("\n".join(switched), "config.toml")
    assert config.client_config == "isolated"
    assert config.slots.keys() == {"haiku"}
    if name == "mixed":
        assert config.routes[1].profile == "openclaude"
        assert (
            config.routes[1].endpoint_url == "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"
        )


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "sa-east-1"])
def test_a_preset_in_another_region_is_the_same_preset(name: str, region: str) -> None:
    config = parse(preset_text(name, region), "config.toml")
    routes = [route for route in config.routes if route.to == "bedrock"]
    assert {route.region for route in routes} <= {region}
    assert is_preset(preset_text(name, region))
    assert not is_preset(preset_text(name, region).replace("4000", "4001"))
    assert preset_text(name, REGION) == PRESETS[name]


@pytest.mark.parametrize(
    ("region", "geo"),
    [
        ("us-east-2", "us"),
        ("us-gov-east-1", "us-gov"),
        ("eu-north-1", "eu"),
        ("ap-northeast-1", "jp"),
        ("ap-southeast-2", "au"),
        ("ap-south-1", "apac"),
        ("me-south-1", "global"),
    ],
)
def test_the_claudes_of_the_all_bedrock_preset_stay_in_the_regions_geo(region: str, geo: str) -> None:
    config = parse(preset_text("all-bedrock", region), "config.toml")
    assert {(route.model or "").partition(".anthropic.")[0] for route in config.routes} == {geo}
