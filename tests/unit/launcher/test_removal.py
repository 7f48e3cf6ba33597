from collections.abc import Mapping
from pathlib import Path

import pytest

from openclaude.launcher import removal
from openclaude.launcher.removal import RemovalError

EVERYTHING = (
    "config.toml",
    "config.draft.toml",
    "backups/config-20260101T000000Z.toml",
    "secret",
    "settings.json",
    "run/gateway.lock",
    "run/settings-abc.json",
    "logs/gateway.log",
    "tls/123/server.pem",
    "claude/settings.json",
    ".config-a1b2.toml",
    ".settings.json.0123456789ab",
)


MARKED = "# Written by `openclaude service install`.\n"


def filled(home: Path, names: tuple[str, ...] = EVERYTHING) -> Path:
    for name in names:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return home


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def env(user: Path, **more: str) -> Mapping[str, str]:
    return {"HOME": str(user), **more}


def test_everything_openclaude_makes_goes_and_the_folder_with_it(user: Path) -> None:
    home = filled(user / ".openClaude")
    done = removal.remove(removal.plan(home, env(user)))
    assert not home.exists()
    assert done.left == []
    assert [path.name for path, _ in done.entries][:3] == ["config.toml", "config.draft.toml", "backups"]
    assert done.entries[-1] == (home, "the folder itself")


def test_nothing_is_planned_where_nothing_is(user: Path) -> None:
    found = removal.plan(user / ".openClaude", env(user))
    assert (found.entries, found.left) == ([], [])


def test_a_foreign_file_stays_and_so_does_the_folder(user: Path) -> None:
    home = filled(user / ".openClaude")
    (home / "thesis.txt").write_text("precious")
    done = removal.remove(removal.plan(home, env(user)))
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
    assert done.left == [(home / "thesis.txt", "openClaude did not make it")]


def test_a_link_is_removed_and_what_it_leads_to_is_not(user: Path) -> None:
    home = filled(user / ".openClaude")
    claude = filled(user / ".claude", ("CLAUDE.md", "projects/x.jsonl"))
    (home / "claude" / "CLAUDE.md").symlink_to(claude / "CLAUDE.md")
    (home / "claude" / "projects").symlink_to(claude / "projects")
    removal.remove(removal.plan(home, env(user)))
    assert not home.exists()
    assert (claude / "projects" / "x.jsonl").read_text() == "x"
    assert (claude / "CLAUDE.md").read_text() == "x"


def test_what_cannot_be_removed_is_named_with_its_reason(user: Path) -> None:
    home = filled(user / ".openClaude", ("config.toml", "run/gateway.lock"))
    todo = removal.plan(home, env(user))
    todo.entries.insert(0, (Path("/proc/self/status"), "nothing that can be removed"))
    done = removal.remove(todo)
    assert [path for path, _ in done.left] == [Path("/proc/self/status")]
    assert not home.exists()


SURPRISES = {
    "the home folder": ("{user}", "holds more than openClaude's files"),
    "a folder above the home folder": ("{user}/..", "holds more than openClaude's files"),
    "the root": ("/", "holds more than openClaude's files"),
    "the client's folder": ("{user}/.claude", "holds more than openClaude's files"),
    "a folder in the client's": ("{user}/.claude/projects", "holds more than openClaude's files"),
    "a link": ("{user}/link", "is a symbolic link"),
    "a file": ("{user}/file", "is no folder"),
    "a repository": ("{user}/repository", "is somebody's repository"),
    "something else": ("{user}/documents", "has nothing in it that openClaude makes, and is left alone"),
}


@pytest.mark.parametrize("case", SURPRISES)
def test_a_surprising_folder_is_refused_and_left_as_it_is(user: Path, case: str) -> None:
    place, said = SURPRISES[case]
    filled(user, ("config.toml", "file", "documents/a.txt", "repository/config.toml", "repository/.git/HEAD"))
    filled(user / ".claude", ("config.toml", "projects/config.toml"))
    (user / "link").symlink_to(user / "documents")
    before = sorted(map(str, user.rglob("*")))
    with pytest.raises(RemovalError) as caught:
        removal.plan(Path(place.format(user=user)), env(user))
    assert said in str(caught.value)
    assert caught.value.hint
    assert sorted(map(str, user.rglob("*"))) == before


@pytest.mark.parametrize(
    ("place", "more"),
    [
        (".config/systemd/user/openclaude.service", {}),
        ("elsewhere/systemd/user/openclaude.service", {"XDG_CONFIG_HOME": "elsewhere"}),
        ("Library/LaunchAgents/io.openclaude.gateway.plist", {}),
    ],
    ids=["systemd", "systemd in another folder", "launchd"],
)
def test_a_service_of_ours_goes_and_others_stay(user: Path, place: str, more: dict[str, str]) -> None:
    unit = user / place
    other = unit.with_name("other.service")
    filled(user, (place, str(other.relative_to(user))))
    unit.write_text(MARKED)
    told = {name: str(user / value) for name, value in more.items()}
    done = removal.remove(removal.plan(user / ".openClaude", env(user, **told)))
    assert done.entries == [(unit, "the service that starts the gateway")]
    assert (unit.exists(), other.exists()) == (False, True)


def test_a_service_file_of_somebody_else_s_stays(user: Path) -> None:
    unit = user / ".config" / "systemd" / "user" / "openclaude.service"
    filled(user, (str(unit.relative_to(user)),))
    found = removal.plan(user / ".openClaude", env(user))
    assert (found.entries, found.left) == ([], [(unit, "openClaude did not write it")])
    assert removal.service_commands(found) == []


def test_the_system_is_told_to_let_go_of_services_first(user: Path) -> None:
    filled(user, (".config/systemd/user/openclaude.service", "Library/LaunchAgents/io.openclaude.plist"))
    for name in (".config/systemd/user/openclaude.service", "Library/LaunchAgents/io.openclaude.plist"):
        (user / name).write_text(MARKED)
    commands = removal.service_commands(removal.plan(user / ".openClaude", env(user)))
    assert commands[0] == ["systemctl", "--user", "disable", "--now", "openclaude.service"]
    assert commands[1][:2] == ["launchctl", "bootout"]
    assert commands[1][2].endswith("/io.openclaude")
    assert removal.service_commands(removal.plan(user / "nothing", {"HOME": str(user / "nobody")})) == []


def test_the_program_is_removed_by_the_tool_that_installed_it() -> None:
    assert removal.package_command().endswith(("pip uninstall openclaude", "tool uninstall openclaude"))
