"""`openclaude uninstall` with a gateway that runs: it stops, everything of it goes, and what is not ours stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.product import Home, make_home


@pytest.fixture
def used(tmp_path: Path, canary: Callable[[str], str]) -> Home:
    """A home with a gateway that runs."""
    home = make_home(tmp_path / "home", canary("sk-ant-" + "oat01-"))
    home.run("config", "init", "--preset", "all-anthropic")
    config = home.state_home / "config.toml"
    config.write_text(config.read_text().replace("port = 4000", "port = 4107"))
    assert home.run("start").returncode == 0
    return home


def test_it_stops_the_gateway_and_leaves_nothing_of_openclaude(used: Home) -> None:
    login = (used.path / ".claude" / ".credentials.json").read_bytes()
    asked = used.run("uninstall")
    assert (asked.returncode, used.running() is not None) == (1, True)
    assert "hint: `openclaude uninstall --yes`" in asked.stderr
    looked = used.run("uninstall", "--dry-run")
    assert looked.returncode == 0
    assert f"would remove  {used.state_home}/config.toml  (your configuration)" in looked.stdout
    assert used.running() is not None
    done = used.run("uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stopped   the gateway (pid ")
    assert f"removed   {used.state_home}  (the folder itself)" in done.stdout
    assert "pip uninstall openclaude" in done.stdout
    assert not used.state_home.exists()
    assert [path.name for path in used.path.iterdir()] == [".claude"]
    assert (used.path / ".claude" / ".credentials.json").read_bytes() == login


def test_a_service_is_ended_before_its_gateway_and_removed(used: Home, tmp_path: Path) -> None:
    unit = used.path / ".config" / "systemd" / "user" / "openclaude.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("# Written by `openclaude service install`.\n[Service]\n")
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\n')
    program.chmod(0o755)
    done = used.run("uninstall", "--yes", env={"PATH": f"{program.parent}:{used.env['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == "--user disable --now openclaude.service\n"
    assert f"removed   {unit}  (the service that starts the gateway)" in done.stdout
    assert not unit.exists()


def test_a_second_time_there_is_nothing_to_do(used: Home) -> None:
    used.run("uninstall", "--yes")
    done = used.run("uninstall", "--yes")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        f"nothing of openClaude's is at {used.state_home}",
    )
    assert not used.state_home.exists()


def test_a_foreign_file_is_left_and_said_to_be(used: Home) -> None:
    (used.state_home / "notes.txt").write_text("mine")
    done = used.run("uninstall", "--yes")
    assert done.returncode == 1
    assert f"left      {used.state_home}/notes.txt  (openClaude did not make it)" in done.stdout
    assert [path.name for path in used.state_home.iterdir()] == ["notes.txt"]


def test_a_folder_that_holds_more_is_refused(used: Home) -> None:
    (used.path / "config.toml").write_text("")
    done = used.run("uninstall", "--yes", env={"OPENCLAUDE_HOME": str(used.path)})
    assert done.returncode == 1
    assert "holds more than openClaude's files" in done.stderr
    assert used.running() is not None
    used.run("stop")
