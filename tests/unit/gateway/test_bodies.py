"""The memory that bodies take: counted while they are kept, given back however a request ends, and taken once."""

import json
import tracemalloc

import pytest

from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.gateway.bodies import Bodies
from support.gateway import QWEN, Gateway

CLAUDE = "us.anthropic.claude-sonnet-4-6"


def message(model: str, size: int) -> bytes:
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "x" * size}]}
    return json.dumps(body).encode()


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway()
    made.services.bodies = Bodies(most=100_000)
    return made


def test_a_body_without_room_is_refused_at_once_and_its_rest_is_dropped(gateway: Gateway) -> None:
    raw = message("qwen-3-coder", 90_000)
    first = gateway.begin(length=len(raw))
    first.body(raw)
    earlier = gateway.client
    second = gateway.begin(length=len(raw))
    second.body(raw[:5_000])
    assert gateway.client.events == []
    second.body(raw[5_000:50_000])
    assert (gateway.client.status, gateway.error["type"]) == (529, "overloaded_error")
    assert "hint: " in gateway.error["message"]
    assert gateway.client.headers[b"retry-after"] == b"2"
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    second.body(raw[50_000:])
    second.body_complete()
    assert gateway.transport.calls == []
    first.body_complete()
    assert len(gateway.transport.calls) == 1
    assert earlier.events == []
    first.client_left()
    assert gateway.services.bodies.kept == 0
    assert [record.status for record in gateway.log.records] == [529, 0]


@pytest.mark.parametrize("end", ["answered", "refused", "left", "left early"])
def test_room_is_given_back_however_a_request_ends(gateway: Gateway, end: str) -> None:
    raw = message("qwen-3-coder", 60_000)
    for _ in range(5):
        exchange = gateway.begin(length=len(raw))
        exchange.body(raw[:30_000])
        assert gateway.services.bodies.kept == 30_000
        if end == "left early":
            exchange.client_left()
            continue
        exchange.body(raw[30_000:])
        exchange.body_complete()
        assert gateway.services.bodies.kept == len(raw)
        call = gateway.transport.calls[-1]
        if end == "answered":
            call.answer(
                200,
                b'{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":"end_turn"}',
            )
        elif end == "refused":
            call.answer(400, b'{"message":"no"}', [(b"x-amzn-errortype", b"ValidationException")])
        else:
            exchange.client_left()
        assert gateway.services.bodies.kept == 0
    assert gateway.services.bodies.kept == 0


def test_what_is_only_passed_on_takes_no_room(gateway: Gateway) -> None:
    raw = message("claude-opus-5-5", 500_000)
    exchange = gateway.begin(length=len(raw))
    for start in range(0, len(raw), 50_000):
        exchange.body(raw[start : start + 50_000])
        assert gateway.services.bodies.kept == 0
    exchange.body_complete()
    assert gateway.transport.calls[0].body == raw


def test_a_body_that_has_to_be_whole_to_be_routed_takes_room_until_then(gateway: Gateway) -> None:
    raw = json.dumps({"messages": ["x" * 60_000], "model": "claude-opus-5-5"}).encode()
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:40_000])
    assert gateway.services.bodies.kept == 40_000
    exchange.body(raw[40_000:])
    exchange.body_complete()
    assert gateway.transport.calls[0].body == raw
    assert gateway.services.bodies.kept == 0


def converse() -> ConverseAdapter:
    return ConverseAdapter(route="bedrock", model_id=QWEN, region="us-west-2", profile=profile_for(QWEN))


def invoke() -> InvokeAdapter:
    return InvokeAdapter(route="bedrock", model_id=CLAUDE, region="us-west-2", profile=profile_for(CLAUDE))


@pytest.mark.parametrize("adapter", [converse, invoke])
def test_a_large_body_is_held_once_while_its_answer_is_waited_for(adapter) -> None:
    gateway = Gateway(adapter=adapter())
    gateway.ask("qwen-3-coder")  # what is made at a first use is no body
    turns = [
        {"role": role, "content": f"{number}" * 40_000}
        for number in range(50)
        for role in ("user", "assistant")
    ]
    body = {
        "model": "qwen-3-coder",
        "max_tokens": 64,
        "messages": [*turns, {"role": "user", "content": "hi"}],
    }
    raw = json.dumps(body).encode()
    exchange = gateway.begin(length=len(raw))
    tracemalloc.start()
    try:
        for start in range(0, len(raw), 65536):
            exchange.body(raw[start : start + 65536])
        exchange.body_complete()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(gateway.transport.calls) == 2
    assert held < 1.6 * len(raw)


@pytest.mark.parametrize("adapter", [converse, invoke])
def test_a_large_request_that_is_refused_for_a_field_is_sent_again_without_it(adapter) -> None:
    gateway = Gateway(adapter=adapter())
    call = gateway.ask("qwen-3-coder", temperature=0.5, system="x" * 400_000)
    assert call is not None
    told = b'{"message":"`temperature` is deprecated for this model."}'
    refusals = {
        converse: b'{"message":"This model doesn\'t support the temperature field. Remove temperature and try again."}',
        invoke: told,
    }
    call.answer(400, refusals[adapter], [(b"x-amzn-errortype", b"ValidationException")])
    again = gateway.transport.calls[-1]
    assert again is not call
    sent, amended = json.loads(call.body), json.loads(again.body)
    assert len(again.body) > 400_000
    assert {name for name in sent if sent[name] != amended.get(name)} <= {"temperature", "inferenceConfig"}
    assert amended != sent
