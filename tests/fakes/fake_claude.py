"""A stand-in for the `claude` program: writes down how it was started, then does what it is told.

Installed by `install(folder)` as an executable named `claude`. The record goes to `$FAKE_CLAUDE_RECORD` as JSON:
pid, argv, env, cwd, `settings` (the content given by `--settings`), `isatty`, and the names of signals received.
`$FAKE_CLAUDE_EXIT` is the exit code; with `$FAKE_CLAUDE_WAIT=1` it waits for a signal first (its record is written
before it waits, and again after).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType


def install(folder: Path, name: str = "claude") -> Path:
    """Put an executable into the folder that runs this file with the tests' interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    # -I -S: a clean interpreter, so that the environment under test cannot change this program.
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{Path(__file__).resolve()}' \"$@\"\n")
    program.chmod(0o755)
    return program


def _settings(argv: list[str]) -> object:
    if "--settings" not in argv[:-1]:
        return None
    given = argv[argv.index("--settings") + 1]
    text = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")
    return json.loads(text)


def main() -> int:
    environ = dict(os.environ)
    received: list[str] = []
    record = {
        "pid": os.getpid(),
        "argv": sys.argv[1:],
        "env": environ,
        "cwd": str(Path.cwd()),
        "settings": _settings(sys.argv[1:]),
        "isatty": sys.stdin.isatty(),
        "signals": received,
    }

    def write() -> None:
        path = Path(environ["FAKE_CLAUDE_RECORD"])
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(record), "utf-8")
        unfinished.replace(path)

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    write()
    if environ.get("FAKE_CLAUDE_WAIT") == "1":
        while not received:
            time.sleep(0.02)  # not pause(): a signal between the check and it would be waited for twice
        write()
    return int(environ.get("FAKE_CLAUDE_EXIT", "0"))


if __name__ == "__main__":
    sys.exit(main())
