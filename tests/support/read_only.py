"""A gateway whose state folder becomes read-only under it: `python -m support.read_only FOLDER`, in a mount namespace.

Prints a JSON object: what requests got before, then, and from the worker that replaces a killed one.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from openclaude.launcher.files import StateError
from openclaude.simulator.script import say
from support.house import until
from support.staging import ROUTES, Stage, staged


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def asked(stage: Stage) -> list[int]:
    return [stage.play(route, lambda _: say("hello"), stream=True).status for route in ROUTES]


def worker(stage: Stage) -> int:
    running = stage.home.running()
    return 0 if running is None else running.worker


def main(folder: Path) -> dict[str, object]:
    with staged(folder / "home") as stage:
        state = str(stage.home.state_home)
        before = asked(stage)
        mount("--bind", state, state)
        mount("-o", "remount,bind,ro", state)
        try:
            writable = os.access(state, os.W_OK)
            then = asked(stage)
            old = worker(stage)
            os.kill(old, signal.SIGKILL)
            until("the worker is gone", lambda: not Path(f"/proc/{old}").exists())
            replaced = asked(stage)
            try:
                stage.home.state().remember_port(1)
                written = ""
            except StateError as error:
                written = f"{error} hint: {error.hint}"
            status = stage.home.run("status").stdout.splitlines()[:1]
        finally:
            subprocess.run(["umount", state], check=True)
        return {
            "before": before,
            "writable": writable,
            "then": then,
            "replaced": replaced,
            "other worker": worker(stage) not in (0, old),
            "status": status,
            "written": written,
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
