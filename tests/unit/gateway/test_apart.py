"""What is done on the second thread, and that nothing is lost on the way there and back."""

import json
import weakref

import pytest

from fakes.worker import FakeWorker
from openclaude.domain.http import Endpoint
from openclaude.gateway.exchange import HEAVY, HUGE, weight
from openclaude.gateway.late import LateDialect
from support.gateway import Gateway

LONG = "a" * HEAVY
WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
}


def gateway_with_worker() -> tuple[Gateway, FakeWorker]:
    gateway, worker = Gateway(), FakeWorker()
    gateway.services.worker = worker
    return gateway, worker


def test_a_large_body_is_translated_and_hashed_elsewhere() -> None:
    gateway, worker = gateway_with_worker()
    assert gateway.ask("qwen-3-coder", system=LONG) is None
    assert worker.finish() > HEAVY
    assert len(gateway.transport.calls) == 1
    gateway.transport.calls[0].answer(200, json.dumps(WHOLE).encode())
    assert gateway.client.status == 200


def test_a_small_body_is_translated_here_unless_something_is_done_elsewhere() -> None:
    gateway, worker = gateway_with_worker()
    assert gateway.ask("qwen-3-coder") is not None
    gateway.ask("qwen-3-coder", system=LONG)
    assert gateway.ask("qwen-3-coder") is None
    assert [worker.finish() > HEAVY, worker.finish() > HEAVY] == [True, False]
    assert len(gateway.transport.calls) == 3


def test_a_body_of_many_small_values_is_translated_elsewhere_whatever_its_size() -> None:
    gateway, worker = gateway_with_worker()
    turns = [
        {"role": role, "content": [{"type": "text", "text": "x"}]} for role in ("user", "assistant")
    ] * 350
    assert gateway.ask("qwen-3-coder", messages=[*turns, {"role": "user", "content": "x"}]) is None
    assert worker.finish() >= HEAVY
    assert len(gateway.transport.calls) == 1
    assert gateway.ask("qwen-3-coder", messages=turns[:101]) is not None


def test_the_first_request_of_a_route_loads_its_translator_elsewhere() -> None:
    gateway, worker = gateway_with_worker()
    decision = gateway.pipeline.routing.table.decide("qwen-3-coder")
    assert decision is not None
    adapter = decision.route.adapter
    object.__setattr__(decision.route, "adapter", LateDialect(lambda: adapter))  # a frozen value
    assert gateway.ask("qwen-3-coder") is None
    worker.finish()
    assert gateway.ask("qwen-3-coder") is not None
    assert not worker.busy


def test_an_error_in_the_work_is_the_answer() -> None:
    gateway, worker = gateway_with_worker()
    gateway.ask("qwen-3-coder", messages=[], system=LONG)
    worker.finish()
    assert gateway.client.status == 400


def test_a_client_that_leaves_while_its_body_is_translated_causes_no_request() -> None:
    gateway, worker = gateway_with_worker()
    gateway.ask("qwen-3-coder", system=LONG)
    gateway.exchange.client_left()
    worker.finish()
    assert gateway.transport.calls == []
    assert [record.outcome for record in gateway.log.records] == ["client_left"]


def test_tokens_of_a_large_body_are_counted_elsewhere() -> None:
    gateway, worker = gateway_with_worker()
    gateway.ask("qwen-3-coder", system=LONG, endpoint=Endpoint.COUNT_TOKENS)
    assert gateway.client.events == []
    worker.finish()
    assert json.loads(gateway.client.body)["input_tokens"] > 1000


def test_what_is_sent_again_without_a_refused_field_is_made_elsewhere() -> None:
    gateway, worker = gateway_with_worker()
    gateway.ask("qwen-3-coder", system=LONG, temperature=0.5)
    worker.finish()
    refusal = (
        b'{"message": "This model doesn\'t support the temperature field. Remove temperature and try again."}'
    )
    gateway.transport.calls[0].answer(400, refusal, [(b"x-amzn-errortype", b"ValidationException")])
    assert len(gateway.transport.calls) == 1
    worker.finish()
    assert b"temperature" not in gateway.transport.calls[1].body
    assert gateway.transport.calls[1].authorized.request.content_length == len(
        gateway.transport.calls[1].body
    )


@pytest.mark.parametrize("status", [200, 400])
def test_a_large_translation_is_freed_elsewhere_after_the_turn_of_the_loop(status: int) -> None:
    gateway, worker = gateway_with_worker()
    gateway.ask("qwen-3-coder", system="a" * HUGE)
    worker.finish()
    call = gateway.transport.calls.pop()
    freed = weakref.ref(gateway.exchange._next._ready.call)
    call.answer(status, json.dumps(WHOLE).encode())
    while worker.busy:  # a refusal looks first what it teaches
        worker.finish()
    del call
    assert freed() is not None
    gateway.clock.advance(0)
    assert worker.finish() > HUGE
    assert freed() is None


def test_many_small_values_weigh_more_than_their_bytes_and_quoted_code_does_not() -> None:
    values = json.dumps([{"a": number} for number in range(1300)]).encode()
    assert weight([values]) == HEAVY > 8 * len(values)
    code = json.dumps({"text": 'if (a["x"]) { call({b: [1]}); }\n' * 2000}).encode()
    assert weight([code]) == len(code)
