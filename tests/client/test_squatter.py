"""Somebody else's server on the gateway's port: it is noticed, named, told nothing, and gone round."""

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fakes import fake_claude
from openclaude.launcher import ports
from openclaude.simulator.script import echo
from openclaude.simulator.world import World
from support.hostile import Recorder, free_port, plain_answer
from support.product import Home, gateway_for
from support.session import SYSTEM_PATH, configure, with_client

pytestmark = pytest.mark.xdist_group("client-port")

PROOF = json.dumps({"service": "openclaude", "proof": "0" * 64, "status": "ok"}).encode()
STRANGERS = {
    "200 to everything": plain_answer(b"ok"),
    "garbage as proof of identity": plain_answer(PROOF, "application/json"),
    "no HTTP": b"220 mail.example ESMTP\r\n",
}
THIS_PROCESS = f"(pid {os.getpid()})" if Path("/proc").is_dir() else "another program"
DEFAULT_PORT = 4000
PATIENCE = 20
"""Seconds to wait for other tests to leave the default port."""


def fake_client(home: Home, folder: Path) -> dict[str, str]:
    """An environment whose `claude` only writes down how it was started."""
    program = fake_claude.install(folder / "bin")
    path = os.pathsep.join([str(program.parent), SYSTEM_PATH])
    return {**home.env, "PATH": path, "FAKE_CLAUDE_RECORD": str(folder / "record.json")}


def base_url(folder: Path) -> str:
    record: dict[str, Any] = json.loads((folder / "record.json").read_text())
    return str(record["settings"]["env"]["ANTHROPIC_BASE_URL"])


@pytest.mark.client
def test_the_client_works_past_a_stranger_on_the_configured_port(home: Home, project: Path) -> None:
    with Recorder(STRANGERS["200 to everything"]) as squatter, World(echo) as world:
        configure(home, port=squatter.port)
        with gateway_for(home, world) as gateway:
            done = home.run(
                "-p", "hello", "--model", "opus", env=with_client(home, world.aws_env()), cwd=project
            )

        assert (done.returncode, done.stdout) == (0, "claude-opus-5-5 heard: hello\n")
        assert squatter.connections == 0
        lines = [line for line in done.stderr.splitlines() if f"port {squatter.port} is taken by" in line]
        assert len(lines) == 1
        assert THIS_PROCESS in lines[0]
        assert f"The gateway is on port {gateway.running.port}" in lines[0]
        logins = [row.header("authorization") for row in world.requests()]
        assert logins == [f"Bearer {home.login}".encode()]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_gateway_starts_beside_a_stranger_and_stays_reachable_when_it_has_left(
    stopped: Home, tmp_path: Path, stranger: str
) -> None:
    env = fake_client(stopped, tmp_path)
    with Recorder(STRANGERS[stranger]) as squatter:
        configure(stopped, port=squatter.port)
        first = stopped.run("-p", "hello", env=env)
        running = stopped.running()
        started_with = base_url(tmp_path)

        assert first.returncode == 0
        assert running is not None
        assert running.port != squatter.port
        assert started_with == f"https://127.0.0.1:{running.port}"
        assert f"port {squatter.port} is taken by " in first.stderr
        assert THIS_PROCESS in first.stderr
        assert f"Using port {running.port} for this gateway" in first.stderr
        assert squatter.connections == 0

    second = stopped.run("-p", "hello", env=env)

    assert base_url(tmp_path) == started_with
    assert f"the gateway is on port {running.port}, not on {squatter.port}" in second.stderr
    assert "openclaude restart" in second.stderr


@contextmanager
def somebody_on(port: int) -> Iterator[Recorder | None]:
    """A recorder on a fixed port, or whoever does not leave it: then there is nothing to record."""
    with (Path(tempfile.gettempdir()) / f"openclaude-tests-port-{port}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        deadline = time.monotonic() + PATIENCE
        while not ports.is_free(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        recorder = None
        with suppress(OSError):
            recorder = Recorder(plain_answer(b"ok"), port=port)
        if recorder is None:
            yield None
            return
        with recorder:
            yield recorder


def test_a_stranger_on_the_default_port_is_gone_round_without_any_configuration(
    stopped: Home, tmp_path: Path
) -> None:
    with somebody_on(DEFAULT_PORT) as squatter:
        done = stopped.run("-p", "hello", env=fake_client(stopped, tmp_path))
        running = stopped.running()

        assert done.returncode == 0
        assert running is not None
        assert running.port != DEFAULT_PORT
        assert base_url(tmp_path) == f"https://127.0.0.1:{running.port}"
        assert f"port {DEFAULT_PORT} is taken by " in done.stderr
        assert squatter is None or squatter.connections == 0


def test_a_gateway_that_was_started_first_is_not_taken_for_one_with_an_earlier_configuration(
    stopped: Home, tmp_path: Path
) -> None:
    """The first launch writes the configuration file that the gateway has been running with already."""
    with somebody_on(DEFAULT_PORT):
        started = stopped.run("start")
        done = stopped.run("-p", "hello", env=fake_client(stopped, tmp_path))

    assert (started.returncode, done.returncode) == (0, 0)
    assert "wrote the default configuration" in done.stderr
    assert "earlier configuration" not in done.stderr


def test_a_free_port_is_used_without_a_word(stopped: Home, tmp_path: Path) -> None:
    port = free_port()
    configure(stopped, port=port)

    done = stopped.run("-p", "hello", env=with_aws(fake_client(stopped, tmp_path)))

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"https://127\.0\.0\.1:{port}/s-[0-9a-f]{{12}}", base_url(tmp_path))


def with_aws(env: dict[str, str]) -> dict[str, str]:
    return {**env, "AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}
