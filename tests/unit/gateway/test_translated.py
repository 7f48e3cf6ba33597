import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import ConverseAdapter, ConverseCall
from openclaude.adapters.bedrock_converse.response import ResponseState, empty_message
from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.profiles import named, overridden, profile_for
from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.policies import SignFor
from openclaude.credentials.sealed import RouteKey
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Endpoint
from openclaude.gateway import translated
from support.bedrock_cases import sse_events
from support.bedrock_frames import event, exception
from support.converse_streams import check_grammar
from support.gateway import Gateway

START = event("messageStart", {"role": "assistant"})
TEXT = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}})
STOP = event("contentBlockStop", {"contentBlockIndex": 0}) + event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": {"inputTokens": 7, "outputTokens": 3}, "metrics": {"latencyMs": 5}})
WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
}


def streaming(**extra):
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True, **extra)
    assert call is not None
    return gateway, call


def test_a_stream_is_translated_as_it_arrives() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT)
    assert gateway.client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert gateway.client.headers[b"x-openclaude-upstream-model"] == b"qwen.qwen3-coder-next"
    assert gateway.events == ["message_start", "ping", "content_block_start", "content_block_delta"]
    call.receiver.data(STOP + METADATA)
    call.receiver.complete()
    assert gateway.events[4:] == ["content_block_stop", "message_delta", "message_stop"]
    assert gateway.client.events == ["start", "end"]
    assert (gateway.log.records[0].outcome, gateway.log.records[0].output_tokens) == ("complete", 3)
    gateway.clock.advance(1000)
    assert gateway.client.events == ["start", "end"]


def test_what_the_client_does_not_need_never_leaves() -> None:
    gateway = Gateway()
    headers = ((b"User-Agent", b"claude-cli"), (b"anthropic-beta", b"x"), (b"X-Claude-Code-Session-Id", b"s"))
    raw = json.dumps(
        {
            "model": "qwen-3-coder",
            "max_tokens": 5,
            "metadata": {"user_id": "someone"},
            "messages": [{"role": "user", "content": "hi"}],
        },
    ).encode()
    exchange = gateway.begin(length=len(raw), headers=headers)
    exchange.body(raw)
    exchange.body_complete()
    call = gateway.transport.calls[0]
    names = {name.lower() for name, _ in call.authorized.request.headers}
    assert names == {b"content-type", b"accept", b"accept-encoding"}
    assert b"someone" not in call.body


def test_a_refusal_in_the_first_frame_is_a_real_http_error() -> None:
    gateway, call = streaming()
    for attempt in gateway.transport.calls:
        attempt.receiver.head(200, [], None)
        attempt.receiver.data(exception("throttlingException", {"message": "Too many requests"}))
        gateway.clock.advance(2)
    assert len(gateway.transport.calls) == 2
    assert gateway.client.status == 429
    assert gateway.error["type"] == "rate_limit_error"
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert call.events == ["cancelled"]


def test_an_exception_in_mid_stream_ends_with_an_error_event() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT)
    call.receiver.data(exception("internalServerException", {"message": "oh"}))
    assert gateway.events[-2:] == ["content_block_stop", "error"]
    assert gateway.client.events == ["start", "end"]
    assert gateway.log.records[0].outcome == "upstream_failed"


def test_a_connection_that_breaks_in_mid_stream_ends_with_an_error_event_and_not_with_a_cut() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT)
    call.fail(upstream_unreachable("openClaude: it is gone"))
    assert gateway.events[-1] == "error"
    assert gateway.client.events == ["start", "end"]


def test_a_stream_that_ends_before_its_stop_is_not_a_success() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT)
    call.receiver.complete()
    assert gateway.events[-1] == "error"
    assert "message_stop" not in gateway.events
    assert gateway.log.records[0].outcome == "upstream_failed"


def test_a_stream_that_ends_before_its_first_frame_is_an_http_error() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.complete()
    assert gateway.client.status == 502


def test_token_counts_that_do_not_come_are_not_waited_for_long() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT + STOP)
    assert gateway.client.events == ["start"]
    gateway.clock.advance(translated.METADATA_GRACE)
    assert gateway.events[-1] == "message_stop"
    assert call.events == ["cancelled"]
    assert "usage_missing" in gateway.log.records[0].notes


def test_a_held_stream_starts_after_a_minute_and_is_kept_alive_by_pings() -> None:
    gateway, call = streaming()
    gateway.clock.advance(59)
    assert gateway.client.events == []
    gateway.clock.advance(2)
    assert gateway.events == ["message_start", "ping"]
    call.receiver.head(200, [], None)
    gateway.clock.advance(31)
    assert gateway.events == ["message_start", "ping", "ping", "ping"]
    call.receiver.data(START + TEXT + STOP + METADATA)
    assert gateway.events.count("message_start") == 1
    assert gateway.events[-1] == "message_stop"


def test_pings_never_mask_a_dead_provider() -> None:
    gateway, call = streaming()
    gateway.clock.advance(translated.FIRST_BYTE + 1)
    assert gateway.events[-1] == "error"
    assert "sent nothing for 120 s" in gateway.client.body.decode()
    assert call.events == ["cancelled"]
    assert not gateway.waits()


def test_a_stream_that_falls_silent_between_frames_is_ended() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT)
    gateway.clock.advance(119)
    assert gateway.events.count("ping") >= 7
    gateway.clock.advance(2)
    assert gateway.events[-1] == "error"
    assert call.events == ["cancelled"]


def test_a_refusal_that_arrives_after_the_stream_was_started_is_an_error_event() -> None:
    gateway, call = streaming()
    gateway.clock.advance(61)
    body = json.dumps({"message": "no access"}).encode()
    call.answer(403, body, [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert gateway.client.status == 200
    assert gateway.events[-1] == "error"
    assert "permission_error" in gateway.client.body.decode()


def test_a_whole_answer_is_translated() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    call.answer(200, json.dumps(WHOLE).encode())
    message = json.loads(gateway.client.body)
    assert (message["model"], message["content"]) == ("qwen-3-coder", [{"type": "text", "text": "hello"}])
    assert gateway.client.length == len(gateway.client.body)


def test_a_whole_answer_may_take_as_long_as_the_client_waits() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    gateway.clock.advance(translated.FIRST_BYTE + 30)
    assert gateway.client.events == []
    gateway.clock.advance(translated.WHOLE_ANSWER)
    assert gateway.client.status == 504
    assert call is not None
    assert call.events == ["cancelled"]


def test_a_model_that_cannot_stream_tools_gets_an_emulated_stream_with_pings() -> None:
    gateway = Gateway(qwen="us.meta.llama4-maverick-17b-instruct-v1:0")
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    call = gateway.ask("qwen-3-coder", stream=True, tools=tools)
    assert call is not None
    assert call.authorized.request.target.endswith(b"/converse")
    gateway.clock.advance(80)
    assert gateway.events == ["message_start", "ping", "ping"]
    call.answer(200, json.dumps(WHOLE).encode())
    assert check_grammar(sse_events(gateway.client.body)) is not None
    assert gateway.events[-2:] == ["message_delta", "message_stop"]
    assert "stream_emulated" in gateway.log.records[0].notes


def test_a_held_emulated_stream_of_claudes_begins_with_its_own_message_start() -> None:
    profile = overridden(named("claude-invoke"), stream_tools=False)
    adapter = InvokeAdapter(
        route="r", model_id="us.anthropic.claude-opus-5-5", region="us-west-2", profile=profile
    )
    gateway = Gateway(adapter=adapter)
    call = gateway.ask("qwen-3-coder", stream=True, tools=[{"name": "t", "input_schema": {"type": "object"}}])
    assert call is not None
    gateway.clock.advance(80)
    assert gateway.events == ["ping", "ping"]
    content = [{"type": "text", "text": "hello"}]
    message = {
        **empty_message(ResponseState(model="m"), "msg_1"),
        "content": content,
        "stop_reason": "end_turn",
    }
    call.answer(200, json.dumps(message).encode())
    assert check_grammar(sse_events(gateway.client.body)) is not None


def test_an_error_after_an_emulated_stream_has_started_is_an_error_event() -> None:
    gateway = Gateway(qwen="us.meta.llama4-maverick-17b-instruct-v1:0")
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    call = gateway.ask("qwen-3-coder", stream=True, tools=tools)
    assert call is not None
    gateway.clock.advance(61)
    call.fail(upstream_unreachable("openClaude: it is gone"))
    assert gateway.events[-1] == "error"
    assert check_grammar(sse_events(gateway.client.body)) is None


def test_an_unsupported_field_is_removed_and_the_request_sent_once_more() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", temperature=0.5)
    assert call is not None
    text = "This model doesn't support the temperature field. Remove temperature and try again."
    call.answer(400, json.dumps({"message": text}).encode(), [(b"x-amzn-errortype", b"ValidationException")])
    assert len(gateway.transport.calls) == 2
    assert b"temperature" not in gateway.transport.calls[1].body
    gateway.transport.calls[1].answer(200, json.dumps(WHOLE).encode())
    assert gateway.client.status == 200
    assert any("temperature" in note for note in gateway.log.records[0].notes)


UNSUPPORTED = "This model doesn't support the temperature field. Remove temperature and try again."


def test_a_field_that_the_first_frame_refuses_is_removed_too() -> None:
    gateway, call = streaming(temperature=0.5)
    call.receiver.head(200, [], None)
    call.receiver.data(exception("validationException", {"message": UNSUPPORTED}))
    again = gateway.transport.calls[1]
    assert call.events == ["cancelled"]
    assert b"temperature" not in again.body
    again.receiver.head(200, [], None)
    again.receiver.data(START + TEXT + STOP + METADATA)
    assert (gateway.client.status, gateway.events[-1]) == (200, "message_stop")
    assert gateway.log.records[0].notes == ("learned:temperature",)


def test_nothing_is_learned_once_the_client_was_sent_something() -> None:
    gateway, call = streaming(tools=[{"name": "t", "input_schema": {"type": "object"}}])
    gateway.clock.advance(61)
    assert gateway.events == ["message_start", "ping"]
    text = b'{"message": "This model doesn\'t support tool use in streaming mode."}'
    call.answer(400, text, [(b"x-amzn-errortype", b"ValidationException")])
    assert len(gateway.transport.calls) == 1
    assert gateway.events == ["message_start", "ping", "error"]


def test_two_reasons_at_most_are_learned_from_one_request_and_each_once() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", temperature=0.5, top_p=0.5, stop_sequences=["x"])
    for name in ("temperature", "temperature", "topP", "stopSequences"):
        text = UNSUPPORTED.replace("temperature", name)
        body = json.dumps({"message": text}).encode()
        if gateway.client.events:
            break
        gateway.transport.calls[-1].answer(400, body, [(b"x-amzn-errortype", b"ValidationException")])
    assert len(gateway.transport.calls) == 2
    assert gateway.error["message"] == UNSUPPORTED


def test_a_third_unsupported_field_is_told_to_the_client_and_the_first_two_are_remembered() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", temperature=0.5, stop_sequences=["x"], max_tokens=9000)
    texts = [
        UNSUPPORTED,
        UNSUPPORTED.replace("temperature", "stopSequences"),
        "The maximum tokens you requested exceeds the model limit of 4096.",
    ]
    for text in texts:
        body = json.dumps({"message": text}).encode()
        gateway.transport.calls[-1].answer(400, body, [(b"x-amzn-errortype", b"ValidationException")])
    assert len(gateway.transport.calls) == 3
    assert (gateway.client.status, gateway.error["message"]) == (400, texts[2])
    gateway.ask("qwen-3-coder", temperature=0.5, stop_sequences=["x"])
    assert gateway.transport.calls[-1].body.count(b"temperature") == 0
    assert gateway.transport.calls[-1].body.count(b"stopSequences") == 0


def test_the_minute_of_a_held_stream_begins_with_the_request_and_not_with_its_repetition() -> None:
    gateway, call = streaming(temperature=0.5)
    gateway.clock.advance(50)
    body = json.dumps({"message": UNSUPPORTED}).encode()
    call.answer(400, body, [(b"x-amzn-errortype", b"ValidationException")])
    gateway.clock.advance(9)
    assert gateway.events == []
    gateway.clock.advance(1)
    assert gateway.events == ["message_start", "ping"]


def test_a_stream_that_drips_behind_its_end_is_not_waited_for() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT + STOP)
    for _ in range(3):
        gateway.clock.advance(0.9)
        call.receiver.data(event("heartbeat", {}))
    assert gateway.events[-1] == "message_stop"
    assert call.events == ["cancelled"]


def test_a_connection_that_carried_damage_is_not_used_again() -> None:
    gateway, call = streaming()
    call.receiver.head(200, [], None)
    call.receiver.data(START + TEXT + b"\x00" * 16)
    assert gateway.events[-1] == "error"
    gateway.clock.advance(0)
    assert call.events == ["cancelled"]


class BrokenCall:
    """A call whose reader has a bug."""

    def __init__(self, call: ConverseCall) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def whole(self, *_: Any) -> bytes:
        raise ZeroDivisionError


class BrokenAdapter(ConverseAdapter):
    def prepare(self, raw: bytes, **said: Any) -> Any:
        return BrokenCall(super().prepare(raw, **said))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_reader_that_breaks_leaves_no_client_waiting(*, at_once: bool) -> None:
    adapter = BrokenAdapter(route="r", model_id="qwen.x", region="us-west-2", profile=profile_for("qwen.x"))
    gateway = Gateway(adapter=adapter)
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    body = json.dumps(WHOLE).encode()
    with pytest.raises(ZeroDivisionError):
        call.receiver.whole(200, [], body) if at_once else call.answer(200, body)
    if at_once:
        call.fail(upstream_unreachable("broke"))  # what its connection says of a reader that raised
    assert gateway.client.status == 502
    assert gateway.client.events == ["start", "end"]
    assert gateway.services.health()[0]["failures"] == 0
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert not gateway.waits()


@pytest.mark.parametrize(
    "name",
    [
        b"ExpiredTokenException",
        b"ExpiredToken",
        b"com.amazon#RequestExpired:",
        b"UnrecognizedClientException",
    ],
)
def test_outdated_keys_are_renewed_once(name: bytes) -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    call.answer(403, b'{"message":"expired"}', [(b"x-amzn-errortype", name)])
    assert gateway.keys.renewals == 1
    gateway.transport.calls[1].answer(403, b'{"message":"expired"}', [(b"x-amzn-errortype", name)])
    assert gateway.keys.renewals == 1
    assert gateway.client.status == 401


def test_a_refusal_of_keys_names_their_source_and_the_exact_command() -> None:
    gateway = Gateway(profile="dev")
    gateway.ask("qwen-3-coder")
    for call in gateway.transport.calls:
        call.answer(403, b'{"message":"expired"}', [(b"x-amzn-errortype", b"ExpiredTokenException")])
    assert "`aws sso login --profile dev`" in gateway.error["message"]
    assert gateway.error["message"].endswith("(their source: profile dev, fake)")


@pytest.mark.parametrize(
    ("name", "status"), [(b"UnrecognizedClientException", 401), (b"AccessDeniedException", 403)]
)
def test_a_refusal_of_a_bedrock_api_key_says_that_a_key_was_used(name: bytes, status: int) -> None:
    gateway = Gateway()
    gateway.keys.result = RouteKey(SignFor(region="us-west-2").origin, "made-up")
    gateway.keys.newer = None
    gateway.ask("qwen-3-coder")
    for call in gateway.transport.calls:
        call.answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", name)])
    assert gateway.client.status == status
    assert "sent with the API key in this session's environment" in gateway.error["message"]
    assert b"made-up" not in gateway.client.body


def test_a_clock_that_is_wrong_is_corrected_from_the_answer_and_the_request_sent_once_more() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    headers = [
        (b"x-amzn-errortype", b"InvalidSignatureException"),
        (b"Date", b"Sun, 22 Nov 2026 01:00:00 GMT"),
    ]
    body = b'{"message":"Signature expired: 20261122T000000Z is now earlier than 20261122T005500Z"}'
    call.answer(403, body, headers)
    second = gateway.transport.calls[1]
    assert b"X-Amz-Date: 20261122T010000Z" in credential_lines(second.authorized)
    second.answer(403, body, headers)
    assert gateway.client.status == 401
    third = gateway.ask("qwen-3-coder")
    assert third is not None
    assert b"X-Amz-Date: 20261122T010000Z" in credential_lines(third.authorized)


def test_a_refusal_stands_when_there_are_no_other_keys_and_names_the_exact_command() -> None:
    gateway = Gateway(profile="work")
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    gateway.keys.newer = None
    call.answer(403, b'{"message":"expired"}', [(b"x-amzn-errortype", b"ExpiredTokenException")])
    assert len(gateway.transport.calls) == 1
    assert gateway.client.status == 401
    assert "`aws sso login --profile work`" in gateway.error["message"]


@pytest.mark.parametrize(("seconds", "stamp"), [(61, b"20261122T000101Z"), (59, b"20261122T000000Z")])
def test_a_providers_clock_is_read_off_any_answer_and_used_when_it_is_a_minute_off(
    seconds: int, stamp: bytes
) -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    date = f"Sun, 22 Nov 2026 00:0{seconds // 60}:{seconds % 60:02} GMT".encode()
    call.answer(200, json.dumps(WHOLE).encode(), [(b"date", date)])
    second = gateway.ask("qwen-3-coder")
    assert second is not None
    assert b"X-Amz-Date: " + stamp in credential_lines(second.authorized)


def test_missing_keys_are_told_and_nothing_is_sent() -> None:
    gateway = Gateway()
    gateway.keys.result = ApiError(401, "authentication_error", "openClaude: no keys. hint: aws configure")
    assert gateway.ask("qwen-3-coder") is None
    assert gateway.error["message"] == "openClaude: no keys. hint: aws configure"


def test_a_client_that_leaves_while_keys_are_looked_up_causes_no_request() -> None:
    gateway = Gateway()
    gateway.keys.slow = True
    gateway.ask("qwen-3-coder")
    gateway.exchange.client_left()
    gateway.keys.waiting[0](gateway.keys.result)
    assert gateway.transport.calls == []


@pytest.mark.parametrize("phase", ["before the head", "in mid-stream"])
def test_a_client_that_leaves_closes_the_provider_at_once(phase: str) -> None:
    gateway, call = streaming()
    if phase == "in mid-stream":
        call.receiver.head(200, [], None)
        call.receiver.data(START + TEXT)
    gateway.exchange.client_left()
    assert call.events == ["cancelled"]
    assert gateway.log.records[0].outcome == "client_left"
    assert not gateway.waits()


def test_a_slow_client_pauses_the_provider() -> None:
    gateway, call = streaming()
    gateway.exchange.client_full()
    gateway.exchange.client_drained()
    assert call.events == ["paused", "resumed"]


def test_the_quota_probe_is_answered_from_here() -> None:
    gateway = Gateway()
    raw = b'{"model":"qwen-3-coder","max_tokens":1,"messages":[{"role":"user","content":"quota"}]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    assert gateway.client.status == 200
    assert gateway.transport.calls == []


def test_what_a_model_reports_corrects_later_estimates() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 100
    gateway = Gateway()

    def estimate() -> int:
        gateway.ask(
            "qwen-3-coder",
            endpoint=Endpoint.COUNT_TOKENS,
            messages=[{"role": "user", "content": text}],
        )
        return int(json.loads(gateway.client.body)["input_tokens"])

    first = estimate()
    for stream in (True, False):
        call = gateway.ask("qwen-3-coder", stream=stream, messages=[{"role": "user", "content": text}])
        assert call is not None
        usage = {"inputTokens": first // 2, "outputTokens": 3, "totalTokens": 0}
        if stream:
            call.receiver.head(200, [], None)
            call.receiver.data(START + TEXT + STOP + event("metadata", {"usage": usage}))
            call.receiver.complete()
        else:
            call.answer(200, json.dumps({**WHOLE, "usage": usage}).encode())
        before, first = first, estimate()
        assert first < before


def test_a_body_that_is_not_json_is_a_400() -> None:
    gateway = Gateway()
    raw = b'{"model":"qwen-3-coder",'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    assert gateway.client.status == 400
    assert gateway.transport.calls == []


def test_an_endless_error_body_is_not_kept() -> None:
    gateway, _ = streaming()
    for call in gateway.transport.calls:
        call.receiver.head(503, [], None)
        for _ in range(100):
            call.receiver.data(b"x" * 65536)
        call.receiver.complete()
        gateway.clock.advance(1)
    assert gateway.client.status in {502, 529}
    assert len(gateway.client.body) < 2000


def test_an_answer_that_makes_no_sense_is_asked_for_once_more() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder")
    broken = json.dumps({**WHOLE, "stopReason": "malformed_model_output"}).encode()
    for attempt in gateway.transport.calls:
        attempt.answer(200, broken)
    assert len(gateway.transport.calls) == 2
    assert gateway.client.status == 502
    assert gateway.client.headers[b"x-should-retry"] == b"true"
