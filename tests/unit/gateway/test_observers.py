from collections.abc import Collection
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openclaude.domain.access import AccessRecord
from openclaude.gateway.observers import HEAD, TAIL, note_usage, usage_of
from support.gateway import Gateway

STREAM = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":12,"output_tokens":1}}}\n\n'
    + b"x" * 9000
    + b'event: message_delta\ndata: {"usage": {"output_tokens": 345}}\n\nevent: message_stop\ndata: {}\n\n'
)


def counts(*pieces: bytes, passing: Collection[int] = ()) -> tuple[int | None, int | None]:
    """What stands in the log of an answer that comes in these pieces, some of which pass as chunks."""
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    call.receiver.head(200, [], None)
    for place, piece in enumerate(pieces):
        if place in passing and piece:
            call.chunk(piece)
        else:
            call.receiver.data(piece)
    call.receiver.complete()
    assert gateway.client.body == b"".join(pieces)
    assert gateway.log.records[0].bytes_out == len(gateway.client.body)
    return gateway.log.records[0].input_tokens, gateway.log.records[0].output_tokens


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
@example([4096])
@example([4095, 4097])
@example([40, len(STREAM) - 60, len(STREAM) - 10])
def test_usage_is_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert counts(*(STREAM[start:end] for start, end in pairwise(places))) == (12, 345)


@given(
    st.lists(st.integers(0, len(STREAM)), max_size=60), st.sets(st.integers(0, 60)) | st.just(set(range(99)))
)
@example([60], {0, 1})
@example(list(range(0, len(STREAM), 13)), set(range(5, 700)))
def test_usage_and_size_are_the_same_whichever_pieces_pass_as_chunks(
    cuts: list[int], passing: set[int]
) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]
    assert counts(*pieces, passing=passing) == (12, 345)


@pytest.mark.parametrize("before", range(1900, 4200, 37))
def test_counts_that_end_a_whole_answer_are_seen_wherever_its_pieces_meet(before: int) -> None:
    whole = b'{"text":"' + b"x" * before + b'","usage":{"input_tokens":12345,"output_tokens":678}}'
    for cut in range(len(whole) - 60, len(whole)):
        assert counts(whole[:cut], whole[cut:]) == (12345, 678)


def test_counts_are_seen_in_answers_of_many_small_events() -> None:
    start, _, rest = STREAM.partition(b"x")
    assert counts(start, *[b"y" * 97] * 300, rest[-110:]) == (12, 345)


def test_an_answer_without_usage_has_none() -> None:
    assert counts(b'{"type":"error"}') == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'"input_tokens":1,"output_tokens":2,"input_tokens" : 3', (3, 2)),
        (b'"input_tokens":1,"output_tokens":2,"output_tokens":null', (1, 2)),
        (b'"output_tokens":2', (0, 2)),
        (b'"input_tokens":2,"output_tok', (2, 0)),
        (b'"text":"\\"input_tokens\\": 7"', (None, None)),
        (b'"cache_read_input_tokens":7', (None, None)),
    ],
    ids=["the last ones count", "null is no count", "no input", "cut off", "in a text", "of a cache"],
)
def test_counts_are_those_of_the_usage(text: bytes, expected: tuple[int | None, int | None]) -> None:
    record = AccessRecord("req_oc_test", "messages")
    note_usage(record, text)
    assert (record.input_tokens, record.output_tokens) == expected


PIECES = st.sampled_from(
    [
        b'"input_tokens"',
        b'"output_tokens"',
        b":",
        b" : ",
        b"12",
        b"007",
        b"null",
        b'"cache_read_input_tokens":9,',
    ]
) | st.integers(1, HEAD + TAIL).map(lambda size: b" " * size)


@given(st.lists(PIECES, max_size=20).map(b"".join))
@example(b'"input_tokens":1,"output_tokens":2')
@example(b'"input_tokens":1' + b" " * HEAD + b'"output_tokens":2')
@example(b'"output_tokens":2' + b" " * HEAD + b'"output_tokens":')
def test_the_counts_of_a_whole_answer_are_those_of_its_first_and_last_bytes(answer: bytes) -> None:
    record = AccessRecord("req_oc_test", "messages")
    note_usage(record, answer[:HEAD])
    if len(answer) > HEAD:
        note_usage(record, answer[-TAIL:])
    assert usage_of(answer) == (record.input_tokens, record.output_tokens)


def test_of_an_answer_that_the_client_leaves_the_log_has_what_was_said_so_far() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5", stream=True)
    assert call is not None
    call.receiver.head(200, [], None)
    call.receiver.data(STREAM[:200])
    gateway.exchange.client_left()
    record = gateway.log.records[0]
    assert (record.outcome, record.input_tokens, record.output_tokens) == ("client_left", 12, 1)
