"""Puts each of the 66 leaks of tests/support/seeded.py into a copy of the product and lets the leak oracle look at it.

    python tools/mutants.py [-j N] [NAME ...]

Every line says what noticed the leak. Exit code 1 when one was not noticed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "openclaude"
TESTS = ROOT / "tests"
sys.path[:0] = [str(TESTS)]

from support.seeded import MUTANTS, WALL_OFF, Edit, Mutant  # noqa: E402  found by the line above

SECONDS = 240
DAY = """
import json, sys, tempfile
from pathlib import Path
from support.leaks import live, read_table, verdict
parts = sys.argv[1].split(",")
with tempfile.TemporaryDirectory(prefix="openclaude-mutant-") as folder:
    print(json.dumps(verdict(live(Path(folder), parts), read_table(), parts)))
"""


class MutantError(Exception):
    """A mutant that cannot be made."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant. `noticed` says what was wrong with the day; empty when nothing was."""

    name: str
    noticed: tuple[str, ...]
    seconds: float

    @property
    def leaked(self) -> bool:
        """Whether the leak itself was seen, and not only something that went wrong with it."""
        return any(not each.startswith("TROUBLE") for each in self.noticed)


def applied(source: str, edit: Edit) -> str:
    """A file's text with one edit. Raises `MutantError` unless the text to replace is in it exactly once."""
    file, old, new = edit
    if source.count(old) != 1:
        raise MutantError(f"{file}: {old.strip()[:60]!r} is there {source.count(old)} times, not once")
    return source.replace(old, new)


class Workshop:
    """A copy of the product with an interpreter of its own, in which one mutant at a time is made and run.

    The interpreter finds the copy before the installed product, in the processes it starts as well.
    """

    def __init__(self, folder: Path) -> None:
        self._package = folder / "src" / "openclaude"
        shutil.copytree(SOURCE, self._package, ignore=shutil.ignore_patterns("__pycache__"))
        environment = folder / "venv"
        venv.EnvBuilder(symlinks=True, with_pip=False).create(environment)
        site = next((environment / "lib").glob("python3.*/site-packages"))
        (site / "mutant.pth").write_text(f"{folder / 'src'}\n{sysconfig.get_paths()['purelib']}\n")
        self._python = environment / "bin" / "python"

    def run(self, mutant: Mutant, edits: Sequence[Edit]) -> Result:
        """Make the mutant, live the day, and take it back."""
        started = time.monotonic()
        before: dict[Path, str] = {}
        try:
            for edit in edits:
                path = self._package / edit[0]
                before.setdefault(path, path.read_text())
                path.write_text(applied(path.read_text(), edit))
            noticed = self._live(mutant.part)
        except (MutantError, subprocess.TimeoutExpired) as error:
            noticed = (f"TROUBLE: {error}",)
        finally:
            for path, text in before.items():
                path.write_text(text)
        return Result(mutant.name, noticed, time.monotonic() - started)

    def _live(self, part: str) -> tuple[str, ...]:
        done = subprocess.run(
            [self._python, "-c", DAY, part],
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(TESTS),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            return (f"TROUBLE: {done.stderr.strip().splitlines()[-1]}",)
        return tuple(json.loads(done.stdout))


def run_all(mutants: Sequence[Mutant], jobs: int) -> list[Result]:
    """Run the mutants, several at a time, and print a line for each."""
    with tempfile.TemporaryDirectory(prefix="openclaude-mutants-") as folder:
        workshops: Queue[Workshop] = Queue()
        for number in range(jobs):
            workshops.put(Workshop(Path(folder) / str(number)))

        def one(mutant: Mutant) -> Result:
            workshop = workshops.get()
            try:
                result = workshop.run(mutant, (WALL_OFF, *mutant.edits))
            finally:
                workshops.put(workshop)
            what = "; ".join(result.noticed[:2]) or "NOT NOTICED"
            print(f"{result.seconds:5.1f} s  {mutant.name}: {what[:220]}", flush=True)
            return result

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, mutants))


def main() -> int:
    """Run every mutant, or those whose name has one of the given words."""
    parser = argparse.ArgumentParser(description="let the leak oracle look at 66 seeded leaks")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 2, metavar="N", help="how many at a time")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a mutant's name")
    args = parser.parse_args()
    control = [Mutant("no mistake at all", (), part) for part in ("requests", "commands")]
    clean = run_all(control, args.j)
    chosen = [
        mutant for mutant in MUTANTS if not args.names or any(name in mutant.name for name in args.names)
    ]
    results = run_all(chosen, args.j)
    noticed = sum(result.leaked for result in results)
    print(
        f"{noticed}/{len(results)} seeded leaks noticed, {sum(bool(each.noticed) for each in clean)} false alarms"
    )
    return 0 if noticed == len(results) and not any(each.noticed for each in clean) else 1


if __name__ == "__main__":
    sys.exit(main())
