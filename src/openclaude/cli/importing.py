"""`openclaude config import-litellm`: LiteLLM's files in, a configuration out, and what was left behind."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from openclaude import config
from openclaude.cli.common import FAILED, WRONG

_MOST_BYTES: Final = 1024 * 1024


def add_arguments(parser: Any) -> None:
    """Add what the command takes."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a LiteLLM configuration (YAML)")
    parser.add_argument(
        "--write", action="store_true", help="make it the configuration; the old one is kept as a copy"
    )


def run(
    args: argparse.Namespace, folder: Path, env: Mapping[str, str], stdout: TextIO, stderr: TextIO
) -> int:
    """Print the configuration, or write it; what is not carried over goes to stderr.

    Returns:
        0; 1 when no route is left; 2 when a file cannot be read.
    """
    from openclaude.migrate.deployments import File, read_file  # noqa: PLC0415 - only this command needs them
    from openclaude.migrate.litellm import import_files  # noqa: PLC0415
    from openclaude.migrate.yamlnodes import YamlError  # noqa: PLC0415

    files: list[File] = []
    for path in dict.fromkeys(args.files):
        try:
            if path.stat().st_size > _MOST_BYTES:
                what = f"has more than {_MOST_BYTES} bytes"
                return _unreadable(stderr, str(path), what, "is it the right file?")
            files.append(read_file(str(path), path.read_text("utf-8"), env))
        except YamlError as error:
            return _unreadable(stderr, f"{path}:{error.line}", error.what, error.hint)
        except UnicodeDecodeError:
            return _unreadable(stderr, str(path), "is not UTF-8 text", "save the file in the encoding UTF-8")
        except OSError as error:
            return _unreadable(
                stderr, str(path), f"cannot be read: {error.strerror}", "name a file that you can read"
            )
    done = import_files(files, env)
    for remark in done.remarks:
        print(remark, file=stderr)
    lost = sum(remark.lost for remark in done.remarks)
    print(
        f"openclaude: {_count(len(done.routes), 'route')} made, {_count(lost, 'model')} left out", file=stderr
    )
    if not done.text:
        print("hint: `openclaude config init` writes a configuration to start from", file=stderr)
        return FAILED
    return _deliver(args, folder, done.text, stdout, stderr)


def _deliver(args: argparse.Namespace, folder: Path, text: str, stdout: TextIO, stderr: TextIO) -> int:
    if not args.write:
        print(text, end="", file=stdout)
        return 0
    kept = config.back_up(folder)
    print(config.write_text(folder, text), file=stdout)
    if kept is not None:
        print(f"openclaude: the configuration that was there is kept as {kept}", file=stderr)
    print("hint: `openclaude reload` takes the new one over", file=stderr)
    return 0


def _unreadable(stderr: TextIO, where: str, what: str, hint: str) -> int:
    print(f"{where}: {what}\n  hint: {hint}", file=stderr)
    return WRONG


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
