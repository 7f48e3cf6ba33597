"""Calls of InvokeModel: what is sent, what is read, what is learned from a refusal."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.adapter import ModelIdError
from openclaude.adapters.bedrock_invoke import InvokeAdapter, InvokeCall, LearnedLimits
from openclaude.adapters.profiles import Profile, named, overridden
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from support.bedrock_cases import sse_events
from support.claude_calls import OPUS, SONNET, asked, check_events

MESSAGE = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 1},
}


def adapter(
    *, model_id: str = SONNET, profile: Profile | None = None, limits: LearnedLimits | None = None
) -> InvokeAdapter:
    return InvokeAdapter(
        route="bedrock",
        model_id=model_id,
        region="us-east-1",
        profile=profile or named("claude-invoke"),
        limits=limits,
    )


def prepared(body: dict[str, Any] | None = None, on: InvokeAdapter | None = None) -> InvokeCall:
    call = (on or adapter()).prepare(json.dumps(body or asked()).encode())
    assert isinstance(call, InvokeCall)
    return call


def refused(call: InvokeCall, message: str) -> InvokeCall | None:
    amended = call.retry_without(400, refusal_headers(), json.dumps({"message": message}).encode())
    assert amended is None or isinstance(amended, InvokeCall)
    return amended


def refusal_headers(name: bytes = b"ValidationException") -> list[Header]:
    return [(b"x-amzn-errortype", name)]


def test_a_whole_answer_and_a_stream_have_targets_and_headers_of_their_own() -> None:
    whole, stream = prepared(), prepared(asked(stream=True))
    assert whole.target == b"/model/us.anthropic.claude-sonnet-4-6/invoke"
    assert stream.target == b"/model/us.anthropic.claude-sonnet-4-6/invoke-with-response-stream"
    assert (whole.streams, stream.streams) == (False, True)
    assert dict(whole.headers)[b"accept"] == b"application/json"
    assert dict(stream.headers)[b"x-amzn-bedrock-accept"] == b"application/json"


def test_an_arn_is_quoted_in_the_target() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5"
    quoted = (
        b"arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-opus-5-5"
    )
    assert prepared(on=adapter(model_id=arn)).target == b"/model/" + quoted + b"/invoke"


@pytest.mark.parametrize("model_id", ["", ".", "..", "a/b"])
def test_an_id_that_would_change_the_path_is_refused(model_id: str) -> None:
    with pytest.raises(ModelIdError):
        adapter(model_id=model_id)


def test_a_whole_answer_passes_under_the_client_s_name_for_the_model() -> None:
    call = prepared()
    answer = json.loads(call.whole(200, (), json.dumps(MESSAGE).encode()))
    assert answer == {**MESSAGE, "model": "alias"}
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.cache_read_input_tokens) == (
        3,
        2,
        1,
    )


def test_counts_the_message_does_not_hold_come_from_the_headers() -> None:
    call = prepared()
    headers = [(b"X-Amzn-Bedrock-Input-Token-Count", b"11"), (b"x-amzn-bedrock-output-token-count", b"5")]
    call.whole(200, headers, json.dumps({**MESSAGE, "usage": None}).encode())
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == (11, 5)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 502, "api_error"),
        (b"[]", 502, "api_error"),
        (b'{"completion":"hi"}', 502, "api_error"),
        (b'{"type":"message","content":"hi"}', 502, "api_error"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', 529, "overloaded_error"),
        (b'{"type":"error"}', 500, "api_error"),
    ],
)
def test_what_is_no_message_is_an_error(body: bytes, status: int, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        prepared().whole(200, (), body)
    assert (caught.value.status, caught.value.type, caught.value.retry) == (status, kind, True)


def test_a_status_other_than_200_is_read_as_a_refusal_with_its_help() -> None:
    denied = json.dumps({"message": "no"}).encode()
    with pytest.raises(ApiError, match=r"bedrock:InvokeModelWithResponseStream on us\.anthropic") as caught:
        prepared(asked(stream=True)).whole(403, refusal_headers(b"AccessDeniedException"), denied)
    assert caught.value.status == 403
    plain = prepared().failure(403, refusal_headers(b"AccessDeniedException"), denied)
    assert "needs bedrock:InvokeModel on" in plain.message


def test_a_cache_warm_up_is_asked_with_one_token_and_its_answer_discarded() -> None:
    mark = {"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}
    call = prepared(asked(max_tokens=0, system=[mark], stream=True))
    assert (call.operation, json.loads(call.body)["max_tokens"]) == ("InvokeModel", 1)
    answer = call.whole(200, (), json.dumps(MESSAGE).encode())
    assert (json.loads(answer)["content"], json.loads(answer)["stop_reason"]) == ([], "max_tokens")
    assert sse_events(call.synthesize(answer))[-1] == {"type": "message_stop"}


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (asked(max_tokens=0), []),
        (
            asked(max_tokens=1, messages=[{"role": "user", "content": "quota"}]),
            [{"type": "text", "text": "."}],
        ),
    ],
    ids=["warm-up without a cache", "quota probe"],
)
def test_what_needs_no_model_is_answered_here(body: dict[str, Any], content: list[Any]) -> None:
    call = adapter().prepare(json.dumps(body).encode(), request_id="req_oc_7")
    assert call.local_answer is not None
    answer = json.loads(call.local_answer)
    assert (answer["content"], answer["id"], call.target) == (content, "msg_bdrk_oc_7", b"")


def test_a_model_that_streams_no_tools_is_asked_for_a_whole_answer() -> None:
    profile = overridden(named("claude-invoke"), stream_tools=False)
    body = asked(stream=True, tools=[{"name": "t", "input_schema": {"type": "object"}}])
    call = prepared(body, adapter(profile=profile))
    assert (call.operation, call.streams, call.wants_stream, call.notes) == (
        "InvokeModel",
        False,
        True,
        ("stream_emulated",),
    )
    events = sse_events(call.synthesize(call.whole(200, (), json.dumps(MESSAGE).encode())))
    assert check_events(events) is not None


@pytest.mark.parametrize("name", list(MESSAGE))
def test_an_answer_that_lacks_something_is_an_error_or_a_stream_all_the_same(name: str) -> None:
    call = prepared(
        asked(stream=True), adapter(profile=overridden(named("claude-invoke"), stream_tools=False))
    )
    lacking = {key: MESSAGE[key] for key in MESSAGE if key != name}
    if name in ("type", "content"):
        with pytest.raises(ApiError, match="no message"):
            call.whole(200, (), json.dumps(lacking).encode())
        return
    events = sse_events(call.synthesize(call.whole(200, (), json.dumps(lacking).encode())))
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_bodies_that_are_no_json_are_refused_and_counted_tokens_are_an_estimate() -> None:
    with pytest.raises(ApiError, match="not valid JSON"):
        adapter().prepare(b"{")
    assert adapter().count_tokens(json.dumps(asked()).encode()).estimate > 0


SCHEMA = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
ONE_TOOL = {"tools": [{"name": "t", "input_schema": {"type": "object"}, "defer_loading": True}]}


@pytest.mark.parametrize(
    ("members", "message", "what", "left"),
    [
        (
            {**ONE_TOOL, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            "tool_choice.auto.disable_parallel_tool_use: Extra inputs are not permitted",
            "tool_choice.disable_parallel_tool_use",
            {"tool_choice": {"type": "auto"}},
        ),
        (
            {"output_config": {**SCHEMA, "effort": "low"}},
            "output_config.format: Extra inputs are not permitted",
            "output_config.format",
            {"output_config": {"effort": "low"}},
        ),
        ({"output_config": SCHEMA}, "Schema is too complex for compilation.", "output_config.format", {"output_config": None}),
        ({"output_config": {"effort": "low"}}, "output_config.effort: Extra inputs are not permitted", "output_config.effort", {"output_config": None}),
        (ONE_TOOL, "tools.0.custom.defer_loading: Extra inputs are not permitted", "tools.defer_loading", {"tools": [{"name": "t", "input_schema": {"type": "object"}}]}),
        ({"output_config": {"effort": "low"}}, "Malformed input request: #: extraneous key [output_config] is not permitted, please reformat your input and try again.", "output_config", {"output_config": None}),
        (ONE_TOOL, "Malformed input request: #/tools/0: extraneous key [defer_loading] is not permitted, please reformat your input", "tools.defer_loading", {"tools": [{"name": "t", "input_schema": {"type": "object"}}]}),
        ({"metadata": {"user_id": "u"}}, "metadata: Extra inputs are not permitted", "metadata", {"metadata": None}),
        ({"betas": ["context-1m-2025-08-07"]}, "invalid beta flag", "anthropic_beta", {"anthropic_beta": None}),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            "context_management.edits.0.compact_20260112: Extra inputs are not permitted",
            "context_management",
            {"context_management": None},
        ),
        (
            {"system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            "system.0.cache_control.ephemeral.ttl: Extra inputs are not permitted",
            "cache_control.ttl",
            {"system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
        ),
        ({"temperature": 1}, "`temperature` is deprecated for this model.", "temperature", {"temperature": None}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1500}},
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".',
            "thinking.enabled",
            {"thinking": {"type": "adaptive"}},
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1500}},
            '"thinking.type.enabled" is not supported for this model.',
            "thinking",
            {"thinking": None},
        ),
        ({}, "max_tokens: 2000 > 1500, which is the maximum allowed number of output tokens", "max_tokens", {"max_tokens": 1500}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1900}},
            "max_tokens: 2000 > 1800, which is the maximum allowed",
            "max_tokens",
            {"max_tokens": 1800, "thinking": {"type": "enabled", "budget_tokens": 1799}},
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1900}},
            "max_tokens: 2000 > 900, which is the maximum allowed",
            "max_tokens",
            {"max_tokens": 900, "thinking": None},
        ),
    ],
)  # fmt: skip
def test_what_a_refusal_names_is_left_out_once_and_from_then_on(
    members: dict[str, Any], message: str, what: str, left: dict[str, Any]
) -> None:
    limits = LearnedLimits()
    on = adapter(limits=limits)
    call = prepared(asked(**members), on)
    again = refused(call, message)
    assert again is not None
    sent = json.loads(again.body)
    assert {name: sent.get(name) for name in left} == left
    assert again.notes == (*call.notes, f"learned:{what}")
    assert refused(again, message) is None
    assert json.loads(prepared(asked(**members), on).body) == sent


def test_a_schema_that_is_refused_moves_into_the_prompt() -> None:
    call = prepared(asked(output_config=SCHEMA, system="S"))
    again = refused(call, "Schema is too complex.")
    assert again is not None
    told = json.loads(again.body)["system"]
    assert told[0] == {"type": "text", "text": "S"}
    assert '{"type":"object"}' in told[1]["text"]


def test_a_life_of_cache_marks_that_is_refused_goes_from_every_block() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": "x", **mark}],
        **mark,
    }
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "grep", "input": {}}]},
        {"role": "user", "content": [result]},
    ]
    tools = [{"name": "grep", "input_schema": {"type": "object"}, **mark}]
    again = refused(
        prepared(asked(messages=messages, tools=tools)),
        "messages.2.content.0.tool_result.cache_control.ephemeral.ttl: Extra inputs are not permitted",
    )
    assert again is not None
    assert b"ttl" not in again.body
    assert again.body.count(b'"cache_control":{"type":"ephemeral"}') == 3


@pytest.mark.parametrize(
    "message",
    [
        "messages.0.content: Extra inputs are not permitted",
        "Malformed input request: #/messages/0: extraneous key [name] is not permitted",
        "max_tokens: 2000 > 0, which is the maximum",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "temperature: Input should be a number",
        "thinking.display: Extra inputs are not permitted",
        "tools.0.custom.strict: Extra inputs are not permitted",
        '"thinking.type.enabled" is not supported for this model.',
    ],
)
def test_a_refusal_that_nothing_can_be_learned_from_is_final(message: str) -> None:
    assert refused(prepared(), message) is None


def test_a_refusal_of_another_kind_teaches_nothing() -> None:
    body = json.dumps({"message": "invalid beta flag"}).encode()
    call = prepared(asked(betas=["context-1m-2025-08-07"]))
    assert call.retry_without(403, refusal_headers(b"AccessDeniedException"), body) is None


def test_a_request_is_amended_for_two_reasons_at_most() -> None:
    body = asked(temperature=1, metadata={"user_id": "u"}, betas=["context-1m-2025-08-07"])
    first = refused(prepared(body), "`temperature` is deprecated for this model.")
    assert first is not None
    second = refused(first, "invalid beta flag")
    assert second is not None
    assert refused(second, "metadata: Extra inputs are not permitted") is None


def test_the_client_s_version_reaches_the_body() -> None:
    call = adapter(model_id=OPUS, profile=named("claude-5")).prepare(
        json.dumps(asked()).encode(), version=b"2026-10-21"
    )
    assert json.loads(call.body)["anthropic_version"] == "2026-10-21"


def test_a_tool_search_that_is_refused_goes_and_every_tool_is_offered() -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    tool = {"name": "grep", "input_schema": {"type": "object"}}
    found = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "tool_reference", "tool_name": "late"}],
    }
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "grep", "input": {}}]},
        {"role": "user", "content": [found]},
    ]
    late = {**tool, "name": "late", "defer_loading": True}
    limits = LearnedLimits()
    on = adapter(limits=limits)
    body = asked(messages=messages, tools=[search, tool, late], betas=["effort-2025-11-24"])
    call = prepared(body, on)
    assert json.loads(call.body)["anthropic_beta"] == ["effort-2025-11-24", "tool-search-tool-2025-10-19"]
    again = refused(
        call,
        "tools.0: Input tag 'tool_search_tool_regex_20251119' found using 'type' does not match any of the expected tags",
    )
    assert again is not None
    sent = json.loads(again.body)
    assert sent["tools"] == [tool, {**tool, "name": "late"}]
    assert sent["anthropic_beta"] == ["effort-2025-11-24"]
    assert sent["messages"][2]["content"][0]["content"] == [{"type": "text", "text": "Tool available: late"}]
    assert again.notes == (*call.notes, "learned:tool_search")
    assert json.loads(prepared(body, on).body) == sent
    alone = refused(prepared(asked(tools=[search])), "tool_search_tool_regex: not supported for this model")
    assert alone is not None
    assert not {"tools", "anthropic_beta"} & set(json.loads(alone.body))
