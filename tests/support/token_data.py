"""Texts and requests with the number of tokens real vocabularies make of them (tests/data/tokens.json)."""

import functools
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"
OPEN_VOCABULARIES = ("qwen", "o200k", "cl100k")


@functools.cache
def _recorded() -> dict[str, Any]:
    return dict(json.loads((DATA / "tokens.json").read_text("utf-8")))


def samples() -> list[dict[str, Any]]:
    """Each with `kind`, `name`, `text` and `tokens` by vocabulary."""
    return list(_recorded()["samples"])


def requests() -> dict[str, dict[str, int]]:
    """The name of a body in claude-code/ to its tokens by vocabulary."""
    return dict(_recorded()["requests"])
