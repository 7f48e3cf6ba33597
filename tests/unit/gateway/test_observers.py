from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from openclaude.gateway.observers import Observer, UsageMeter, watch

STREAM = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":12,"output_tokens":1}}}\n\n'
    + b"x" * 9000
    + b'event: message_delta\ndata: {"usage": {"output_tokens": 345}}\n\nevent: message_stop\ndata: {}\n\n'
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_usage_is_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    meter = UsageMeter()
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        meter.see(STREAM[start:end])
    usage = meter.usage()
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (12, 345)


def test_an_answer_without_usage_has_none() -> None:
    meter = UsageMeter()
    meter.see(b'{"type":"error"}')
    assert meter.usage() is None


def test_an_observer_that_raises_is_dropped_and_the_others_go_on() -> None:
    seen: list[bytes] = []

    class Broken:
        def see(self, data: bytes) -> None:
            raise RuntimeError

    class Fine:
        def see(self, data: bytes) -> None:
            seen.append(data)

    observers: list[Observer] = [Broken(), Fine()]
    watch(observers, b"one")
    watch(observers, b"two")
    assert seen == [b"one", b"two"]
    assert len(observers) == 1
