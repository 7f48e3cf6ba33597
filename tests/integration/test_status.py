"""`openclaude status` of a gateway that has worked: what it says, and what it must not say."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from openclaude.demo.conversation import Way, converse
from openclaude.demo.oracle import holds
from openclaude.demo.scene import weather
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.script import Answer, Ask, Fail
from openclaude.simulator.world import World
from support import trust
from support.product import Home, gateway_for


def way(gateway: Gateway) -> Way:
    return Way(gateway.base_url, trust.context(gateway))


def refusing(ask: Ask) -> Answer | Fail:
    return Fail(403, "AccessDeniedException", "no") if "refuse" in ask.user_text else weather(ask)


@pytest.fixture
def worked(home: Home) -> Iterator[tuple[World, Gateway]]:
    """A gateway that answered three requests and refused one."""
    with World(refusing) as world, gateway_for(home, world) as gateway:
        assert not converse(way(gateway), "claude-opus-5-5", home.login, stream=True).error
        assert not converse(way(gateway), "qwen-3-coder", home.login, stream=False).error
        assert converse(way(gateway), "qwen-3-coder", home.login, stream=False, question="refuse").error
        yield world, gateway


def test_it_shows_routes_keys_and_the_last_errors_at_a_glance(
    home: Home, worked: tuple[World, Gateway]
) -> None:
    done = home.run("status")
    lines = {line[:12].strip(): line[12:] for line in done.stdout.splitlines()}
    assert done.returncode == 0
    assert lines["requests"] == "5 served, 0 under way"
    assert lines["routes"] == "claude-* to https://api.anthropic.com"
    assert "qwen-3-coder to https://bedrock-runtime.us-west-2.amazonaws.com\n" in done.stdout
    assert re.fullmatch(r"valid until \d\d \w+ \d{4}, 89 days left", lines["certificate"])
    assert lines["keys"] == "AWS's default chain, by env, without an end"
    assert lines["plan"] == "5h at 25 %"
    assert "            7d at 50 %\n            allowed said at " in done.stdout
    assert lines["errors"].endswith("  qwen-3-coder at bedrock: HTTP 403, complete")


def test_the_same_is_there_as_json(home: Home, worked: tuple[World, Gateway]) -> None:
    found = json.loads(home.run("status", "--json").stdout)
    assert found["running"]
    assert found["routes"]["claude-*"] == "https://api.anthropic.com"
    assert {(row["origin"], row["breaker"]) for row in found["health"]} == {
        ("https://api.anthropic.com", "closed"),
        ("https://bedrock-runtime.us-west-2.amazonaws.com", "closed"),
    }
    assert found["credentials"] == [
        {"profile": None, "region": "us-west-2", "method": "env", "expires": None}
    ]
    assert [(row["status"], row["claim"], len(row["windows"])) for row in found["plan"]] == [
        ("allowed", "five_hour", 2)
    ]
    assert [(row["model"], row["status"]) for row in found["last_errors"]] == [("qwen-3-coder", "403")]


def test_no_secret_is_shown(home: Home, worked: tuple[World, Gateway], canary: Callable[[str], str]) -> None:
    world, gateway = worked
    said = (home.run("status").stdout + home.run("status", "--json").stdout).encode()
    secrets = [home.login, gateway.secrets.base_path, gateway.secrets.identity]
    secrets += [
        world.aws_env()[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    ]
    assert not [secret for secret in secrets if holds(said, secret)]


def test_a_gateway_that_is_gone_still_has_its_last_errors(home: Home) -> None:
    with World(refusing) as world, gateway_for(home, world) as gateway:
        converse(way(gateway), "nobody", home.login, stream=False)
    done = home.run("status", "--json")
    assert done.returncode == 3
    assert [row["status"] for row in json.loads(done.stdout)["last_errors"]] == ["404"]
    assert home.run("status").stdout == "not running\n"
