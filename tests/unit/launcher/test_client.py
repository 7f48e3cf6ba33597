import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fakes import fake_claude
from openclaude.launcher.client import (
    GUARD,
    Arguments,
    ClientError,
    find_client,
    guarded,
    run,
    split_arguments,
)

LAUNCH = """
import os, sys
from pathlib import Path
from openclaude.launcher.client import ClientError, find_client, guarded, run
try:
    run(find_client(os.environ, Path(sys.argv[0])), sys.argv[1:], guarded(os.environ))
except ClientError as error:
    sys.exit(f"{error}|{error.hint}|{error.code}")
"""


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param([], Arguments(isolated=False, settings=None, rest=()), id="nothing"),
        pytest.param(
            ["-p", "hi", "--model", "opus"],
            Arguments(isolated=False, settings=None, rest=("-p", "hi", "--model", "opus")),
            id="all the client's",
        ),
        pytest.param(
            ["--isolated", "-p", "hi"],
            Arguments(isolated=True, settings=None, rest=("-p", "hi")),
            id="own flag",
        ),
        pytest.param(
            ["-p", "--settings", "a.json", "hi"],
            Arguments(isolated=False, settings="a.json", rest=("-p", "hi")),
            id="settings as two words",
        ),
        pytest.param(
            ['--settings={"a":"b=c"}', "hi"],
            Arguments(isolated=False, settings='{"a":"b=c"}', rest=("hi",)),
            id="settings as one word",
        ),
        pytest.param(
            ["--settings", "a", "--settings=b"],
            Arguments(isolated=False, settings="b", rest=()),
            id="the last settings win",
        ),
        pytest.param(
            ["-p", "--", "--isolated", "--settings", "x"],
            Arguments(isolated=False, settings=None, rest=("-p", "--", "--isolated", "--settings", "x")),
            id="after -- nothing is ours",
        ),
        pytest.param(
            ["--", "--isolated", "--version"],
            Arguments(isolated=False, settings=None, rest=("--isolated", "--version")),
            id="a first -- is ours and all behind it is the client's",
        ),
        pytest.param(
            ["--isolated", "--", "mcp", "list"],
            Arguments(isolated=True, settings=None, rest=("mcp", "list")),
            id="own flag before our --",
        ),
        pytest.param(
            ["--", "--settings", "a", "-p", "--", "--settings", "b"],
            Arguments(isolated=False, settings="a", rest=("-p", "--", "--settings", "b")),
            id="settings behind our -- are merged, behind the client's they are words",
        ),
        pytest.param(
            ["--settings"],
            Arguments(isolated=False, settings=None, rest=("--settings",)),
            id="a flag without its value is for the client to refuse",
        ),
        pytest.param(
            ["--setting-sources", "user", "--isolated-x"],
            Arguments(isolated=False, settings=None, rest=("--setting-sources", "user", "--isolated-x")),
            id="flags that only look alike",
        ),
    ],
)
def test_the_command_line_is_divided(argv: list[str], expected: Arguments) -> None:
    assert split_arguments(argv) == expected


def test_the_first_client_on_the_path_is_found(tmp_path: Path) -> None:
    first, second = fake_claude.install(tmp_path / "a"), fake_claude.install(tmp_path / "b")

    path = os.pathsep.join([str(tmp_path / "empty"), str(first.parent), str(second.parent)])

    assert find_client({"PATH": path}, Path("/usr/bin/openclaude")) == first


def test_a_link_to_ourselves_is_not_the_client(tmp_path: Path) -> None:
    ourselves = fake_claude.install(tmp_path / "own", "openclaude")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "claude").symlink_to(ourselves)
    real = fake_claude.install(tmp_path / "b")

    found = find_client({"PATH": f"{tmp_path}/a:{tmp_path}/b"}, ourselves)

    assert found == real


def test_what_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a" / "claude").mkdir(parents=True)
    fake_claude.install(tmp_path / "b").chmod(0o644)
    real = fake_claude.install(tmp_path / "c")

    assert find_client({"PATH": f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c"}, tmp_path / "openclaude") == real


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_a_repository_cannot_supply_the_client_through_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    fake_claude.install(tmp_path)
    fake_claude.install(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ClientError):
        find_client({"PATH": entry}, tmp_path / "openclaude")


def test_a_missing_client_is_one_message_with_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ClientError) as caught:
        find_client({"PATH": str(tmp_path)}, tmp_path / "openclaude")

    assert str(caught.value) == "Claude Code is not installed: no `claude` on the PATH"
    assert caught.value.hint == (
        "install Claude Code with `npm install -g @anthropic-ai/claude-code` "
        "or `curl -fsSL https://claude.ai/install.sh | bash`, then run openclaude again"
    )
    assert caught.value.code == 127


@pytest.mark.parametrize(
    "mark", [f"{os.getpid()}:1", "1:5", "1:12"], ids=["same process", "fifth", "twelfth"]
)
def test_a_chain_of_launchers_is_stopped(tmp_path: Path, mark: str) -> None:
    client = fake_claude.install(tmp_path)

    with pytest.raises(ClientError, match="the `claude` on the PATH starts openclaude again"):
        find_client({"PATH": str(client.parent), GUARD: mark}, tmp_path / "openclaude")


@pytest.mark.parametrize("mark", ["", "1:1", "1:4", "1", "x:y", ":"])
def test_a_session_inside_a_session_is_a_normal_thing(tmp_path: Path, mark: str) -> None:
    client = fake_claude.install(tmp_path)

    assert find_client({"PATH": str(tmp_path), GUARD: mark}, tmp_path / "openclaude") == client


def test_each_launch_goes_one_deeper() -> None:
    once = guarded({"A": "b"})

    assert once == {"A": "b", GUARD: f"{os.getpid()}:1"}
    assert guarded(once)[GUARD] == f"{os.getpid()}:2"


def launch(tmp_path: Path, *argv: str, **env: str) -> "subprocess.Popen[bytes]":
    fake_claude.install(tmp_path / "bin")
    environ = {
        "PATH": f"{tmp_path}/bin:{os.defpath}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FAKE_CLAUDE_RECORD": str(tmp_path / "record.json"),
        **env,
    }
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *argv], env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def record(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "record.json").read_text("utf-8")))


def test_the_client_takes_our_place_with_its_arguments_and_its_exit_code(tmp_path: Path) -> None:
    process = launch(tmp_path, "-p", 'it\'s \n a "prompt"', "--", "", "ä", FAKE_CLAUDE_EXIT="42")

    process.communicate()
    seen = record(tmp_path)

    assert process.returncode == 42
    assert seen["pid"] == process.pid
    assert seen["argv"] == ["-p", 'it\'s \n a "prompt"', "--", "", "ä"]
    assert seen["env"][GUARD] == f"{process.pid}:1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_signals_reach_the_client_itself(tmp_path: Path, number: signal.Signals) -> None:
    process = launch(tmp_path, FAKE_CLAUDE_WAIT="1", FAKE_CLAUDE_EXIT="7")
    while not (tmp_path / "record.json").exists():
        assert process.poll() is None
        time.sleep(0.01)

    process.send_signal(number)
    process.communicate()

    assert process.returncode == 7
    assert record(tmp_path)["signals"] == [number.name]


def test_a_claude_that_is_openclaude_under_another_name_is_noticed_at_once(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(LAUNCH)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "claude"
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path}/launch.py' \"$@\"\n")
    script.chmod(0o755)

    done = subprocess.run(
        [sys.executable, str(tmp_path / "launch.py")],
        env={"PATH": f"{tmp_path}/bin:{os.defpath}", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "the `claude` on the PATH starts openclaude again|"
        "put the real Claude Code first on the PATH, or remove the script or link named claude|127\n"
    )


def test_a_file_the_system_cannot_start_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "claude"
    broken.write_bytes(b"\x00\x01 no program")
    broken.chmod(0o755)

    with pytest.raises(ClientError) as caught:
        run(broken, [], {})

    assert str(caught.value) == f"{broken} cannot be started: Exec format error"
    assert caught.value.hint.startswith(f"try `{broken} --version`; if that fails too, install Claude Code")
    assert caught.value.code == 126
