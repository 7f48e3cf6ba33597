"""The gateway's allocator settings, seen from outside: in a process of their own, because they are for good."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from openclaude.edge.memory import GROWING, SOON_SECONDS, TRIM_AT, Trimmer

GROWTH = """
import gc, resource, sys
from openclaude.edge import memory
if sys.argv[1] == "settled":
    memory.settle()
keep = bytes(50_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    body = b"x".join((keep, keep))
    answer = b"x".join((body, keep))
    del body, answer
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, gc.get_threshold()[0], gc.get_freeze_count())
"""


def counted(how: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", GROWTH, how], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's; CI runs on Linux")
def test_buffers_are_not_mapped_anew_for_every_body() -> None:
    faults, threshold, frozen = counted("settled")
    assert faults * 10 < counted("as it is")[0]
    assert threshold > 700
    assert frozen > 1000


class Process:
    """A process whose memory a test sets; giving back makes it as small as it was."""

    def __init__(self) -> None:
        self.bytes = 20 * 1024 * 1024
        self.trims = 0

    def trim(self) -> None:
        self.trims += 1
        self.bytes = 22 * 1024 * 1024


def test_memory_is_given_back_when_there_is_enough_of_it_and_not_before() -> None:
    process = Process()
    trimmer = Trimmer(lambda: process.bytes, process.trim)
    trimmer.look()
    process.bytes += TRIM_AT - 1
    trimmer.look()
    assert process.trims == 0
    process.bytes += 1
    trimmer.look()
    assert process.trims == 1
    trimmer.look()
    assert process.trims == 1
    process.bytes = 22 * 1024 * 1024 + TRIM_AT
    trimmer.look()
    assert process.trims == 2


def test_what_a_busy_time_leaves_is_given_back_once_it_is_over() -> None:
    process, waiting = Process(), [1]
    trimmer = Trimmer(lambda: process.bytes, process.trim, lambda: not waiting)
    process.bytes += TRIM_AT
    trimmer.look()
    left = process.bytes + TRIM_AT - 1
    process.bytes = left
    trimmer.look()
    assert process.trims == 1
    waiting.clear()
    trimmer.look()
    assert process.trims == 2
    process.bytes = left
    trimmer.look()
    assert process.trims == 2


class Time:
    """What is planned for later runs when a test says so."""

    def __init__(self) -> None:
        self.planned: list[Callable[[], None]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == SOON_SECONDS
        self.planned.append(call)

    def passes(self) -> None:
        planned, self.planned = self.planned, []
        for call in planned:
            call()


def test_holes_of_a_burst_are_given_back_as_soon_as_it_is_over_and_while_its_streams_are_open() -> None:
    process, time = Process(), Time()
    trimmer = Trimmer(lambda: process.bytes, process.trim)
    for _ in range(50):
        trimmer.soon(time.later)
    assert len(time.planned) == 1
    for _ in range(4):
        process.bytes += TRIM_AT
        time.passes()
        assert process.trims == 0  # it grows: what there is is in use
    time.passes()
    assert process.trims == 1
    process.bytes += TRIM_AT  # the rest of a burst that had only paused
    time.passes()
    time.passes()
    assert process.trims == 2
    time.passes()
    assert not time.planned
    trimmer.soon(time.later)
    process.bytes += GROWING - 1
    time.passes()
    assert process.trims == 2
    assert not time.planned


HOLES = """
from openclaude.edge import memory
memory.settle()
trimmer = memory.Trimmer()
kept = [(bytearray(200_000), bytearray(5_000)) for _ in range(400)]
kept = [small for _, small in kept]
before = memory._resident()
trimmer.look()
print(before - memory._resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's; CI runs on Linux")
def test_holes_between_what_is_kept_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000
