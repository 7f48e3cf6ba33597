"""Breakers seen from a request: what counts, who is let through, and what the others are told."""

import json
from collections.abc import Callable

import pytest

from fakes.transport import FakeCall
from openclaude.credentials.policies import SignFor
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Endpoint
from openclaude.gateway.health import MOST, Health
from openclaude.gateway.passthrough import IDLE
from support.bedrock_frames import event, exception
from support.fallback import SONNET, FallbackGateway
from support.gateway import QWEN, Gateway

OPUS = "claude-opus-5-5"
WHOLE = json.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }
).encode()
START = event("messageStart", {"role": "assistant"})


def refusal(status: int, name: str, text: str = "no") -> Callable[[FakeCall], None]:
    body = json.dumps({"message": text}).encode()
    headers = [(b"x-amzn-errortype", name.encode()), (b"retry-after", b"9")]
    return lambda call: call.answer(status, body, headers)


def fails(status: int = 502, *, unsent: bool = False) -> Callable[[FakeCall], None]:
    kind = "api_error" if status == 502 else "timeout_error"
    return lambda call: call.fail(ApiError(status, kind, "openClaude: gone", retry=True, unsent=unsent))


def well(call: FakeCall) -> None:
    call.answer(200, WHOLE)


UNAVAILABLE = refusal(503, "ServiceUnavailableException")


def meet(gateway: Gateway, fault: Callable[[FakeCall], None], **extra: object) -> int:
    """The status of a request that meets this fault; it is not repeated."""
    model = str(extra.pop("model", "qwen-3-coder"))
    call = gateway.ask(model, **extra)
    if call is not None:
        fault(call)
    return gateway.client.status


def opened(times: int = 5, fault: Callable[[FakeCall], None] = UNAVAILABLE) -> Gateway:
    gateway = Gateway()
    for _ in range(times):
        meet(gateway, fault)
    return gateway


def states(gateway: Gateway) -> list[str]:
    return [fields["state"] for name, fields in gateway.log.events if name == "breaker"]


def health_of(gateway: Gateway) -> Health:
    return gateway.services.health_of(SignFor(region="us-west-2").origin, QWEN)


def test_after_five_failures_the_next_request_is_answered_from_here() -> None:
    gateway = opened()
    assert gateway.ask("qwen-3-coder") is None
    assert (gateway.client.status, gateway.error["type"]) == (529, "overloaded_error")
    assert gateway.client.headers[b"retry-after"] == b"10"
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert "failed 5 times in a row" in gateway.error["message"]
    assert "hint:" in gateway.error["message"]
    gateway.clock.advance(3)
    gateway.ask("qwen-3-coder")
    assert gateway.client.headers[b"retry-after"] == b"7"
    assert states(gateway) == ["open"]


@pytest.mark.parametrize(
    "fault",
    [
        refusal(500, "InternalServerException"),
        refusal(503, "ServiceUnavailableException"),
        refusal(429, "ModelNotReadyException"),
        refusal(504, ""),
        fails(),
        fails(504, unsent=True),
    ],
)
def test_what_shows_that_a_provider_is_down_counts(fault: Callable[[FakeCall], None]) -> None:
    assert states(opened(fault=fault)) == ["open"]


def test_silence_counts_too() -> None:
    gateway = Gateway()
    for _ in range(5):
        gateway.ask("qwen-3-coder", stream=True)
        gateway.clock.advance(200)
    assert states(gateway) == ["open"]


@pytest.mark.parametrize(
    "fault",
    [
        refusal(429, "ThrottlingException"),
        refusal(400, "ServiceQuotaExceededException"),
        refusal(400, "ValidationException"),
        refusal(403, "AccessDeniedException"),
        refusal(404, "ResourceNotFoundException"),
        refusal(424, "ModelErrorException"),
        lambda call: call.answer(200, b"nonsense"),
        lambda call: call.fail(ApiError(529, "overloaded_error", "no descriptor", retry=True, unsent=True)),
        lambda call: call.fail(ApiError(502, "api_error", "stopped by the wall", unsent=True)),
    ],
)
def test_what_is_the_requests_own_fault_or_a_matter_of_waiting_does_not(
    fault: Callable[[FakeCall], None],
) -> None:
    gateway = opened(8, fault)
    assert states(gateway) == []
    assert health_of(gateway).breakers == {}


def test_a_stream_that_breaks_off_does_not_either_because_it_had_begun() -> None:
    gateway = Gateway()
    for _ in range(8):
        call = gateway.ask("qwen-3-coder", stream=True)
        assert call is not None
        call.receiver.head(200, [], None)
        call.receiver.data(START)
        call.fail(upstream_unreachable("openClaude: reset"))
    assert states(gateway) == []


def test_an_exception_in_the_first_frame_counts() -> None:
    gateway = Gateway()
    health_of(gateway).budget.tokens = 0
    for _ in range(5):
        call = gateway.ask("qwen-3-coder", stream=True)
        assert call is not None
        call.receiver.head(200, [], None)
        call.receiver.data(exception("serviceUnavailableException", {"message": "no"}))
    assert states(gateway) == ["open"]


def test_a_request_and_its_repetition_are_one_failure() -> None:
    gateway = Gateway()
    for _ in range(4):
        call = gateway.ask("qwen-3-coder")
        assert call is not None
        for attempt in (call, None):
            (attempt or gateway.transport.calls[-1]).answer(503, b"{}")
            gateway.clock.advance(1)
    assert len(gateway.transport.calls) == 8
    assert states(gateway) == []


def test_one_request_finds_out_whether_the_provider_is_back_while_the_others_wait() -> None:
    gateway = opened()
    gateway.clock.advance(10)
    probe = gateway.ask("qwen-3-coder")
    assert probe is not None
    assert gateway.ask("qwen-3-coder") is None
    assert gateway.client.headers[b"retry-after"] == b"5"
    well(probe)
    assert meet(gateway, well) == 200
    assert states(gateway) == ["open", "half-open", "closed"]
    assert health_of(gateway).breakers == {}


def test_the_first_event_of_a_long_stream_is_proof_enough() -> None:
    gateway = opened()
    gateway.clock.advance(10)
    probe = gateway.ask("qwen-3-coder", stream=True)
    assert probe is not None
    probe.receiver.head(200, [], None)
    probe.receiver.data(START)
    assert states(gateway)[-1] == "closed"


def test_a_probe_is_not_repeated_and_its_failure_doubles_the_wait() -> None:
    gateway = opened()
    gateway.clock.advance(10)
    probe = gateway.ask("qwen-3-coder")
    assert probe is not None
    probe.answer(503, b"{}")
    gateway.clock.advance(1)
    assert len(gateway.transport.calls) == 6
    assert gateway.client.status == 529
    gateway.ask("qwen-3-coder")
    assert gateway.client.headers[b"retry-after"] == b"19"
    assert states(gateway) == ["open", "half-open", "open"]


def test_a_client_that_takes_its_probe_back_leaves_it_to_the_next() -> None:
    gateway = opened()
    gateway.clock.advance(10)
    assert gateway.ask("qwen-3-coder") is not None
    gateway.exchange.client_left()
    assert gateway.ask("qwen-3-coder") is not None


def test_a_probe_whose_keys_cannot_be_had_leaves_it_to_the_next() -> None:
    gateway = opened()
    gateway.clock.advance(10)
    keys, gateway.keys.result = gateway.keys.result, ApiError(401, "authentication_error", "no keys")
    assert gateway.ask("qwen-3-coder") is None
    gateway.keys.result = keys
    assert gateway.ask("qwen-3-coder") is not None


def test_a_wait_longer_than_the_clients_own_attempts_is_told_at_once() -> None:
    gateway = opened()
    for wait in (10, 20, 40, 80):
        gateway.clock.advance(wait)
        meet(gateway, UNAVAILABLE)
    gateway.ask("qwen-3-coder")
    assert gateway.client.headers[b"retry-after"] == b"160"
    assert gateway.client.headers[b"x-should-retry"] == b"false"
    gateway.clock.advance(40)
    gateway.ask("qwen-3-coder")
    assert gateway.client.headers[b"retry-after"] == b"120"
    assert gateway.client.headers[b"x-should-retry"] == b"true"


def test_one_accounts_failures_are_not_anothers() -> None:
    gateway = Gateway()
    for _ in range(5):
        meet(gateway, UNAVAILABLE, session="aaaaaaaaaaaa")
    assert gateway.ask("qwen-3-coder", session="aaaaaaaaaaaa") is None
    assert meet(gateway, well, session="bbbbbbbbbbbb") == 200


def test_accounts_are_not_remembered_without_end() -> None:
    gateway = Gateway()
    health = health_of(gateway)
    for number in range(MOST + 5):
        health.failed(f"{number:012x}", 0.0, probe=False)
    assert len(health.breakers) == MOST


def test_what_needs_no_provider_is_answered_meanwhile() -> None:
    gateway = opened()
    gateway.ask("qwen-3-coder", max_tokens=1, messages=[{"role": "user", "content": "quota"}])
    assert gateway.client.status == 200
    before = len(gateway.transport.calls)
    gateway.ask("qwen-3-coder", endpoint=Endpoint.COUNT_TOKENS)
    assert gateway.client.status == 200
    assert gateway.client.headers[b"x-openclaude-token-count"] == b"estimate"
    assert len(gateway.transport.calls) == before
    assert states(gateway) == ["open"]


def test_status_shows_it_without_naming_an_account() -> None:
    gateway = Gateway()
    for _ in range(5):
        meet(gateway, UNAVAILABLE, session="aaaaaaaaaaaa")
    gateway.clock.advance(4)
    assert gateway.services.health() == [
        {
            "origin": "https://bedrock-runtime.us-west-2.amazonaws.com",
            "model": QWEN,
            "breaker": "open",
            "failures": 5,
            "wait": 6.0,
            "retries": {"spent": 0, "denied": 0, "tokens": 100.0},
        }
    ]


def test_a_request_that_falls_back_is_no_longer_under_way_where_it_failed() -> None:
    gateway = FallbackGateway(of_qwen=(SONNET,))
    UNAVAILABLE(gateway.first("qwen-3-coder"))
    assert gateway.where == ["bedrock-runtime", "api"]
    health = health_of(gateway)
    assert (health.budget.in_flight, health.budget.repeating) == (0, 0)
    assert health.breakers[""].failures == 1


# the Anthropic route


def anthropic(gateway: Gateway, fault: Callable[[FakeCall], None]) -> int:
    return meet(gateway, fault, model=OPUS)


def test_five_connections_that_fail_are_followed_by_fast_answers_for_five_seconds() -> None:
    gateway = Gateway()
    for _ in range(5):
        assert anthropic(gateway, fails(504, unsent=True)) == 504
    assert gateway.ask(OPUS) is None
    assert gateway.client.status == 529
    assert gateway.client.headers[b"retry-after"] == b"5"
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert "https://api.anthropic.com failed 5 times in a row" in gateway.error["message"]
    gateway.clock.advance(5)
    assert anthropic(gateway, lambda call: call.answer(200, b"{}")) == 200
    assert gateway.ask(OPUS) is not None
    assert states(gateway) == ["open", "half-open", "closed"]


def test_it_never_stays_away_longer_than_that() -> None:
    gateway = Gateway()
    for _ in range(5):
        anthropic(gateway, fails(unsent=True))
    for _ in range(10):
        assert gateway.ask(OPUS) is None
        gateway.clock.advance(5)
        assert anthropic(gateway, fails(unsent=True)) == 502


def test_while_one_connection_is_tried_another_may_be_after_two_seconds() -> None:
    gateway = Gateway()
    for _ in range(5):
        anthropic(gateway, fails(unsent=True))
    gateway.clock.advance(5)
    assert gateway.ask(OPUS) is not None
    assert gateway.ask(OPUS) is None
    gateway.clock.advance(2)
    assert gateway.ask(OPUS) is not None
    gateway.exchange.client_left()
    assert gateway.ask(OPUS) is not None


@pytest.mark.parametrize(
    "fault",
    [
        lambda call: call.answer(429, b"{}", [(b"retry-after", b"1")]),
        lambda call: call.answer(500, b"{}"),
        lambda call: call.answer(529, b"{}"),
        fails(),
        lambda call: call.fail(ApiError(529, "overloaded_error", "no descriptor", retry=True, unsent=True)),
        lambda call: call.fail(ApiError(502, "api_error", "stopped by the wall", unsent=True)),
    ],
)
def test_no_answer_of_anthropics_and_nothing_of_our_own_is_ever_counted_there(
    fault: Callable[[FakeCall], None],
) -> None:
    gateway = Gateway()
    for _ in range(30):
        anthropic(gateway, fault)
    assert states(gateway) == []
    assert gateway.ask(OPUS) is not None


def test_silence_of_anthropics_is_not_counted_either() -> None:
    gateway = Gateway()
    for _ in range(8):
        gateway.ask(OPUS, stream=True)
        gateway.clock.advance(2 * IDLE + 20)
        assert gateway.client.status == 504
    assert states(gateway) == []


def test_a_connection_that_was_made_is_proof_enough_there() -> None:
    gateway = Gateway()
    for _ in range(4):
        anthropic(gateway, fails(unsent=True))
    anthropic(gateway, fails())
    for _ in range(4):
        anthropic(gateway, fails(unsent=True))
    assert states(gateway) == []
