import hashlib
import json
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher.files import StateError
from openclaude.launcher.isolated import Originals, merged_state, originals, prepare


def routable(model: str) -> bool:
    return model.startswith("claude-")


class User:
    """A home folder with a configuration of the client's."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / ".claude"
        self.state = home / ".claude.json"
        self.ours = home / ".openClaude"
        for name in ("agents", "projects", "skills/mine"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "CLAUDE.md").write_text("Be brief.")
        (self.folder / "agents" / "one.md").write_text("one")
        self.login = self.folder / ".credentials.json"
        self.canary = "sk-ant-" + "oat01-" + secrets.token_hex(12)
        self.login.write_text(json.dumps({"claudeAiOauth": {"accessToken": self.canary}}))
        self.write_settings(
            {"permissions": {"allow": ["Bash(ls)"]}, "apiKeyHelper": "echo x", "model": "us.x"}
        )
        self.write_state({"hasCompletedOnboarding": True, "mcpServers": {"one": {"command": "one"}}})

    def write_settings(self, settings: dict[str, Any]) -> None:
        (self.folder / "settings.json").write_text(json.dumps(settings))

    def write_state(self, state: dict[str, Any]) -> None:
        self.state.write_text(json.dumps(state))

    def prepare(self) -> Path:
        return prepare(self.ours, originals({}, self.home), routable)

    def fingerprint(self) -> dict[str, str]:
        """Every file and folder of the user's own with its content's hash and its time."""
        found = {}
        for path in [self.state, *sorted(self.folder.rglob("*"))]:
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = f"{hashlib.sha256(content).hexdigest()} {path.lstat().st_mtime_ns}"
        return found


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def content(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_the_originals_are_where_the_client_looks() -> None:
    home = Path("/home/me")

    assert originals({}, home) == Originals(home / ".claude", home / ".claude.json")
    assert originals({"CLAUDE_CONFIG_DIR": ""}, home) == originals({}, home)
    assert originals({"CLAUDE_CONFIG_DIR": "/own"}, home) == Originals(
        Path("/own"), Path("/own/.claude.json")
    )


def test_what_makes_it_feel_the_same_is_linked(user: User) -> None:
    folder = user.prepare()

    assert folder == user.ours / "claude"
    assert {path.name: path.readlink() for path in folder.iterdir() if path.is_symlink()} == {
        name: user.folder / name for name in ("CLAUDE.md", "agents", "projects", "skills")
    }


def test_the_settings_are_a_private_copy_without_provider_keys(user: User) -> None:
    folder = user.prepare()

    assert content(folder / "settings.json") == {"permissions": {"allow": ["Bash(ls)"]}}
    assert (folder / "settings.json").stat().st_mode & 0o777 == 0o600


def test_no_login_is_copied_or_linked(user: User) -> None:
    folder = user.prepare()

    assert not (folder / ".credentials.json").exists()
    for path in user.ours.rglob("*"):
        assert path.is_symlink() or not path.is_file() or user.canary not in path.read_text("utf-8")


def test_the_users_own_files_are_only_read(user: User) -> None:
    before = user.fingerprint()

    user.prepare()
    user.prepare()

    assert user.fingerprint() == before


def test_deleting_the_state_folder_harms_nothing_of_the_users(user: User) -> None:
    before = user.fingerprint()
    user.prepare()

    shutil.rmtree(user.ours)

    assert user.fingerprint() == before
    assert (user.prepare() / "agents" / "one.md").read_text() == "one"


def test_a_second_launch_writes_nothing_when_nothing_has_changed(user: User) -> None:
    folder = user.prepare()
    times = {path: path.lstat().st_mtime_ns for path in folder.iterdir()}

    user.prepare()

    assert {path: path.lstat().st_mtime_ns for path in folder.iterdir()} == times


def test_what_the_user_changes_arrives_at_the_next_launch(user: User) -> None:
    folder = user.prepare()
    user.write_settings({"theme": "light"})
    user.write_state({"theme": "dark"})
    (user.folder / "rules").mkdir()
    shutil.rmtree(user.folder / "skills")

    user.prepare()

    assert content(folder / "settings.json") == {"theme": "light"}
    assert content(folder / ".claude.json")["theme"] == "dark"
    assert (folder / "rules").readlink() == user.folder / "rules"
    assert not (folder / "skills").is_symlink()


def test_a_link_that_leads_elsewhere_is_put_right(user: User) -> None:
    folder = user.prepare()
    (folder / "agents").unlink()
    (folder / "agents").symlink_to(user.home / "elsewhere")

    user.prepare()

    assert (folder / "agents").readlink() == user.folder / "agents"


def test_what_the_client_made_there_itself_is_left_alone(user: User) -> None:
    folder = user.prepare()
    (folder / "plugins").mkdir()
    (folder / "plugins" / "installed.json").write_text("{}")
    (folder / "history.jsonl").write_text("mine")
    (folder / "rules").mkdir()
    for name in ("plugins", "rules"):
        (user.folder / name).mkdir()
    (user.folder / "history.jsonl").write_text("theirs")

    user.prepare()

    assert (folder / "plugins" / "installed.json").read_text() == "{}"
    assert (folder / "history.jsonl").read_text() == "mine"
    assert (folder / "rules").is_symlink(), "an empty folder is replaced by the link"


def test_the_state_is_carried_over_by_name_and_credentials_stay_behind() -> None:
    canary = secrets.token_hex(8)
    user = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "oauthAccount": {"accountUuid": "u"},
        "primaryApiKey": canary,
        "customApiKeyResponses": {"approved": [canary]},
        "numStartups": 9,
        "mcpServers": {"one": {"command": "one"}},
        "projects": {
            "/repo": {"hasTrustDialogAccepted": True, "history": [canary], "mcpServers": {"two": {}}}
        },
    }

    assert merged_state(user, {}) == {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "oauthAccount": {"accountUuid": "u"},
        "mcpServers": {"one": {"command": "one"}},
        "projects": {"/repo": {"hasTrustDialogAccepted": True, "mcpServers": {"two": {}}}},
    }


def test_what_only_the_isolated_client_knows_stays_and_the_user_wins_the_rest() -> None:
    ours = {
        "numStartups": 3,
        "theme": "light",
        "mcpServers": {"one": {"command": "old"}, "three": {}},
        "projects": {"/repo": {"lastCost": 1, "hasTrustDialogAccepted": False}, "/other": {"lastCost": 2}},
    }
    user = {
        "theme": "dark",
        "mcpServers": {"one": {"command": "new"}},
        "projects": {"/repo": {"hasTrustDialogAccepted": True}},
    }

    assert merged_state(user, ours) == {
        "numStartups": 3,
        "theme": "dark",
        "mcpServers": {"one": {"command": "new"}, "three": {}},
        "projects": {"/repo": {"lastCost": 1, "hasTrustDialogAccepted": True}, "/other": {"lastCost": 2}},
    }


@pytest.mark.parametrize("broken", ["mcpServers", "projects"])
def test_state_of_an_unexpected_shape_is_passed_over(broken: str) -> None:
    assert merged_state({broken: ["list"], "theme": "dark"}, {"kept": 1}) == {"kept": 1, "theme": "dark"}


def test_a_first_user_without_any_configuration_gets_an_empty_one(tmp_path: Path) -> None:
    folder = prepare(tmp_path / ".openClaude", originals({}, tmp_path), routable)

    assert content(folder / "settings.json") == {}
    assert content(folder / ".claude.json") == {}
    assert not (tmp_path / ".claude").exists()


def test_a_broken_state_file_of_the_isolated_client_is_replaced(user: User) -> None:
    folder = user.prepare()
    (folder / ".claude.json").write_text("{")

    user.prepare()

    assert content(folder / ".claude.json")["hasCompletedOnboarding"] is True


def test_a_planted_link_in_place_of_the_settings_is_refused(user: User) -> None:
    folder = user.prepare()
    (folder / "settings.json").unlink()
    (folder / "settings.json").symlink_to(user.folder / "settings.json")
    before = user.fingerprint()

    with pytest.raises(StateError, match="is a symbolic link"):
        user.prepare()

    assert user.fingerprint() == before


def test_openclaudes_own_folder_is_no_source(user: User) -> None:
    inside = {"CLAUDE_CONFIG_DIR": str(user.ours / "claude")}

    with pytest.raises(StateError) as caught:
        prepare(user.ours, originals(inside, user.home), routable)

    assert str(caught.value) == f"{user.ours}/claude: is not a configuration of your own"
    assert caught.value.hint == "unset CLAUDE_CONFIG_DIR: it names openClaude's own folder"


def test_many_launches_at_once_leave_one_whole_folder(user: User) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: user.prepare(), range(32)))

    (folder,) = folders
    assert content(folder / "settings.json") == {"permissions": {"allow": ["Bash(ls)"]}}
    assert (folder / "agents" / "one.md").read_text() == "one"
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".settings")]
