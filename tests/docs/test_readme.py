"""The README is what a newcomer reads: what it shows has been run."""

import json
import re
import subprocess
import sys
from pathlib import Path

from openclaude import config
from openclaude.simulator.world import World
from support.product import Home, gateway_for

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    """The first block of a language; the one without a language is the demonstration's output."""
    found = re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_thirty_lines_say_what_it_is_why_and_the_commands() -> None:
    beginning = README.splitlines()[:30]
    assert beginning[0] == "# openClaude"
    assert any(line.startswith("Why: ") for line in beginning)
    for command in ("    pip install .", "    openclaude ", "    make demo"):
        assert any(line.startswith(command) for line in beginning), command


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 270


def test_the_output_of_the_demonstration_is_the_real_one(home: Home) -> None:
    done = home.run("demo", timeout=120)
    assert done.returncode == 0, done.stderr
    assert without_counts(done.stdout) == without_counts(fenced(""))


def without_counts(output: str) -> list[str]:
    """The lines, without how many events a stream was cut into."""
    return [re.sub(r"\d+ events", "N events", line).rstrip() for line in output.strip().splitlines()]


def test_the_configuration_is_the_default_one_with_a_profile() -> None:
    shown = config.parse(fenced("toml"), "README.md")
    default = config.parse(config.PRESETS["mixed"], "mixed")
    assert (shown.port, shown.slots) == (default.port, default.slots)
    assert [(route.match, route.to, route.model, route.region) for route in shown.routes] == [
        (route.match, route.to, route.model, route.region) for route in default.routes
    ]
    assert shown.routes[-1].profile == "openclaude"
    assert '# profile = "openclaude"' in config.PRESETS["mixed"]


def test_the_example_for_other_clients_runs_and_its_key_reaches_no_provider(home: Home) -> None:
    with World(keep_raw=True) as world, gateway_for(home, world):
        env = {**home.env, **json.loads(home.run("env", "--http", "--json").stdout)}
        done = subprocess.run(
            [sys.executable, "-c", fenced("python")],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        wires = b"".join(world.log.wires(world.bedrock.name))
        servers = {row.server for row in world.requests()}
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert servers == {world.bedrock.name}
    assert b"unused" not in wires


def test_every_limit_the_user_has_to_know_is_named() -> None:
    limits = README.partition("## What it costs you")[2].partition("\n## ")[0]
    for word in (
        "Anthropic does not support",
        "remote managed settings",
        "organisation policy",
        "fine-grained tool streaming",
        "Auto mode",
        "/cost",
        "modelOverrides",
        "plain HTTP",
        "HTTPS_PROXY",
        "Windows",
        "not tested",
    ):
        assert word in limits, word
