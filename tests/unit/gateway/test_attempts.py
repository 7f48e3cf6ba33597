import json
import sys

import pytest

from fakes.worker import FakeWorker
from openclaude.credentials.outbound import credential_lines
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Endpoint
from openclaude.gateway.whole import ERROR_BODY_LIMIT
from support.fallback import (
    ANSWER,
    LIMIT,
    ON_BEDROCK,
    OPUS,
    OVERLOADED,
    SONNET,
    WHOLE,
    FallbackGateway,
)

UNREACHABLE = upstream_unreachable("openClaude: it is gone")
ANTHROPIC, BEDROCK = "api", "bedrock-runtime"


def reason(gateway: FallbackGateway) -> str:
    return gateway.client.headers[b"x-openclaude-reason"].decode()


# what is a reason


def test_a_used_up_plan_is_answered_by_the_fallback_with_its_own_credential() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().answer(429, LIMIT, gateway.limit())
    assert gateway.where == [ANTHROPIC, BEDROCK]
    assert gateway.client.events == []
    second = gateway.calls[1]
    assert b"login" not in credential_lines(second.authorized)
    assert second.authorized.credential_kind != "client login"
    second.answer(200, ANSWER)
    assert gateway.client.status == 200
    assert gateway.client.events == ["start", "end"]
    assert gateway.client.headers[b"x-openclaude-model"] == b"us.anthropic.claude-opus-5-5"
    assert reason(gateway) == "fallback: plan limit"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_an_answer_that_says_not_now_is_tried_elsewhere(status: int) -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().answer(status, OVERLOADED, [(b"retry-after", b"3")])
    gateway.calls[1].answer(200, ANSWER)
    assert (gateway.client.status, len(gateway.calls)) == (200, 2)


@pytest.mark.parametrize("last", [1, 2 * ERROR_BODY_LIMIT])
def test_what_is_longer_than_an_error_is_the_clients_whichever_bytes_say_so(last: int) -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    receiver = gateway.first().receiver
    receiver.head(529, [], None)
    if last == 1:
        receiver.data(b"x" * 2 * ERROR_BODY_LIMIT)
    receiver.rest(b"x" * last)
    receiver.complete()
    assert (gateway.client.status, gateway.where) == (529, [ANTHROPIC])
    assert len(gateway.client.body) == gateway.log.records[0].bytes_out >= 2 * ERROR_BODY_LIMIT
    assert gateway.client.events == ["start", "end"]


@pytest.mark.parametrize(("status", "passes"), [(200, True), (404, True), (529, False)])
def test_chunks_pass_only_where_the_answer_is_the_clients(status: int, passes: bool) -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    first = gateway.first()
    first.receiver.head(status, [], None)
    first.chunk(b"one")
    assert (first.take is not None, gateway.client.body) == (passes, b"one" if passes else b"")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_an_answer_that_says_not_so_is_the_clients(status: int) -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().answer(status, OVERLOADED)
    assert (gateway.client.status, gateway.client.body, gateway.where) == (status, OVERLOADED, [ANTHROPIC])


def test_a_connection_that_fails_is_tried_elsewhere() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().fail(UNREACHABLE)
    gateway.calls[1].answer(200, ANSWER)
    assert (gateway.client.status, reason(gateway)) == (200, "fallback: error")


def test_a_provider_that_is_left_alone_for_a_while_is_not_asked() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    for _ in range(5):
        gone = upstream_unreachable("openClaude: it is gone")
        gone.unsent = True
        gateway.first().fail(gone)
        gateway.calls[-1].answer(200, ANSWER)
    gateway.first().answer(200, ANSWER)
    assert gateway.where == [ANTHROPIC, BEDROCK] * 5 + [BEDROCK]
    assert gateway.client.status == 200


def test_what_this_machine_gets_wrong_is_not_tried_elsewhere() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().receiver.head(302, [(b"Location", b"https://evil.example")], 0)
    assert (gateway.client.status, gateway.where) == (502, [ANTHROPIC])
    gateway.first().fail(ApiError(502, "api_error", "stopped", retry=False))
    assert (gateway.client.status, gateway.where) == (502, [ANTHROPIC, ANTHROPIC])


def test_bedrock_falls_back_to_the_plan_where_the_configuration_says_so() -> None:
    gateway = FallbackGateway(of_qwen=(SONNET,))
    call = gateway.first("qwen-3-coder")
    call.answer(400, b'{"message":"no"}', [(b"x-amzn-errortype", b"ValidationException")])
    assert (gateway.client.status, gateway.where) == (400, [BEDROCK])
    gateway.first("qwen-3-coder").answer(
        429, b'{"message":"no"}', [(b"x-amzn-errortype", b"ServiceQuotaExceededException")]
    )
    gateway.clock.advance(3)
    while gateway.where[-1] == BEDROCK:
        gateway.calls[-1].answer(
            429, b'{"message":"no"}', [(b"x-amzn-errortype", b"ServiceQuotaExceededException")]
        )
        gateway.clock.advance(3)
    login = credential_lines(gateway.calls[-1].authorized)
    assert b"Bearer login" in login
    gateway.calls[-1].answer(200, ANSWER)
    assert gateway.client.status == 200
    assert json.loads(gateway.calls[-1].body)["model"] == SONNET


# how it is tried


def test_another_model_of_the_plan_gets_the_clients_own_bytes_but_for_the_name() -> None:
    gateway = FallbackGateway(SONNET)
    raw = b' {"x" : [1, 2.50 ],"model" : "claude-opus-5-5","max_tokens":1,"messages":[ ]}'
    exchange = gateway.begin(length=len(raw))
    for at in range(0, len(raw), 7):
        exchange.body(raw[at : at + 7])
    exchange.body_complete()
    gateway.calls[0].answer(529, OVERLOADED)
    assert gateway.calls[0].body == raw
    assert gateway.calls[1].body == raw.replace(OPUS.encode(), SONNET.encode())
    assert gateway.calls[1].authorized.request.content_length == len(raw) + len(SONNET) - len(OPUS)


def test_the_places_are_tried_in_order_and_each_once() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK, "qwen-3-coder")
    gateway.first().answer(529, OVERLOADED)
    gateway.calls[1].answer(529, OVERLOADED)
    gateway.calls[2].answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert gateway.where == [ANTHROPIC, ANTHROPIC, BEDROCK, BEDROCK]
    gateway.calls[3].answer(200, WHOLE)
    assert gateway.client.status == 200
    assert gateway.client.headers[b"x-openclaude-model"] == b"qwen.qwen3-coder-next"


def test_when_no_place_serves_the_client_gets_what_its_own_route_said() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK)
    own = [*gateway.limit("seven_day_opus"), (b"request-id", b"req_own"), (b"retry-after", b"9")]
    gateway.first().answer(429, LIMIT, own)
    gateway.calls[1].answer(529, OVERLOADED, [(b"request-id", b"req_other")])
    gateway.calls[2].answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert (gateway.client.status, gateway.client.body) == (429, LIMIT)
    assert gateway.client.headers.items() >= dict(own).items()
    assert gateway.client.headers[b"x-openclaude-route"] == b"anthropic"
    assert gateway.client.events == ["start", "end"]
    assert len(gateway.log.records) == 1


def test_when_no_place_serves_an_error_of_our_own_stays_as_well() -> None:
    gateway = FallbackGateway(SONNET)
    gateway.first().fail(UNREACHABLE)
    gateway.calls[1].answer(529, OVERLOADED)
    assert (gateway.client.status, gateway.error["message"]) == (502, "openClaude: it is gone")


def test_a_place_whose_translation_refuses_the_body_is_not_asked() -> None:
    gateway = FallbackGateway("qwen-3-coder", ON_BEDROCK)
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    gateway.first(tools=[search], tool_choice={"type": "tool", "name": "web_search"}).answer(529, OVERLOADED)
    assert [call.authorized.request.target.decode() for call in gateway.calls[1:]] == []
    assert (gateway.client.status, gateway.client.body) == (529, OVERLOADED)


def test_a_place_whose_model_lacks_what_the_request_needs_is_passed_over() -> None:
    gateway = FallbackGateway("qwen-3-coder", ON_BEDROCK)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    picture = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    gateway.first(messages=picture).answer(529, OVERLOADED)
    assert gateway.where == [ANTHROPIC, BEDROCK]
    gateway.calls[1].answer(200, ANSWER)
    (record,) = gateway.log.records
    assert record.attempts == (f"anthropic/{OPUS}:529", "bedrock/qwen-3-coder:unsuited")
    assert gateway.client.headers[b"x-openclaude-model"] == b"us.anthropic.claude-opus-5-5"


def test_a_request_that_its_own_model_could_not_serve_falls_back_from_where_it_was_moved_to() -> None:
    gateway = FallbackGateway(ON_BEDROCK, elsewhere=SONNET)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    picture = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    call = gateway.first("qwen-3-coder", messages=picture)
    assert json.loads(call.body)["model"] == SONNET
    call.answer(529, OVERLOADED)
    assert gateway.where == [ANTHROPIC, BEDROCK]
    assert b"opus" in gateway.calls[1].authorized.request.target
    assert json.loads(gateway.calls[1].body)["messages"] == picture
    gateway.calls[1].answer(200, ANSWER)
    assert (gateway.client.status, reason(gateway)) == (200, "fallback: overloaded")


def test_a_safety_check_goes_past_a_model_that_is_no_claude() -> None:
    gateway = FallbackGateway("qwen-3-coder", ON_BEDROCK)
    classifier = {
        "stop_sequences": ["</severity>"],
        "thinking": {"type": "disabled"},
        "max_tokens": 64,
        "system": "You are a security monitor for autonomous AI coding agents.",
        "messages": [{"role": "user", "content": "<transcript>Bash rm -rf /</transcript> <severity>"}],
    }
    gateway.first("claude-sonnet-5", **classifier).answer(529, OVERLOADED)
    assert gateway.where == [ANTHROPIC, BEDROCK]
    assert b"opus" in gateway.calls[1].authorized.request.target
    assert gateway.log.records == []


def test_a_name_that_is_asked_for_is_not_its_own_fallback() -> None:
    gateway = FallbackGateway(OPUS)
    gateway.first().answer(529, OVERLOADED)
    assert (gateway.where, gateway.client.status) == ([ANTHROPIC], 529)


def test_a_fallback_has_no_fallback_of_its_own() -> None:
    gateway = FallbackGateway("qwen-3-coder", of_qwen=(SONNET,))
    gateway.first().answer(529, OVERLOADED)
    gateway.calls[1].answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert (gateway.where, gateway.client.status) == ([ANTHROPIC, BEDROCK], 529)


def test_without_a_login_the_plan_is_no_fallback() -> None:
    gateway = FallbackGateway(of_qwen=(SONNET,))
    raw = b'{"model":"qwen-3-coder","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
    exchange = gateway.begin(length=len(raw), login=None)
    exchange.body(raw)
    exchange.body_complete()
    while len(gateway.calls) < 5 and gateway.client.status == 0:
        gateway.calls[-1].answer(503, b"{}", [(b"x-amzn-errortype", b"ServiceUnavailableException")])
        gateway.clock.advance(3)
    assert set(gateway.where) == {BEDROCK}
    assert gateway.client.status in (503, 529)


def test_reasoning_that_this_gateway_signed_keeps_a_request_from_the_plan() -> None:
    gateway = FallbackGateway(of_qwen=(SONNET, ON_BEDROCK))
    thought = {"type": "thinking", "thinking": "hm", "signature": "openclaude.v1.bedrock"}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "ho"}]},
        {"role": "user", "content": "hi"},
    ]
    call = gateway.first("qwen-3-coder", messages=messages)
    while b"opus" not in call.authorized.request.target:
        call.answer(503, b"{}", [(b"x-amzn-errortype", b"ServiceUnavailableException")])
        gateway.clock.advance(3)
        call = gateway.calls[-1]
    assert set(gateway.where) == {BEDROCK}


def test_a_place_that_is_over_at_once_does_not_stand_in_the_next_ones_way() -> None:
    gateway = FallbackGateway(of_qwen=(SONNET, ON_BEDROCK))
    raw = b'{"model":"qwen-3-coder","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
    exchange = gateway.begin(length=len(raw), login=None)
    exchange.body(raw)
    exchange.body_complete()
    while b"opus" not in gateway.calls[-1].authorized.request.target:
        gateway.calls[-1].answer(503, b"{}", [(b"x-amzn-errortype", b"ServiceUnavailableException")])
        gateway.clock.advance(3)
    exchange.client_left()
    assert gateway.calls[-1].events == ["cancelled"]


def test_a_body_with_two_models_goes_nowhere_else() -> None:
    gateway = FallbackGateway(SONNET)
    raw = b'{"model":"claude-opus-5-5","messages":[],"model":"claude-haiku-5-5"}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    gateway.calls[0].answer(529, OVERLOADED)
    assert (gateway.where, gateway.client.status) == ([ANTHROPIC], 529)


def test_a_count_of_tokens_is_asked_of_its_own_route_only() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first(endpoint=Endpoint.COUNT_TOKENS).answer(529, OVERLOADED)
    assert (gateway.where, gateway.client.status) == ([ANTHROPIC], 529)


# when


def test_nothing_is_tried_again_once_a_byte_has_reached_the_client() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    call = gateway.first(stream=True)
    call.receiver.head(200, [(b"content-type", b"text/event-stream")], None)
    call.receiver.data(b"event: message_start\n\n")
    call.fail(UNREACHABLE)
    assert (gateway.client.events, gateway.where) == (["start", "abort"], [ANTHROPIC])


def test_the_client_sees_the_fallbacks_answer_and_nothing_of_the_first() -> None:
    gateway = FallbackGateway(SONNET)
    gateway.first(stream=True).answer(
        529, OVERLOADED, [(b"request-id", b"req_first"), (b"retry-after", b"5")]
    )
    call = gateway.calls[1]
    call.receiver.head(200, [(b"request-id", b"req_second")], None)
    call.receiver.data(b"event: message_start\n\n")
    call.receiver.complete()
    assert gateway.client.body == b"event: message_start\n\n"
    assert gateway.client.headers[b"request-id"] == b"req_second"
    assert b"retry-after" not in gateway.client.headers


def test_a_refusal_before_the_body_has_arrived_waits_for_its_end() -> None:
    gateway = FallbackGateway(SONNET)
    raw = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:30])
    gateway.calls[0].receiver.upstream_full()
    gateway.calls[0].answer(529, OVERLOADED)
    assert (gateway.client.events, len(gateway.calls)) == (["pause", "resume"], 1)
    exchange.body(raw[30:])
    exchange.body_complete()
    assert gateway.calls[1].body == raw.replace(OPUS.encode(), SONNET.encode())


def test_a_client_that_leaves_ends_every_attempt() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK)
    gateway.first().answer(529, OVERLOADED)
    gateway.exchange.client_left()
    assert gateway.calls[1].events == ["cancelled"]
    assert [record.outcome for record in gateway.log.records] == ["client_left"]
    assert gateway.services.in_flight == 0


def test_a_client_that_leaves_while_nothing_is_sent_is_logged_once() -> None:
    gateway = FallbackGateway(SONNET)
    raw = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:30])
    gateway.calls[0].answer(529, OVERLOADED)
    exchange.client_left()
    exchange.body_complete()
    assert [record.outcome for record in gateway.log.records] == ["client_left"]
    assert len(gateway.calls) == 1


def test_a_client_that_leaves_while_a_place_is_looked_at_is_gone() -> None:
    gateway = FallbackGateway(SONNET)
    worker = gateway.services.worker = FakeWorker()
    gateway.first().answer(529, OVERLOADED)
    gateway.exchange.client_left()
    worker.finish()
    assert gateway.where == [ANTHROPIC]
    assert [record.outcome for record in gateway.log.records] == ["client_left"]


def test_a_body_is_kept_until_an_answer_begins_and_no_longer() -> None:
    gateway = FallbackGateway(SONNET)
    raw = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:30])
    attempts = exchange._next
    assert attempts._kept == [raw[:30]]
    assert gateway.services.bodies.kept == 30
    gateway.calls[0].receiver.head(200, [], None)
    assert (attempts._kept, gateway.services.bodies.kept) == ([], 0)
    exchange.body(raw[30:])
    assert attempts._kept == []
    assert gateway.calls[0].body == raw


def test_nothing_is_tried_after_the_client_has_stopped_waiting() -> None:
    gateway = FallbackGateway(SONNET)
    call = gateway.first()
    gateway.clock.advance(100_000)
    call.answer(529, OVERLOADED)
    assert (gateway.where, gateway.client.status) == ([ANTHROPIC], 529)


def test_an_error_that_does_not_end_is_not_kept() -> None:
    gateway = FallbackGateway(SONNET)
    call = gateway.first()
    call.receiver.head(529, [], None)
    for _ in range(300):
        call.receiver.data(b"x" * 1024)
    assert gateway.client.status == 529
    assert len(gateway.client.body) == 300 * 1024
    call.receiver.complete()
    assert (gateway.client.events, gateway.where) == (["start", "end"], [ANTHROPIC])


def test_a_refusal_that_breaks_off_is_a_connection_that_fails() -> None:
    gateway = FallbackGateway(SONNET)
    call = gateway.first()
    call.receiver.head(529, [], None)
    call.receiver.data(b"x")
    call.fail(UNREACHABLE)
    gateway.calls[1].answer(200, ANSWER)
    assert (gateway.client.status, gateway.client.body) == (200, ANSWER)


def test_one_line_of_the_log_names_every_attempt() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK)
    gateway.first().answer(529, OVERLOADED)
    gateway.calls[1].answer(429, LIMIT)
    gateway.calls[2].answer(200, ANSWER)
    (record,) = gateway.log.records
    assert record.attempts == (f"anthropic/{OPUS}:529", f"anthropic/{SONNET}:429")
    assert (record.route, record.status, record.model) == ("bedrock", 200, OPUS)
    assert gateway.services.served == 1


def test_a_route_without_a_fallback_is_not_watched() -> None:
    gateway = FallbackGateway()
    gateway.first().answer(529, OVERLOADED)
    assert (gateway.client.status, gateway.client.body, len(gateway.calls)) == (529, OVERLOADED, 1)


def test_nothing_holds_a_body_that_is_not_needed_any_more() -> None:
    gateway = FallbackGateway(SONNET)
    raw = json.dumps({"model": OPUS, "max_tokens": 1, "messages": []}).encode()
    before = sys.getrefcount(raw)
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    assert sys.getrefcount(raw) > before
    gateway.calls[0].receiver.head(200, [], None)
    gateway.calls[0].pieces.clear()
    assert sys.getrefcount(raw) == before
