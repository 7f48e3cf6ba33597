"""The gateway's allocator settings, seen from outside: in a process of their own, because they are for good."""

import subprocess
import sys

import pytest

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
