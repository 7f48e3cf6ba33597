"""The translation of requests: what holds for every request there is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import translate
from openclaude.adapters.bedrock_converse.typed_tools import SERVER_PREFIXES
from openclaude.adapters.profiles import named, overridden
from openclaude.domain.errors import ApiError
from support.bedrock_cases import MODEL_OF_PROFILE, fixture, fixtures
from support.converse_check import check_request
from support.messages_requests import REQUESTS, TOOLS, VALUES, long_sessions, sessions

PROFILES = st.sampled_from(sorted(MODEL_OF_PROFILE))
ONLY_SERVER_TOOLS = "websearch_server_tool_qwen"


def converse(body: dict[str, Any], profile: str = "qwen-text", **options: Any) -> Any:
    model_id = options.pop("model_id", MODEL_OF_PROFILE[profile])
    return translate(body, named(profile), model_id=model_id, **options)


def attempted(body: dict[str, Any], profile: str, **options: Any) -> Any:
    try:
        return converse(body, profile, **options)
    except ApiError as error:
        return error


def asked(**members: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 4000, "messages": [{"role": "user", "content": "hi"}], **members}


@settings(max_examples=300, deadline=None)
@given(body=REQUESTS, profile=PROFILES)
def test_every_request_is_served_or_refused_and_what_is_sent_is_valid(
    body: dict[str, Any], profile: str
) -> None:
    built = attempted(body, profile, betas=b"effort-2025-11-24, nonsense")
    if isinstance(built, ApiError):
        # Nothing in the history is a reason: the request's own list has a tool that cannot run.
        assert (built.status, built.message[:6]) == (400, "tools:")
        own = [str(tool.get("type")) for tool in body["tools"]]
        assert any(kind.startswith(SERVER_PREFIXES) for kind in own)
        return
    check_request(built.operation, built.model_id, json.loads(built.payload))


FLAGS = st.dictionaries(
    st.sampled_from(
        [
            "tools",
            "stream_tools",
            "cache_points",
            "cache_ttl_1h",
            "images",
            "documents",
            "tool_result_status",
            "leading_assistant",
            "trailing_assistant",
            "replay_reasoning",
            "strict",
            "json_schema",
            "stop_sequences",
            "cache_tools",
            "neutral_names",
        ]
    ),
    st.booleans(),
)
SETS = st.fixed_dictionaries(
    {},
    optional={
        "tool_choice": st.lists(st.sampled_from(["auto", "any", "tool"])),
        "tool_result_media": st.lists(st.sampled_from(["image", "document"])),
        "colocate": st.lists(st.sampled_from(["text", "image", "document"])),
    },
)


@settings(max_examples=200, deadline=None)
@given(messages=long_sessions(), body=REQUESTS, profile=PROFILES, flags=FLAGS, sets=SETS)
def test_whatever_a_route_says_a_model_can_do_what_is_sent_is_valid(
    messages: list[Any],
    body: dict[str, Any],
    profile: str,
    flags: dict[str, bool],
    sets: dict[str, list[str]],
) -> None:
    can = overridden(named(profile), **flags, **sets)
    asking = {**body, "messages": messages, "tools": [], "tool_choice": None}
    built = translate(asking, can, model_id=MODEL_OF_PROFILE[profile])
    sent = json.loads(built.payload)
    check_request(built.operation, built.model_id, sent, trailing_assistant=can.trailing_assistant)
    allowed = {
        "toolResult",
        "cachePoint",
        *can.colocate,
        *(["searchResult"] if "text" in can.colocate else []),
    }
    for turn in sent["messages"]:
        kinds = {next(iter(block)) for block in turn["content"]}
        assert "toolResult" not in kinds or kinds <= allowed


@settings(max_examples=100, deadline=None)
@given(body=st.dictionaries(st.sampled_from(["model", "max_tokens", "messages", "tools", "system"]), VALUES))
def test_a_body_of_any_shape_is_refused_as_a_400_if_at_all(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        converse({**body, "messages": body.get("messages", 3)})
    assert refused.value.status == 400


@pytest.mark.parametrize("profile", sorted(MODEL_OF_PROFILE))
@pytest.mark.parametrize(
    "name", [name for name in fixtures() if name not in (ONLY_SERVER_TOOLS, "count_tokens")]
)
def test_every_body_of_the_real_client_becomes_a_valid_request(name: str, profile: str) -> None:
    built = converse(json.loads(fixture(name)), profile)
    check_request(built.operation, built.model_id, json.loads(built.payload))


def test_a_nested_web_search_is_refused_by_the_name_of_its_tool() -> None:
    with pytest.raises(ApiError, match="web_search runs on Anthropic's servers"):
        converse(json.loads(fixture(ONLY_SERVER_TOOLS)))


def test_nothing_personal_of_the_client_reaches_bedrock() -> None:
    payload = converse(json.loads(fixture("main_qwen_auto_mode"))).payload
    for private in (
        b"device_id",
        b"classifier_context",
        b"x-anthropic-billing-header",
        b"DeferredToolPlaceholder",
    ):
        assert private not in payload


@settings(max_examples=120, deadline=None)
@given(messages=sessions(), profile=PROFILES, cut=st.integers(1, 40))
def test_a_later_turn_leaves_what_earlier_turns_became_unchanged(
    messages: list[dict[str, Any]],
    profile: str,
    cut: int,
) -> None:
    places = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    end = places[cut % len(places)]
    # Media over the limit is the one thing that has to change afterwards.
    if json.dumps(messages).count('"base64"') > 4:
        return
    early = converse(asked(messages=messages[:end]), profile).body["messages"]
    late = converse(asked(messages=messages), profile).body["messages"]
    assert json.dumps(late[: len(early)]) == json.dumps(early)


@settings(max_examples=150, deadline=None)
@given(messages=long_sessions(), tools=TOOLS, profile=PROFILES, cut=st.integers(1, 40))
def test_a_later_turn_moves_cache_points_at_most_whatever_the_history_holds(
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]],
    profile: str,
    cut: int,
) -> None:
    places = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    end = places[cut % len(places)]
    # Media over the limit have to change afterwards.
    if json.dumps(messages).count('"document"') > 5:
        return
    choice = {"tools": tools, "tool_choice": {"type": "none"}}
    early = converse(asked(messages=messages[:end], **choice), profile).body["messages"]
    late = converse(asked(messages=messages, **choice), profile).body["messages"]
    assert json.dumps(without_points(late[: len(early)])) == json.dumps(without_points(early))


def without_points(turns: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [turn["role"], *[block for block in turn["content"] if "cachePoint" not in block]] for turn in turns
    ]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("max_tokens", "7"),
        ("max_tokens", True),
        ("max_tokens", -1),
        ("max_tokens", None),
        ("model", ""),
        ("messages", {}),
        ("messages", ["hi"]),
        ("messages", [{"role": "tool", "content": "x"}]),
        ("temperature", "hot"),
        ("top_p", []),
        ("top_k", 0.5),
        ("stop_sequences", "END"),
        ("stop_sequences", [3]),
        ("stream", 1),
        ("tools", {}),
        ("tools", ["grep"]),
        ("tool_choice", "auto"),
        ("tool_choice", {"type": "never"}),
        ("system", 7),
    ],
    ids=str,
)
def test_a_field_of_the_wrong_type_is_refused_by_its_name(member: str, value: Any) -> None:
    with pytest.raises(ApiError) as refused:
        converse(asked(**{member: value}))
    assert (refused.value.status, refused.value.type) == (400, "invalid_request_error")
    assert member in refused.value.message


@pytest.mark.parametrize(
    ("members", "geo", "fragment"),
    [
        ({"inference_geo": "us"}, "eu", "inference_geo"),
        ({"compaction": {"type": "auto"}}, None, "compaction"),
        ({"stop_sequences": ["</severity>"]}, None, "--permission-mode"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "g", "input_schema": {}}],
          "tool_choice": {"type": "tool", "name": "web_search"}}, None, "web_search"),
    ],
    ids=["another-geo", "server-compaction", "safety-classifier", "forced-server-tool"],
)  # fmt: skip
def test_a_promise_that_cannot_be_kept_is_refused(
    members: dict[str, Any], geo: str | None, fragment: str
) -> None:
    with pytest.raises(ApiError) as refused:
        converse(asked(**members), geo=geo)
    assert refused.value.status == 400
    assert fragment in refused.value.message


def test_the_geo_a_route_is_declared_for_may_be_asked_for() -> None:
    assert converse(asked(inference_geo="eu"), geo="eu").notes == ()


def test_threads_that_begin_and_empty_server_lists_change_nothing() -> None:
    built = converse(asked(thread={"type": "create"}, mcp_servers=[], inference_geo=None))
    assert built.payload == converse(asked()).payload


@pytest.mark.parametrize("body", [[], "hi", None], ids=["list", "text", "null"])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(ApiError, match="should be an object"):
        converse(body)


def test_a_body_nested_without_end_is_refused_and_breaks_nothing() -> None:
    nested: Any = "x"
    for _ in range(600):
        nested = {"a": nested}
    message = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "n", "input": nested}],
    }
    with pytest.raises(ApiError, match="nested too deeply"):
        converse(asked(messages=[{"role": "user", "content": "x"}, message]))


@pytest.mark.parametrize(
    ("profile", "model_id", "members", "extra", "notes"),
    [
        pytest.param("nova", None, {"top_k": 5}, {"inferenceConfig": {"topK": 5}}, (), id="nova-spells-top-k-its-way"),
        pytest.param("qwen-text", None, {"top_k": 5}, None, ("top_k_dropped",), id="qwen-takes-no-top-k"),
        pytest.param("claude", None, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}, (),
                     id="thinking-turned-off-stays-off"),
        pytest.param("claude", None, {"thinking": {"type": "enabled", "budget_tokens": 9999}},
                     {"thinking": {"type": "enabled", "budget_tokens": 3999}}, ("thinking_budget_lowered",),
                     id="a-budget-stays-under-max-tokens"),
        pytest.param("claude", None, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1024}, None,
                     ("thinking_disabled",), id="no-room-to-think"),
        pytest.param("claude", "anthropic.claude-sonnet-4-5-20250929-v1:0", {"thinking": {"type": "adaptive"}},
                     {"thinking": {"type": "enabled", "budget_tokens": 3999}}, ("thinking_budget_lowered",),
                     id="adaptive-before-4.6-becomes-a-budget"),
        pytest.param("claude", "us.anthropic.claude-opus-5-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}},
                     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, (),
                     id="a-budget-after-4.6-becomes-effort"),
        pytest.param("claude", None, {"thinking": {"type": "adaptive", "display": "omitted"}},
                     {"thinking": {"type": "adaptive"}}, (), id="display-needs-its-beta"),
        pytest.param("claude", None, {"thinking": {"type": "between_tools"}}, None, ("thinking_disabled",),
                     id="between-tools-has-no-beta-here"),
        pytest.param("claude", None, {"output_config": {"effort": "max"}}, {"output_config": {"effort": "high"}}, (),
                     id="effort-without-thinking-is-high-at-most"),
        pytest.param("claude", "anthropic.claude-3-7-sonnet-20250219-v1:0", {"output_config": {"effort": "low"}}, None, (),
                     id="models-without-effort-get-none"),
        pytest.param("qwen-text", None, {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}, None, (),
                     id="thinking-is-dropped-for-others"),
    ],
)  # fmt: skip
def test_fields_of_one_family_go_where_it_takes_them(
    profile: str,
    model_id: str | None,
    members: dict[str, Any],
    extra: dict[str, Any] | None,
    notes: tuple[str, ...],
) -> None:
    built = converse(asked(**members), profile, model_id=model_id or MODEL_OF_PROFILE[profile])
    assert built.body.get("additionalModelRequestFields") == extra
    assert built.notes == notes


@pytest.mark.parametrize(("budget", "effort"), [(4096, "low"), (4097, "medium"), (16385, "high")])
def test_a_thinking_budget_becomes_the_effort_that_stands_for_it(budget: int, effort: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": budget}
    built = converse(asked(thinking=thinking), "claude", model_id="us.anthropic.claude-opus-5-5")
    assert built.body["additionalModelRequestFields"]["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    ("model_id", "members", "config", "notes"),
    [
        pytest.param("anthropic.claude-sonnet-4-6", {"temperature": 0.1, "top_p": 0.9}, {"temperature": 0.1},
                     ("top_p_dropped",), id="claude-4.5-and-later-take-one-of-them"),
        pytest.param("anthropic.claude-3-7-sonnet-20250219-v1:0", {"temperature": 0.1, "top_p": 0.9},
                     {"temperature": 0.1, "topP": 0.9}, (), id="older-claude-takes-both"),
        pytest.param("us.anthropic.claude-opus-5-5", {"temperature": 1, "top_k": 4}, {},
                     ("temperature_dropped", "top_k_dropped"), id="claude-after-4.6-takes-none"),
    ],
)  # fmt: skip
def test_sampling_on_claude_depends_on_its_version(
    model_id: str,
    members: dict[str, Any],
    config: dict[str, Any],
    notes: tuple[str, ...],
) -> None:
    built = converse(asked(**members), "claude", model_id=model_id)
    assert built.body["inferenceConfig"] == {"maxTokens": 4000, **config}
    assert built.notes == notes


def test_betas_of_header_and_body_are_merged_sorted_and_filtered_for_claude() -> None:
    built = converse(
        asked(betas=["effort-2025-11-24"], thinking={"type": "adaptive", "display": "omitted"}),
        "claude",
        betas=b"claude-code-20250219, thinking-display-updates-2026-08-18,context-1m-2025-08-07",
    )
    extra = built.body["additionalModelRequestFields"]
    assert extra["anthropic_beta"] == [
        "context-1m-2025-08-07",
        "effort-2025-11-24",
        "thinking-display-updates-2026-08-18",
    ]
    assert extra["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert built.notes == ("beta_dropped:claude-code-20250219",)


def test_betas_mean_nothing_to_other_models() -> None:
    built = converse(asked(betas=["effort-2025-11-24"]), betas=b"context-1m-2025-08-07")
    assert "additionalModelRequestFields" not in built.body
    assert built.notes == ()


@pytest.mark.parametrize(
    ("profile", "effort", "extra"),
    [
        ("gpt-oss", "low", {"reasoning_effort": "low"}),
        ("qwen-text", "medium", {"reasoning_config": "high"}),
        ("nova", "high", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
    ],
)
def test_a_route_can_ask_a_model_to_reason(profile: str, effort: str, extra: dict[str, Any]) -> None:
    reasons = overridden(named(profile), reasoning_effort=effort)
    built = translate(asked(), reasons, model_id=MODEL_OF_PROFILE[profile])
    assert built.body["additionalModelRequestFields"] == extra
    off = translate(asked(thinking={"type": "disabled"}), reasons, model_id=MODEL_OF_PROFILE[profile])
    assert "additionalModelRequestFields" not in off.body


def test_gpt_takes_no_sampling_while_it_reasons() -> None:
    sampling = asked(temperature=0.2, top_p=0.5)
    gpt = named("gpt")
    assert translate(sampling, gpt, model_id="us.openai.gpt-6-sol").body["inferenceConfig"] == {
        "maxTokens": 4000,
        "temperature": 0.2,
        "topP": 0.5,
    }
    reasons = translate(sampling, overridden(gpt, reasoning_effort="low"), model_id="us.openai.gpt-6-sol")
    assert reasons.body["inferenceConfig"] == {"maxTokens": 4000}
    assert reasons.notes == ("temperature_dropped", "top_p_dropped")
    open_weights = overridden(named("gpt-oss"), reasoning_effort="low")
    assert translate(sampling, open_weights, model_id="openai.gpt-oss-20b-1:0").notes == ()


def test_a_family_without_a_spelling_for_it_is_not_asked_to_reason() -> None:
    kimi = overridden(named("kimi"), reasoning_effort="high")
    assert (
        "additionalModelRequestFields" not in translate(asked(), kimi, model_id="moonshotai.kimi-k2.5").body
    )


def test_claude_is_not_asked_to_think_when_its_last_tool_call_lost_its_thinking() -> None:
    history = [
        {"role": "user", "content": "x"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "of another model", "signature": "openclaude.v1.qwen"},
                {"type": "tool_use", "id": "t1", "name": "grep", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
    ]
    built = converse(asked(messages=history, thinking={"type": "enabled", "budget_tokens": 2048}), "claude")
    assert "additionalModelRequestFields" not in built.body
    assert built.notes == ("thinking_dropped", "thinking_disabled")


def test_a_json_schema_is_enforced_where_the_model_can() -> None:
    wanted = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}, "minimum": {"type": "string"}},
    }
    built = converse(
        asked(output_config={"format": {"type": "json_schema", "schema": wanted, "name": "numbers"}})
    )
    assert built.body["outputConfig"] == {
        "textFormat": {
            "type": "json_schema",
            "structure": {
                "jsonSchema": {
                    "schema": '{"type":"object","properties":{"n":{"type":"integer"},"minimum":{"type":"string"}},'
                    '"additionalProperties":false}',
                    "name": "numbers",
                },
            },
        },
    }


def test_the_last_effort_of_the_conversation_wins_on_claude() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": "b", "output_config": {"effort": "low"}},
        {"role": "system", "content": "c", "output_config": {}},
    ]
    members = {"messages": messages, "output_config": {"effort": "medium"}}
    built = converse(asked(**members), "claude")
    assert built.body["additionalModelRequestFields"] == {"output_config": {"effort": "low"}}


def test_a_warm_up_with_cache_points_asks_for_one_token_and_throws_it_away() -> None:
    body = asked(max_tokens=0, stream=True, cache_control={"type": "ephemeral"})
    built = converse(body, "claude")
    assert built.operation == "Converse"
    assert built.body["inferenceConfig"] == {"maxTokens": 1}
    assert (built.state.discard, built.cache_points) == (True, 1)


def test_stop_sequences_are_dropped_where_the_model_refuses_them() -> None:
    grok = overridden(named("qwen-text"), stop_sequences=False)
    built = translate(asked(stop_sequences=["END"]), grok, model_id="xai.grok-4.7")
    assert built.body["inferenceConfig"] == {"maxTokens": 4000}
    assert built.notes == ("stop_sequences_dropped",)
