import subprocess
import sys

import pytest

from openclaude import __version__
from openclaude.cli.main import COMMANDS, main


def test_help_lists_every_command_and_shows_the_ways_to_call(capsys) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Run Claude Code on mixed models")
    width = max(map(len, COMMANDS))
    for name, what in COMMANDS.items():
        assert f"  {name:<{width}}   {what}\n" in shown


def test_version_is_one_line(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"openclaude {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: openclaude {name}" in capsys.readouterr().out


def test_an_unknown_option_of_a_command_is_an_error_with_its_usage(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--jason"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --jason" in capsys.readouterr().err


def test_an_abbreviated_option_is_not_guessed(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["logs", "--follo"])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    command = f"{sys.executable} -P -m openclaude --help | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Run Claude Code")
    assert "Traceback" not in done.stderr
