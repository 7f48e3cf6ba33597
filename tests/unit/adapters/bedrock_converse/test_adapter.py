"""The adapter and its calls, as the gateway uses them."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import ConverseAdapter, ConverseCall, LearnedLimits, ModelIdError
from openclaude.adapters.profiles import named, overridden
from openclaude.domain.errors import ApiError
from support import bedrock_frames
from support.bedrock_cases import adapter_of, fixture, sse_events
from support.converse_check import check_request

TOOL = {"name": "grep", "input_schema": {"type": "object"}}


def body(**more: Any) -> bytes:
    return json.dumps(
        {"model": "qwen-3-coder", "max_tokens": 4000, "messages": [{"role": "user", "content": "hi"}], **more}
    ).encode()


def validation(text: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return 400, [(b"x-amzn-errortype", b"ValidationException:")], json.dumps({"message": text}).encode()


def unsupported(field: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return validation(f"This model doesn't support the {field} field. Remove {field} and try again.")


def retried(call: ConverseCall, field: str) -> ConverseCall:
    amended = call.retry_without(*unsupported(field))
    assert amended is not None
    return amended


def test_a_streamed_request_is_addressed_to_the_stream() -> None:
    call = adapter_of("qwen-text").prepare(body(stream=True))
    assert call.target == b"/model/qwen.qwen3-coder-480b-a35b-v1%3A0/converse-stream"
    assert dict(call.headers) == {
        b"content-type": b"application/json",
        b"accept": b"application/vnd.amazon.eventstream",
        b"accept-encoding": b"identity",
    }
    assert (call.operation, call.model, call.wants_stream, call.local_answer) == (
        "ConverseStream",
        "qwen-3-coder",
        True,
        None,
    )


def test_a_request_that_is_not_streamed_is_answered_whole() -> None:
    call = adapter_of("qwen-text").prepare(body())
    assert call.target.endswith(b"/converse")
    assert dict(call.headers)[b"accept"] == b"application/json"
    assert (call.wants_stream, call.streams) == (False, False)


def test_a_body_nested_at_any_depth_is_served_or_a_400_and_never_a_crash() -> None:
    adapter, refused = adapter_of("qwen-text"), []
    for depth in range(700, 1000):
        deep = '{"not":' * depth + "{}" + "}" * depth
        raw = body(output_config={"format": {"schema": {"not": "?"}}}, tools="!").replace(
            b'"?"', deep.encode()
        )
        for serve in (adapter.prepare, adapter.count_tokens):
            try:
                serve(raw.replace(b'"!"', b'[{"name":"t","input_schema":' + deep.encode() + b"}]"))
            except ApiError as error:
                refused.append(error)
    assert refused
    assert {error.status for error in refused} == {400}
    assert all("nested too deeply" in error.message for error in refused)


def test_an_arn_is_one_segment_of_the_path() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    adapter = ConverseAdapter(route="r", model_id=arn, region="us-east-1", profile=named("qwen-text"))
    quoted = b"arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc"
    assert adapter.prepare(body()).target == b"/model/" + quoted + b"/converse"


@pytest.mark.parametrize("model_id", ["", ".", "..", "a/b", "../secrets"])
def test_a_model_id_that_would_change_the_path_is_refused(model_id: str) -> None:
    with pytest.raises(ModelIdError):
        ConverseAdapter(route="r", model_id=model_id, region="us-east-1", profile=named("qwen-text"))


@pytest.mark.parametrize("raw", [b"", b"{", b"[1", b'{"a": NaN}', b"\xff"])
def test_a_body_that_is_not_json_is_a_400(raw: bytes) -> None:
    with pytest.raises(ApiError, match="not valid JSON") as refused:
        adapter_of("qwen-text").prepare(raw)
    assert (refused.value.status, refused.value.type) == (400, "invalid_request_error")


def test_the_quota_probe_of_the_client_is_answered_here() -> None:
    call = adapter_of("qwen-text").prepare(fixture("quota_qwen"), request_id="req_7")
    assert call.local_answer is not None
    answer = json.loads(call.local_answer)
    assert (call.target, call.body) == (b"", b"")
    assert (answer["id"], answer["model"], answer["stop_reason"]) == (
        "msg_bdrk_7",
        "qwen-3-coder",
        "max_tokens",
    )
    assert (len(answer["content"]), set(answer["usage"].values())) == (1, {0})
    assert sse_events(call.synthesize(call.local_answer))[-1] == {"type": "message_stop"}


@pytest.mark.parametrize(
    ("more", "is_local"),
    [
        (
            {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "quota"}]}]},
            True,
        ),
        ({"max_tokens": 2, "messages": [{"role": "user", "content": "quota"}]}, False),
        ({"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}], "system": "s"}, False),
        ({"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}], "tools": [TOOL]}, False),
        ({"max_tokens": 1, "messages": [{"role": "user", "content": "quotas"}]}, False),
        ({"max_tokens": 0}, True),
    ],
    ids=["blocks", "two-tokens", "with-system", "with-tools", "another-word", "warm-up"],
)
def test_only_requests_that_need_no_model_are_answered_here(more: dict[str, Any], is_local: bool) -> None:
    assert (adapter_of("qwen-text").prepare(body(**more)).local_answer is not None) == is_local


def test_a_warm_up_of_a_cache_is_sent_and_its_answer_is_thrown_away() -> None:
    call = adapter_of("claude").prepare(
        body(max_tokens=0, system=[{"type": "text", "text": "s", "cache_control": {}}])
    )
    assert call.local_answer is None
    answer = {
        "output": {"message": {"content": [{"text": "x"}]}},
        "stopReason": "max_tokens",
        "usage": {"inputTokens": 9},
    }
    message = json.loads(call.whole(200, [], json.dumps(answer).encode()))
    assert (message["content"], message["usage"]["input_tokens"]) == ([], 9)
    assert call.usage is not None
    assert call.usage.input_tokens == 9


def test_an_unreadable_answer_is_an_error() -> None:
    call = adapter_of("qwen-text").prepare(body())
    with pytest.raises(ApiError, match="not JSON"):
        call.whole(200, [], b"<html>")
    with pytest.raises(ApiError, match="alternate"):
        call.whole(*validation("A conversation must alternate between user and assistant roles."))


def test_an_unsupported_field_is_removed_once_and_remembered() -> None:
    limits = LearnedLimits()
    adapter = adapter_of("qwen-text", limits=limits)
    raw = body(tools=[TOOL], tool_choice={"type": "any"}, stop_sequences=["x"], temperature=0.5)
    first = adapter.prepare(raw)
    second = retried(first, "toolConfig.toolChoice.any")
    assert "toolChoice" not in json.loads(second.body)["toolConfig"]
    assert second.notes == ("learned:toolChoice.any",)
    assert second.retry_without(*unsupported("toolConfig.toolChoice.any")) is None
    third = retried(second, "stopSequences")
    assert third.retry_without(*unsupported("temperature")) is None
    later = adapter_of("qwen-text", limits=limits).prepare(raw)
    assert later.body == third.body
    assert later.notes == ("learned:toolChoice.any", "learned:stopSequences")
    assert json.loads(first.body)["toolConfig"]["toolChoice"] == {"any": {}}
    check_request("Converse", "qwen.qwen3-coder-480b-a35b-v1:0", json.loads(third.body))


def test_a_field_that_was_not_sent_teaches_nothing() -> None:
    call = adapter_of("qwen-text").prepare(body())
    assert call.retry_without(*unsupported("topP")) is None
    assert call.retry_without(*validation("This model doesn't support tool use in streaming mode.")) is None
    assert call.retry_without(500, [], b'{"message": "This model doesn\'t support the topP field."}') is None


def test_a_model_that_cannot_stream_tools_is_asked_for_the_whole_answer() -> None:
    adapter = adapter_of("qwen-text")
    raw = body(tools=[TOOL], stream=True)
    amended = adapter.prepare(raw).retry_without(
        *validation("This model doesn't support tool use in streaming mode.")
    )
    assert amended is not None
    assert (amended.operation, amended.wants_stream) == ("Converse", True)
    assert amended.target.endswith(b"/converse")
    assert dict(amended.headers)[b"accept"] == b"application/json"
    assert adapter.prepare(raw).operation == "Converse"
    assert adapter.prepare(body(stream=True)).operation == "ConverseStream"


def test_reasoning_that_came_unsigned_is_marked_with_the_route() -> None:
    decoder = adapter_of("qwen-text").prepare(body(stream=True)).stream()
    thought = {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}
    text = decoder.feed(bedrock_frames.event("contentBlockDelta", thought)) + decoder.end()
    signatures = [
        event["delta"].get("signature")
        for event in sse_events(text)
        if event["type"] == "content_block_delta"
    ]
    assert signatures == [None, "openclaude.v1.qwen"]


def test_an_error_of_a_call_names_its_operation_model_and_region() -> None:
    call = adapter_of("qwen-text").prepare(body())
    denied = [(b"x-amzn-errortype", b"AccessDeniedException")]
    message = call.failure(403, denied, b'{"message": "no"}').message
    assert "bedrock:InvokeModel on qwen.qwen3-coder-480b-a35b-v1:0 in us-east-1" in message


TOOLS = [
    {**TOOL, "strict": True},
    {"name": "ls", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
]
RICH: dict[str, Any] = {
    "max_tokens": 9000,
    "stream": True,
    "tools": TOOLS,
    "tool_choice": {"type": "any"},
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "top_k": 5,
    "output_config": {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}},
    },
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "ls", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}],
        },
    ],
}
REFUSED = {
    "toolConfig.toolChoice": (RICH, "toolChoice"),
    "toolConfig.toolChoice.any": (RICH, "toolChoice"),
    "toolConfig.toolChoice.tool": ({**RICH, "tool_choice": {"type": "tool", "name": "ls"}}, "toolChoice"),
    "cachePoint": (RICH, "cachePoint"),
    "stopSequences": (RICH, "stopSequences"),
    "status": (RICH, '"status"'),
    "temperature": (RICH, "temperature"),
    "topP": ({**{key: RICH[key] for key in RICH if key != "temperature"}, "top_p": 0.5}, "topP"),
    "topK": (RICH, "top_k"),
    "strict": (RICH, '"strict"'),
    "outputConfig": (RICH, "outputConfig"),
    "additionalModelRequestFields.output_config": (RICH, "output_config"),
    "additionalModelRequestFields.top_k": (RICH, "top_k"),
}


@pytest.mark.parametrize("field", REFUSED)
def test_every_field_that_may_be_left_out_is_learned_from_one_refusal(field: str) -> None:
    profile = overridden(named("claude"), strict=True, json_schema=True)
    limits = LearnedLimits()

    def adapter(region: str) -> ConverseAdapter:
        return ConverseAdapter(
            route="r",
            model_id="us.anthropic.claude-sonnet-4-6",
            region=region,
            profile=profile,
            limits=limits,
        )

    more, gone = REFUSED[field]
    raw = body(**more)
    call = adapter("us-east-1").prepare(raw)
    assert gone in call.body.decode()
    text = f"This model doesn't support the {field} field. Remove {field} and try again."
    refusal = (400, [(b"x-amzn-errortype", b"ValidationException")], json.dumps({"message": text}).encode())
    again = call.retry_without(*refusal)
    assert again is not None
    assert gone not in again.body.decode()
    assert next(note for note in again.notes if note not in call.notes).startswith("learned:")
    assert again.retry_without(*refusal) is None
    later = adapter("us-east-1").prepare(raw)
    assert (later.body, set(later.notes)) == (again.body, set(again.notes))
    assert adapter("eu-west-1").prepare(raw).body == call.body
    for sent in (call, again):
        check_request(sent.operation, "us.anthropic.claude-sonnet-4-6", json.loads(sent.body))


@pytest.mark.parametrize("name", ["ThrottlingException", "AccessDeniedException", ""])
def test_only_a_validation_error_teaches(name: str) -> None:
    call = adapter_of("claude").prepare(body(**RICH))
    text = b'{"message": "This model doesn\'t support the temperature field."}'
    assert call.retry_without(429, [(b"x-amzn-errortype", name.encode())], text) is None


def test_what_is_answered_to_a_warm_up_of_the_cache_is_thrown_away() -> None:
    call = adapter_of("claude").prepare(body(max_tokens=0, cache_control={"type": "ephemeral"}))
    told = {
        "output": {"message": {"role": "assistant", "content": [{"text": "unasked"}]}},
        "stopReason": "max_tokens",
        "usage": {"inputTokens": 9, "outputTokens": 1, "cacheWriteInputTokens": 8},
    }
    found = json.loads(call.whole(200, [], json.dumps(told).encode()))
    assert (found["content"], found["stop_reason"]) == ([], "max_tokens")
    assert found["usage"]["cache_creation_input_tokens"] == 8
