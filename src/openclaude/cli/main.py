"""The `openclaude` command: one of its own sub-commands, or Claude Code with everything that was given."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from openclaude import __version__

COMMANDS: Final = {
    "serve": "run the gateway in the foreground",
    "start": "start the gateway in the background",
    "stop": "stop the gateway",
    "restart": "begin anew, with the configuration as it is now",
    "reload": "take over a changed configuration",
    "service": "keep the gateway running from login on",
    "status": "show whether the gateway runs, where, and since when",
    "statusline": "print what Claude Code's status line shows of the plan and the fallback",
    "logs": "show the gateway's log",
    "env": "print what another client of the Anthropic API needs to use the gateway",
    "routes": "show which model goes where, with which credential",
    "config": "write, check or locate the configuration",
    "aws": "the IAM policy the Bedrock routes need, a check of them, the models of a region",
    "explain": "show what becomes of a request, or of an answer, without sending anything",
    "completions": "print the completions for bash, zsh or fish",
    "doctor": "look for everything that could be wrong, each with its remedy",
    "prove": "plant invented credentials and show that each reaches its own provider only",
    "uninstall": "stop the gateway and remove everything openClaude made",
    "demo": "run the whole job on embedded simulators: no accounts needed",
}

_HELP: Final = """\
Run Claude Code on mixed models: Claude on your own plan, the haiku slot on Amazon Bedrock.

usage: openclaude [--profile NAME] [--isolated] [--compat-http] [claude arguments...]
       openclaude COMMAND [options]

Without a command, openclaude starts its gateway if need be and runs the real Claude Code through it;
every argument, the terminal, signals and the exit code are passed on. `openclaude -- ARGS` passes all of ARGS.

commands:
{commands}

options:
  --profile NAME  use a named set-up with routes of its own (~/.openClaude/profiles/NAME.toml)
  --isolated      give the client a configuration folder of its own (~/.openClaude/claude)
  --compat-http   plain HTTP and not mutual TLS between the client and the gateway
  --version       show openClaude's version
  -h, --help      show this text (`openclaude -- --help` shows Claude Code's)

`openclaude COMMAND --help` tells more. Configuration: `openclaude config path`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Launching the client does not return."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does. Keep the interpreter from complaining about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        listed = "\n".join(f"  {name:<{width}}   {what}" for name, what in COMMANDS.items())
        sys.stdout.write(_HELP.format(commands=listed))
        return 0
    if first == "--version":
        sys.stdout.write(f"openclaude {__version__}\n")
        return 0
    if first not in COMMANDS:
        module = importlib.import_module("openclaude.cli.launch")
        return int(module.run(arguments, env=os.environ, stderr=sys.stderr))
    module = importlib.import_module(f"openclaude.cli.{first}")
    parser = _parser()
    module.add_parser(parser.add_subparsers(dest="command", metavar="COMMAND"))
    options = parser.parse_args(arguments)
    return int(module.run(options, env=os.environ, stdout=sys.stdout, stderr=sys.stderr))


def _parser() -> Any:
    """A parser that does not guess: `--connect` is not `--connect-to`. argparse is loaded here, for commands only."""
    import argparse  # noqa: PLC0415

    class Parser(argparse.ArgumentParser):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "allow_abbrev": False})

        def error(self, message: str) -> NoReturn:
            self.exit(2, f"{self.prog}: {message}\nhint: `{self.prog} --help` shows what can be given\n")

    return Parser(prog="openclaude")
