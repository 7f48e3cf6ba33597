"""Ordinary conversations take a short way. What is sent must be what the general way sends."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import ConverseAdapter, translate
from openclaude.adapters.bedrock_converse.request import Builder
from openclaude.adapters.bedrock_converse.tools import Catalogs
from openclaude.adapters.profiles import named, overridden
from openclaude.domain.errors import ApiError
from support.bedrock_cases import fixture, fixtures
from support.messages_requests import REQUESTS

MODEL = "qwen.qwen3-coder-next"
QWEN = named("qwen-text")
TEXTS = st.sampled_from(
    [
        "read it",
        "",
        " ",
        "\n\t",
        "\u3000\u2003",
        "\u00a0x",
        '"quoted" \\ back',
        "caf\u00e9 \u6771\u4eac \U0001f600",
        "\x1b[0m",
        ".",
    ]
)
ODD_TEXT = st.sampled_from([{"type": "text"}, {"type": "text", "text": 3}, {"type": "text", "text": None}])
TEXT = st.builds(lambda text: {"type": "text", "text": text}, TEXTS)
THINKING = st.just({"type": "thinking", "thinking": "hm", "signature": "s"})
IDS = st.sampled_from(["toolu_1", "toolu_2", "call 3", "x" * 70])
NAMES = st.sampled_from(["Read", "Bash", "mcp__" + "n" * 80, "with space", "unlisted"])
INPUTS = st.sampled_from([{}, {"path": "/a\u00e9", "n": [1, 2.5, None]}, "text", {"deep": {"a": {"b": []}}}])
CONTENTS = st.one_of(TEXTS, st.lists(TEXT, max_size=2), st.none(), st.lists(ODD_TEXT, max_size=1))
TOOLS = [
    {"name": "Read", "input_schema": {"type": "object"}},
    {"name": "Bash", "input_schema": {"type": "object"}},
]


HEADER = "x-anthropic-billing-header: v=1"
SCHEMA = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
MEMBERS: list[dict[str, Any]] = [
    *({} for _ in range(4)),
    {"system": "be brief"},
    {"system": ""},
    {"system": None},
    {"system": 3},
    {"system": [{"type": "text", "text": HEADER}]},
    {
        "system": [
            {"type": "text", "text": HEADER},
            {"type": "text", "text": 'caf\u00e9 \\ "'},
            {"type": "text", "text": " "},
        ]
    },
    {"system": [{"type": "text", "text": "x"}, {"type": "image"}, {"type": "text"}], "temperature": 0.5},
    {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
    {"temperature": 2},
    {"temperature": "hot"},
    {"stop_sequences": ["a", ""], "top_k": 3, "metadata": {"user_id": "u"}},
    {"output_config": SCHEMA, "system": "x"},
    {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}},
    {"tool_choice": {"type": "none"}},
    {"tool_choice": {"type": "tool", "name": "not listed!"}},
    {"max_tokens": 10**7},
    {"stream": False},
]
BUILDERS: dict[str, Builder] = {}
"""One for each profile: requests of one frame follow one another."""


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """Turns as a client sends them, with now and then something out of the ordinary."""
    messages: list[dict[str, Any]] = []
    calls: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        results = [
            {"type": "tool_result", "tool_use_id": call, "content": draw(CONTENTS)}
            | draw(st.sampled_from([{}, {"is_error": True}, {"is_error": False}]))
            for call in calls
        ]
        if draw(st.integers(0, 9)) == 0:
            results = draw(st.permutations(results))[: draw(st.integers(0, 3))]
        said = draw(st.lists(st.one_of(TEXT, TEXT, ODD_TEXT), max_size=2))
        messages.append({"role": "user", "content": [*results, *said] or "go on"})
        if draw(st.integers(0, 3)) == 0:
            messages.append({"role": "system", "content": draw(st.one_of(TEXTS, st.lists(TEXT, max_size=2)))})
        calls = draw(st.lists(IDS, max_size=3, unique=draw(st.booleans())))
        uses = [
            {"type": "tool_use", "id": call, "name": draw(NAMES), "input": draw(INPUTS)} for call in calls
        ]
        answer = [*draw(st.lists(st.one_of(TEXT, THINKING), max_size=2)), *uses]
        messages.append({"role": "assistant", "content": answer})
    if draw(st.integers(0, 4)) != 0:
        messages.append(
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in calls]
                or "so?",
            }
        )
    members = ({"tools": TOOLS} if draw(st.booleans()) else {}) | draw(st.sampled_from(MEMBERS))
    return {"model": "m", "max_tokens": 4000, "stream": True, "messages": messages, **members}


def short(body: dict[str, Any], profile: Any = QWEN) -> Any:
    """What the short way makes of a body: a translation, a refusal, or None where it declines."""
    key = repr(profile)
    builder = BUILDERS.setdefault(key, Builder(profile, Catalogs(profile), MODEL, "r", None))
    try:
        return builder.build_plain(json.dumps(body).encode(), b"")
    except ApiError as error:
        return error.status, error.message


def assert_same(body: dict[str, Any], found: Any) -> None:
    if isinstance(found, tuple) and isinstance(found[0], int):
        with pytest.raises(ApiError) as refused:
            translate(body, QWEN, model_id=MODEL, route="r")
        assert found == (refused.value.status, refused.value.message)
        return
    general = translate(body, QWEN, model_id=MODEL, route="r")
    assert found.operation == general.operation
    assert sorted(found.notes) == sorted(general.notes)
    assert dict(found.state.tool_names) == dict(general.state.tool_names)
    assert found.state._replace(tool_names={}) == general.state._replace(tool_names={})
    assert json.loads(found.payload) == json.loads(general.payload)


@settings(max_examples=400, deadline=None)
@given(conversations())
def test_an_ordinary_conversation_is_sent_as_the_general_way_sends_it(body: dict[str, Any]) -> None:
    found = short(body)
    if found is not None:
        assert_same(body, found)


@settings(max_examples=200, deadline=None)
@given(REQUESTS)
def test_any_request_the_short_way_takes_is_sent_as_the_general_way_sends_it(body: dict[str, Any]) -> None:
    found = short(body)
    if found is not None:
        assert_same(body, found)


ORDINARY = {
    "model": "m",
    "max_tokens": 4000,
    "stream": True,
    "tools": TOOLS,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "read a"}]},
        {"role": "system", "content": "today is friday"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "I read"},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "caf\u00e9", "is_error": True},
                {"type": "text", "text": "and now?"},
            ],
        },
    ],
}


@pytest.mark.parametrize(
    "text", [HEADER, "\\u0078-anthropic-billing-header: v=1", "x\\u002danthropic-billing-header:"]
)
def test_the_clients_billing_header_is_left_out_however_it_is_written(text: str) -> None:
    raw = json.dumps({**ORDINARY, "system": [{"type": "text", "text": "HERE"}]}).replace("HERE", text)
    for _ in range(2):
        found = BUILDERS.setdefault(repr(QWEN), Builder(QWEN, Catalogs(QWEN), MODEL, "r", None)).build_plain(
            raw.encode(), b""
        )
        assert found is not None
        assert "system" not in json.loads(found.payload)


def test_a_frame_serves_conversations_and_lists_of_tools_of_its_own_only() -> None:
    other = [*TOOLS, {"name": "Write", "input_schema": {"type": "object"}}]
    for tools in (TOOLS, other, TOOLS, other[:1], other):
        for text in ("a", "b"):
            body = {**ORDINARY, "tools": tools, "system": text}
            assert_same(body, short(body))


def test_the_conversations_of_the_client_take_the_short_way() -> None:
    assert_same(ORDINARY, short(ORDINARY))
    taken = {name for name in fixtures() if short(json.loads(fixture(name))) is not None}
    assert {"subagent_qwen", "main_qwen_auto_mode"} <= taken


@pytest.mark.parametrize(
    ("where", "what"),
    [
        pytest.param(3, {"role": "user", "content": "no result"}, id="a call without its result"),
        pytest.param(
            0, {"role": "assistant", "content": [{"type": "text", "text": "x"}]}, id="an assistant begins"
        ),
        pytest.param(0, {"role": "user", "content": [{"type": "image", "source": {}}]}, id="an image"),
        pytest.param(
            1,
            {"role": "system", "content": "x", "clear_at": "next_user_message"},
            id="a reminder that is cleared",
        ),
        pytest.param(
            3, {"role": "user", "content": [{"type": "text", "text": " "}]}, id="nothing but blanks"
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_declined(where: int, what: dict[str, Any]) -> None:
    messages = [*ORDINARY["messages"]]
    messages[where] = what
    assert short({**ORDINARY, "messages": messages}) is None


@pytest.mark.parametrize(
    "member",
    [
        pytest.param({"cache_points": True}, id="cache points"),
        pytest.param({"stream_tools": False}, id="no tools in streams"),
        pytest.param({"tool_result_status": False}, id="no status of results"),
        pytest.param({"colocate": []}, id="no text beside results"),
    ],
)
def test_a_model_with_rules_of_its_own_takes_the_general_way(member: dict[str, Any]) -> None:
    assert short(ORDINARY, overridden(QWEN, **member)) is None


def test_text_that_is_not_utf8_is_refused_as_ever() -> None:
    adapter = ConverseAdapter(route="r", model_id=MODEL, region="us-west-2", profile=QWEN)
    raw = json.dumps(ORDINARY, ensure_ascii=False).encode().replace("\u00e9".encode(), b"\xe9")
    for _ in range(12):
        with pytest.raises(ApiError, match="not valid JSON"):
            adapter.prepare(raw)


def test_a_refused_field_is_learned_from_a_request_that_took_the_short_way() -> None:
    adapter = ConverseAdapter(route="r", model_id=MODEL, region="us-west-2", profile=QWEN)
    body = {**ORDINARY, "temperature": 0.5, "tool_choice": {"type": "any"}}
    raw = json.dumps(body).encode()
    calls = [adapter.prepare(raw) for _ in range(12)]
    refusal = json.dumps(
        {
            "message": "This model doesn't support the toolConfig.toolChoice.any field. Remove it and try again."
        }
    ).encode()
    amended = calls[-1].retry_without(400, [(b"x-amzn-errortype", b"ValidationException")], refusal)
    assert amended is not None
    assert "toolChoice" not in json.loads(amended.body)["toolConfig"]
    assert json.loads(amended.body)["messages"] == json.loads(calls[-1].body)["messages"]
