import io
from argparse import Namespace
from pathlib import Path

import pytest

from openclaude.cli import logs


class EnoughError(Exception):
    """The test has seen what it wanted."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "oc"
    (home / "logs").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    return home


def run(folder: Path, lines: int) -> tuple[str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"OPENCLAUDE_HOME": str(folder)}
    assert logs.run(Namespace(follow=False, lines=lines), env=env, stdout=stdout, stderr=stderr) == 0
    return stdout.getvalue(), stderr.getvalue()


def test_the_last_lines_are_shown(folder: Path) -> None:
    (folder / "logs" / "gateway.log").write_text("one\ntwo\nthree\n")
    assert run(folder, 2) == ("two\nthree\n", "")
    assert run(folder, 0) == ("", "")


def test_without_a_log_there_is_a_hint(folder: Path) -> None:
    out, err = run(folder, 10)
    assert out == ""
    assert "there is no log yet" in err
    assert "hint: `openclaude start`" in err


def test_following_prints_what_is_added_and_finds_the_new_file_after_a_rotation(folder: Path) -> None:
    path = folder / "logs" / "gateway.log"
    path.write_text("old\n")
    steps = iter(
        [
            lambda: path.write_text("old\nadded\n"),
            lambda: (path.rename(path.with_suffix(".1")), path.write_text("new\n")),
            path.unlink,
        ],
    )

    def pause() -> None:
        step = next(steps, None)
        if step is None:
            raise EnoughError
        step()

    out = io.StringIO()
    with pytest.raises(EnoughError):
        logs.follow(path, 4, out, pause=pause)
    assert out.getvalue() == "added\nnew\n"
