import os
import stat
from pathlib import Path

import pytest

from openclaude import config
from openclaude.config import PRESETS, ConfigError
from openclaude.config.files import others_can_write

RELATIVE_HINT = (
    "set HOME, or set OPENCLAUDE_HOME to the folder openClaude may keep its files in, as an absolute path"
)


def problem_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return str(caught.value)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        pytest.param({"HOME": "/users/a"}, "/users/a/.openClaude", id="below the user's home"),
        pytest.param(
            {"HOME": "/users/a", "OPENCLAUDE_HOME": ""}, "/users/a/.openClaude", id="an empty choice is none"
        ),
        pytest.param(
            {"HOME": "/users/a", "OPENCLAUDE_HOME": "/other"}, "/other", id="the folder that was chosen"
        ),
        pytest.param({"OPENCLAUDE_HOME": "/other"}, "/other", id="without a home"),
        pytest.param(
            {"HOME": "/users/a", "OPENCLAUDE_HOME": "~/oc"}, "/users/a/oc", id="a tilde nobody expanded"
        ),
    ],
)
def test_the_folder_is_the_chosen_one_or_below_the_users_home(env: dict[str, str], folder: str) -> None:
    assert config.home(env) == Path(folder)
    assert config.config_path(config.home(env)) == Path(folder) / "config.toml"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        pytest.param({}, "environment: HOME: is not set", id="no home"),
        pytest.param(
            {"HOME": "."}, 'environment: HOME: must be an absolute path, but is "."', id="a relative home"
        ),
        pytest.param(
            {"HOME": "/users/a", "OPENCLAUDE_HOME": ".openClaude"},
            'environment: OPENCLAUDE_HOME: must be an absolute path, but is ".openClaude"',
            id="a folder inside whatever project one is in",
        ),
    ],
)
def test_a_folder_that_depends_on_where_one_stands_is_refused(env: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.home(env)
    assert str(caught.value) == f"{message}\n  hint: {RELATIVE_HINT}"


def test_a_missing_file_is_the_default_configuration(tmp_path: Path) -> None:
    found = config.load(tmp_path / "none" / "config.toml")
    assert found.source is None
    assert found.slots == {"haiku": "qwen-3-coder"}
    assert [route.match for route in found.routes] == ["claude-*", "qwen-3-coder"]


def test_a_missing_file_the_user_named_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(ConfigError) as caught:
        config.load_existing(path)
    assert str(caught.value) == (
        f"{path}: does not exist\n  hint: `openclaude config init` writes a file to start from"
    )


def test_a_file_is_read_and_named_as_the_source(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[gateway]\nport = 4123\n")
    assert (
        config.load(path) == config.load_existing(path) == config.parse("[gateway]\nport = 4123\n", str(path))
    )
    assert config.load(path).source == path


def test_a_problem_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"[gateway]\nport = \xff")
    assert problem_of(path) == f"{path}:2: is not UTF-8 text\n  hint: save the file in the encoding UTF-8"


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert problem_of(tmp_path) == (
        f"{tmp_path}: cannot be read: Is a directory\n  hint: make it a file that you can read"
    )


def test_a_file_others_can_change_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    path.chmod(0o666)
    assert problem_of(path) == (
        f"{path}: can be changed by every user of this machine\n  hint: take that right away: chmod go-w '{path}'"
    )


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        pytest.param(stat.S_IFREG | 0o644, False, id="others can read it"),
        pytest.param(stat.S_IFREG | 0o660, False, id="the user's own group can write it"),
        pytest.param(stat.S_IFREG | 0o602, True, id="others can write it"),
        pytest.param(stat.S_IFCHR | 0o666, False, id="a device such as the null one"),
    ],
)
def test_only_an_ordinary_file_is_asked_who_can_change_it(mode: int, answer: bool) -> None:
    assert others_can_write(mode) is answer


def test_an_empty_device_is_an_empty_configuration() -> None:
    assert config.load(Path(os.devnull)).slots == {"haiku": "qwen-3-coder"}


def test_a_file_that_is_no_configuration_at_all_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * 262145)
    assert problem_of(path) == (
        f"{path}: has more than 262144 bytes\n  hint: a configuration is a few lines: is it the right file?"
    )
    path.write_bytes(b"#" * 262144)
    assert config.load(path).port == 4000


def test_the_first_use_writes_the_mixed_preset_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "home"
    assert config.ensure_written(folder) == (folder / "config.toml", True)
    assert (folder / "config.toml").read_text() == PRESETS["mixed"]
    assert (mode_of(folder), mode_of(folder / "config.toml")) == (0o700, 0o600)
    assert [entry.name for entry in folder.iterdir()] == ["config.toml"]


def test_the_next_use_leaves_the_configuration_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\n")
    assert config.ensure_written(tmp_path) == (path, False)
    assert path.read_text() == "# mine\n"


def test_a_link_to_a_configuration_that_is_away_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(tmp_path / "dotfiles" / "config.toml")
    assert config.ensure_written(tmp_path) == (path, False)
    assert path.is_symlink()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_takes_the_place_of_a_configuration(tmp_path: Path, preset: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# old\n")
    path.chmod(0o644)
    assert config.write_preset(tmp_path, preset) == path
    assert path.read_text() == PRESETS[preset]
    assert mode_of(path) == 0o600


def test_a_place_that_cannot_be_written_is_a_problem_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    (tmp_path / "config.toml" / "inside").touch()
    with pytest.raises(ConfigError) as caught:
        config.write_preset(tmp_path, "mixed")
    assert str(caught.value) == (
        f"{tmp_path / 'config.toml'}: cannot be written: Is a directory\n"
        "  hint: make the folder writable, or set OPENCLAUDE_HOME to another one"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.toml"]


def test_a_file_where_the_folder_belongs_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.touch()
    with pytest.raises(ConfigError) as caught:
        config.ensure_written(folder)
    assert str(caught.value) == (
        f"{folder / 'config.toml'}: cannot be written: File exists\n"
        "  hint: make the folder writable, or set OPENCLAUDE_HOME to another one"
    )
