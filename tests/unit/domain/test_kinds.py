import json
from pathlib import Path
from typing import Any

import pytest

from openclaude.domain.kinds import Kind, Shape, is_classifier, kind_of
from openclaude.wire.shape import shape_of

FIXTURES = Path(__file__).parents[2] / "data" / "claude-code"
OF_FIXTURE = {
    "compact_opus": Kind.COMPACTION,
    "count_tokens": Kind.OTHER,
    "image_tool_result": Kind.MAIN,
    "main_opus_after_tool": Kind.MAIN,
    "main_opus_first": Kind.MAIN,
    "main_qwen_auto_mode": Kind.MAIN,
    "main_qwen_toolsearch_result": Kind.MAIN,
    "mcp_tool_result_image": Kind.MAIN,
    "quota_qwen": Kind.QUOTA_PROBE,
    "qwen_after_system_role_rejected": Kind.MAIN,
    "qwen_no_experimental_betas": Kind.MAIN,
    "subagent_qwen": Kind.SUBAGENT,
    "subagent_qwen_auto_mid_system": Kind.SUBAGENT,
    "title_qwen": Kind.TITLE,
    "webfetch_qwen": Kind.WEBFETCH_SUMMARY,
    "websearch_server_tool_qwen": Kind.OTHER,
}
CLASSIFIER: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 64,
    "thinking": {"type": "disabled"},
    "stop_sequences": ["</severity>"],
    "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
}
TITLE = json.loads((FIXTURES / "title_qwen.json").read_text())
SUMMARY = json.loads((FIXTURES / "webfetch_qwen.json").read_text())
COMPACT = json.loads((FIXTURES / "compact_opus.json").read_text())
QUOTA = json.loads((FIXTURES / "quota_qwen.json").read_text())


def shape(body: dict[str, Any]) -> Shape:
    found = shape_of(json.dumps(body).encode())
    assert found is not None
    return found


def kind(body: dict[str, Any], *, agent: bool = False) -> Kind:
    return kind_of(shape(body), agent=agent)


def without_marks(body: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(body).replace('"cache_control"', '"was_cache_control"')))


def test_every_recorded_body_is_in_the_table() -> None:
    assert {file.stem for file in FIXTURES.glob("*.json")} == OF_FIXTURE.keys()


@pytest.mark.parametrize(("name", "expected"), OF_FIXTURE.items(), ids=list(OF_FIXTURE))
def test_a_recorded_body_is_of_its_kind(name: str, expected: Kind) -> None:
    body = json.loads((FIXTURES / f"{name}.json").read_text())
    assert kind(body, agent=name.startswith("subagent")) is expected


@pytest.mark.parametrize(
    ("body", "agent", "expected"),
    [
        (CLASSIFIER, False, Kind.CLASSIFIER),
        ({**CLASSIFIER, "max_tokens": 8192, "thinking": None}, True, Kind.CLASSIFIER),
        ({**CLASSIFIER, "stop_sequences": ["</verdict>"]}, False, Kind.CLASSIFIER),
        ({**CLASSIFIER, "stop_sequences": ["</verdict>"], "stream": True}, False, Kind.OTHER),
        ({**CLASSIFIER, "stop_sequences": ["END"]}, False, Kind.OTHER),
        ({**CLASSIFIER, "tools": [{"name": "Bash", "input_schema": {}}]}, False, Kind.MAIN),
        ({**TITLE, "tools": []}, True, Kind.TITLE),
        ({**TITLE, "output_config": {"format": {"schema": {"properties": {"x": {}}}}}}, False, Kind.OTHER),
        ({**SUMMARY, "thinking": {"type": "adaptive"}}, False, Kind.OTHER),
        ({**SUMMARY, "messages": SUMMARY["messages"] * 2}, False, Kind.OTHER),
        ({**SUMMARY, "stream": False}, False, Kind.OTHER),
        ({key: value for key, value in SUMMARY.items() if key != "tools"}, False, Kind.OTHER),
        (COMPACT, True, Kind.COMPACTION),
        (without_marks(COMPACT), False, Kind.MAIN),
        (without_marks(COMPACT), True, Kind.SUBAGENT),
        ({**QUOTA, "system": "x"}, False, Kind.OTHER),
        ({**QUOTA, "stream": True}, False, Kind.OTHER),
        ({**QUOTA, "max_tokens": 2}, False, Kind.OTHER),
        ({}, False, Kind.OTHER),
    ],
    ids=[
        "classifier", "classifier, second stage", "classifier by everything but its stop", "streaming", "plain stop",
        "stops with tools", "title in a sub-agent", "another form", "summary that thinks", "two messages",
        "summary at once", "no list of tools", "compaction in a sub-agent", "compaction without caching",
        "a sub-agent's without caching", "probe with a system prompt", "streamed probe", "two tokens", "nothing",
    ],
)  # fmt: skip
def test_one_changed_member_makes_it_another_kind(body: dict[str, Any], agent: bool, expected: Kind) -> None:
    assert kind(body, agent=agent) is expected


def test_what_a_prompt_says_changes_no_kind() -> None:
    for name, expected in OF_FIXTURE.items():
        text = (FIXTURES / f"{name}.json").read_text()
        body = json.loads(text)
        body["messages"][-1]["content"] = said = body["messages"][-1]["content"]
        if isinstance(said, list) and "text" in said[-1]:
            said[-1]["text"] = 'quota </severity> {"type":"image"} cc_is_subagent=true compact title'
        assert kind(body, agent=name.startswith("subagent")) is expected


def test_a_request_with_stops_and_without_tools_may_be_a_classifier_and_one_with_tools_never() -> None:
    assert is_classifier(shape(CLASSIFIER))
    assert not is_classifier(shape({**CLASSIFIER, "tools": [{"name": "Bash"}]}))
    assert not is_classifier(shape({**CLASSIFIER, "stop_sequences": []}))
