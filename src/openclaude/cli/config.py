"""`openclaude config`: write, check and find the configuration file."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from openclaude import config

OK: Final = 0
REFUSED: Final = 1
BAD_CONFIGURATION: Final = 2


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("config", help="write, check or find the configuration file")
    commands = parser.add_subparsers(dest="config_command", metavar="init|check|path", required=True)
    init = commands.add_parser("init", help="write a configuration file to start from")
    init.add_argument(
        "--preset",
        choices=tuple(config.PRESETS),
        default="mixed",
        help=(
            "mixed: haiku on Amazon Bedrock, the rest on your Claude plan (default); all-anthropic: no Bedrock; "
            "all-bedrock: every tier a Claude on Amazon Bedrock"
        ),
    )
    init.add_argument("--force", action="store_true", help="replace a configuration that says something else")
    check = commands.add_parser(
        "check", help="show every problem of the configuration, with file, line and hint"
    )
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="check this file instead")
    commands.add_parser("path", help="print where the configuration file is")


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Do what was asked.

    Returns:
        0; 1 when `init` leaves another configuration alone; 2 when the configuration has problems, which are then on
        stderr.
    """
    try:
        folder = config.home(env)
        match args.config_command:
            case "init":
                return _init(folder, args, stdout, stderr)
            case "check":
                return _check(args.file, folder, stdout, stderr)
            case _:
                print(config.config_path(folder), file=stdout)
                return OK
    except config.ConfigError as error:
        print(error, file=stderr)
        return BAD_CONFIGURATION


def _init(folder: Path, args: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    path = config.config_path(folder)
    there = _text(path)
    if there == config.PRESETS[args.preset]:
        print(f"nothing to do: the configuration is the {args.preset} preset already", file=stderr)
    elif there is not None and there not in config.PRESETS.values() and not args.force:
        print(
            f"{path}: a configuration is there, and it is not the {args.preset} preset; nothing was changed\n"
            f"  hint: edit it, or replace it with: openclaude config init --preset {args.preset} --force",
            file=stderr,
        )
        return REFUSED
    else:
        config.write_preset(folder, args.preset)
        print(f"wrote the {args.preset} preset, with comments", file=stderr)
    print(path, file=stdout)
    return OK


def _text(path: Path) -> str | None:
    """What stands at `path`; empty when it cannot be read as text, None when nothing is there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _check(file: Path | None, folder: Path, stdout: TextIO, stderr: TextIO) -> int:
    found = config.load_existing(file) if file else config.load(config.config_path(folder))
    for written, used in found.normalised:
        print(f'note: "{written}" is used as "{used}"', file=stderr)
    routes = "1 route" if len(found.routes) == 1 else f"{len(found.routes)} routes"
    where = found.source or f"the built-in default (no file at {config.config_path(folder)})"
    print(f"ok: {routes} in {where}", file=stdout)
    return OK
