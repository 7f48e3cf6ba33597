import json

import pytest

from support.fallback import (
    ANSWER,
    HOUR,
    LIMIT,
    ON_BEDROCK,
    OPUS,
    OVERLOADED,
    SONNET,
    FallbackGateway,
)

ANTHROPIC, BEDROCK = "api", "bedrock-runtime"


def reason(gateway: FallbackGateway) -> str:
    return gateway.client.headers[b"x-openclaude-reason"].decode()


def test_a_plan_that_is_used_up_is_left_alone_until_its_reset_and_then_asked_again() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().answer(429, LIMIT, gateway.limit())
    gateway.calls[1].answer(200, ANSWER)
    gateway.clock.advance(HOUR - 1)
    gateway.first()
    assert gateway.where == [ANTHROPIC, BEDROCK, BEDROCK]
    gateway.calls[2].answer(200, ANSWER)
    assert reason(gateway) == "spill: 5h used up"
    gateway.clock.advance(1)
    gateway.first().answer(200, ANSWER, gateway.usage(0.01))
    assert gateway.where == [ANTHROPIC, BEDROCK, BEDROCK, ANTHROPIC]
    assert reason(gateway) == "match"


def test_the_fallback_is_used_before_the_wall_and_the_plan_after_the_reset() -> None:
    gateway = FallbackGateway(ON_BEDROCK, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.94))
    gateway.first().answer(200, ANSWER, gateway.usage(0.95))
    gateway.first().answer(200, ANSWER)
    assert gateway.where == [ANTHROPIC, ANTHROPIC, BEDROCK]
    assert reason(gateway) == "spill: 5h at 95 %"
    gateway.clock.advance(HOUR)
    gateway.first()
    assert gateway.where[3] == ANTHROPIC


def test_without_spill_at_the_plan_is_used_to_the_wall() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    gateway.first().answer(200, ANSWER, gateway.usage(0.999))
    gateway.first()
    assert gateway.where == [ANTHROPIC, ANTHROPIC]


def test_when_the_fallback_cannot_serve_the_plan_has_the_last_word() -> None:
    gateway = FallbackGateway(ON_BEDROCK, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.96))
    gateway.first().answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert gateway.where == [ANTHROPIC, BEDROCK, ANTHROPIC]
    gateway.calls[2].answer(429, LIMIT, gateway.limit())
    assert (gateway.client.status, gateway.client.body) == (429, LIMIT)


def test_a_place_that_cannot_be_looked_at_is_passed_over_and_reported() -> None:
    gateway = FallbackGateway(ON_BEDROCK)

    class Broken:
        busy = False

        def run(self, size: int, work, then) -> None:
            def outcome() -> None:
                raise RuntimeError("broken")

            then(outcome)

        def close(self) -> None:
            """There is nothing to end."""

    gateway.services.worker = Broken()
    call = gateway.first()
    with pytest.raises(RuntimeError, match="broken"):
        call.answer(529, OVERLOADED)
    assert (gateway.client.status, gateway.client.body) == (529, OVERLOADED)


def test_a_fallback_that_fails_late_leaves_nobody_without_an_answer() -> None:
    gateway = FallbackGateway(ON_BEDROCK, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.96, after=200_000))
    call = gateway.first()
    gateway.clock.seconds += 100_000
    call.answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    assert gateway.where == [ANTHROPIC, BEDROCK, ANTHROPIC]
    gateway.calls[2].answer(200, ANSWER)
    assert gateway.client.status == 200


def test_a_plan_that_serves_because_the_fallback_cannot_is_not_back() -> None:
    gateway = FallbackGateway(ON_BEDROCK, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.96))
    gateway.first().answer(200, ANSWER)
    gateway.first().answer(403, b'{"message":"no"}', [(b"x-amzn-errortype", b"AccessDeniedException")])
    gateway.calls[-1].answer(200, ANSWER, gateway.usage(0.97))
    assert gateway.where[-1] == ANTHROPIC
    assert [event for event, _ in gateway.told] == ["plan-away"]


def test_where_every_place_is_full_the_plan_gets_the_body_as_it_arrives() -> None:
    gateway = FallbackGateway(SONNET, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.96))
    raw = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:30])
    assert gateway.calls[1].body == raw[:30]


def test_another_model_of_the_same_full_window_is_passed_over() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK)
    gateway.first().answer(429, LIMIT, gateway.limit("five_hour"))
    assert gateway.where == [ANTHROPIC, BEDROCK]


def test_another_model_of_the_plan_serves_when_only_one_tier_is_used_up() -> None:
    gateway = FallbackGateway(SONNET, ON_BEDROCK)
    gateway.first().answer(429, LIMIT, gateway.limit("seven_day_opus"))
    assert gateway.where == [ANTHROPIC, ANTHROPIC]
    assert json.loads(gateway.calls[1].body)["model"] == SONNET


def test_one_logins_wall_is_not_anothers() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    raw = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
    for login in (b"Bearer one-login-of-some-length", b"Bearer another-login-of-some-length"):
        exchange = gateway.begin(length=len(raw), login=login)
        exchange.body(raw)
        exchange.body_complete()
        gateway.calls[-1].answer(429, LIMIT, gateway.limit())
    assert gateway.where == [ANTHROPIC, BEDROCK, ANTHROPIC, BEDROCK]


def test_each_change_of_the_plan_is_told_once() -> None:
    gateway = FallbackGateway(ON_BEDROCK, spill_at=0.95)
    gateway.first().answer(200, ANSWER, gateway.usage(0.96))
    until = int(gateway.seconds()) + HOUR
    for _ in range(3):
        gateway.first().answer(200, ANSWER)
    away = {"model": OPUS, "to": ON_BEDROCK, "why": "5h at 96 %", "until": str(until)}
    assert gateway.told == [("plan-away", away)]
    shown = gateway.services.spills.shown(gateway.seconds())
    assert [(row["model"], row["to"], row["until"]) for row in shown] == [(OPUS, ON_BEDROCK, until)]
    gateway.clock.advance(HOUR)
    assert gateway.services.spills.shown(gateway.seconds()) == []
    for _ in range(2):
        gateway.first().answer(200, ANSWER, gateway.usage(0.01))
    assert gateway.told[1:] == [("plan-back", {"model": OPUS, "why": "begun anew"})]


def test_a_request_that_another_route_answered_is_told_as_well() -> None:
    gateway = FallbackGateway(ON_BEDROCK)
    for _ in range(2):
        gateway.first().answer(529, OVERLOADED)
        gateway.calls[-1].answer(200, ANSWER)
    assert gateway.told == [("fallback", {"model": OPUS, "to": ON_BEDROCK, "why": "overloaded"})]
    (row,) = gateway.services.spills.shown(gateway.seconds())
    assert (row["model"], row["to"], row["why"]) == (OPUS, ON_BEDROCK, "overloaded")
    gateway.clock.advance(301)
    assert gateway.services.spills.shown(gateway.seconds()) == []
