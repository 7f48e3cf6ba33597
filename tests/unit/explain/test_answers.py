import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.explain.answers import AnswerError, explained, read_answer, read_request
from openclaude.explain.targets import Target, choose
from support import bedrock_frames

LONG = "mcp__a_server_with_a_long_name__a_tool_with_a_name_that_is_longer_than_sixty_four"
TOOL_CALL = {"toolUse": {"toolUseId": "t", "name": "short", "input": {}}}
FRAMES = [
    {"event": "messageStart", "payload": {"role": "assistant"}},
    {"event": "contentBlockDelta", "payload": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
    {"event": "contentBlockStop", "payload": {"contentBlockIndex": 0}},
    {"event": "messageStop", "payload": {"stopReason": "end_turn"}},
    {"event": "metadata", "payload": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}},
]


def target(profile: str = "qwen-text", operation: str | None = None) -> Target:
    return choose(profile=profile, model_id=None, region=None, operation=operation)


def converse(*content: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": reason}


def shown(answer: dict[str, Any], asked: dict[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    return explained(read_answer(json.dumps(answer).encode()), asked or {}, target(**said))


def streamed(raw: bytes) -> dict[str, Any]:
    return {"status": 200, "headers": {}, "stream_base64": base64.b64encode(raw).decode()}


def refusal(name: str, message: str, status: int = 400) -> dict[str, Any]:
    return {"status": status, "headers": {"X-Amzn-ErrorType": name}, "body": {"message": message}}


def test_a_whole_answer_comes_with_the_headers_of_the_gateway() -> None:
    found = shown({"body": converse({"text": "x"})}, {"model": "haiku"})
    assert list(found) == ["status", "headers", "body", "notes"]
    assert found["headers"] == {
        "content-type": "application/json",
        "request-id": "req_explain",
        "x-openclaude-upstream-model": "qwen.qwen3-coder-480b-a35b-v1:0",
    }
    assert found["body"]["model"] == "haiku"


def test_tool_names_come_back_as_the_request_spelled_them() -> None:
    tools = [{"name": LONG, "input_schema": {"type": "object"}}]
    built = target().translated({**BODY, "tools": tools})
    (short,) = built.state.tool_names
    answer = {"body": converse({"toolUse": {**TOOL_CALL["toolUse"], "name": short}}, reason="tool_use")}
    assert shown(answer, {"tools": tools})["body"]["content"][0]["name"] == LONG


BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def test_a_call_of_the_placeholder_is_removed_unless_the_client_has_a_tool_of_that_name() -> None:
    name = "openclaude_no_tools"
    answer = {"body": converse({"toolUse": {**TOOL_CALL["toolUse"], "name": name}}, reason="tool_use")}
    found = shown(answer)
    assert (found["body"]["content"], found["body"]["stop_reason"]) == ([], "end_turn")
    assert found["notes"] == ["placeholder_call_removed", "stop_reason_repaired"]
    own = shown(answer, {"tools": [{"name": name, "input_schema": {"type": "object"}}]})
    assert own["body"]["content"][0]["name"] == name


def test_tool_names_may_be_given_as_the_map_the_gateway_would_have() -> None:
    answer = {"body": converse(TOOL_CALL, reason="tool_use")}
    assert shown(answer, {"tool_name_map": {"short": LONG}})["body"]["content"][0]["name"] == LONG


def test_a_message_the_model_spoiled_is_an_error_that_may_be_retried() -> None:
    found = shown({"body": converse(TOOL_CALL, reason="malformed_tool_use")})
    assert (found["status"], found["headers"]["x-should-retry"]) == (502, "true")
    assert found["body"]["error"]["type"] == "api_error"
    assert found["notes"] == []


def test_a_header_may_have_several_values_and_a_body_may_be_nothing() -> None:
    answer = {"status": 429, "headers": {"x-amzn-errortype": ["ThrottlingException", "Other"]}, "body": None}
    found = shown(answer)
    assert found["body"]["error"]["type"] == "rate_limit_error"
    assert found["body"]["error"]["message"].startswith(
        "Bedrock throttled the request: Bedrock answered 429 without"
    )


def test_notes_are_those_of_the_answer_and_not_of_its_request() -> None:
    asked = {**BODY, "top_k": 3, "temperature": 7}
    assert shown({"body": converse(TOOL_CALL)}, asked)["notes"] == ["stop_reason_repaired"]


def test_the_whole_answer_to_an_emulated_stream_is_shown_as_the_stream_it_becomes() -> None:
    asked = {**BODY, "stream": True, "tools": [{"name": "ls", "input_schema": {"type": "object"}}]}
    answer = {"body": converse({"text": "x"})}
    events = shown(answer, asked, profile="llama4")["sse"]
    assert [event["type"] for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert shown(answer, {**asked, "stream": False}, profile="llama4")["body"]["content"] == [
        {"type": "text", "text": "x"}
    ]


def test_a_stream_that_fails_before_its_first_event_becomes_an_http_error() -> None:
    raw = bedrock_frames.exception("serviceUnavailableException", {"message": "busy"})
    found = shown(streamed(raw))
    assert (found["status"], found["headers"]["retry-after"]) == (529, "5")
    assert found["body"]["request_id"] == "req_explain"


def test_an_empty_stream_is_an_http_error_and_no_success() -> None:
    assert shown(streamed(b""))["status"] == 502


@given(place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_damaged_stream_never_ends_well(place: int, mask: int) -> None:
    raw = bytearray(bedrock_frames.encoded(FRAMES[:-1]))
    raw[place % len(raw)] ^= mask
    found = shown(streamed(bytes(raw)))
    if "sse" in found:
        # Damage behind the end of the message takes nothing away from it; before it, the client hears of it.
        assert found["sse"][-1]["type"] == "error"
    else:
        assert found["status"] == 502


def test_a_stream_with_an_error_status_is_an_error() -> None:
    answer = {**streamed(b'{"message": "slow down"}'), "status": 429}
    assert shown(answer)["body"]["error"]["type"] == "rate_limit_error"


def test_an_answer_that_teaches_something_says_what_the_gateway_would_leave_out() -> None:
    text = "This model doesn't support the temperature field. Remove temperature and try again."
    answer = refusal("ValidationException", text)
    assert shown(answer, {**BODY, "temperature": 1})["notes"] == ["learned:temperature"]
    assert shown(answer, BODY)["notes"] == []


def test_a_request_without_operation_asks_for_a_stream_when_its_answer_is_an_error() -> None:
    answer = refusal("AccessDeniedException", "no", 403)
    assert "InvokeModelWithResponseStream" in shown(answer)["body"]["error"]["message"]
    whole = shown(answer, operation="Converse")["body"]["error"]["message"]
    assert "bedrock:InvokeModel on" in whole


def test_a_body_that_is_text_is_sent_as_it_is() -> None:
    found = shown({"status": 503, "body": "<html>down</html>"})
    assert (found["status"], found["body"]["error"]["type"]) == (502, "api_error")
    assert "<html>down</html>" in found["body"]["error"]["message"]


def test_a_request_that_would_never_be_sent_has_no_answer() -> None:
    assert shown({"body": converse()}, {"messages": []})["reject"]["status"] == 400


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "is not valid JSON"),
        (b"[]", "has to hold one JSON object"),
        (b'{"status": "200"}', "`status` has to be an HTTP status"),
        (b'{"status": true}', "`status` has to be an HTTP status"),
        (b'{"body": {}, "headers": []}', ""),
        (b'{"model": "m", "messages": []}', "holds no `status`, no `body` and no `stream_base64`"),
        (b'{"body": {}, "headers": ["a"]}', "`headers` has to be an object"),
        (b'{"stream_base64": "%"}', "`stream_base64` has to be base64"),
        (b'{"stream_base64": 1}', "`stream_base64` has to be base64"),
    ],
    ids=["json", "list", "status", "true", "no headers", "a request", "headers", "base64", "number"],
)
def test_an_answer_is_described_in_one_form(raw: bytes, message: str) -> None:
    if not message:
        assert read_answer(raw).headers == ()
        return
    with pytest.raises(AnswerError) as refused:
        read_answer(raw)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "raw", [b"3", b'{"tool_name_map": 1}', b'{"tool_name_map": {"a": 1}}'], ids=["number", "map", "names"]
)
def test_a_request_is_described_by_an_object(raw: bytes) -> None:
    with pytest.raises(AnswerError):
        read_request(raw)
