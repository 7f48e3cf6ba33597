from collections.abc import Callable

import pytest

from openclaude.config import parse
from openclaude.wiring import signature

Said = Callable[[str], str]

ANTHROPIC = '[[routes]]\nmatch = "claude-*"\nto = "anthropic"\n'
BEDROCK = (
    '[[routes]]\nmatch = "qwen"\nto = "bedrock"\nmodel = "qwen.qwen3-coder-next"\nregion = "us-west-2"\n'
)
ARN = "arn:aws:bedrock:us-east-1::foundation-model/qwen.qwen3-coder-next"
BOUND = (
    "the login goes to https://api.anthropic.com only and no setting can change that\n"
    "  hint: remove the line: Claude Code sends its own login and the gateway passes it on"
)


@pytest.mark.parametrize(
    "key", ["endpoint_url", "base_url", "url", "api_base", "host", "proxy", "Origin", "server"]
)
def test_no_address_can_stand_beside_the_login(said: Said, key: str) -> None:
    assert (
        said(f'{ANTHROPIC}{key} = "https://elsewhere.example"') == f"config.toml:4: routes[0].{key}: {BOUND}"
    )


@pytest.mark.parametrize("key", ["model", "region", "profile"])
def test_a_bedrock_key_has_no_meaning_on_a_route_to_anthropic(said: Said, key: str) -> None:
    assert said(f'{ANTHROPIC}{key} = "x"') == (
        f'config.toml:4: routes[0].{key}: has no meaning on a route to "anthropic"\n'
        '  hint: remove the line, or write to = "bedrock"'
    )


def test_another_key_beside_the_login_is_an_unknown_key(said: Said) -> None:
    assert said(f"{ANTHROPIC}mach = 1") == (
        'config.toml:4: routes[0].mach: unknown key\n  hint: did you mean "match"?'
    )


def test_a_bedrock_route_needs_a_model_and_a_region(said: Said) -> None:
    assert said('[[routes]]\nmatch = "qwen"\nto = "bedrock"') == (
        "config.toml:1: routes[0].model: is missing\n"
        '  hint: for example: model = "qwen.qwen3-coder-next"\n'
        "config.toml:1: routes[0].region: is missing\n"
        '  hint: write region = "us-west-2", or another one in which your account has access to the model; no variable '
        "and no AWS profile takes its place"
    )


def test_every_route_needs_a_pattern_and_a_destination(said: Said) -> None:
    assert said("[[routes]]") == (
        "config.toml:1: routes[0].match: is missing\n"
        '  hint: for example: match = "claude-*"\n'
        "config.toml:1: routes[0].to: is missing\n"
        '  hint: for example: to = "bedrock"'
    )


@pytest.mark.parametrize("to", ['"bedrok"', '["bedrock"]', "1"])
def test_an_unknown_destination_is_one_problem_and_not_many(said: Said, to: str) -> None:
    text = said(f'[[routes]]\nmatch = "qwen"\nto = {to}\nregion = "us-west-2"\nprofile = "p"')
    assert text.splitlines()[0].startswith("config.toml:3: routes[0].to: ")
    assert len(text.splitlines()) == 2


def test_an_arn_gives_the_region(said: Said) -> None:
    config = parse(f'[[routes]]\nmatch = "qwen"\nto = "bedrock"\nmodel = "{ARN}"', "config.toml")
    assert config.routes[0].region == "us-east-1"


def test_a_region_must_be_that_of_the_arn(said: Said) -> None:
    assert said(f'[[routes]]\nmatch = "qwen"\nto = "bedrock"\nmodel = "{ARN}"\nregion = "us-west-2"') == (
        'config.toml:5: routes[0].region: is "us-west-2", but the model\'s ARN is in us-east-1\n'
        '  hint: write region = "us-east-1"'
    )


def test_an_endpoint_must_be_in_the_routes_region(said: Said) -> None:
    assert said(f'{BEDROCK}endpoint_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"') == (
        "config.toml:6: routes[0].endpoint_url: is an endpoint in eu-west-1, but the route's region is us-west-2\n"
        "  hint: make the two agree"
    )


def test_an_endpoint_of_the_routes_region_is_kept_in_lower_case() -> None:
    config = parse(
        f'{BEDROCK}endpoint_url = "https://VPCE-0.bedrock-runtime.us-west-2.vpce.amazonaws.com"', "f"
    )
    assert config.routes[0].endpoint_url == "https://vpce-0.bedrock-runtime.us-west-2.vpce.amazonaws.com"


def test_a_wrong_region_is_not_compared_with_the_endpoint(said: Said) -> None:
    text = (
        BEDROCK.replace("us-west-2", "west")
        + 'endpoint_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"'
    )
    assert said(text) == (
        'config.toml:5: routes[0].region: is not an AWS region: "west"\n  hint: write it as in "us-west-2"'
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("claude-*", "claude-opus-5-5", id="a name behind its glob"),
        pytest.param("claude-*", "claude-*", id="the same glob twice"),
        pytest.param("*", "claude-?", id="a glob behind a star"),
        pytest.param("x", "x[1m]", id="the same name once normalised"),
    ],
)
def test_a_route_that_an_earlier_one_hides_is_a_problem(said: Said, first: str, second: str) -> None:
    text = (
        f'[[routes]]\nmatch = "{first}"\nto = "anthropic"\n\n[[routes]]\nmatch = "{second}"\nto = "anthropic"'
    )
    assert said(text) == (
        "config.toml:6: routes[1].match: never gets a request: "
        f'the route in line 1, "{first}", takes them all before\n'
        "  hint: the first match wins: move this route up, or remove one of the two"
    )


def test_a_narrower_route_before_a_wider_one_is_right() -> None:
    text = '[[routes]]\nmatch = "claude-opus-*"\nto = "anthropic"\n' + ANTHROPIC
    assert [route.match for route in parse(text, "f").routes] == ["claude-opus-*", "claude-*"]


def test_a_slot_whose_model_no_route_takes_is_a_problem(said: Said) -> None:
    assert said(f'[slots]\nhaiku = "gpt[1m]"\nopus = "claude-opus-5-5"\n{ANTHROPIC}{BEDROCK}') == (
        'config.toml:2: slots.haiku: no route takes "gpt"\n'
        '  hint: add [[routes]] with match = "gpt", or use a name that a route takes: claude-*, qwen'
    )


def test_slots_are_not_blamed_while_a_routes_pattern_is_wrong(said: Said) -> None:
    assert said('[slots]\nhaiku = "gpt"\n[[routes]]\nmatch = ""\nto = "anthropic"') == (
        'config.toml:4: routes[0].match: must name a model, but "" is blank\n  hint: for example "qwen-3-coder"'
    )


@pytest.mark.parametrize("routes", ['"x"', "{ match = 'x' }", "1"])
def test_routes_are_an_array_of_tables(said: Said, routes: str) -> None:
    assert said(f"routes = {routes}") == (
        "config.toml:1: routes: must be an array of tables\n"
        "  hint: begin each route with a line that says [[routes]]"
    )


def test_no_route_at_all_is_a_problem(said: Said) -> None:
    assert said("routes = []") == (
        "config.toml:1: routes: has no entry, so every request would be refused\n"
        "  hint: begin each route with a line that says [[routes]]"
    )


ROUTE = '[[routes]]\nmatch = "q"\nto = "bedrock"\nmodel = "qwen.qwen3-coder-next"\nregion = "us-west-2"\n'


@pytest.mark.parametrize("key", ["fips", "dualstack"])
def test_a_switch_beside_an_endpoint_of_ones_own_is_refused_as_botocores_rule_set_does(
    said: Said, key: str
) -> None:
    text = said(
        f'{ROUTE}endpoint_url = "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"\n{key} = true'
    )
    assert text.startswith(f"config.toml:7: routes[0].{key}: cannot stand beside endpoint_url")


@pytest.mark.parametrize("key", ["fips", "dualstack"])
def test_a_switch_that_is_off_may_stand_anywhere(key: str) -> None:
    parse(
        f'{ROUTE}endpoint_url = "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"\n{key} = false',
        "c",
    )


@pytest.mark.parametrize("key", ["fips", "dualstack"])
def test_mantle_has_one_host_and_takes_no_switch(said: Said, key: str) -> None:
    claude = ROUTE.replace("qwen.qwen3-coder-next", "anthropic.claude-sonnet-5-5")
    text = said(f'{claude}via = "messages"\n{key} = true')
    assert text.startswith(f'config.toml:7: routes[0].{key}: has no meaning for the endpoint "mantle"')
    parse(f'{claude}via = "messages"\nendpoint = "runtime"\n{key} = true', "c")


@pytest.mark.parametrize(
    ("region", "more", "origin"),
    [
        ("us-west-2", "", "bedrock-runtime.us-west-2.amazonaws.com"),
        ("us-west-2", "fips = true", "bedrock-runtime-fips.us-west-2.amazonaws.com"),
        ("us-gov-west-1", "fips = true", "bedrock-runtime-fips.us-gov-west-1.amazonaws.com"),
        ("eu-west-1", "dualstack = true", "bedrock-runtime.eu-west-1.api.aws"),
        ("eusc-de-east-1", "", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("cn-north-1", "dualstack = true", "bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn"),
        ("us-isob-east-1", "", "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_a_routes_origin_follows_from_region_and_switches(region: str, more: str, origin: str) -> None:
    [route] = parse(ROUTE.replace("us-west-2", region) + more, "config.toml").routes
    assert (signature(route).origin.host, signature(route).region) == (origin, region)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso-b"])
def test_an_arn_of_any_partition_is_a_model_and_brings_its_region(partition: str) -> None:
    region = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-east-1", "aws-eusc": "eusc-de-east-1"}.get(
        partition, "us-isob-east-1" if partition == "aws-iso-b" else "eu-west-1"
    )
    arn = f"arn:{partition}:bedrock:{region}:111122223333:inference-profile/eu.vendor.model-v1:0"
    [route] = parse(f'[[routes]]\nmatch = "q"\nto = "bedrock"\nmodel = "{arn}"', "config.toml").routes
    assert route.region == region
