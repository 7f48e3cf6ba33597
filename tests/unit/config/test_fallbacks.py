from collections.abc import Callable

import pytest

from openclaude.config import PRESETS, parse

Said = Callable[[str], str]


def route(match: str, *lines: str, to: str = "bedrock") -> str:
    there = ['model = "qwen.qwen3-coder-next"', 'region = "us-west-2"'] if to == "bedrock" else []
    return "\n".join(["[[routes]]", f'match = "{match}"', f'to = "{to}"', *there, *lines, ""])


QWEN = route("qwen")


def test_a_fallback_is_kept_in_order_and_normalised() -> None:
    text = route(
        "claude-*", 'fallback = ["qwen", " claude-sonnet-5-5[1m]"]', "spill_at = 0.9", to="anthropic"
    )
    claude, qwen = parse(text + QWEN, "config.toml").routes
    assert (claude.fallback, claude.spill_at) == (("qwen", "claude-sonnet-5-5"), 0.9)
    assert (qwen.fallback, qwen.spill_at) == ((), None)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_no_preset_has_one(preset: str) -> None:
    assert all(not route.fallback for route in parse(PRESETS[preset], "config.toml").routes)


def test_bedrock_may_fall_back_to_the_plan() -> None:
    text = route("qwen", 'fallback = ["claude-haiku-5-5"]') + route("claude-*", to="anthropic")
    assert parse(text, "config.toml").routes[0].fallback == ("claude-haiku-5-5",)


def test_two_routes_may_name_each_other() -> None:
    text = route("a", 'fallback = ["b"]') + route("b", 'fallback = ["a"]')
    assert [found.fallback for found in parse(text, "config.toml").routes] == [("b",), ("a",)]


def test_a_name_that_no_route_takes_leads_nowhere(said: Said) -> None:
    assert said(route("claude-*", 'fallback = ["opus-on-bedrock"]', to="anthropic")) == (
        'config.toml:4: routes[0].fallback: names "opus-on-bedrock", which no route takes\n'
        '  hint: add [[routes]] with match = "opus-on-bedrock", or name a model that a route takes'
    )


@pytest.mark.parametrize(
    ("match", "name", "to"), [("qwen*", "qwen-2", "bedrock"), ("claude-x", "claude-x", "anthropic")]
)
def test_a_route_is_not_its_own_fallback(said: Said, match: str, name: str, to: str) -> None:
    line = 4 if to == "anthropic" else 6
    assert said(route(match, f'fallback = ["{name}"]', to=to)) == (
        f'config.toml:{line}: routes[0].fallback: names "{name}", which this very route takes\n'
        "  hint: name a model of another route, or remove the name"
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("fallback = []", "must have 1 to 8 model names"),
        (f"fallback = {[f'm{number}' for number in range(9)]}", "must have 1 to 8 model names"),
        ("fallback = [1]", "must hold model names only"),
        ('fallback = ["qwen", " qwen "]', "names a model twice"),
        ('fallback = ["q*"]', 'must be one model\'s name, but "q*" is a pattern'),
        ('fallback = [" "]', 'must name a model, but "" is blank'),
        ('fallback = "qwen"', "must be an array, but is a string"),
        ('fallback = ["qwen"]\nspill_at = 0.0', "must be more than 0 and at most 1"),
        ('fallback = ["qwen"]\nspill_at = 1.01', "must be more than 0 and at most 1"),
        ('fallback = ["qwen"]\nspill_at = nan', "must be more than 0 and at most 1"),
        ('fallback = ["qwen"]\nspill_at = 95', "must be a number, but is an integer"),
        ("spill_at = 0.95", "has a meaning beside fallback only"),
    ],
)
def test_what_makes_no_sense_is_said(said: Said, line: str, what: str) -> None:
    assert what in said(route("claude-*", *line.split("\n"), to="anthropic") + QWEN)


def test_only_a_plan_can_be_spilled(said: Said) -> None:
    text = route("a", 'fallback = ["qwen"]', "spill_at = 0.95") + QWEN
    assert "has a meaning on a route to anthropic only: no other route has a plan" in said(text)
