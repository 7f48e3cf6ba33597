"""Silence on the Anthropic route: one timer for all, the slow client's own pause excepted."""

import json

import pytest

from fakes.clock import FakeClock
from openclaude.domain.http import Header
from openclaude.gateway import passthrough
from openclaude.gateway.sweep import EVERY, Sweep
from support.gateway import Gateway

EVENT = b'data: {"type":"ping"}\n\n'
LATE = 2 * EVERY
MODEL = "claude-opus-5-5"


def streaming():
    gateway = Gateway()
    call = gateway.ask(MODEL, stream=True)
    assert call is not None
    call.receiver.head(200, [(b"content-type", b"text/event-stream")], None)
    call.receiver.data(EVENT)
    return gateway, call


def test_a_stream_that_falls_silent_is_cut_like_one_that_broke() -> None:
    gateway, call = streaming()
    gateway.clock.advance(passthrough.IDLE - 1)
    assert gateway.client.events == ["start"]
    gateway.clock.advance(1 + LATE)
    assert gateway.client.events == ["start", "abort"]
    assert gateway.client.body == EVENT
    assert call.events == ["cancelled"]
    assert gateway.log.records[0].outcome == "upstream_failed"
    gateway.clock.advance(LATE)
    assert gateway.clock.pending == 0


def test_every_event_begins_the_wait_anew() -> None:
    gateway, call = streaming()
    for _ in range(20):
        gateway.clock.advance(passthrough.IDLE - 1)
        call.receiver.data(EVENT)
    assert gateway.client.events == ["start"]
    call.receiver.complete()
    assert gateway.client.events == ["start", "end"]


def test_events_that_pass_as_chunks_do_so_too() -> None:
    gateway, call = streaming()
    for _ in range(20):
        gateway.clock.advance(passthrough.IDLE - 1)
        call.chunk(EVENT)
    assert gateway.client.events == ["start"]
    gateway.clock.advance(passthrough.IDLE + LATE)
    assert gateway.client.events == ["start", "abort"]
    assert gateway.client.body == EVENT * 21
    assert gateway.log.records[0].bytes_out == len(gateway.client.body)


def test_a_reader_that_stalls_for_an_hour_keeps_its_stream() -> None:
    gateway, call = streaming()
    gateway.exchange.client_full()
    gateway.clock.advance(3600)
    gateway.exchange.client_drained()
    gateway.clock.advance(passthrough.IDLE - 1)
    assert gateway.client.events == ["start"]
    gateway.clock.advance(1 + LATE)
    assert gateway.client.events == ["start", "abort"]
    assert call.events[-1] == "cancelled"


def test_an_answer_that_does_not_begin_is_an_error_when_the_client_has_waited_long_enough() -> None:
    gateway = Gateway()
    call = gateway.ask(MODEL)
    assert call is not None
    gateway.clock.advance(599)
    assert gateway.client.events == []
    gateway.clock.advance(1 + LATE)
    assert (gateway.client.status, gateway.error["type"]) == (504, "timeout_error")
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert call.events == ["cancelled"]


@pytest.mark.parametrize("seconds", [30, 1800])
def test_the_client_says_how_long_that_is(seconds: int) -> None:
    gateway = Gateway()
    headers: tuple[Header, ...] = ((b"X-Stainless-Timeout", b"%d" % seconds),)
    raw = json.dumps({"model": MODEL}).encode()
    exchange = gateway.begin(length=len(raw), headers=headers)
    exchange.body(raw)
    exchange.body_complete()
    gateway.clock.advance(seconds - 1)
    assert gateway.client.events == []
    gateway.clock.advance(1 + LATE)
    assert gateway.client.status == 504
    assert f"within the {seconds} s" in gateway.error["message"]


def test_an_upload_that_the_provider_does_not_take_is_given_up() -> None:
    gateway = Gateway()
    exchange = gateway.begin(length=1000)
    exchange.body(json.dumps({"model": MODEL}).encode())
    call = gateway.transport.calls[0]
    call.receiver.upstream_full()
    gateway.clock.advance(passthrough.STALL - 1)
    assert gateway.client.events == ["pause"]
    gateway.clock.advance(1 + LATE)
    assert gateway.client.status == 504
    assert "took nothing of the request" in gateway.error["message"]
    assert call.events == ["cancelled"]


def test_an_upload_that_the_provider_takes_again_goes_on() -> None:
    gateway = Gateway()
    exchange = gateway.begin(length=1000)
    exchange.body(json.dumps({"model": MODEL}).encode())
    call = gateway.transport.calls[0]
    call.receiver.upstream_full()
    gateway.clock.advance(passthrough.STALL / 2)
    call.receiver.upstream_drained()
    gateway.clock.advance(passthrough.STALL)
    assert gateway.client.events == ["pause", "resume"]


class Counter:
    looks = 0

    def look(self, now: float) -> None:
        self.looks += 1


def test_one_timer_serves_all_and_none_runs_without_anything_to_look_at() -> None:
    clock = FakeClock()
    sweep = Sweep(clock)
    assert clock.pending == 0
    watched = [Counter() for _ in range(100)]
    for item in watched:
        sweep.add(item)
    assert clock.pending == 1
    clock.advance(EVERY)
    assert {item.looks for item in watched} == {1}
    for item in watched:
        sweep.discard(item)
    clock.advance(EVERY)
    assert clock.pending == 0
    sweep.add(watched[0])
    clock.advance(EVERY)
    assert watched[0].looks == 2


def test_a_request_that_is_over_is_looked_at_no_more() -> None:
    gateway, call = streaming()
    call.receiver.complete()
    gateway.clock.advance(EVERY)
    assert gateway.clock.pending == 0
    gateway.ask(MODEL)
    gateway.exchange.client_left()
    gateway.clock.advance(EVERY)
    assert gateway.clock.pending == 0
