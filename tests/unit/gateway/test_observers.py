from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.access import AccessRecord
from openclaude.gateway.observers import UsageMeter

STREAM = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":12,"output_tokens":1}}}\n\n'
    + b"x" * 9000
    + b'event: message_delta\ndata: {"usage": {"output_tokens": 345}}\n\nevent: message_stop\ndata: {}\n\n'
)


def counts(*pieces: bytes) -> tuple[int | None, int | None]:
    """What stands in the log of an answer that comes in these pieces."""
    meter = UsageMeter(pieces[0])
    for piece in pieces[1:]:
        meter.see(piece)
    record = AccessRecord("req_oc_test", "messages")
    meter.note(record)
    return record.input_tokens, record.output_tokens


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_usage_is_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert counts(*(STREAM[start:end] for start, end in pairwise(places))) == (12, 345)


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
