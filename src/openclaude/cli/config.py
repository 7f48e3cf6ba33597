"""`openclaude config`: write, check, show, change and find the configuration file."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from openclaude import config
from openclaude.cli import importing

OK: Final = 0
REFUSED: Final = 1
BAD_CONFIGURATION: Final = 2


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("config", help="write, check, show or change the configuration")
    commands = parser.add_subparsers(dest="config_command", metavar="COMMAND", required=True)
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
    path = commands.add_parser("path", help="print where the configuration file is")
    show = commands.add_parser("show", help="print the configuration that is used")
    show.add_argument("--json", action="store_true", help="print one JSON object, defaults filled in")
    for command in (init, check, path, show):
        command.add_argument("--profile", metavar="NAME", help="the named set-up that is meant")
    commands.add_parser(
        "edit", help="open the configuration in $VISUAL or $EDITOR; problems never become the configuration"
    )
    commands.add_parser("backup", help="keep a copy of the configuration and print where")
    back = commands.add_parser("restore", help="make a copy the configuration again")
    back.add_argument(
        "name", nargs="?", metavar="NAME", help="a copy; without it the newest that says something else"
    )
    back.add_argument("--list", action="store_true", help="print the copies, the newest first")
    importing.add_arguments(
        commands.add_parser("import-litellm", help="turn LiteLLM configurations into one of openClaude's")
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Do what was asked.

    Returns:
        0; 1 when `init` leaves another configuration alone, or there is nothing to copy, edit or import; 2 when the
        configuration has problems, which are then on stderr.
    """
    try:
        folder = config.home(env)
        match args.config_command:
            case "init":
                return _init(folder, args, _region(env), stdout, stderr)
            case "check":
                return _check(args.file, args.profile, folder, stdout, stderr)
            case "show":
                return _show(args.profile, folder, stdout, stderr, as_json=args.json)
            case "edit":
                from openclaude.cli import editing  # noqa: PLC0415 - only this command starts an editor

                return editing.run(folder, env, stdout, stderr)
            case "backup":
                return _backup(folder, stdout, stderr)
            case "restore":
                return _restore(folder, args, stdout, stderr)
            case "import-litellm":
                return importing.run(args, folder, env, stdout, stderr)
            case _:
                print(_path(args.profile, folder), file=stdout)
                return OK
    except config.ConfigError as error:
        print(error, file=stderr)
        return BAD_CONFIGURATION


def _region(env: Mapping[str, str]) -> str:
    """The region a new configuration gets: that of the shell's AWS set-up, where there is a usable one."""
    from openclaude.launcher.awscheck import region_of_shell  # noqa: PLC0415 - only `init` reads AWS's files

    found = region_of_shell(env, Path(env.get("HOME", "/")))
    return found if found and config.region_fault(found) is None else config.REGION


def _path(profile: str | None, folder: Path) -> Path:
    return config.profile_path(folder, profile) if profile else config.config_path(folder)


def _read(profile: str | None, folder: Path) -> config.Config:
    return config.load_profile(folder, profile) if profile else config.load(config.config_path(folder))


def _init(folder: Path, args: argparse.Namespace, region: str, stdout: TextIO, stderr: TextIO) -> int:
    path = _path(args.profile, folder)
    there = _text(path)
    text = config.preset_text(args.preset, region, of_profile=bool(args.profile))
    if there == text:
        print(f"nothing to do: the configuration is the {args.preset} preset already", file=stderr)
    elif there is not None and not config.is_preset(there) and not args.force:
        print(
            f"{path}: a configuration is there, and it is not the {args.preset} preset; nothing was changed\n"
            f"  hint: edit it, or replace it with: openclaude config init --preset {args.preset} --force",
            file=stderr,
        )
        return REFUSED
    else:
        config.write_text(folder, text, path)
        where = f", in {region} as your AWS set-up says" if region != config.REGION else ""
        print(f"wrote the {args.preset} preset, with comments{where}", file=stderr)
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


def _check(file: Path | None, profile: str | None, folder: Path, stdout: TextIO, stderr: TextIO) -> int:
    found = config.load_existing(file) if file else _read(profile, folder)
    for written, used in found.normalised:
        print(f'note: "{written}" is used as "{used}"', file=stderr)
    routes = "1 route" if len(found.routes) == 1 else f"{len(found.routes)} routes"
    where = found.source or f"the built-in default (no file at {config.config_path(folder)})"
    print(f"ok: {routes} in {where}", file=stdout)
    return OK


def _show(profile: str | None, folder: Path, stdout: TextIO, stderr: TextIO, *, as_json: bool) -> int:
    """The file's own text, but only when it is a configuration: one with problems may hold a key."""
    found = _read(profile, folder)
    if as_json:
        print(json.dumps(_plain(found)), file=stdout)
    elif found.source is None:
        print(f"no file at {config.config_path(folder)}; this is the built-in default", file=stderr)
        print(config.PRESETS["mixed"], end="", file=stdout)
    else:
        print(found.source.read_text("utf-8"), end="", file=stdout)
    return OK


def _plain(found: config.Config) -> dict[str, Any]:
    routes = [
        {
            name: _as_json(value)
            for name in config.RouteConfig.__slots__
            if (value := getattr(route, name)) is not None and name != "line"
        }
        for route in found.routes
    ]
    return {
        "source": None if found.source is None else str(found.source),
        "port": found.port,
        "slots": dict(found.slots),
        "client_config": found.client_config,
        "routes": routes,
        "normalised": dict(found.normalised),
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(kind.value for kind in value)
    return dict(value) if isinstance(value, Mapping) else value


def _backup(folder: Path, stdout: TextIO, stderr: TextIO) -> int:
    kept = config.back_up(folder)
    if kept is None:
        print(
            f"{config.config_path(folder)}: nothing is there to be copied\n  hint: openclaude config init",
            file=stderr,
        )
        return REFUSED
    print(kept, file=stdout)
    return OK


def _restore(folder: Path, args: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if args.list:
        print("".join(f"{path.name}\n" for path in config.backups(folder)), end="", file=stdout)
        return OK
    taken, kept = config.restore(folder, args.name)
    print(taken, file=stdout)
    if kept is not None:
        print(f"what it replaced is kept as {kept}", file=stderr)
    print("hint: `openclaude reload` takes the change over", file=stderr)
    return OK
