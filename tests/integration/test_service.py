"""`openclaude service` against a stand-in for the system's service manager, which writes down what it is told."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openclaude.launcher import service
from support.house import House, housed
from support.patience import DEADLINE

pytestmark = pytest.mark.xdist_group("service")
MANAGER = "launchctl" if sys.platform == "darwin" else "systemctl"


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


def manager(house: House, *, code: int = 0, says: str = "") -> Path:
    """A service manager first on the PATH; the result is the file of what it was told."""
    told = house.home.path / "told"
    program = Path(house.home.env["PATH"].split(":")[0]) / MANAGER
    program.write_text(f'#!/bin/sh\necho "$*" >> {told}\necho "{says}" >&2\nexit {code}\n')
    program.chmod(0o755)
    return told


def test_install_says_what_it_wrote_and_ran_and_uninstall_takes_it_back(house: House) -> None:
    pid = house.start()["pid"]
    told = manager(house)
    made = service.service(house.home.env, house.state)
    done = house.run("service", "install")
    assert (done.returncode, done.stderr) == (0, "")
    ran = [" ".join(command) for command in made.start]
    assert done.stdout.splitlines() == [
        f"wrote    {made.path}",
        f"stopped  the gateway that ran (pid {pid})",
        *(f"ran      {command}" for command in ran),
    ]
    assert made.path.read_text() == made.text
    assert [f"{MANAGER} {line}" for line in told.read_text().splitlines()][-len(ran) :] == ran
    assert house.gateways() == []
    done = house.run("service", "uninstall")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"removed  {made.path}"
    assert not made.path.exists()
    again = house.run("service", "uninstall")
    assert (again.returncode, again.stdout) == (0, f"nothing is installed ({made.path} is not there)\n")


def test_without_a_service_manager_nothing_is_written_and_another_way_is_named(house: House) -> None:
    manager(house, code=1, says="Failed to connect to bus")
    pid = house.start()["pid"]
    done = house.run("service", "install")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not work here: Failed to connect to bus\nhint: nothing was written" in done.stderr
    assert "openclaude start" in done.stderr
    assert not service.service(house.home.env, house.state).path.exists()
    assert house.gateways() == [pid]


def test_what_the_unit_starts_is_a_gateway_that_stays(house: House) -> None:
    env = {**house.home.env, "OPENCLAUDE_HOME": str(house.state)}
    process = subprocess.Popen(
        [sys.executable, *service.SERVE], env=env, cwd="/", stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "listens on" in process.stderr.readline()
    assert house.status()["lingers"] is False
    process.terminate()  # as the service manager does
    assert process.communicate(timeout=DEADLINE)[1] == ""
    assert process.returncode == 0
    assert house.gateways() == []
