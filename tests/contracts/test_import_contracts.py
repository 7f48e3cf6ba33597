"""Each import contract is seen to hold, and seen to fail when it is broken on purpose in a copy of the tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BREAKS = {
    "Layers: a module imports only from layers below its own": (
        "domain/usage.py",
        "import openclaude.gateway.observers",
    ),
    "The core does no I/O": ("wire/sse.py", "import socket"),
    "Only the credentials package opens the vault": (
        "gateway/observers.py",
        "import openclaude.credentials._vault",
    ),
    "Only what sends requests unwraps credentials": (
        "edge/server.py",
        "import openclaude.credentials.outbound",
    ),
    "The simulators are an independent witness": (
        "simulator/eventstream.py",
        "import openclaude.wire.eventstream",
    ),
    "No cycles between siblings": ("domain/http.py", "import openclaude.domain.errors"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "pyproject.toml", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_all_contracts_hold_and_none_is_missing_from_the_list_of_breaks(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout
    for name in BREAKS:
        assert f"{name} KEPT" in done.stdout
    assert f"Contracts: {len(BREAKS)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_contract_turns_the_check_red(name: str, tree: Path) -> None:
    path, statement = BREAKS[name]
    module = tree / "src" / "openclaude" / path
    module.write_text(module.read_text() + f"\n{statement}\n")
    done = lint(tree)
    assert done.returncode == 1
    assert f"{name} BROKEN" in done.stdout


def test_a_new_module_that_is_in_no_layer_turns_the_check_red(tree: Path) -> None:
    (tree / "src" / "openclaude" / "helpers.py").write_text('"""A module nobody gave a layer."""\n')
    done = lint(tree)
    assert done.returncode == 1
    assert "helpers" in done.stdout
