"""The completions in the shells they are for, as far as these are installed: bash always is."""

import io
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from openclaude.cli import completions
from openclaude.cli.main import COMMANDS, main
from support.patience import DEADLINE

SHELLS = [shell for shell in completions.INSTALL if shutil.which(shell)]
BASH = """\
source {script}
COMP_WORDS=(openclaude {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_openclaude
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """\
compdef() {{ }}
_describe() {{ print -rl -- ${{${{(P)2}}%%:*}} }}
_files() {{ print -rl -- *(N) }}
compadd() {{ shift; print -rl -- $@ }}
source {script}
words=(openclaude {words}); CURRENT=${{#words}}
_openclaude
"""
FISH = 'source {script}; complete -C "openclaude {line}"\n'

CASES = {
    "a command": ("sta", {"start", "status", "statusline"}),
    "openClaude's own options": ("--i", {"--isolated"}),
    "a sub-command": ("config re", {"restore"}),
    "all sub-commands": ("aws ", {"policy", "check", "models"}),
    "an option of a command": ("logs --f", {"--follow"}),
    "an option of a sub-command": ("config init --f", {"--force"}),
    "a value of an option": ("config init --preset all-", {"all-anthropic", "all-bedrock"}),
    "a value": ("completions z", {"zsh"}),
    "a file": ("config import-litellm in", {"input.yaml"}),
    "a file behind an option": ("prove --report in", {"input.yaml"}),
}


def script(shell: str) -> str:
    stdout = io.StringIO()
    assert completions.run(Namespace(shell=shell), env={}, stdout=stdout, stderr=io.StringIO()) == 0
    return stdout.getvalue()


def completed(shell: str, line: str, folder: Path) -> set[str]:
    """What the shell offers behind `openclaude LINE`, of which only the last word is unfinished."""
    (folder / "input.yaml").write_text("")
    file = folder / "script"
    file.write_text(script(shell))
    words = " ".join(f"'{word}'" for word in line.split(" "))
    code = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(script=file, words=words, line=line)
    flags = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[shell]
    done = subprocess.run(
        [shell, *flags, code], cwd=folder, capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert done.stderr == ""
    last = line.rpartition(" ")[2]
    offered = {row.split("\t")[0] for row in done.stdout.splitlines()}
    return {word for word in offered if word.startswith(last)} if shell == "zsh" else offered


def test_bash_is_there_to_be_tested_with() -> None:
    assert "bash" in SHELLS


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", CASES)
def test_the_shell_completes(shell: str, case: str, tmp_path: Path) -> None:
    line, expected = CASES[case]
    assert completed(shell, line, tmp_path) == expected


@pytest.mark.parametrize("shell", completions.INSTALL)
def test_every_command_and_every_option_is_in_the_script_of_each_shell(shell: str) -> None:
    text = script(shell)
    for command in completions.commands():
        for option in command.options:
            for name in option.names:
                assert name.lstrip("-") in text
    assert all(name in text for name in COMMANDS)
    assert text.splitlines()[0].endswith(f"openclaude completions {shell}") or shell == "zsh"


def test_the_parsers_are_read_down_to_the_sub_commands() -> None:
    paths = {command.path for command in completions.commands()}
    assert {(), ("serve",), ("config", "import-litellm"), ("aws", "check")} <= paths


@pytest.mark.parametrize("shell", completions.INSTALL)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completions", shell]) == 0
    assert capsys.readouterr().out == script(shell)
