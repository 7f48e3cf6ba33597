import argparse
import io
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude.cli import config as command
from openclaude.config import PRESETS, load

BAD = "[gateway]\nport = 0\nprot = 1\n"
BAD_ANSWER = """\
{0}:2: gateway.port: must be between 1 and 65535
  hint: leave the line out to use port 4000
{0}:3: gateway.prot: unknown key
  hint: did you mean "port"?
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


def run(home: Path | str, *arguments: str, **env: str) -> Outcome:
    parser = argparse.ArgumentParser(prog="openclaude")
    command.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["config", *arguments])
    stdout, stderr = io.StringIO(), io.StringIO()
    code = command.run(
        args, env={"OPENCLAUDE_HOME": str(home), "HOME": str(home), **env}, stdout=stdout, stderr=stderr
    )
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def test_path_prints_where_the_configuration_is(tmp_path: Path) -> None:
    assert run(tmp_path, "path") == Outcome(0, f"{tmp_path}/config.toml\n", "")


def test_a_folder_that_cannot_be_told_is_a_problem() -> None:
    assert run("here", "path") == Outcome(
        2,
        "",
        'environment: OPENCLAUDE_HOME: must be an absolute path, but is "here"\n'
        "  hint: set HOME, or set OPENCLAUDE_HOME to the folder openClaude may keep its files in, "
        "as an absolute path\n",
    )


@pytest.mark.parametrize(
    ("arguments", "preset"),
    [
        pytest.param((), "mixed", id="mixed is the default"),
        pytest.param(("--preset", "mixed"), "mixed", id="mixed"),
        pytest.param(("--preset", "all-anthropic"), "all-anthropic", id="all-anthropic"),
    ],
)
def test_init_writes_the_chosen_preset_and_prints_its_path(
    tmp_path: Path, arguments: tuple[str, ...], preset: str
) -> None:
    home = tmp_path / "home"
    path = home / "config.toml"
    assert run(home, "init", *arguments) == Outcome(
        0, f"{path}\n", f"wrote the {preset} preset, with comments\n"
    )
    assert path.read_text() == PRESETS[preset]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_init_has_nothing_to_do_the_second_time(tmp_path: Path) -> None:
    run(tmp_path, "init")
    before = (tmp_path / "config.toml").stat()
    assert run(tmp_path, "init") == Outcome(
        0, f"{tmp_path}/config.toml\n", "nothing to do: the configuration is the mixed preset already\n"
    )
    assert (tmp_path / "config.toml").stat() == before


@pytest.mark.parametrize("text", [b"", b"# mine\n", b"\xff"], ids=["empty", "text", "no text"])
def test_init_leaves_another_configuration_alone_and_says_what_to_do(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text)
    assert run(tmp_path, "init", "--preset", "all-anthropic") == Outcome(
        1,
        "",
        f"{path}: a configuration is there, and it is not the all-anthropic preset; nothing was changed\n"
        "  hint: edit it, or replace it with: openclaude config init --preset all-anthropic --force\n",
    )
    assert path.read_bytes() == text


def test_init_replaces_a_preset_that_nobody_has_edited(tmp_path: Path) -> None:
    run(tmp_path, "init")
    path = tmp_path / "config.toml"
    assert run(tmp_path, "init", "--preset", "all-anthropic") == Outcome(
        0, f"{path}\n", "wrote the all-anthropic preset, with comments\n"
    )
    assert path.read_text() == PRESETS["all-anthropic"]


def test_init_replaces_another_configuration_by_force(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\n")
    assert run(tmp_path, "init", "--force") == Outcome(
        0, f"{path}\n", "wrote the mixed preset, with comments\n"
    )
    assert path.read_text() == PRESETS["mixed"]


def test_init_says_why_it_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.mkdir()
    assert run(tmp_path, "init", "--force") == Outcome(
        2,
        "",
        f"{path}: cannot be written: Is a directory\n"
        "  hint: make the folder writable, or set OPENCLAUDE_HOME to another one\n",
    )


def test_check_without_a_file_checks_the_built_in_default(tmp_path: Path) -> None:
    assert run(tmp_path, "check") == Outcome(
        0, f"ok: 2 routes in the built-in default (no file at {tmp_path}/config.toml)\n", ""
    )


@pytest.mark.parametrize(("preset", "routes"), [("mixed", "2 routes"), ("all-anthropic", "1 route")])
def test_check_counts_the_routes(tmp_path: Path, preset: str, routes: str) -> None:
    run(tmp_path, "init", "--preset", preset)
    assert run(tmp_path, "check") == Outcome(0, f"ok: {routes} in {tmp_path}/config.toml\n", "")


def test_check_notes_the_names_that_are_used_otherwise_than_written(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[slots]\nhaiku = "qwen-3-coder[1m]"\n')
    assert run(tmp_path, "check") == Outcome(
        0,
        f"ok: 2 routes in {tmp_path}/config.toml\n",
        'note: "qwen-3-coder[1m]" is used as "qwen-3-coder"\n',
    )


def test_check_shows_every_problem(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BAD)
    assert run(tmp_path, "check") == Outcome(2, "", BAD_ANSWER.format(tmp_path / "config.toml"))


def test_check_takes_another_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(BAD)
    assert run(tmp_path, "check", str(file)) == Outcome(2, "", BAD_ANSWER.format(file))


def test_check_of_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    assert run(tmp_path, "check", str(file)) == Outcome(
        2, "", f"{file}: does not exist\n  hint: `openclaude config init` writes a file to start from\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("init", "--preset", "other"), ("unknown",)],
    ids=["no sub-command", "an unknown preset", "an unknown sub-command"],
)
def test_what_is_no_command_ends_with_the_usage(
    tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, *arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: openclaude config")


def test_init_takes_the_region_of_the_shells_aws_set_up(tmp_path: Path) -> None:
    said = run(tmp_path, "init", AWS_REGION="eu-west-1")
    assert said.stderr == "wrote the mixed preset, with comments, in eu-west-1 as your AWS set-up says\n"
    [route] = [route for route in load(tmp_path / "config.toml").routes if route.to == "bedrock"]
    assert route.region == "eu-west-1"
    assert "nothing to do" in run(tmp_path, "init", AWS_REGION="eu-west-1").stderr
    assert run(tmp_path, "init").stderr == "wrote the mixed preset, with comments\n"


def test_init_does_not_take_what_is_no_region(tmp_path: Path) -> None:
    run(tmp_path, "init", AWS_REGION="moon")
    assert (tmp_path / "config.toml").read_text() == PRESETS["mixed"]
