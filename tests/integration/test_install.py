"""What a user's `pip install` brings: few packages, little space, everything the product reads, nothing that runs by itself."""

import fcntl
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_DISTRIBUTIONS = 15
MOST_BYTES = 75 * 1024 * 1024
TOOLS = {"pip", "setuptools", "wheel"}
"""Brought by the empty environment itself."""

pytestmark = pytest.mark.xdist_group("install")


@dataclass(frozen=True)
class Installed:
    """An environment that was empty before `wheel` was installed in it."""

    folder: Path
    wheel: Path

    def run(self, program: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "bin" / program), *arguments]
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE_"))
        }
        env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(self.folder)}
        return subprocess.run(
            command, env=env, cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
        )

    def distributions(self) -> dict[str, str]:
        listed = json.loads(self.run("python", "-m", "pip", "list", "--format", "json").stdout)
        return {item["name"].lower(): item["version"] for item in listed if item["name"].lower() not in TOOLS}

    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))


def pip(folder: Path, *arguments: str) -> None:
    """pip as the user has it configured, in an environment of its own."""
    command = [str(folder / "bin" / "python"), "-m", "pip", *arguments]
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build_and_install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    pip(folder, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "built"), ".")
    pip(folder, "install", "--quiet", *map(str, (folder / "built").glob("*.whl")))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """One environment for the whole test run: the workers of a parallel one share it."""
    base, run = tmp_path_factory.getbasetemp(), os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = (base.parent if run else base) / f"installed-{run or 'here'}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            build_and_install(folder / "environment")
            (folder / "done").touch()
    (wheel,) = (folder / "environment" / "built").glob("*.whl")
    return Installed(folder / "environment", wheel)


def test_the_install_brings_few_distributions(installed: Installed) -> None:
    brought = installed.distributions()
    assert "openclaude" in brought
    assert len(brought) <= MOST_DISTRIBUTIONS, sorted(brought)


def test_the_install_takes_little_space_compiled_files_included(installed: Installed) -> None:
    site = installed.site_packages()
    own = re.compile(r"(pip|setuptools|wheel|_distutils_hack|pkg_resources|distutils-precedence)\b")
    files = [
        path
        for path in site.rglob("*")
        if path.is_file() and own.match(path.relative_to(site).parts[0]) is None
    ]
    assert any(path.suffix == ".pyc" for path in files)
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_architecture_says_what_every_distribution_is_for(installed: Installed) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().lower()
    unnamed = [
        name for name in installed.distributions() if re.search(rf"\b{re.escape(name)}\b", text) is None
    ]
    assert unnamed == []


def test_the_wheel_has_the_data_the_product_reads_and_its_types(installed: Installed) -> None:
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    assert "openclaude/py.typed" in names
    assert any(name.startswith("openclaude/") and name.endswith("/profiles.toml") for name in names)
    sources = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    assert sources <= names


def test_the_wheel_runs_nothing_by_itself_and_ships_nothing_else(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert not [name for name in names if name.endswith((".pth", ".pyc", ".so", ".data/scripts"))]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"openclaude"}


def test_no_distribution_of_ours_or_of_others_leaves_a_path_file(installed: Installed) -> None:
    found = {path.name for path in installed.site_packages().glob("*.pth")}
    assert found <= {"distutils-precedence.pth"}


def test_the_installed_command_does_the_whole_job(installed: Installed) -> None:
    assert re.fullmatch(r"openclaude \d+\.\d+\.\d+\n", installed.run("openclaude", "--version").stdout)
    done = installed.run("openclaude", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every credential reached its own origin only" in done.stdout
