"""The matrix notices: each of these gateways has one mistake, and its cells turn red for that reason."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from faults.broken import BROKEN, Broken
from faults.matrix import EVERY

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "openclaude"


def played(source: Path, ids: Sequence[str], **env: str) -> dict[str, list[str]]:
    """What is wrong with these cells when the product is the one in `source`."""
    done = subprocess.run(
        [sys.executable, "-m", "faults.play", *ids],
        env={**os.environ, **env, "PYTHONPATH": f"{source}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def copied(folder: Path) -> Path:
    shutil.copytree(SOURCE, folder / "openclaude", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def mistaken(broken: Broken, text: str) -> str:
    """A file's text with the mistake in it."""
    assert text.count(broken.old) == 1, "the source has moved on: the mistake has to be made anew"
    return text.replace(broken.old, broken.new)


def test_there_are_15_different_mistakes() -> None:
    assert len({broken.name for broken in BROKEN}) == len(BROKEN) == 15


def test_without_a_mistake_the_same_cells_are_green(tmp_path: Path) -> None:
    ids = sorted({each for broken in (BROKEN if EVERY else BROKEN[::4]) for each in broken.cells})
    assert played(copied(tmp_path), ids) == {each: [] for each in ids}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_each_mistake_can_be_made_in_the_source_as_it_is(broken: Broken) -> None:
    assert mistaken(broken, (SOURCE / broken.file).read_text())


@pytest.mark.parametrize("broken", BROKEN if EVERY else BROKEN[::4], ids=lambda broken: broken.name)
def test_the_matrix_notices_a_gateway_that(broken: Broken, tmp_path: Path) -> None:
    path = copied(tmp_path) / "openclaude" / broken.file
    path.write_text(mistaken(broken, path.read_text()))
    for cell, wrong in played(tmp_path, broken.cells, FAULTS_PATIENCE="5").items():
        assert any(broken.says in each for each in wrong), f"{cell}: {wrong}"
