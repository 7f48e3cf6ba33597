"""`openclaude` is the client as far as its caller can see: arguments, input, signals, exit code."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from fakes import fake_claude
from openclaude import __version__
from openclaude.launcher import daemon
from openclaude.simulator.script import Answer, Ask, Fail, echo
from openclaude.simulator.world import World
from support.hostile import free_port
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home, gateway_for, make_home
from support.session import SYSTEM_PATH, configure, with_client

FORBIDDEN = "be refused"


def model(ask: Ask) -> Answer | Fail:
    """Repeats what it is told, unless it is told to refuse."""
    if FORBIDDEN in ask.user_text:
        return Fail(403, "permission_error", "this account may not")
    return echo(ask)


@dataclass(frozen=True)
class Stage:
    """A user whose gateway runs on the configured port, so that the launcher has nothing to say."""

    home: Home
    env: dict[str, str]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = make_home(tmp_path_factory.mktemp("passing") / "home", "sk-ant-" + "oat01-" + token_hex(24))
    port = free_port()
    configure(home, port=port)
    with World(model) as world, gateway_for(home, world, port=port):
        yield Stage(home, with_client(home, world.aws_env()))


@pytest.fixture
def fake(stage: Stage, tmp_path: Path) -> dict[str, str]:
    """An environment whose `claude` only writes down how it was started."""
    program = fake_claude.install(tmp_path / "bin")
    path = os.pathsep.join([str(program.parent), SYSTEM_PATH])
    return {**stage.env, "PATH": path, "FAKE_CLAUDE_RECORD": str(tmp_path / "record.json")}


def record_of(env: dict[str, str]) -> dict[str, Any]:
    return dict(json.loads(Path(env["FAKE_CLAUDE_RECORD"]).read_text()))


@pytest.mark.parametrize("code", [0, 3, 42, 255])
def test_the_clients_exit_code_is_the_commands(stage: Stage, fake: dict[str, str], code: int) -> None:
    done = stage.home.run("-p", "hello", env={**fake, "FAKE_CLAUDE_EXIT": str(code)})

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_the_clients_arguments_arrive_as_they_were_given(stage: Stage, fake: dict[str, str]) -> None:
    given = [
        "-p",
        "two  words",
        "",
        'a "quote" and $HOME',
        "line\nline",
        "été",
        "--model",
        "opus",
        "-c",
        "--",
        "--isolated",
    ]

    stage.home.run(*given, env=fake)

    argv = record_of(fake)["argv"]
    assert argv[0] == "--settings"
    assert Path(argv[1]).is_relative_to(stage.home.state_home)
    assert argv[2:] == given


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_the_command_is_a_signal_to_the_client(
    stage: Stage, fake: dict[str, str], name: str
) -> None:
    env = {**stage.home.env, **fake, "FAKE_CLAUDE_WAIT": "1", "FAKE_CLAUDE_EXIT": "7"}
    process = subprocess.Popen([*OPENCLAUDE, "-p", "hello"], env=env, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + DEADLINE
        while not Path(fake["FAKE_CLAUDE_RECORD"]).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.Signals[name])
        code = process.wait(DEADLINE)
    finally:
        process.kill()
        process.wait()

    record = record_of(fake)
    assert (code, record["signals"], record["pid"]) == (7, [name], process.pid)


def test_a_machine_without_the_client_is_told_how_to_install_it(home: Home, tmp_path: Path) -> None:
    done = home.run("-p", "hello", env={"PATH": str(tmp_path)})

    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "openclaude: Claude Code is not installed: no `claude` on the PATH\n"
        "hint: install Claude Code with `npm install -g @anthropic-ai/claude-code` or "
        "`curl -fsSL https://claude.ai/install.sh | bash`, then run openclaude again\n"
    )
    assert daemon.find(home.state(), home.state().secrets()) is None


@pytest.mark.client
def test_the_clients_own_version_is_asked_for_behind_two_dashes(stage: Stage) -> None:
    clients = stage.home.run("--", "--version", env=stage.env)
    own = stage.home.run("--version", env=stage.env)

    assert (clients.returncode, clients.stderr) == (0, "")
    assert clients.stdout.rstrip().endswith("(Claude Code)")
    assert own.stdout == f"openclaude {__version__}\n"


@pytest.mark.client
def test_the_client_reads_the_commands_input(stage: Stage) -> None:
    done = subprocess.run(
        [*OPENCLAUDE, "-p", "--model", "opus"],
        env={**stage.home.env, **stage.env},
        cwd=stage.home.path,
        input="herons by pipe",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "claude-opus-5-5 heard: herons by pipe\n", "")


@pytest.mark.client
def test_a_run_that_fails_at_anthropic_fails_with_the_clients_code_and_anthropics_words(stage: Stage) -> None:
    done = stage.home.run("-p", FORBIDDEN, "--model", "opus", env=stage.env)

    assert done.returncode == 1
    assert "403" in done.stdout
    assert "this account may not" in done.stdout


@pytest.mark.client
def test_missing_aws_credentials_are_one_line_and_the_client_still_runs(stage: Stage) -> None:
    without = {name: value for name, value in stage.env.items() if not name.startswith("AWS_")}

    done = stage.home.run(
        "-p", "hello", "--model", "opus", env={**without, "AWS_EC2_METADATA_DISABLED": "true"}
    )

    assert (done.returncode, done.stdout) == (0, "claude-opus-5-5 heard: hello\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("openclaude: no AWS credentials for the Bedrock route: ")
    assert "aws configure" in line
    assert "openclaude config init --preset all-anthropic" in line
