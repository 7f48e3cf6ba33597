import ast
from pathlib import Path

import pytest

import openclaude
from openclaude.explain.meanings import MEANINGS, meaning

ROOT = Path(__file__).resolve().parents[3]
ADAPTERS = Path(openclaude.__file__).parent / "adapters"
WAYS_TO_ADD = {
    ("add", "notes"),
    ("add", "flag_notes"),
    ("add", "degraded"),
    ("append", "codes"),
}


def notes_in_the_source() -> set[str]:
    """The literal codes the adapters add to their notes; of an f-string, what stands before its first variable."""
    found: set[str] = set()
    for path in ADAPTERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            holder = ast.unparse(node.func.value)
            if (node.func.attr, holder.rsplit(".", 1)[-1].lstrip("_")) in WAYS_TO_ADD:
                found.update(literal(node.args[0]))
    return found


def literal(argument: ast.expr) -> set[str]:
    if isinstance(argument, ast.IfExp):
        return literal(argument.body) | literal(argument.orelse)
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        return {str(argument.values[0].value)}
    return {str(argument.value)} if isinstance(argument, ast.Constant) else set()


def test_every_note_of_the_adapters_has_a_meaning() -> None:
    found = notes_in_the_source()
    assert {"max_tokens_clamped", "beta_dropped:", "usage_missing", "deferred_tools_sent"} <= found
    assert sorted(note for note in found if not meaning(note)) == []


def test_what_a_note_is_about_does_not_change_its_meaning() -> None:
    assert meaning("block_dropped:container_upload") == MEANINGS["block_dropped:"]
    assert meaning("learned:toolChoice.any") == MEANINGS["learned:"]


def test_a_note_nobody_explained_has_no_meaning() -> None:
    assert meaning("something_else") == ""


@pytest.mark.parametrize("note", MEANINGS)
def test_every_note_is_documented(note: str) -> None:
    text = (ROOT / "docs" / "explain.md").read_text("utf-8")
    assert f"| `{note}" in text
    assert f"| {MEANINGS[note]} |" in text
