"""Answers of Bedrock that come with one read are what they are in parts."""

import json
from typing import Any

import pytest

from support.gateway import Gateway

ANSWER: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
}
HEADERS = [(b"Date", b"Fri, 27 Nov 2026 07:00:00 GMT"), (b"x-amzn-RequestId", b"1234-5678")]


@pytest.mark.parametrize("filler", [0, 5, 300_000])
@pytest.mark.parametrize(
    "shape", [ANSWER, {**ANSWER, "stopReason": "guardrail_intervened"}], ids=["ordinary", "not"]
)
def test_an_answer_that_comes_at_once_is_what_it_is_in_parts(shape: dict[str, Any], filler: int) -> None:
    body = json.dumps({**shape, "trace": {"filler": "x" * filler}}).encode()
    ends = []
    for at_once in (True, False):
        gateway = Gateway()
        call = gateway.ask("qwen-3-coder")
        assert call is not None
        if at_once:
            call.answer_at_once(body, HEADERS)
        else:
            call.answer(200, body, HEADERS)
        assert not gateway.waits()
        assert gateway.services.in_flight == 0
        assert gateway.services.skews
        ends.append(gateway.end)
    assert ends[0] == ends[1]
    assert ends[0][3][0].upstream_request_id == "1234-5678"
    assert ends[0][3][0].output_tokens == 3


@pytest.mark.parametrize("status", [204, 400, 429, 503])
def test_a_refusal_is_told_in_parts(status: int) -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    assert not call.receiver.whole(status, [], b"{}")
    assert not gateway.client.events


def test_a_stream_is_told_in_parts_however_short_it_is() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder", stream=True)
    assert call is not None
    assert not call.receiver.whole(200, [], b"{}")
    assert not gateway.client.events


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[" * 100_000])
def test_an_answer_that_is_none_ends_as_it_does_in_parts(body: bytes) -> None:
    ends = []
    for at_once in (True, False):
        gateway = Gateway()
        call = gateway.ask("qwen-3-coder")
        assert call is not None
        if at_once:
            call.answer_at_once(body, HEADERS)
        else:
            call.answer(200, body, HEADERS)
        assert not gateway.waits()
        ends.append(gateway.end)
    assert ends[0] == ends[1]
    assert ends[0][0] == 502


def test_an_answer_that_makes_no_sense_is_asked_for_once_more() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    assert call.receiver.whole(
        200, [], json.dumps({**ANSWER, "stopReason": "malformed_model_output"}).encode()
    )
    assert not gateway.client.events
    gateway.clock.advance(3)
    _, again = gateway.transport.calls
    assert again.receiver.whole(200, [], json.dumps(ANSWER).encode())
    assert gateway.client.status == 200
    assert gateway.log.records[0].notes[-1].startswith("retried:")
    assert not gateway.waits()
