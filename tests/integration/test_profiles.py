"""Several set-ups on one gateway: each session takes the routes of its profile, and only those."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fakes import fake_claude
from openclaude.demo.conversation import Exchange, Way, converse
from openclaude.demo.scene import weather
from openclaude.launcher import control
from openclaude.simulator.world import World
from support import trust
from support.product import Home, gateway_for

WORK = """\
[slots]
haiku = "claude-haiku-5-5"

[[routes]]
match = "claude-haiku-*"
to = "bedrock"
model = "us.anthropic.claude-haiku-5-5"
region = "us-west-2"
"""


class Users:
    """A home with the ordinary set-up and the profile `work`, and a stand-in for Claude Code that says what it was given."""

    def __init__(self, home: Home, folder: Path, world: World) -> None:
        self.home = home
        self.world = world
        self.record = folder / "record.json"
        fake_claude.install(folder / "bin")
        home.env["PATH"] = f"{folder / 'bin'}:{home.env['PATH']}"
        home.env["FAKE_CLAUDE_RECORD"] = str(self.record)
        self.write(WORK)

    def write(self, text: str, name: str = "work") -> None:
        path = self.home.state_home / "profiles" / f"{name}.toml"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    def launched(self, *arguments: str) -> tuple[Mapping[str, str], str]:
        """The variables a session is given by `--settings`, and what was said before it."""
        done = self.home.run(*arguments, "-p", "hello", env=self.world.aws_env())
        assert done.returncode == 0, done.stderr
        return json.loads(self.record.read_text())["settings"]["env"], done.stderr

    def ask(self, given: Mapping[str, str], model: str) -> tuple[Exchange, list[str]]:
        before = len(self.world.requests())
        way = Way(given["ANTHROPIC_BASE_URL"], trust.context(given))
        # the stand-in has ended, and its session with it: another one from the same shell has the same name
        session = control.open_session(self.home.state().run, self.home.env | self.world.aws_env())
        assert session is not None
        assert way.base_url.endswith(f"/s-{session.name}")
        with session.connection:
            done = converse(way, model, self.home.login, stream=True)
        return done, [row.server for row in self.world.requests()[before:]]


@pytest.fixture
def users(home: Home, tmp_path: Path) -> Iterator[Users]:
    with World(weather) as world:
        made = Users(home, tmp_path, world)
        with gateway_for(home, world):
            yield made


def test_each_session_takes_the_routes_and_slots_of_its_profile(users: Users) -> None:
    ordinary, _ = users.launched()
    work, said = users.launched("--profile", "work")
    assert "earlier configuration" not in said
    assert (ordinary["ANTHROPIC_DEFAULT_HAIKU_MODEL"], work["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == (
        "qwen-3-coder",
        "claude-haiku-5-5",
    )
    assert "/p-work" in work["ANTHROPIC_BASE_URL"]
    assert users.ask(ordinary, "claude-haiku-5-5")[1] == ["anthropic", "anthropic"]
    assert users.ask(work, "claude-haiku-5-5")[1] == ["bedrock", "bedrock"]
    done, reached = users.ask(work, "claude-opus-5-5")
    assert (reached, done.error[:8]) == ([], "HTTP 404")
    assert users.home.running() is not None


def test_a_profile_signs_for_an_endpoint_that_no_other_set_up_has(home: Home, tmp_path: Path) -> None:
    with World(weather) as world:
        users = Users(home, tmp_path, world)
        config = home.state_home / "config.toml"
        config.write_text('[[routes]]\nmatch = "claude-*"\nto = "anthropic"\n')
        config.chmod(0o600)
        with gateway_for(home, world):
            work, _ = users.launched("--profile", "work")
            assert users.ask(work, "claude-haiku-5-5")[1] == ["bedrock", "bedrock"]


def test_a_session_of_a_profile_without_a_claude_route_sends_no_login(users: Users) -> None:
    work, _ = users.launched("--profile=work")
    assert work["ANTHROPIC_AUTH_TOKEN"] == "no-login-needed"
    users.ask(work, "claude-haiku-5-5")
    assert all(users.home.login.encode() not in str(row.headers).encode() for row in users.world.requests())


def test_an_ordinary_session_s_settings_are_left_alone_by_a_profile(users: Users) -> None:
    users.home.run("-p", "hello")
    file = users.home.state_home / "settings.json"
    before = file.read_bytes()
    users.launched("--profile", "work")
    assert file.read_bytes() == before


def test_an_isolated_profile_has_a_folder_of_its_own(users: Users) -> None:
    users.write('[client]\nconfig = "isolated"\n' + WORK)
    users.home.run("-p", "hello", "--profile", "work", env=users.world.aws_env())
    seen = json.loads(users.record.read_text())["env"]
    assert seen["CLAUDE_CONFIG_DIR"] == str(users.home.state_home / "claude-work")


def test_a_profile_that_is_not_there_starts_nothing(users: Users) -> None:
    done = users.home.run("--profile", "gone", "-p", "hello")
    assert done.returncode == 2
    assert f"{users.home.state_home}/profiles/gone.toml: does not exist" in done.stderr
    assert "hint: `openclaude config init --profile gone` makes it; there are: work" in done.stderr
    assert not users.record.exists()


def test_a_changed_profile_is_said_to_be_newer_than_the_gateway(users: Users) -> None:
    users.write(WORK + "# changed\n")
    _, said = users.launched()
    assert "the gateway runs with an earlier configuration" in said
    assert users.home.run("reload").returncode == 0
    work, said = users.launched("--profile", "work")
    assert "earlier configuration" not in said
    assert users.ask(work, "claude-haiku-5-5")[1] == ["bedrock", "bedrock"]


def test_a_broken_profile_is_found_by_the_doctor_and_stops_nobody_else(users: Users) -> None:
    users.write("[gateway]\nport = 1\n" + WORK, "broken")
    done = users.home.run("doctor", "--offline")
    assert "problem  configuration   profile broken: " in done.stdout
    assert "all profiles share one gateway. remedy: remove the table; config.toml has it" in done.stdout
    assert "ok       configuration   profile work\n" in done.stdout
    users.launched()
