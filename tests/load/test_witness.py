"""The load's own judgement: what it must call lost, and which bounds it must call broken."""

import asyncio
from dataclasses import replace

import pytest

from load.clients import Reader
from load.plans import Plan, found
from load.soak import GROWING_BLOCKS, GROWTH, LATE_P99, LONG, SETTLED, Load, Report

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(number: int) -> bytes:
    return b'event: content_block_delta\ndata: {"text":"#%d xxx"}\n\n' % number


class Wire(asyncio.Transport):
    """A transport that does nothing."""


async def judged(*pieces: bytes) -> str:
    """What a reader says of an answer; the empty string is "whole"."""
    reader = Reader()
    reader.connection_made(Wire())
    for piece in pieces:
        reader.data_received(piece)
    if not reader.over.done():
        reader.connection_lost(None)
    return reader.over.result()


async def test_a_whole_stream_is_whole_however_it_is_cut() -> None:
    data = HEAD + b"".join(map(chunk, (event(1), event(2), STOP))) + b"0\r\n\r\n"
    assert await judged(data) == ""
    assert await judged(*(data[place : place + 1] for place in range(len(data)))) == ""


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        pytest.param((event(1), event(3), STOP), "event 3 came as number 2", id="a missing event"),
        pytest.param((event(2), event(1), STOP), "event 2 came as number 1", id="events in another order"),
        pytest.param((event(1), event(1), STOP), "event 1 came as number 2", id="an event that came twice"),
        pytest.param((event(1),), "no message_stop after event 1", id="no end"),
    ],
)
async def test_a_stream_that_is_not_as_it_was_sent_is_lost(pieces: tuple[bytes, ...], why: str) -> None:
    assert (await judged(HEAD + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")).startswith(why)


async def test_a_stream_that_breaks_off_or_is_refused_is_lost() -> None:
    assert await judged(HEAD + chunk(event(1))) == "the connection ended (None)"
    refused = b"HTTP/1.1 529 No\r\nContent-Length: 5\r\n\r\n{...}"
    assert (await judged(refused)).startswith("HTTP 529")


def test_a_plan_is_read_out_of_a_request_as_it_was_written() -> None:
    plan = Plan(12.5, 0.0, 16_000, "reset")
    assert found(b'{"messages":[{"content":"%b"}]}' % plan.text().encode()) == plan


GOOD = Report(
    Load(LONG, 10, 2, (1, 2), settled=SETTLED),
    memory={"streams": 1, "bound": 1, "growth": 0, "most": 1},
    blocks={"mean": 1000, "growth": 0},
    descriptors={"begin": 18, "end": 18},
    late={"p99": 1},
)


@pytest.mark.parametrize(
    "change",
    [
        {"lost": ["one"]},
        {"memory": {"streams": 2, "bound": 1, "growth": 0, "most": 1}},
        {"memory": {"streams": 1, "bound": 1, "growth": GROWTH + 1, "most": 1}},
        {"blocks": {"mean": 1000, "growth": 1000 * GROWING_BLOCKS + 1}},
        {"descriptors": {"begin": 18, "end": 19}},
        {"late": {"p99": LATE_P99}},
    ],
    ids=["lost", "memory", "growth", "blocks", "descriptors", "late"],
)
def test_each_bound_that_does_not_hold_is_named(change: dict) -> None:
    assert GOOD.broken() == []
    assert len(replace(GOOD, **change).broken()) == 1
