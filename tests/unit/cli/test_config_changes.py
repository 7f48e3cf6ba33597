import argparse
import io
import json
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude import config
from openclaude.cli import config as command
from openclaude.config import PRESETS

BROKEN = "[gateway]\nport = 0\n"
OTHER = "[gateway]\nport = 4001\n"
YAML = """\
model_list:
  - model_name: coder
    litellm_params: {model: bedrock/qwen.qwen3-coder-next, aws_region_name: us-west-2, rpm: 3}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


def run(home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
    parser = argparse.ArgumentParser(prog="openclaude")
    command.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["config", *arguments])
    stdout, stderr = io.StringIO(), io.StringIO()
    code = command.run(args, env={"OPENCLAUDE_HOME": str(home), **(env or {})}, stdout=stdout, stderr=stderr)
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# show


def test_show_prints_the_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(OTHER)
    assert run(tmp_path, "show") == Outcome(0, OTHER, "")


def test_show_prints_the_default_where_there_is_no_file_and_says_so(tmp_path: Path) -> None:
    said = f"no file at {tmp_path}/config.toml; this is the built-in default\n"
    assert run(tmp_path, "show") == Outcome(0, PRESETS["mixed"], said)


def test_show_as_json_fills_the_defaults_in(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(OTHER)
    found = json.loads(run(tmp_path, "show", "--json").stdout)
    assert (found["source"], found["port"]) == (f"{tmp_path}/config.toml", 4001)
    assert found["slots"] == {"haiku": "qwen-3-coder"}
    assert found["routes"][0] == {
        "match": "claude-*",
        "to": "anthropic",
        "endpoint": "mantle",
        "fips": False,
        "dualstack": False,
        "capabilities": {},
        "reroute_safeguards": False,
        "fallback": [],
    }


def test_show_as_json_lists_the_kinds_of_a_route(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[[routes]]\nmatch = "*"\nto = "anthropic"\nkinds = ["title", "main"]\nagent = false\n'
    )
    route = json.loads(run(tmp_path, "show", "--json").stdout)["routes"][0]
    assert (route["kinds"], route["agent"]) == (["main", "title"], False)


def test_show_does_not_print_a_file_that_holds_a_key(tmp_path: Path, canary: Callable[[str], str]) -> None:
    secret = canary("sk-" + "ant-")
    (tmp_path / "config.toml").write_text(
        f'[[routes]]\nmatch = "x"\nto = "anthropic"\napi_key = "{secret}"\n'
    )
    done = run(tmp_path, "show")
    assert done.code == 2
    assert secret not in done.stdout + done.stderr


# backup and restore


def test_a_backup_is_a_private_copy_and_is_made_once(tmp_path: Path) -> None:
    run(tmp_path, "init")
    done = run(tmp_path, "backup")
    copy = Path(done.stdout.strip())
    assert (copy.parent, copy.read_text()) == (tmp_path / "backups", PRESETS["mixed"])
    assert (mode(copy), mode(copy.parent)) == (0o600, 0o700)
    assert run(tmp_path, "backup") == done


def test_two_backups_of_one_second_are_two_files(tmp_path: Path) -> None:
    for text in ("# one", "# two", "# three"):
        (tmp_path / "config.toml").write_text(text)
        config.back_up(tmp_path, lambda: 0.0)
    assert [path.name for path in config.backups(tmp_path)] == [
        "config-19700101T000000Z-3.toml",
        "config-19700101T000000Z-2.toml",
        "config-19700101T000000Z.toml",
    ]
    assert run(tmp_path, "restore", "--list").stdout.splitlines()[0] == "config-19700101T000000Z-3.toml"


def test_nothing_is_backed_up_where_there_is_nothing(tmp_path: Path) -> None:
    said = f"{tmp_path}/config.toml: nothing is there to be copied\n  hint: openclaude config init\n"
    assert run(tmp_path, "backup") == Outcome(1, "", said)


def test_restore_takes_the_newest_copy_that_differs_and_can_be_undone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    run(tmp_path, "init")
    run(tmp_path, "backup")
    path.write_text(OTHER)
    done = run(tmp_path, "restore")
    assert (done.code, path.read_text()) == (0, PRESETS["mixed"])
    assert run(tmp_path, "restore").code == 0
    assert path.read_text() == OTHER


def test_restore_takes_the_copy_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for number, text in enumerate(("# one\n", "# two\n")):
        path.write_text(text)
        config.back_up(tmp_path, lambda moment=number: moment)
    assert run(tmp_path, "restore", "19700101T000000Z").code == 0
    assert path.read_text() == "# one\n"
    assert run(tmp_path, "restore", "config-19700101T000001Z.toml").code == 0
    assert path.read_text() == "# two\n"


def test_a_copy_with_problems_is_not_restored(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BROKEN)
    config.back_up(tmp_path, lambda: 0.0)
    path.write_text(OTHER)
    done = run(tmp_path, "restore")
    assert (done.code, path.read_text()) == (2, OTHER)
    assert "config-19700101T000000Z.toml:2: gateway.port: must be between" in done.stderr


@pytest.mark.parametrize("name", ["19990101T000000Z", "../config.toml", "/etc/passwd"])
def test_a_copy_that_does_not_exist_is_said_not_to(tmp_path: Path, name: str) -> None:
    run(tmp_path, "init")
    run(tmp_path, "backup")
    done = run(tmp_path, "restore", name)
    assert done.code == 2
    assert "has no copy of that name\n  hint: `openclaude config restore --list`" in done.stderr


# edit


def editor(folder: Path, code: str) -> dict[str, str]:
    """An editor that does this to the file at `path`."""
    program = folder / "editor.py"
    program.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n{code}\n")
    return {"EDITOR": f"'{sys.executable}' '{program}'"}


def test_an_edit_becomes_the_configuration_and_the_old_one_is_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(home, "edit", env=editor(tmp_path, f"path.write_text({OTHER!r})"))
    assert (done.code, done.stdout) == (0, f"{home}/config.toml\n")
    assert (home / "config.toml").read_text() == OTHER
    assert [path.read_text() for path in config.backups(home)] == [PRESETS["mixed"]]
    assert not (home / "config.draft.toml").exists()


def test_an_edit_that_changes_nothing_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(home, "edit", env=editor(tmp_path, ""))
    assert (done.code, done.stderr) == (0, "nothing was changed\n")
    assert config.backups(home) == []


def test_an_edit_with_problems_stays_a_draft_for_the_next_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(home, "init")
    done = run(home, "edit", env=editor(tmp_path, f"path.write_text({BROKEN!r})"))
    assert done.code == 2
    assert f"{home}/config.draft.toml:2: gateway.port: must be" in done.stderr
    assert (home / "config.toml").read_text() == PRESETS["mixed"]
    again = run(home, "edit", env=editor(tmp_path, 'path.write_text(path.read_text().replace("0", "4001"))'))
    assert again.code == 0
    assert (home / "config.toml").read_text() == OTHER


def test_an_editor_that_fails_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(home, "init")
    done = run(home, "edit", env=editor(tmp_path, f"path.write_text({OTHER!r})\nsys.exit(3)"))
    assert done.code == 1
    assert "the editor ended with exit code 3" in done.stderr
    assert (home / "config.toml").read_text() == PRESETS["mixed"]


def test_an_editor_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    done = run(tmp_path, "edit", env={"EDITOR": "/no/such/editor"})
    assert done.code == 1
    assert "the editor cannot be started: No such file or directory\nhint: set EDITOR" in done.stderr


# import-litellm


def test_an_import_is_printed_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "x.yaml"
    source.write_text(YAML)
    home = tmp_path / "home"
    done = run(home, "import-litellm", str(source))
    assert done.code == 0
    assert config.parse(done.stdout, "x").routes[0].model == "qwen.qwen3-coder-next"
    assert done.stderr == (
        f'{source}:3: model "coder": rpm: openClaude asks one provider for each name: no load balancing, '
        "no second attempt elsewhere\nopenclaude: 1 route made, 0 models left out\n"
    )
    assert not home.exists()


def test_an_import_that_is_written_keeps_the_old_configuration(tmp_path: Path) -> None:
    source = tmp_path / "x.yaml"
    source.write_text(YAML)
    run(tmp_path, "init")
    done = run(tmp_path, "import-litellm", "--write", str(source))
    assert (done.code, done.stdout) == (0, f"{tmp_path}/config.toml\n")
    assert config.load(tmp_path / "config.toml").routes[0].match == "coder"
    assert [path.read_text() for path in config.backups(tmp_path)] == [PRESETS["mixed"]]


def test_an_import_without_a_route_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "x.yaml"
    source.write_text("model_list:\n- model_name: a\n  litellm_params: {model: openai/a}\n")
    done = run(tmp_path, "import-litellm", "--write", str(source))
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.endswith(
        "openclaude: 0 routes made, 1 model left out\n"
        "hint: `openclaude config init` writes a configuration to start from\n"
    )
    assert not (tmp_path / "config.toml").exists()


UNREADABLE = {
    "no YAML": (b"model_list: [\n", ":2: a bracket that is never closed\n  hint: close it\n"),
    "an anchor": (
        b"model_list: &a\n",
        ":1: an anchor (&), which is not read here\n  hint: write out what it stands for\n",
    ),
    "another file": (
        b"a: b\n",
        ":1: no `model_list:` with entries\n  hint: is it a LiteLLM configuration?\n",
    ),
    "a file that is too large": (
        b"#" * (1024 * 1024 + 1),
        ": has more than 1048576 bytes\n  hint: is it the right file?\n",
    ),
    "no text": (b"\xff\xfe", ": is not UTF-8 text\n  hint: save the file in the encoding UTF-8\n"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, case: str) -> None:
    data, said = UNREADABLE[case]
    source = tmp_path / "x.yaml"
    source.write_bytes(data)
    assert run(tmp_path, "import-litellm", str(source)) == Outcome(2, "", f"{source}{said}")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "import-litellm", "/no/such/file")
    assert (done.code, done.stderr.splitlines()[0]) == (
        2,
        "/no/such/file: cannot be read: No such file or directory",
    )
