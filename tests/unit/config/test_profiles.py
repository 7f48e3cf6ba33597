from pathlib import Path

import pytest

from openclaude import config
from openclaude.config import ConfigError

ROUTE = '[[routes]]\nmatch = "claude-*"\nto = "anthropic"\n'


def written(folder: Path, name: str, text: str = ROUTE) -> Path:
    path = folder / "profiles" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def problem(folder: Path, name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load_profile(folder, name)
    return str(caught.value)


def test_a_profile_is_a_configuration_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "work")
    found = config.load_profile(tmp_path, "work")
    assert ([route.match for route in found.routes], found.source) == (["claude-*"], path)


def test_a_profile_that_does_not_exist_is_a_problem_that_names_the_others(tmp_path: Path) -> None:
    written(tmp_path, "work")
    written(tmp_path, "a-b_2")
    assert problem(tmp_path, "home") == (
        f"{tmp_path}/profiles/home.toml: does not exist\n"
        "  hint: `openclaude config init --profile home` makes it; there are: a-b_2, work"
    )


@pytest.mark.parametrize("name", ["", "Work", "../config", "a/b", ".x", "-x", "x" * 33, "a b", "é"])
def test_what_is_no_name_for_a_profile_is_refused(tmp_path: Path, name: str) -> None:
    assert "is not the name of a profile" in problem(tmp_path, name)


def test_a_profile_has_no_port_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "work", f"# one\n[gateway]\nport = 1\n{ROUTE}")
    assert problem(tmp_path, "work") == (
        f"{path}:2: gateway: all profiles share one gateway\n  hint: remove the table; config.toml has it"
    )


def test_a_broken_profile_does_not_keep_the_others_from_being_loaded(tmp_path: Path) -> None:
    written(tmp_path, "work")
    written(tmp_path, "broken", "[[")
    written(tmp_path, "Not A Name")
    assert list(config.load_profiles(tmp_path)) == ["work"]
    assert "is not valid TOML" in problem(tmp_path, "broken")


def test_a_change_of_any_profile_changes_the_digest(tmp_path: Path) -> None:
    main = config.parse(ROUTE, "x")
    assert config.digest(main, {}) == main.text_sha256
    digests = set()
    for text in (ROUTE, ROUTE + "# changed\n"):
        for name in ("work", "home"):
            digests.add(config.digest(main, {name: config.parse(text, "x")}))
    assert len(digests) == 4
