"""`openclaude config edit`: the user's editor on a draft, which becomes the configuration once it has no problem."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from openclaude import config
from openclaude.cli.common import FAILED, WRONG

DRAFT = "config.draft.toml"


def run(folder: Path, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Edit until it is right, or the user gives up.

    Returns:
        0; 1 when the editor fails; 2 when the draft has problems. The configuration is then as it was, and the draft
        stays for the next `config edit`.
    """
    path, _ = config.ensure_written(folder)
    draft = folder / DRAFT
    before = path.read_bytes()
    if draft.exists():
        print(f"openclaude: going on with the draft of the last time, {draft}", file=stderr)
    else:
        _write_new(draft, before)
    while True:
        if not _edited(draft, env, stderr):
            return FAILED
        try:
            config.parse_bytes(draft.read_bytes(), str(draft))
            break
        except config.ConfigError as error:
            print(error, file=stderr)
            if not _again(stderr):
                print(
                    f"the configuration was not changed\nhint: `openclaude config edit` goes on with {draft}",
                    file=stderr,
                )
                return WRONG
    text = draft.read_bytes()
    if text == before:
        print("nothing was changed", file=stderr)
    else:
        kept = config.back_up(folder)
        config.write_text(folder, text.decode())
        print(f"what it replaced is kept as {kept}", file=stderr)
        print("hint: `openclaude reload` takes the change over", file=stderr)
    draft.unlink()
    print(path, file=stdout)
    return 0


def _edited(draft: Path, env: Mapping[str, str], stderr: TextIO) -> bool:
    """Run the editor; whether it ended well."""
    command = env.get("VISUAL") or env.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(command), str(draft)], check=False, env=dict(env)).returncode  # noqa: S603 - the user's editor
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        print(f"openclaude: the editor cannot be started: {reason}", file=stderr)
        print("hint: set EDITOR to a program that edits text", file=stderr)
        draft.unlink()
        return False
    if code:
        print(f"openclaude: the editor ended with exit code {code}; nothing was changed", file=stderr)
        print(f"hint: `openclaude config edit` goes on with {draft}", file=stderr)
    return code == 0


def _again(stderr: TextIO) -> bool:
    if not sys.stdin.isatty():
        return False
    print("edit again? [Y/n] ", end="", file=stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _write_new(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)
