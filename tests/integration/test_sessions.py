"""Several shells on one gateway: each pays for itself, and the one that started the gateway pays for nobody else."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fakes import fake_claude
from openclaude.demo.conversation import Way, converse
from openclaude.demo.oracle import holds
from openclaude.demo.scene import weather
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home, gateway_for
from support.trust import context


class Shell:
    """A shell with its own AWS keys, in which `openclaude` runs a client that waits until it is told to end."""

    def __init__(self, home: Home, folder: Path, keys: dict[str, str]) -> None:
        folder.mkdir()
        fake_claude.install(folder / "bin")
        self.record = folder / "record.json"
        env = {
            **home.env,
            **keys,
            "PATH": f"{folder / 'bin'}:{home.env['PATH']}",
            "FAKE_CLAUDE_RECORD": str(self.record),
            "FAKE_CLAUDE_WAIT": "1",
        }
        self.process = subprocess.Popen(
            [*OPENCLAUDE, "hello"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=home.path,
        )

    def way(self) -> Way:
        deadline = time.monotonic() + DEADLINE
        while not self.record.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        env = json.loads(self.record.read_text())["settings"]["env"]
        return Way(env["ANTHROPIC_BASE_URL"], context(env))

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)


@pytest.fixture
def world():
    with World(weather, keep_raw=True) as world:
        yield world


def test_three_shells_sign_with_their_own_keys_and_are_forgotten_when_they_end(
    home: Home, world: World, tmp_path: Path, canary
) -> None:
    keys = {}
    for name in ("one", "two", "three"):
        key, secret = f"AKSHELL{name.upper()}", canary()
        world.bedrock.verifier.keys[key] = (secret, None)
        keys[name] = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
    with gateway_for(home, world, env=without):
        shells = {name: Shell(home, tmp_path / name, found) for name, found in keys.items()}
        ways = {name: shell.way() for name, shell in shells.items()}
        assert len({way.base_url for way in ways.values()}) == 3
        for _ in range(2):
            for name, way in ways.items():
                done = converse(way, "qwen-3-coder", "login", stream=True)
                assert done.error == "", done.error
                signed = world.bedrock.requests()[-1].header("authorization") or b""
                assert f"Credential={keys[name]['AWS_ACCESS_KEY_ID']}/".encode() in signed
        running = home.running()
        assert running is not None
        assert running.sessions == 3
        environ = Path(f"/proc/{running.pid}/environ").read_bytes()
        assert not any(holds(environ, found["AWS_SECRET_ACCESS_KEY"]) for found in keys.values())
        for shell in shells.values():
            shell.end()
        deadline = time.monotonic() + DEADLINE
        while (now := home.running()) is not None and now.sessions:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        done = converse(ways["one"], "qwen-3-coder", "login", stream=True)
        assert "start this session again" in done.error


def test_a_gateway_that_a_shell_starts_inherits_none_of_its_aws_variables(home: Home, canary) -> None:
    secret = canary()
    env = {"AWS_ACCESS_KEY_ID": "AKSTARTER", "AWS_SECRET_ACCESS_KEY": secret}
    started = home.run("start", env=env)
    try:
        assert started.returncode == 0, started.stderr
        running = home.running()
        assert running is not None
        assert b"AWS_" not in Path(f"/proc/{running.pid}/environ").read_bytes()
    finally:
        home.run("stop")


def test_another_client_is_given_a_url_that_carries_the_session_of_its_shell(
    home: Home, world: World, canary
) -> None:
    secret = canary()
    world.bedrock.verifier.keys["AKENV"] = (secret, None)
    with gateway_for(
        home, world, env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
    ):
        shown = home.run("env", "--json", env={"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": secret})
        led = json.loads(shown.stdout)
        assert "/s-" in led["ANTHROPIC_BASE_URL"]
        way = Way(led["ANTHROPIC_BASE_URL"], context(led))
        assert converse(way, "qwen-3-coder", "login", stream=False).error == ""
        assert secret not in shown.stdout + shown.stderr


def test_hosts_without_a_proxy_are_added_to_the_users_own(home: Home, world: World) -> None:
    with gateway_for(home, world):
        shown = home.run("env", env={"NO_PROXY": "corp.example, *.local"})
    assert "export NO_PROXY='corp.example,*.local,127.0.0.1,localhost'\n" in shown.stdout
