"""`openclaude prove` with the real Claude Code: invented credentials on simulators, and the user's set-up."""

import json
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.demo.scene import weather
from openclaude.simulator.script import Answer, Ask, Fail
from openclaude.simulator.world import World
from support.product import CLIENT, Home, gateway_for

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-prove")]


@pytest.fixture
def with_claude(home: Home) -> Home:
    home.env["PATH"] = f"{CLIENT.parent}:{home.env['PATH']}"
    return home


def test_the_real_client_is_part_of_the_proof(with_claude: Home) -> None:
    done = with_claude.run("prove", "--json", timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["client"].endswith("requests, answered by anthropic and bedrock")
    assert found["seconds"] > 0
    seen = {(row["credential"], row["destination"]) for row in found["sightings"] if row["seen"]}
    assert ("Claude Code's login", "Anthropic") in seen
    assert not [
        row
        for row in found["sightings"]
        if row["credential"] == "Claude Code's refresh token" and row["seen"]
    ]


def test_each_tier_of_the_real_set_up_is_asked_once_and_its_provider_named(
    with_claude: Home, tmp_path: Path
) -> None:
    report = tmp_path / "live.md"
    with World(weather) as world, gateway_for(with_claude, world):
        done = with_claude.run("prove", "--live", "--json", "--report", str(report), env=world.aws_env())
        asked = world.requests()
    assert done.returncode == 0, done.stderr
    tiers = json.loads(done.stdout)["tiers"]
    assert [(row["tier"], row["answered_by"], row["model_there"], row["streamed"]) for row in tiers] == [
        ("opus", "anthropic", "claude-opus-5-5", True),
        ("sonnet", "anthropic", "claude-sonnet-5-5", True),
        ("haiku", "bedrock", "qwen.qwen3-coder-next", True),
    ]
    assert [row["credential"] for row in tiers] == [
        "client login (authorization)",
        "client login (authorization)",
        "aws signature (env)",
    ]
    assert all(float(row["first_byte"]) >= 0 for row in tiers)
    assert len(asked) == 3
    assert all(row.body_length < 8000 for row in asked)
    text = report.read_text()
    assert text.startswith("# Who answers: openClaude with a real set-up\n")
    for secret in (
        with_claude.login,
        *(world.aws_env()[name] for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")),
    ):
        assert not holds((text + done.stdout + done.stderr).encode(), secret)


def test_a_tier_that_fails_is_named_with_what_to_do(with_claude: Home) -> None:
    def refuse(ask: Ask) -> Answer | Fail:
        del ask
        return Fail(
            403, "AccessDeniedException", "not authorized to perform: bedrock:InvokeModelWithResponseStream"
        )

    with World(weather, bedrock_script=refuse) as world, gateway_for(with_claude, world):
        done = with_claude.run("prove", "--live", env=world.aws_env())
    assert done.returncode == 1
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["opus"].endswith("  ok")
    assert "HTTP 403" in lines["haiku"]
    assert "openclaude: haiku: HTTP 403" in done.stderr
    assert "hint: openclaude doctor" in done.stderr
