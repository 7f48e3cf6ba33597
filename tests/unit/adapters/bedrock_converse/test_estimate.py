"""The local token count of whole requests."""

import json
from typing import Any

import pytest

from openclaude.adapters import tokens
from openclaude.adapters.bedrock_converse.estimate import Estimator, weighed, weights_of
from openclaude.adapters.calibration import Calibration
from openclaude.adapters.profiles import named, profile_for
from openclaude.domain.errors import ApiError
from openclaude.domain.usage import Usage
from support.bedrock_cases import adapter_of, fixture
from support.token_data import OPEN_VOCABULARIES, requests

TEXT = "The quick brown fox jumps over the lazy dog. " * 60


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


def text_of(body: Any) -> float:
    return weighed(body, tokens.OPEN).text


@pytest.mark.parametrize("name", requests())
def test_the_count_of_a_real_request_errs_high_and_not_absurdly(name: str) -> None:
    found, counted = weighed(json.loads(fixture(name)), tokens.OPEN).text, requests()[name]
    for vocabulary in OPEN_VOCABULARIES:
        assert found >= counted[vocabulary]
    assert found <= 1.4 * counted["qwen"] + 200


@pytest.mark.parametrize("name", requests())
def test_the_count_for_claude_is_never_much_too_low(name: str) -> None:
    body = json.loads(fixture(name))
    assert weighed(body, tokens.CLAUDE).text >= 0.85 * requests()[name]["claude"]
    assert weighed(body, tokens.CLAUDE_4_7).text >= 0.85 * requests()[name]["claude-4-7"]


@pytest.mark.parametrize(
    ("block", "media"),
    [
        ({"type": "image", "source": {"type": "base64", "data": "A" * 90_000}}, 1600),
        ({"type": "document", "source": {"type": "base64", "data": "A" * 70_000}}, 3200),
        ({"type": "tool_result", "content": [{"type": "image"}]}, 1600),
        ({"type": "tool_result", "content": "text"}, 0),
    ],
    ids=["image", "document", "image-in-a-result", "result"],
)
def test_media_have_a_flat_price(block: Any, media: int) -> None:
    found = weighed(user([block]), tokens.OPEN)
    assert found.media == media
    assert found.text < 20


@pytest.mark.parametrize(
    "body",
    [
        {**user("hi"), "system": TEXT},
        {**user("hi"), "system": [{"type": "text", "text": TEXT}]},
        user(TEXT),
        user([{"type": "tool_result", "content": [{"type": "text", "text": TEXT}]}]),
        user([{"type": "tool_use", "id": "t", "name": "n", "input": {"text": TEXT}}]),
        user([{"type": "thinking", "thinking": TEXT, "signature": ""}]),
        user([{"type": "new_kind", "words": TEXT}]),
        {**user("hi"), "tools": [{"name": "t", "description": TEXT}]},
        {**user("hi"), "output_config": {"format": {"type": "json_schema", "schema": {"title": TEXT}}}},
        [TEXT],
    ],
    ids=[
        "system",
        "system-blocks",
        "text",
        "result",
        "call",
        "thinking",
        "unknown",
        "tool",
        "format",
        "list",
    ],
)
def test_every_text_a_model_reads_is_counted(body: Any) -> None:
    assert text_of(body) >= 500


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "thinking", "thinking": "hm", "signature": "A" * 9000}],
        [{"type": "redacted_thinking", "data": "A" * 9000}],
        None,
        7,
    ],
    ids=["signature", "redacted", "nothing", "number"],
)
def test_what_no_model_reads_is_not_counted(content: Any) -> None:
    assert text_of(user(content)) < 10


def test_deferred_tools_count_once_they_are_asked_for() -> None:
    tool = {"name": "late", "description": TEXT, "defer_loading": True}
    asked = {"type": "tool_result", "content": [{"type": "tool_reference", "tool_name": "late"}]}
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    assert text_of({**user("hi"), "tools": [tool]}) < 20
    assert (
        text_of({**user("hi"), "tools": [{**tool, "defer_loading": None, "custom": {"defer_loading": True}}]})
        < 20
    )
    assert text_of({**user([asked]), "tools": [tool]}) > 500
    assert text_of({**user("hi"), "tools": [tool, search]}) > 500


def test_the_weights_follow_the_vocabulary_of_the_model() -> None:
    ids = {
        "qwen.qwen3-coder-next": tokens.OPEN,
        "us.anthropic.claude-sonnet-4-6": tokens.CLAUDE,
        "us.anthropic.claude-opus-4-7": tokens.CLAUDE_4_7,
        "us.anthropic.claude-opus-5-5": tokens.CLAUDE_4_7,
    }
    for model_id, weights in ids.items():
        assert weights_of(profile_for(model_id), model_id) is weights


def test_what_the_model_reports_corrects_later_estimates_of_texts_and_leaves_media_alone() -> None:
    estimator = Estimator(named("qwen-text"), "qwen.qwen3-coder-next")
    body = user(TEXT)
    image = user([{"type": "image", "source": {"type": "base64", "data": ""}}])
    before, of_image = estimator.tokens(body), estimator.tokens(image)
    for _ in range(4):
        sample = estimator.sample(body)
        assert sample is not None
        sample.learn(Usage(input_tokens=before * 2 // 3, cache_read_input_tokens=before // 9))
    assert before * 7 // 9 <= estimator.tokens(body) < before * 0.95
    assert of_image - estimator.tokens(image) <= 2


def test_a_request_with_media_teaches_nothing() -> None:
    estimator = Estimator(named("qwen-text"), "qwen.qwen3-coder-next")
    assert estimator.sample(user([{"type": "image"}])) is None


def test_only_a_body_that_is_not_json_cannot_be_counted() -> None:
    adapter = adapter_of("qwen-text")
    cut = b'{"messages": [{"role": "user", "content": "cut \\ud83d"}], "tools": 7}'
    assert adapter.count_tokens(cut).estimate > 0
    assert adapter.count_tokens(b"{}").estimate == 1
    for raw in (b"{", b"[" * 100_000):
        with pytest.raises(ApiError) as refused:
            adapter.count_tokens(raw)
        assert refused.value.status == 400


def test_two_routes_to_one_model_learn_together() -> None:
    shared = Calibration()
    first, second = (Estimator(named("qwen-text"), "qwen.qwen3-coder-next", shared) for _ in range(2))
    before = second.tokens(user(TEXT))
    sample = first.sample(user(TEXT))
    assert sample is not None
    sample.learn(Usage(input_tokens=before * 2))
    assert second.tokens(user(TEXT)) > before * 1.3


WINDOW = 20_000
DIGITS = "1" * 30_000
"""Nearly as many tokens as bytes, by the estimate."""


def wire(content: Any) -> bytes:
    return json.dumps(user(content)).encode()


def estimator(calibration: Calibration | None = None) -> Estimator:
    return Estimator(named("qwen-text"), "qwen.qwen3-coder-next", calibration)


@pytest.mark.parametrize(
    ("content", "exceeds"),
    [
        ("x" * 10_000, False),
        (DIGITS[:19_000], False),
        (DIGITS, True),
        ("word " * 6_000, False),
        ("word " * 40_000, True),
        ([{"type": "text", "text": "\n" * 12_000}], False),
        ([{"type": "text", "text": "\n" * 40_000}], True),
        ([{"type": "image", "source": {"type": "base64", "data": "A" * 50_000}}], False),
        ([{"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo8" * 500}}] * 14, True),
    ],
    ids=["few bytes", "fewer bytes than the window", "digits", "words", "more words", "lines", "more lines",
         "a large image", "many images"],
)  # fmt: skip
def test_a_body_is_too_long_when_it_is_likely_to_have_more_tokens_than_the_window(
    content: Any, exceeds: bool
) -> None:
    assert estimator().exceeds(wire(content), WINDOW) is exceeds


def test_what_was_learned_decides_whether_a_body_is_too_long() -> None:
    calibration = Calibration()
    raw = wire("word " * 28_000)
    likely = weighed(json.loads(raw), tokens.OPEN).text
    assert estimator(calibration).exceeds(raw, int(likely / 1.06))
    assert not estimator(calibration).exceeds(raw, int(likely / 1.04))
    for _ in range(8):
        calibration.learn(20_000, Usage(input_tokens=16_000))
    assert not estimator(calibration).exceeds(raw, int(likely * 0.85))
    assert estimator(calibration).exceeds(raw, int(likely * 0.75))


@pytest.mark.parametrize("name", ["main_qwen_auto_mode", "subagent_qwen_auto_mid_system", "compact_opus"])
def test_no_body_is_read_in_vain_and_none_is_overlooked_for_the_glance_at_its_bytes(name: str) -> None:
    body = json.loads(fixture(name))
    body["messages"] *= 12
    raw = json.dumps(body).encode()
    likely = Calibration().likely(weighed(body, tokens.OPEN).text)
    assert estimator().exceeds(raw, int(likely * 0.99))
    assert not estimator().exceeds(raw, int(likely * 1.01) + 1)
