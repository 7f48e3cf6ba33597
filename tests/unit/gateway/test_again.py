"""A fault before the first byte is survived once, and no more than a route's budget and the client's patience allow."""

import json
from collections.abc import Callable

import pytest

from fakes.transport import FakeCall
from openclaude.credentials.policies import SignFor
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Header
from openclaude.gateway.retries import MOST_SENT, TOKENS, Budget
from support.bedrock_frames import event, exception
from support.gateway import QWEN, Gateway

WHOLE = json.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }
).encode()
START = event("messageStart", {"role": "assistant"})
GARBLED = WHOLE.replace(b"end_turn", b"malformed_model_output")


def refusal(status: int, name: str, *headers: Header, text: str = "no") -> Callable[[FakeCall], None]:
    body = json.dumps({"message": text}).encode()
    return lambda call: call.answer(status, body, [(b"x-amzn-errortype", name.encode()), *headers])


def unsent(call: FakeCall) -> None:
    error = upstream_unreachable("openClaude: refused")
    error.unsent = True
    call.fail(error)


def reset(call: FakeCall) -> None:
    call.fail(upstream_unreachable("openClaude: reset"))


THROTTLED = refusal(429, "ThrottlingException")
UNAVAILABLE = refusal(503, "ServiceUnavailableException")


def budget_of(gateway: Gateway) -> Budget:
    return gateway.services.health_of(SignFor(region="us-west-2").origin, QWEN).budget


def faced(fault: Callable[[FakeCall], None], **extra: object) -> Gateway:
    """A gateway whose only request meets this fault as often as it is sent."""
    gateway = Gateway()
    gateway.ask("qwen-3-coder", **extra)
    for call in gateway.transport.calls:
        assert len(gateway.transport.calls) <= MOST_SENT
        fault(call)
        gateway.clock.advance(2)
    return gateway


def in_first_frame(name: str) -> Callable[[FakeCall], None]:
    def fail(call: FakeCall) -> None:
        call.receiver.head(200, [], None)
        call.receiver.data(exception(name, {"message": "no"}))

    return fail


@pytest.mark.parametrize(
    ("fault", "price", "status"),
    [
        (THROTTLED, 5, 429),
        (UNAVAILABLE, 14, 529),
        (refusal(429, "ModelNotReadyException"), 14, 529),
        (refusal(500, "InternalServerException"), 14, 500),
        (refusal(502, ""), 14, 502),
        (unsent, 14, 502),
    ],
)
def test_a_fault_that_stays_is_met_twice_and_told_with_its_reason(
    fault: Callable[[FakeCall], None], price: int, status: int
) -> None:
    gateway = faced(fault)
    assert len(gateway.transport.calls) == 2
    assert gateway.client.status == status
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert budget_of(gateway) == Budget(tokens=TOKENS - price, spent=1)
    assert not gateway.waits()


@pytest.mark.parametrize("name", ["throttlingException", "serviceUnavailableException"])
def test_so_is_a_fault_in_the_first_frame(name: str) -> None:
    gateway = faced(in_first_frame(name), stream=True)
    assert len(gateway.transport.calls) == 2
    assert gateway.client.status in {429, 529}


@pytest.mark.parametrize(
    "fault",
    [
        reset,
        refusal(424, "ModelErrorException"),
        refusal(408, "ModelTimeoutException"),
        refusal(429, "ThrottlingException", text="too many tokens per day"),
        refusal(400, "ServiceQuotaExceededException"),
        refusal(400, "ValidationException"),
        refusal(403, "AccessDeniedException"),
        refusal(429, "ThrottlingException", (b"Retry-After", b"3")),
        refusal(503, "ServiceUnavailableException", (b"Retry-After", b"30")),
        refusal(307, "", (b"Location", b"https://evil.example")),
        lambda call: call.fail(ApiError(504, "timeout_error", "no connection", retry=True, unsent=True)),
    ],
)
def test_what_the_model_may_have_begun_or_what_the_client_has_to_hear_is_not_repeated(
    fault: Callable[[FakeCall], None],
) -> None:
    gateway = faced(fault)
    assert len(gateway.transport.calls) == 1
    assert gateway.client.status >= 400
    assert budget_of(gateway) == Budget()


def test_a_repetition_that_succeeds_is_all_the_client_sees_and_the_log_names_it() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    THROTTLED(call)
    assert gateway.client.events == []
    gateway.clock.advance(1)
    gateway.transport.calls[1].answer(200, WHOLE)
    assert gateway.client.status == 200
    assert gateway.log.records[0].notes == ("retried:throttled",)
    assert budget_of(gateway).tokens == TOKENS - 5 + 1
    assert gateway.transport.calls[1].body == call.body


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)])
def test_the_pause_before_it_is_random(chance: float, seconds: float) -> None:
    gateway = Gateway()
    gateway.chance = chance
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    THROTTLED(call)
    if seconds:
        gateway.clock.advance(seconds - 0.01)
        assert len(gateway.transport.calls) == 1
    gateway.clock.advance(0.01)
    assert len(gateway.transport.calls) == 2


def test_a_short_wait_that_the_provider_asks_for_is_kept() -> None:
    gateway = Gateway()
    gateway.chance = 0.0
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    refusal(429, "ThrottlingException", (b"Retry-After", b"2"))(call)
    gateway.clock.advance(1.99)
    assert len(gateway.transport.calls) == 1
    gateway.clock.advance(0.01)
    assert len(gateway.transport.calls) == 2


def test_a_client_that_leaves_in_the_pause_causes_no_further_request() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    THROTTLED(call)
    gateway.exchange.client_left()
    gateway.clock.advance(10)
    assert len(gateway.transport.calls) == 1
    assert (budget_of(gateway).in_flight, budget_of(gateway).repeating) == (0, 0)


def test_nothing_is_repeated_once_the_client_has_seen_something() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True)
    assert call is not None
    gateway.clock.advance(61)
    UNAVAILABLE(call)
    gateway.clock.advance(5)
    assert len(gateway.transport.calls) == 1
    assert gateway.events[-1] == "error"


def test_a_stream_that_breaks_after_its_first_event_is_not_repeated() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True)
    assert call is not None
    call.receiver.head(200, [], None)
    call.receiver.data(START)
    call.receiver.data(exception("throttlingException", {"message": "no"}))
    gateway.clock.advance(5)
    assert len(gateway.transport.calls) == 1


def test_silence_is_never_answered_with_another_attempt() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", stream=True)
    gateway.clock.advance(1000)
    assert len(gateway.transport.calls) == 1
    assert gateway.events[-1] == "error"


def test_an_empty_budget_leaves_everything_to_the_client() -> None:
    gateway = Gateway()
    budget_of(gateway).tokens = 13
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    UNAVAILABLE(call)
    assert (gateway.client.status, gateway.client.headers[b"x-should-retry"]) == (529, b"true")
    assert budget_of(gateway) == Budget(tokens=13, denied=1)


def test_of_many_requests_that_fail_at_once_only_a_fifth_is_repeated() -> None:
    gateway = Gateway()
    calls = [gateway.ask("qwen-3-coder") for _ in range(20)]
    for call in calls:
        assert call is not None
        THROTTLED(call)
    gateway.clock.advance(2)
    assert len(gateway.transport.calls) == 24
    for call in gateway.transport.calls[20:]:
        call.answer(200, WHOLE)
    budget = budget_of(gateway)
    assert (budget.in_flight, budget.repeating, budget.denied) == (0, 0, 16)


def headers(seconds: int) -> tuple[Header, ...]:
    return ((b"X-Stainless-Timeout", b"%d" % seconds),)


def asked(gateway: Gateway, seconds: int, *, stream: bool = False) -> FakeCall:
    body = {"model": "qwen-3-coder", "max_tokens": 5, "stream": stream}
    raw = json.dumps({**body, "messages": [{"role": "user", "content": "hi"}]}).encode()
    exchange = gateway.begin(length=len(raw), headers=headers(seconds))
    exchange.body(raw)
    exchange.body_complete()
    return gateway.transport.calls[-1]


def test_there_is_no_second_attempt_for_a_client_that_will_have_left() -> None:
    gateway = Gateway()
    call = asked(gateway, 30)
    gateway.clock.advance(29.5)
    THROTTLED(call)
    gateway.clock.advance(5)
    assert len(gateway.transport.calls) == 1
    assert gateway.client.status == 429


def test_all_attempts_share_the_time_that_the_client_waits() -> None:
    gateway = Gateway()
    call = asked(gateway, 100)
    gateway.clock.advance(90)
    THROTTLED(call)
    gateway.clock.advance(1)
    second = gateway.transport.calls[1]
    gateway.clock.advance(9)
    assert second.events == ["cancelled"]
    assert gateway.client.status == 504
    assert "within the 100 s that the client waits" in gateway.error["message"]


def test_a_client_that_is_patient_gets_a_whole_answer_after_an_hour_less_a_minute() -> None:
    gateway = Gateway()
    call = asked(gateway, 3600)
    gateway.clock.advance(3540)
    assert gateway.client.events == []
    call.answer(200, WHOLE)
    assert gateway.client.status == 200


def test_a_stream_that_has_begun_may_last_longer_than_the_client_waits_for_its_beginning() -> None:
    gateway = Gateway()
    call = asked(gateway, 20, stream=True)
    call.receiver.head(200, [], None)
    call.receiver.data(START)
    gateway.clock.advance(100)
    assert "error" not in gateway.events


def test_a_stream_whose_reader_is_slow_is_not_taken_for_a_silent_provider() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True)
    assert call is not None
    call.receiver.head(200, [], None)
    call.receiver.data(START)
    gateway.exchange.client_full()
    gateway.clock.advance(900)
    assert "error" not in gateway.events
    gateway.exchange.client_drained()
    gateway.clock.advance(119)
    assert "error" not in gateway.events
    gateway.clock.advance(20)
    assert gateway.events[-1] == "error"


def test_a_long_upload_is_not_taken_for_a_silent_provider() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True)
    assert call is not None
    for _ in range(3):
        gateway.clock.advance(100)
        call.receiver.upstream_full()
    gateway.clock.advance(100)
    call.receiver.upstream_drained()
    gateway.clock.advance(100)
    assert "error" not in gateway.events
    gateway.clock.advance(21)
    assert gateway.events[-1] == "error"


def test_no_combination_of_reasons_sends_a_request_more_than_four_times() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", temperature=0.5, stop_sequences=["x"])
    unsupported = "This model doesn't support the {0} field. Remove {0} and try again."
    steps = [
        refusal(403, "ExpiredTokenException"),
        refusal(400, "ValidationException", text=unsupported.format("temperature")),
        refusal(400, "ValidationException", text=unsupported.format("stopSequences")),
        refusal(
            403,
            "InvalidSignatureException",
            (b"Date", b"Sun, 22 Nov 2026 01:00:00 GMT"),
            text="Signature expired",
        ),
        THROTTLED,
    ]
    for call, step in zip(gateway.transport.calls, steps, strict=False):
        step(call)
        gateway.clock.advance(2)
    assert len(gateway.transport.calls) == MOST_SENT
    assert gateway.client.status == 401


def test_a_request_survives_one_fault_whatever_the_second_is() -> None:
    for second in (THROTTLED, UNAVAILABLE, lambda call: call.answer(200, GARBLED)):
        gateway = Gateway()
        gateway.ask("qwen-3-coder")
        for call, fault in zip(gateway.transport.calls, [THROTTLED, second, second], strict=False):
            fault(call)
            gateway.clock.advance(2)
        assert len(gateway.transport.calls) == 2
        assert gateway.client.status >= 400


def test_keys_that_have_ended_and_then_a_fault_are_both_survived() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder")
    for call, step in zip(
        gateway.transport.calls,
        [refusal(403, "ExpiredTokenException"), UNAVAILABLE, lambda call: call.answer(200, WHOLE)],
        strict=False,
    ):
        step(call)
        gateway.clock.advance(1)
    assert gateway.client.status == 200
    assert len(gateway.transport.calls) == 3
