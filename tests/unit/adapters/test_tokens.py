"""The weights against counts of real vocabularies: docs/counting.md promises what is checked here."""

import random

import pytest

from openclaude.adapters.tokens import CLAUDE, CLAUDE_4_7, MEASURED_WHOLE, OPEN, estimate
from support.token_data import OPEN_VOCABULARIES, samples

LOWEST = 0.85
HIGHEST = {"prose": 1.6, "code": 1.3, "json": 1.2, "cjk": 1.85, "data": 2.1}
"""How far above the count of Qwen, the model of the default configuration, an estimate may be."""


def ids(sample):
    return f"{sample['kind']}-{sample['name']}"


@pytest.mark.parametrize("sample", samples(), ids=ids)
def test_an_estimate_is_never_much_too_low_for_an_open_model(sample) -> None:
    vocabularies = OPEN_VOCABULARIES if sample["name"] != "emoji" else ("qwen", "o200k")
    found = estimate(sample["text"].encode(), OPEN)
    for vocabulary in vocabularies:
        assert found >= LOWEST * sample["tokens"][vocabulary], vocabulary


@pytest.mark.parametrize("sample", samples(), ids=ids)
def test_an_estimate_is_not_absurdly_high(sample) -> None:
    assert estimate(sample["text"].encode(), OPEN) <= HIGHEST[sample["kind"]] * sample["tokens"]["qwen"]


@pytest.mark.parametrize("sample", samples(), ids=ids)
def test_both_generations_of_claude_have_weights_of_their_own(sample) -> None:
    text = sample["text"].encode()
    assert estimate(text, CLAUDE) >= LOWEST * sample["tokens"]["claude"]
    assert estimate(text, CLAUDE_4_7) >= LOWEST * sample["tokens"]["claude-4-7"]
    assert estimate(text, CLAUDE_4_7) <= 2.5 * sample["tokens"]["claude-4-7"]


def test_a_long_text_is_measured_by_slices_and_comes_out_the_same() -> None:
    pieces = [sample["text"] for sample in samples()]
    order = random.Random(5)
    text = "\n".join(order.choice(pieces) for _ in range(2000)).encode()
    assert len(text) > 8 * MEASURED_WHOLE
    parts = [text[at : at + MEASURED_WHOLE] for at in range(0, len(text), MEASURED_WHOLE)]
    whole = sum(estimate(part, OPEN) for part in parts)
    assert estimate(text, OPEN) == pytest.approx(whole, rel=0.05)


def test_nothing_is_nothing_and_bytes_that_are_no_text_are_counted_all_the_same() -> None:
    assert estimate(b"", OPEN) == 0
    assert estimate(bytes(range(256)), OPEN) > 100
