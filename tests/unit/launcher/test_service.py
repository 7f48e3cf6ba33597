import plistlib
import shlex
from pathlib import Path

import pytest

from openclaude.launcher import service
from openclaude.launcher.service import Service, ServiceError

HOME = Path("/home/u ser/100%/.openClaude")


def words(line: str) -> list[str]:
    """A unit file's line as systemd reads it."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.partition("=")[2])]


def test_the_unit_runs_the_gateway_of_this_installation_and_comes_back_after_a_failure() -> None:
    text = service.unit('/opt/py "3"/python', HOME)
    lines = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    (command,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    (environment,) = [line for line in text.splitlines() if line.startswith("Environment=")]
    assert words(command) == ['/opt/py "3"/python', "-P", "-m", "openclaude", "serve"]
    assert words(environment) == [f"OPENCLAUDE_HOME={HOME}"]
    assert lines["Restart"] == "on-failure"
    assert lines["KillMode"] == "mixed"  # the supervisor alone is told; it tells its worker
    assert lines["WantedBy"] == "default.target"
    assert text.startswith(f"# {service.MARK}\n")


def test_the_agent_says_the_same_to_launchd() -> None:
    text = service.agent("/opt/python", HOME)
    told = plistlib.loads(text.encode())
    assert told["Label"] == service.LABEL
    assert told["ProgramArguments"] == ["/opt/python", "-P", "-m", "openclaude", "serve"]
    assert told["EnvironmentVariables"] == {"OPENCLAUDE_HOME": str(HOME)}
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["RunAtLoad"] is True
    assert told["Umask"] == 0o077
    assert service.MARK in text


@pytest.mark.parametrize(
    ("platform", "env", "expected"),
    [
        pytest.param("linux", {}, "/home/u/.config/systemd/user/openclaude.service", id="linux"),
        pytest.param(
            "linux", {"XDG_CONFIG_HOME": "/c"}, "/c/systemd/user/openclaude.service", id="linux, XDG"
        ),
        pytest.param("darwin", {}, "/home/u/Library/LaunchAgents/dev.openclaude.gateway.plist", id="macOS"),
    ],
)
def test_the_file_belongs_where_the_system_looks(platform: str, env: dict[str, str], expected: str) -> None:
    made = service.service({"HOME": "/home/u", **env}, HOME, platform=platform)
    assert str(made.path) == expected
    programs = {command[0] for command in (*made.start, *made.stop)}
    assert programs == ({"launchctl"} if platform == "darwin" else {"systemctl"})


def test_an_unknown_system_has_no_service() -> None:
    with pytest.raises(ServiceError, match="no service for plan9"):
        service.service({"HOME": "/"}, HOME, platform="plan9")


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_somebody_elses_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "unit", tmp_path / "target"
    target.write_text(service.MARK)
    {
        "file": lambda: path.write_text("mine"),
        "link": lambda: path.symlink_to(target),
        "folder": path.mkdir,
    }[kind]()
    made = Service(path, f"# {service.MARK}\n", (), ())
    for act in (service.write, service.remove):
        with pytest.raises(ServiceError, match="not written by openClaude"):
            act(made)
    assert path.exists()
    assert target.read_text() == service.MARK


def test_our_own_file_is_replaced_and_removed(tmp_path: Path) -> None:
    made = Service(tmp_path / "a" / "unit", f"# {service.MARK}\nnew\n", (), ())
    assert not service.remove(made)
    service.write(made)
    service.write(made)
    assert made.path.read_text().endswith("new\n")
    assert service.remove(made)
    assert not made.path.exists()
