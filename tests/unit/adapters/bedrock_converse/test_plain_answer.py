"""Ordinary answers take a short way. What the client gets must be what the general way gives it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import plain_answer
from openclaude.adapters.bedrock_converse.pieces import Notes
from openclaude.adapters.bedrock_converse.response import ResponseState, message
from openclaude.wire import jsontext

TEXTS = st.sampled_from(
    [
        "hello",
        "",
        " \n",
        "\u00a0",
        'caf\u00e9 \u6771 \U0001f600 " \\ \x7f',
        "a <function=x",
        "<tool_call>",
        "\u2028",
    ]
)
BLOCKS = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.sampled_from(
        [{"text": 3}, {}, {"text": "x", "more": 1}, {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}]
    ),
)
COUNTS = st.one_of(st.integers(0, 9), st.sampled_from([-1, 5.0, 2**70, True, None, "3"]))
USAGE = st.fixed_dictionaries(
    {"inputTokens": COUNTS, "outputTokens": COUNTS},
    optional={
        "cacheReadInputTokens": COUNTS,
        "cacheWriteInputTokens": COUNTS,
        "totalTokens": COUNTS,
        "cacheDetails": st.sampled_from([None, [], [{"ttl": "5m", "inputTokens": 0}]]),
    },
)
ANSWERS = st.fixed_dictionaries(
    {
        "output": st.builds(
            lambda blocks: {"message": {"role": "assistant", "content": blocks}}, st.lists(BLOCKS, max_size=3)
        ),
        "stopReason": st.sampled_from(
            ["end_turn", "max_tokens", "tool_use", "stop_sequence", "refusal", "", None]
        ),
        "usage": USAGE,
    },
    optional={
        "serviceTier": st.sampled_from([None, {"type": "flex"}, {}]),
        "metrics": st.sampled_from([{"latencyMs": 3}, "\u00e9", None]),
        "additionalModelResponseFields": st.just({"stop_sequence": "x"}),
    },
)
MODEL = 'mod\u00e9l "x"'


@settings(max_examples=500, deadline=None)
@given(st.builds(json.dumps, ANSWERS, ensure_ascii=st.booleans()))
def test_an_ordinary_answer_reads_as_the_general_way_reads_it(answer: str) -> None:
    raw = answer.encode()
    found = plain_answer.message(raw, MODEL, "msg_1")
    if found is None:
        return
    notes = Notes()
    general, usage = message(jsontext.loads(raw), ResponseState(model=MODEL), "msg_1", notes)
    assert found == (jsontext.dumps(general), usage)
    assert notes.codes() == ()


ORDINARY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}, {"text": "w\u00f6rld"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
    "metrics": {"latencyMs": 12},
}


def test_the_ordinary_answer_takes_the_short_way() -> None:
    found = plain_answer.message(json.dumps(ORDINARY).encode(), "m", "msg_1")
    assert found is not None
    assert [block["text"] for block in json.loads(found[0])["content"]] == ["hello", "w\u00f6rld"]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(
            json.dumps({**ORDINARY, "metrics": "HERE"}).encode().replace(b"HERE", b"\xff"), id="no UTF-8"
        ),
        pytest.param(json.dumps({**ORDINARY, "metrics": "\ud800"}).encode(), id="half a character"),
        pytest.param(
            json.dumps({**ORDINARY, "stopReason": "guardrail_intervened"}).encode(), id="another reason"
        ),
        pytest.param(json.dumps({**ORDINARY, "serviceTier": {"type": "flex"}}).encode(), id="a tier"),
        pytest.param(json.dumps({**ORDINARY, "more": "x" * 300_000}).encode(), id="a long one"),
        pytest.param(
            json.dumps(ORDINARY).encode().replace(b"12", b"[" * 5000 + b"]" * 5000), id="a deep one"
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_declined(raw: bytes) -> None:
    assert plain_answer.message(raw, "m", "msg_1") is None
