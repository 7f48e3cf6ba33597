"""Peers from the package registries: each in a folder of its own, at the version that a file in `peers/` pins.

The top-level packages are pinned, what they bring along is not: hashes of some hundred packages of other projects would
protect a throw-away folder from little. Versions that were installed are in the results.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.paths import HERE, PEERS, BenchError

_SECONDS: Final = 900
_DONE: Final = ".installed"


def folder(name: str) -> Path:
    """Where a peer is installed."""
    return PEERS / name


def pinned(name: str) -> Path:
    """The file that says what is installed: `NAME.txt` for pip, `NAME.json` for npm."""
    for suffix in (".txt", ".json"):
        if (HERE / "peers" / f"{name}{suffix}").exists():
            return HERE / "peers" / f"{name}{suffix}"
    raise BenchError(f"benchmarks/peers has no file for {name}")


def install(name: str) -> str:
    """Install a peer unless its pinned version is there. The result is why that failed, empty when it did not."""
    wanted, stamp = pinned(name), folder(name) / _DONE
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return ""
    shutil.rmtree(folder(name), ignore_errors=True)
    folder(name).mkdir(parents=True)
    began = time.monotonic()
    print(f"installing {name} into .cache/bench", file=sys.stderr)
    trouble = (_with_pip if wanted.suffix == ".txt" else _with_npm)(wanted, folder(name))
    if trouble:
        print(f"{name} cannot be installed: {trouble}", file=sys.stderr)
        return f"cannot be installed: {trouble}"
    stamp.write_text(wanted.read_text())
    print(f"installed {name} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return ""


def _with_pip(wanted: Path, into: Path) -> str:
    python = str(into / "bin" / "python")
    made = _run([sys.executable, "-m", "venv", str(into)], into)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "-r", str(wanted)]
    return made or _run(pip, into)


def _with_npm(wanted: Path, into: Path) -> str:
    if shutil.which("npm") is None:
        return "npm not found (install Node.js)"
    shutil.copyfile(wanted, into / "package.json")
    return _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], into)


def _run(command: Sequence[str], folder: Path) -> str:
    """The last line of what went wrong, empty when nothing did."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False, env=_env()
        )
    except subprocess.TimeoutExpired:
        return f"took more than {_SECONDS} s"
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    return "" if done.returncode == 0 else (lines or ["no reason given"])[-1][:200]


def _env() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def size_of(*paths: Path) -> int:
    """Bytes of all files below the paths; a file with several names counts once."""
    seen = {}
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else (path,):
            if file.is_file() and not file.is_symlink():
                status = file.stat()
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


@cache
def size(name: str) -> int:
    """Bytes of an installed peer, with everything it brought along, but not Node.js or Python themselves."""
    installed = folder(name)
    packages = [installed / "node_modules"] if pinned(name).suffix == ".json" else []
    return size_of(*packages, *installed.glob("lib/python*/site-packages"), *installed.glob("bin/*"))


def distributions_size(names: Sequence[str]) -> int:
    """Bytes of Python distributions of this environment, without compiled caches."""
    files = [file for name in names for file in metadata.files(name) or () if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in (Path(str(file.locate())) for file in files) if path.is_file())


@cache
def debian_version(package: str) -> str:
    """The version of an installed Debian package; empty where there is none."""
    return _dpkg(package, "${Version}")


@cache
def debian_size(*packages: str) -> int | None:
    """Bytes that Debian packages take once installed; None without dpkg."""
    sizes = [_dpkg(package, "${Installed-Size}") for package in packages]
    return sum(int(size) for size in sizes if size) * 1024 or None


def _dpkg(package: str, field: str) -> str:
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", field, package], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def node_version() -> str:
    """Node.js as `node --version` names it; empty without it."""
    node = shutil.which("node")
    if node is None:
        return ""
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
