"""`openclaude doctor` as a process: with a gateway that runs, with AWS's services, and with something to mend."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.simulator.world import World
from support.patients import free_port
from support.product import Home, make_home

pytestmark = pytest.mark.xdist_group("doctor")


@pytest.fixture
def home(tmp_path: Path, canary: Callable[[str], str]) -> Home:
    """A home with a client of the tested version and a set-up without Bedrock."""
    made = make_home(tmp_path / "home", canary("sk-ant-" + "oat01-"))
    client = tmp_path / "bin" / "claude"
    client.parent.mkdir()
    client.write_text("#!/bin/sh\necho '2.1.330 (Claude Code)'\n")
    client.chmod(0o755)
    made.env["PATH"] = f"{client.parent}:{made.env['PATH']}"
    assert made.run("config", "init", "--preset", "all-anthropic").returncode == 0
    config = made.state_home / "config.toml"
    config.write_text(config.read_text().replace("port = 4000", f"port = {free_port()}"))
    return made


def test_a_set_up_in_order_is_told_to_be_with_its_gateway_and_without(home: Home) -> None:
    for command in ("start", "stop"):
        home.run(command)
        done = home.run("doctor")
        assert (done.returncode, done.stderr) == (0, "openclaude: nothing is wrong\n"), done.stdout
        assert not holds(done.stdout.encode(), home.login)
        assert ("has proved that it is yours" in done.stdout) == (command == "start")


def test_a_gateway_with_an_earlier_configuration_is_told(home: Home) -> None:
    home.run("start")
    config = home.state_home / "config.toml"
    config.write_text(config.read_text() + "\n# changed\n")
    done = home.run("doctor", "--offline", "--json")
    home.run("stop")
    found = json.loads(done.stdout)
    wrong = [finding for finding in found["findings"] if finding["verdict"] != "ok"]
    assert (done.returncode, found["ok"]) == (0, True)
    assert [(row["check"], row["seen"], row["remedy"]) for row in wrong] == [
        ("gateway", "the configuration has changed since it started", "openclaude reload")
    ]


def test_what_is_ours_is_mended_when_asked_and_only_then(home: Home) -> None:
    home.run("start")
    home.run("stop")
    secret = home.state_home / "secret"
    secret.chmod(0o644)
    (home.state_home / "config.toml").unlink()
    done = home.run("doctor", "--offline")
    assert done.returncode == 1
    assert "hint: `openclaude doctor --fix`" in done.stderr
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644
    done = home.run("doctor", "--offline", "--fix")
    assert f". fixed: chmod 600 {secret}\n" in done.stdout
    assert f". fixed: wrote {home.state_home}/config.toml\n" in done.stdout
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    again = home.run("doctor", "--offline", "--fix")
    assert ". fixed: " not in again.stdout


def test_the_preflight_of_aws_is_part_of_it(home: Home) -> None:
    home.run("config", "init", "--preset", "mixed", "--force")
    with World(aws_services=True) as world:
        flags = [flag for entry in world.connect_to for flag in ("--connect-to", entry)]
        done = home.run("doctor", *flags, "--ca-file", str(world.ca_file), env=world.aws_env())
        asked = {row.path for row in world.requests()}
    assert done.returncode == 0, done.stdout
    lines = {" ".join(line.split()[:3]) for line in done.stdout.splitlines()}
    assert {"ok aws Converse", "ok aws ConverseStream", "ok aws identity"} <= lines
    assert any(path.endswith(b"/converse-stream") for path in asked)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert not holds((done.stdout + done.stderr).encode(), world.aws_env()[name])


def test_flags_that_cannot_be_followed_are_a_wrong_call(home: Home) -> None:
    for flags in (["--connect-to", "nonsense"], ["--ca-file", "/no/such/file"]):
        done = home.run("doctor", *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("openclaude: ")
