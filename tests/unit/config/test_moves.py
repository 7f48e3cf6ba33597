from collections.abc import Callable

import pytest

from openclaude.config import PRESETS, ConfigError, parse
from openclaude.domain.kinds import Kind
from openclaude.domain.models import CLIENT_DEFAULTS

Said = Callable[[str], str]

ANTHROPIC = '[[routes]]\nmatch = "claude-*"\nto = "anthropic"\n'


def bedrock(match: str, *lines: str) -> str:
    return "\n".join(
        [
            "[[routes]]",
            f'match = "{match}"',
            'to = "bedrock"',
            'model = "qwen.qwen3-coder-next"',
            'region = "us-west-2"',
            *lines,
            "",
        ]
    )


def test_the_preset_for_two_providers_sends_what_qwen_cannot_do_to_the_clients_own_haiku() -> None:
    config = parse(PRESETS["mixed"], "config.toml")
    assert config.routes[1].when_unsupported == CLIENT_DEFAULTS["haiku"]
    assert not config.routes[1].reroute_safeguards


def test_a_name_to_go_to_is_normalised() -> None:
    config = parse(ANTHROPIC + bedrock("qwen", 'when_unsupported = " claude-opus-5-5[1m]"'), "config.toml")
    assert config.routes[1].when_unsupported == "claude-opus-5-5"


def test_a_name_that_no_route_takes_leads_nowhere(said: Said) -> None:
    assert said(bedrock("qwen", 'when_unsupported = "claude-haiku-5-5"')) == (
        'config.toml:6: routes[0].when_unsupported: names "claude-haiku-5-5", which no route takes\n'
        '  hint: add [[routes]] with match = "claude-haiku-5-5", or name a model that a route takes'
    )


def test_a_route_cannot_name_itself(said: Said) -> None:
    assert said(bedrock("qwen*", 'when_unsupported = "qwen-2"')) == (
        'config.toml:6: routes[0].when_unsupported: names "qwen-2", which this very route takes\n'
        "  hint: name a model of another route, or remove the line"
    )


def test_routes_cannot_send_requests_in_a_circle(said: Said) -> None:
    text = bedrock("a", 'when_unsupported = "b"') + bedrock("b", 'when_unsupported = "a"')
    assert said(text) == (
        "config.toml:6: routes[0].when_unsupported: leads back to this route, by way of the route in line 7\n"
        "  hint: a request would go in a circle: remove one of the lines\n"
        "config.toml:12: routes[1].when_unsupported: leads back to this route, by way of the route in line 1\n"
        "  hint: a request would go in a circle: remove one of the lines"
    )


def test_a_chain_that_ends_is_right() -> None:
    text = bedrock("a", 'when_unsupported = "b"') + bedrock("b", 'when_unsupported = "claude-x"') + ANTHROPIC
    assert [route.when_unsupported for route in parse(text, "config.toml").routes] == ["b", "claude-x", None]


def test_the_check_of_auto_mode_cannot_be_rerouted_to_nowhere(said: Said) -> None:
    assert said(bedrock("qwen", "reroute_safeguards = true")) == (
        "config.toml:6: routes[0].reroute_safeguards: has a meaning beside when_unsupported only\n"
        '  hint: remove the line, or say where such requests go: when_unsupported = "claude-haiku-5-5"'
    )


def test_the_anthropic_api_can_do_everything(said: Said) -> None:
    assert said(ANTHROPIC + 'when_unsupported = "claude-opus-5-5"') == (
        'config.toml:4: routes[0].when_unsupported: has no meaning on a route to "anthropic"\n'
        '  hint: remove the line, or write to = "bedrock"'
    )


def test_conditions_are_read_on_every_kind_of_route() -> None:
    text = (
        ANTHROPIC
        + 'kinds = ["title", "quota_probe"]\n'
        + bedrock("claude-*", "agent = true")
        + bedrock("claude-*", "agent = false")
    )
    routes = parse(text, "config.toml").routes
    assert [(route.agent, route.kinds) for route in routes] == [
        (None, {Kind.TITLE, Kind.QUOTA_PROBE}),
        (True, None),
        (False, None),
    ]


def test_an_unknown_kind_is_a_problem_that_lists_the_known_ones(said: Said) -> None:
    assert said(ANTHROPIC + 'kinds = ["titel"]') == (
        "config.toml:4: routes[0].kinds: has an element that is unknown here\n"
        '  hint: write none, some or all of: "main", "subagent", "title", "quota_probe", "webfetch_summary", '
        '"compaction", "classifier", "other"'
    )


def test_a_route_that_takes_no_kind_is_a_problem(said: Said) -> None:
    assert said(ANTHROPIC + "kinds = []") == (
        "config.toml:4: routes[0].kinds: is empty, so the route would take nothing\n"
        "  hint: name a kind, or leave the line out"
    )


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ("", "agent = true", True),
        ("", 'kinds = ["title"]', True),
        ("agent = true", "", False),
        ("agent = true", "agent = false", False),
        ("agent = true", "agent = true", True),
        ("agent = true", 'kinds = ["title"]', False),
        ('kinds = ["title", "main"]', 'kinds = ["title"]', True),
        ('kinds = ["title"]', 'kinds = ["title", "main"]', False),
    ],
)
def test_a_narrow_route_behind_a_wide_one_never_gets_a_request(first: str, second: str, hidden: bool) -> None:
    text = bedrock("qwen", first) + bedrock("qwen", second)
    found = []
    try:
        parse(text, "config.toml")
    except ConfigError as error:
        found = [problem.key for problem in error.problems if "never gets a request" in problem.message]
    assert found == (["routes[1].match"] if hidden else [])


def test_a_tier_needs_a_route_that_takes_every_kind_of_request(said: Said) -> None:
    text = '[slots]\nhaiku = "qwen"\n' + bedrock("qwen", 'kinds = ["title"]')
    assert said(text) == (
        'config.toml:2: slots.haiku: no route takes "qwen" whatever the request is\n'
        '  hint: add [[routes]] with match = "qwen" and without agent and kinds'
    )
