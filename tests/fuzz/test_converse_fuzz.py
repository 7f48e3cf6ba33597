"""Any Messages request against any model behind Converse: served validly or refused in words, and always the same way."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse import ConverseAdapter, ConverseCall
from openclaude.adapters.bedrock_converse.media import TOO_MANY_DOCUMENTS, TOO_MANY_IMAGES
from openclaude.adapters.profiles import Profile, overridden
from openclaude.domain.errors import ApiError
from openclaude.explain.requests import against_profile
from openclaude.explain.targets import choose
from support.converse_check import check_request, check_shape
from support.fuzzing import ANY_TARGET, examples, prepared, profile_of
from support.made_up_requests import CONTENT, ODD_AT_TOP, VALID_AT_TOP, lasting, sessions, wire, wires
from support.profile_check import check_profile

REGION = "us-east-1"
ROUTE = "fuzzed"
SERVER_TOOLS = (
    "web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "advisor_", "mcp_toolset"
)  # fmt: skip
BETAS = st.sampled_from([b"", b"effort-2025-11-24, nonsense,\xff,thinking-display-updates-2026-08-18"])
REFUSALS = st.sampled_from(
    [
        "This model doesn't support tool use in streaming mode.",
        "Schema is too complex",
        "The maximum tokens you requested exceeds the model limit of 600. Try again.",
        "The maximum tokens you requested exceeds the model limit of 1. Try again.",
        *(
            f"This model doesn't support the {field} field. Remove {field} and try again."
            for field in (
                "cachePoint", "toolResult.status", "toolConfig.toolChoice", "toolConfig.toolChoice.any", "strict",
                "inferenceConfig.stopSequences", "temperature", "topP", "topK", "outputConfig.textFormat",
                "additionalModelRequestFields.thinking", "additionalModelRequestFields.output_config.effort",
                "additionalModelRequestFields.anthropic_beta",
            )
        ),
    ]
)  # fmt: skip
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.booleans(),
        "stream_tools": st.booleans(),
        "images": st.booleans(),
        "documents": st.booleans(),
        "tool_result_media": st.sampled_from([[], ["image"], ["document", "image"]]),
        "tool_result_status": st.booleans(),
        "colocate": st.sampled_from([[], ["text"], ["text", "image"], ["image", "document"]]),
        "leading_assistant": st.booleans(),
        "trailing_assistant": st.booleans(),
        "cache_points": st.booleans(),
        "cache_ttl_1h": st.booleans(),
        "cache_tools": st.booleans(),
        "strict": st.booleans(),
        "json_schema": st.booleans(),
        "stop_sequences": st.booleans(),
        "replay_reasoning": st.booleans(),
        "neutral_names": st.booleans(),
        "reasoning_effort": st.sampled_from(["low", "high"]),
        "top_k": st.sampled_from(["anthropic", "nova", ""]),
    },
)


def adapter(profile: Profile, model_id: str) -> ConverseAdapter:
    return ConverseAdapter(route=ROUTE, model_id=model_id, region=REGION, profile=profile)


def offers_server_tools(body: Any) -> bool:
    return any(str(tool.get("type")).startswith(SERVER_TOOLS) for tool in body.get("tools") or ())


def check_call(call: ConverseCall, profile: Profile, model_id: str) -> None:
    if call.local_answer is not None:
        assert json.loads(call.local_answer)["type"] == "message"
        return
    body = json.loads(call.body)
    check_request(call.operation, model_id, body, trailing_assistant=profile.trailing_assistant)
    check_profile(body, profile)


@examples()
@given(body=VALID_AT_TOP, target=ANY_TARGET, betas=BETAS)
def test_content_never_is_a_reason_to_refuse_and_what_is_sent_is_valid(
    body: Any, target: tuple[str, str], betas: bytes
) -> None:
    profile, (_, model_id) = profile_of(target), target
    call = prepared(lambda: adapter(profile, model_id).prepare(wire(body), betas=betas))
    if isinstance(call, ApiError):
        assert "runs on Anthropic's servers" in call.message, call.message
        assert offers_server_tools(body)
        return
    check_call(call, profile, model_id)


@examples(0.25)
@given(body=VALID_AT_TOP, target=ANY_TARGET, changes=CHANGES)
def test_a_profile_of_any_make_is_kept_to(
    body: Any, target: tuple[str, str], changes: dict[str, Any]
) -> None:
    profile, (_, model_id) = overridden(profile_of(target), **changes), target
    assume(not offers_server_tools(body))
    check_call(adapter(profile, model_id).prepare(wire(body)), profile, model_id)


@examples(0.25)
@given(body=ODD_AT_TOP, target=ANY_TARGET)
def test_any_json_is_served_validly_or_refused_in_words(body: Any, target: tuple[str, str]) -> None:
    profile, (_, model_id) = profile_of(target), target
    raw = wire(body)
    call = prepared(lambda: adapter(profile, model_id).prepare(raw))
    if not isinstance(call, ApiError):
        check_call(call, profile, model_id)
    count = prepared(lambda: adapter(profile, model_id).count_tokens(raw))
    if not isinstance(count, ApiError):
        assert count.estimate >= 0
        for way in count.calls:
            check_shape("CountTokens", model_id, json.loads(way.body))


@examples(0.1)
@given(body=VALID_AT_TOP, other=VALID_AT_TOP, target=ANY_TARGET)
def test_the_same_request_always_becomes_the_same_bytes_and_explain_shows_them(
    body: Any, other: Any, target: tuple[str, str]
) -> None:
    name, model_id = target
    profile = profile_of(target)
    shared = adapter(profile, model_id)
    raw = wire(body)
    assume(not offers_server_tools(body) and not offers_server_tools(other))
    first = shared.prepare(raw)
    shared.prepare(wire(other))
    again, fresh = shared.prepare(raw), adapter(profile, model_id).prepare(raw)
    assert first.body == again.body == fresh.body
    assert first.notes == again.notes == fresh.notes
    assert {adapter(profile, model_id).prepare(text).body for text in wires(body)} == {first.body}
    if first.local_answer is None:
        operation = "ConverseStream" if body.get("stream") is True and body["max_tokens"] else "Converse"
        target_of = choose(profile=name, model_id=model_id, region=REGION, operation=operation)
        shown = against_profile(raw, target_of)
        assert shown["body"] == json.loads(first.body)


@examples(0.25)
@given(body=VALID_AT_TOP, target=ANY_TARGET, refusals=st.lists(REFUSALS, min_size=1, max_size=3))
def test_what_is_learned_from_a_refusal_leaves_a_valid_request(
    body: Any, target: tuple[str, str], refusals: list[str]
) -> None:
    profile, (_, model_id) = profile_of(target), target
    assume(not offers_server_tools(body))
    learning = adapter(profile, model_id)
    call: ConverseCall | None = learning.prepare(wire(body))
    for text in refusals:
        assert call is not None
        if call.local_answer is not None:
            return
        headers = [(b"x-amzn-errortype", b"ValidationException")]
        call = call.retry_without(400, headers, json.dumps({"message": text}).encode())
        if call is None:
            break
        check_request(call.operation, model_id, json.loads(call.body))
    check_call(learning.prepare(wire(body)), profile, model_id)


def without_points(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": [block for block in message["content"] if "cachePoint" not in block]}


@examples(0.25)
@given(before=sessions(), said=CONTENT, after=sessions(), target=ANY_TARGET)
def test_a_later_turn_leaves_what_earlier_turns_became_unchanged(
    before: list[Any], said: Any, after: list[Any], target: tuple[str, str]
) -> None:
    """What may change: the place of cache points, media over the limit, what a compaction cuts, cleared reminders."""
    profile, (_, model_id) = profile_of(target), target
    start = [*lasting(before), {"role": "user", "content": lasting(said)}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "so"}]}
    history = [*start, answer, *lasting(after)]

    def sent(messages: list[Any]) -> list[Any]:
        request = {"model": "m", "max_tokens": 100, "messages": messages}
        call = adapter(profile, model_id).prepare(wire(request))
        return [
            without_points(message) for message in json.loads(call.body or b'{"messages": []}')["messages"]
        ]

    early, late = sent(start), sent(history)
    assume(not any(words in json.dumps(late) for words in (TOO_MANY_IMAGES, TOO_MANY_DOCUMENTS)))
    assert late[: len(early)] == early
