"""The status line that a session is given where something can go elsewhere, and is not given anywhere else."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.house import House, housed

FALLBACK = '\n[[routes]]\nmatch = "gpt-*"\nto = "anthropic"\nfallback = ["qwen-3-coder"]\n'


@pytest.fixture
def house(tmp_path: Path, canary) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as found:
        yield found


def with_fallback(house: House) -> House:
    file = house.state / "config.toml"
    file.write_text(file.read_text() + FALLBACK)
    return house


def given(house: House) -> dict[str, Any]:
    """The settings of a session that was started now."""
    code, stderr, _ = house.launch().finished()
    assert code == 0, stderr
    return dict(json.loads(house.home.settings_given()))


def test_without_a_fallback_the_client_keeps_what_it_shows(house: House) -> None:
    assert "statusLine" not in given(house)


def test_with_a_fallback_the_client_runs_a_command_that_ends_well_and_says_nothing_in_ordinary_times(
    house: House,
) -> None:
    line = given(with_fallback(house))["statusLine"]
    assert (line["type"], line["refreshInterval"]) == ("command", 30)
    done = subprocess.run(
        ["sh", "-c", line["command"]],
        env=house.home.env,
        cwd=house.home.path,
        input=json.dumps({"session_id": "x"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_module_of_the_project_does_not_take_the_commands_place(house: House) -> None:
    command = given(with_fallback(house))["statusLine"]["command"]
    trap = house.home.path / "openclaude"
    trap.mkdir()
    (trap / "__init__.py").write_text("print('trapped')\n")
    (trap / "__main__.py").write_text("print('trapped')\n")
    done = subprocess.run(
        ["sh", "-c", command],
        env=house.home.env,
        cwd=house.home.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "trapped" not in done.stdout


def test_a_status_line_of_the_users_own_is_not_displaced(house: House) -> None:
    own = {"statusLine": {"type": "command", "command": "mine"}}
    (house.home.path / ".claude" / "settings.json").write_text(json.dumps(own))
    assert "statusLine" not in given(with_fallback(house))


def test_a_status_line_of_the_projects_own_is_not_displaced(house: House) -> None:
    own = {"statusLine": {"type": "command", "command": "theirs"}}
    folder = house.home.path / ".claude"
    (folder / "settings.local.json").write_text(json.dumps(own))
    assert "statusLine" not in given(with_fallback(house))
