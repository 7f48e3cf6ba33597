"""The Messages API on AWS: the request under the endpoint's own envelope, the stream as real server-sent events."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_messages import MessagesAdapter, MessagesStreamDecoder, translate
from openclaude.adapters.profiles import effective, named, profile_for
from openclaude.domain.http import Header
from openclaude.simulator.claude_rules import body_problems
from openclaude.wire import sse
from support.bedrock_cases import pieces, sse_events
from support.claude_calls import OPUS, STORY, asked, check_events, start

BARE = "anthropic.claude-opus-5-5"
STREAM = b"".join(sse.event(event["type"], json.dumps(event).encode()) for event in STORY)


def adapter(**more: Any) -> MessagesAdapter:
    return MessagesAdapter(model_id=OPUS, region="us-east-1", profile=named("claude-5"), **more)


def raw(**more: Any) -> bytes:
    return json.dumps(asked(**more)).encode()


def test_the_request_has_the_endpoint_s_envelope_and_the_bare_id() -> None:
    call = adapter().prepare(
        raw(stream=True), betas=b"claude-code-20250219,fast-mode-2026-02-01", version=b"2023-06-01"
    )
    body = json.loads(call.body)
    assert (call.target, call.streams) == (b"/anthropic/v1/messages", True)
    assert body == {"model": BARE, "max_tokens": 2000, "messages": asked()["messages"], "stream": True}
    assert body_problems(BARE, body, enveloped=True) == []
    headers = dict(call.headers)
    assert headers[b"anthropic-version"] == b"2023-06-01"
    assert headers[b"anthropic-beta"] == b"claude-code-20250219"
    assert headers[b"accept"] == b"text/event-stream"
    assert call.notes == ("beta_dropped:fast-mode-2026-02-01",)


def test_the_runtime_knows_the_model_by_its_whole_id() -> None:
    call = adapter(endpoint="runtime").prepare(raw())
    assert json.loads(call.body)["model"] == OPUS
    assert dict(call.headers)[b"anthropic-version"] == b"2023-06-01"
    assert dict(call.headers)[b"accept"] == b"application/json"
    assert b"anthropic-beta" not in dict(call.headers)


@pytest.mark.parametrize(("endpoint", "model_id"), [("mantle", BARE), ("runtime", OPUS)])
def test_a_translation_names_the_model_as_its_endpoint_does(endpoint: str, model_id: str) -> None:
    built = translate(asked(), named("claude-5"), model_id=OPUS, endpoint=endpoint)
    assert (built.model_id, built.body["model"]) == (model_id, model_id)


def test_web_search_runs_on_this_surface_and_its_history_stays_as_it_is() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    use = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [use, result]},
        {"role": "user", "content": "on"},
    ]
    built = translate(asked(messages=messages, tools=[tool]), named("claude-5"), model_id=BARE)
    assert built.operation == "CreateInference"
    assert built.body["tools"] == [tool]
    assert built.body["messages"] == messages


def test_a_whole_answer_passes_under_the_client_s_name() -> None:
    call = adapter().prepare(raw())
    message = {
        "type": "message",
        "model": BARE,
        "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    assert json.loads(call.whole(200, (), json.dumps(message).encode())) == {**message, "model": "alias"}


def test_a_stream_passes_under_the_client_s_name() -> None:
    decoder = adapter().prepare(raw(stream=True)).stream()
    events = sse_events(decoder.feed(STREAM) + decoder.end())
    assert events[0]["message"]["model"] == "alias"
    assert [event["type"] for event in events] == [event["type"] for event in STORY]
    assert check_events(events) is not None


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=12), length=st.integers(0, len(STREAM)))
def test_a_stream_cut_anywhere_gives_the_same_bytes(cuts: list[int], length: int) -> None:
    whole, cut = MessagesStreamDecoder("alias"), MessagesStreamDecoder("alias")
    expected = whole.feed(STREAM[:length]) + whole.end()
    assert b"".join(cut.feed(part) for part in pieces(STREAM[:length], cuts)) + cut.end() == expected
    assert (cut.stop_reason, cut.failure) == (whole.stop_reason, whole.failure)
    assert (whole.stop_reason is None) == (length < len(STREAM))


def test_an_event_without_end_is_damage_and_no_endless_memory() -> None:
    decoder = MessagesStreamDecoder("alias")
    decoder.feed(sse.event("message_start", json.dumps(start()).encode()))
    piece = b"data: " + b"x" * (4 * 1024 * 1024)
    out = b"".join(decoder.feed(piece) for _ in range(5))
    assert "damaged" in sse_events(out)[-1]["error"]["message"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "fragment"),
    [
        (529, {"error": {"type": "overloaded_error", "message": "busy"}}, "overloaded_error", "busy"),
        (404, {"error": {"type": "not_found_error", "message": "model: x"}}, "not_found_error", "model: x"),
        (403, {"message": "no"}, "permission_error", "bedrock-mantle:CreateInference"),
    ],
)  # fmt: skip
def test_errors_come_in_the_messages_api_s_form_or_in_aws_s(
    status: int, body: dict[str, Any], kind: str, fragment: str
) -> None:
    failure = adapter().prepare(raw()).failure(status, (), json.dumps({"type": "error", **body}).encode())
    assert (failure.status, failure.type, failure.retry) == (status, kind, status == 529)
    assert fragment in failure.message


def test_a_refusal_in_either_form_is_learned_from() -> None:
    aws: list[Header] = [(b"x-amzn-errortype", b"ValidationException")]
    text = "metadata: Extra inputs are not permitted"
    for headers, body in (
        (aws, {"message": text}),
        ([], {"type": "error", "error": {"type": "invalid_request_error", "message": text}}),
    ):
        call = adapter().prepare(raw(metadata={"user_id": "u"}))
        again = call.retry_without(400, headers, json.dumps(body).encode())
        assert again is not None
        assert "metadata" not in json.loads(again.body)
    other = {"type": "error", "error": {"type": "overloaded_error", "message": text}}
    assert adapter().prepare(raw(metadata={})).retry_without(529, [], json.dumps(other).encode()) is None
    assert adapter().prepare(raw()).retry_without(400, [], b"not JSON") is None


def test_the_platform_has_anthropic_s_path_and_ids_and_a_workspace() -> None:
    on = MessagesAdapter(
        model_id="claude-opus-5-5",
        region="us-east-1",
        profile=effective("claude-opus-5-5", via="messages"),
        endpoint="platform",
        workspace="wrkspc_01",
    )
    call = on.prepare(raw(metadata={"user_id": "u"}))
    assert call.target == b"/v1/messages"
    assert dict(call.headers)[b"anthropic-workspace-id"] == b"wrkspc_01"
    assert json.loads(call.body)["model"] == "claude-opus-5-5"
    again = call.retry_without(
        400,
        (),
        b'{"type":"error","error":{"type":"invalid_request_error","message":"metadata: Extra inputs are not permitted"}}',
    )
    assert again is not None
    assert again.target == b"/v1/messages"
    assert dict(again.headers)[b"anthropic-workspace-id"] == b"wrkspc_01"
    (count,) = on.count_tokens(raw()).calls
    assert count.target == b"/v1/messages/count_tokens"
    assert dict(count.headers)[b"anthropic-workspace-id"] == b"wrkspc_01"


@pytest.mark.parametrize(
    ("model_id", "asked_for", "sent"),
    [
        (OPUS, b"2026-10-21", b"2026-10-21"),
        ("us.anthropic.claude-sonnet-4-6", b"2026-10-21", b"2023-06-01"),
        (OPUS, b"", b"2023-06-01"),
        (OPUS, b"2023-01-01", b"2023-01-01"),
    ],
    ids=["new", "new to an old model", "none", "any"],
)
def test_the_client_s_version_is_said_where_the_model_knows_it(
    model_id: str, asked_for: bytes, sent: bytes
) -> None:
    on = MessagesAdapter(model_id=model_id, region="us-east-1", profile=profile_for(model_id))
    assert dict(on.prepare(raw(), version=asked_for).headers)[b"anthropic-version"] == sent


def test_betas_that_are_refused_are_not_sent_again() -> None:
    on = adapter()
    call = on.prepare(raw(), betas=b"context-1m-2025-08-07")
    said = "Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header."
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": said}}).encode()
    again = call.retry_without(400, (), body)
    assert again is not None
    assert b"anthropic-beta" not in dict(again.headers)
    assert again.notes == ("learned:anthropic_beta",)
    assert b"anthropic-beta" not in dict(on.prepare(raw(), betas=b"context-1m-2025-08-07").headers)
    assert again.retry_without(400, (), body) is None
