"""`openclaude completions`: what a shell needs to complete openClaude's commands and options with the tab key."""

import argparse
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from openclaude.cli.main import COMMANDS

INSTALL: Final = {
    "bash": 'put this line into ~/.bashrc: eval "$(openclaude completions bash)"',
    "zsh": 'put this line into ~/.zshrc, below compinit: eval "$(openclaude completions zsh)"',
    "fish": "openclaude completions fish > ~/.config/fish/completions/openclaude.fish",
}
FILES: Final = "<files>"
"""Stands for any file, among the values of an option."""
_PLACES: Final = frozenset({"FILE", "DIR"})


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its names, its help, and what may follow it: None for nothing, an empty list for anything."""

    names: tuple[str, ...]
    about: str
    values: tuple[str, ...] | None


@dataclass(slots=True)
class Command:
    """A command with what may come behind it. `words` are sub-commands, values, or files."""

    path: tuple[str, ...]
    about: str
    words: list[tuple[str, str]] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("completions", help="print the completions for a shell")
    parser.add_argument("shell", choices=tuple(INSTALL), help="the shell they are for")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print the script; where it belongs is said on a terminal only."""
    del env
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    print("\n".join(writers[args.shell](list(commands()))), file=stdout)
    if sys.stdout.isatty():
        print(f"hint: {INSTALL[args.shell]}", file=stderr)
    return 0


def commands() -> Iterator[Command]:
    """OpenClaude itself, every command and every sub-command, from the parsers that read them."""
    own = [
        Option(("--profile",), "use a named set-up with routes of its own", ()),
        Option(("--isolated",), "give the client a folder of its own", None),
        Option(("--compat-http",), "plain HTTP between the client and the gateway", None),
        Option(("--version",), "show the version", None),
        Option(("--help", "-h"), "show the commands", None),
    ]
    yield Command((), "", list(COMMANDS.items()), own)
    for name, about in COMMANDS.items():
        subparsers = argparse.ArgumentParser().add_subparsers()
        importlib.import_module(f"openclaude.cli.{name}").add_parser(subparsers)
        yield from _of_parser((name,), about, subparsers.choices[name])


def _of_parser(path: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Iterator[Command]:
    made = Command(path, about)
    inner: list[tuple[str, str, argparse.ArgumentParser]] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            inner = [(name, texts.get(name, ""), child) for name, child in action.choices.items()]
        elif action.help == argparse.SUPPRESS:
            continue
        elif action.option_strings:
            made.options.append(Option(tuple(action.option_strings), action.help or "", _values(action)))
        else:
            made.words += [(value, "") for value in _values(action) or ()]
    made.words += [(name, text) for name, text, _ in inner]
    yield made
    for name, text, child in inner:
        yield from _of_parser((*path, name), text, child)


def _values(action: argparse.Action) -> tuple[str, ...] | None:
    if action.nargs == 0:
        return None
    if action.choices is not None:
        return tuple(map(str, action.choices))
    return (FILES,) if str(action.metavar) in _PLACES else ()


# Scripts. Every text in them comes from our own parsers; quotes are doubled or left out all the same.


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _key(command: Command) -> str:
    return " ".join(command.path)


def _with_values(found: list[Command]) -> Iterator[tuple[str, str]]:
    """`command|option` patterns for a shell's case, and the values; options that take anything included."""
    for command in found:
        for option in command.options:
            if option.values is not None:
                pattern = "|".join(_quoted(f"{_key(command)}|{name}") for name in option.names)
                yield pattern, " ".join(option.values)


def _nested(found: list[Command]) -> list[str]:
    """The commands of two words."""
    return [_key(command) for command in found if len(command.path) == 2]


def _bash(found: list[Command]) -> Iterator[str]:
    yield "# openclaude completions bash"
    yield "_openclaude() {"
    yield '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="" words="" values=""'
    yield '  if [ "$COMP_CWORD" -gt 1 ]; then command="${COMP_WORDS[1]}"; fi'
    yield '  if [ "$COMP_CWORD" -gt 2 ]; then case "$command ${COMP_WORDS[2]}" in'
    yield f'    {"|".join(map(_quoted, _nested(found)))}) command="$command ${{COMP_WORDS[2]}}";;'
    yield "  esac; fi"
    yield '  case "$command|$prev" in'
    for pattern, values in _with_values(found):
        yield f"    {pattern}) values={_quoted(values or ' ')};;"
    yield "  esac"
    yield '  if [ -n "$values" ]; then words="$values"; else case "$command" in'
    for command in found:
        words = " ".join(word for word, _ in command.words)
        options = " ".join(name for option in command.options for name in option.names)
        yield f"    {_quoted(_key(command))}) words={_quoted(words)}; [[ $cur == -* ]] && words={_quoted(options)};;"
    yield "  esac; fi"
    yield f'  if [[ $words == *"{FILES}"* && $cur != -* ]]; then COMPREPLY=($(compgen -f -- "$cur")); return; fi'
    yield '  COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield "}"
    yield "complete -o default -F _openclaude openclaude"


def _zsh(found: list[Command]) -> Iterator[str]:
    keys = " ".join(map(_quoted, _nested(found)))
    yield "#compdef openclaude"
    yield "_openclaude() {"
    yield '  local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}" command="" values=""'
    yield f"  local -a described nested=({keys})"
    yield '  (( CURRENT > 2 )) && command="${words[2]}"'
    yield '  (( CURRENT > 3 && ${nested[(Ie)$command ${words[3]}]} )) && command="$command ${words[3]}"'
    yield '  case "$command|$prev" in'
    for pattern, values in _with_values(found):
        yield f"    {pattern}) values={_quoted(values or ' ')};;"
    yield "  esac"
    yield f"  if [[ $values == *'{FILES}'* ]]; then _files; return; fi"
    yield '  if [[ -n "$values" ]]; then compadd -- ${=values}; return; fi'
    yield '  case "$command" in'
    for command in found:
        yield f"    {_quoted(_key(command))})"
        yield "      if [[ $cur == -* ]]; then described=("
        yield from (
            f"        {_quoted(_described(name, option.about))}"
            for option in command.options
            for name in option.names
        )
        yield "      ); else described=("
        yield from (
            f"        {_quoted(_described(word, text))}" for word, text in command.words if word != FILES
        )
        yield "      ); fi;;"
    yield "  esac"
    yield "  if (( ${#described} )); then _describe openclaude described; else _files; fi"
    yield "}"
    yield "compdef _openclaude openclaude"


def _described(word: str, text: str) -> str:
    return f"{word.replace(':', chr(92) + ':')}:{text}"


def _fish(found: list[Command]) -> Iterator[str]:
    yield "# openclaude completions fish"
    yield "function __openclaude_at"
    yield "    set -l words (commandline -opc)"
    yield "    set -l nested " + " ".join(map(_quoted, _nested(found)))
    yield '    set -l at "$words[2]"'
    yield '    if test (count $words) -gt 2; and contains -- "$words[2] $words[3]" $nested'
    yield '        set at "$words[2] $words[3]"'
    yield "    end"
    yield '    test "$at" = "$argv[1]"'
    yield "end"
    yield "complete -c openclaude -f"
    for command in found:
        condition = f"-n {_quoted('__openclaude_at ' + _quoted(_key(command)))}"
        for word, text in command.words:
            yield f"complete -c openclaude {condition} " + (
                "-F" if word == FILES else f"-a {_quoted(word)} -d {_quoted(text)}"
            )
        for option in command.options:
            yield f"complete -c openclaude {condition} {_fish_option(option)}"


def _fish_option(option: Option) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    given = " ".join([*names, f"-d {_quoted(option.about)}"])
    if option.values is None:
        return given
    if FILES in option.values:
        return f"{given} -r -F"
    return f"{given} -x -a {_quoted(' '.join(option.values))}"
