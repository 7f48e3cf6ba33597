"""A disk that takes nothing more, a log folder that is gone, a worker that ends meanwhile: requests go on.

A limit of the size of files stands for the full disk: the kernel refuses writes to a file in the same way, to root as well.
"""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaude.simulator.script import say
from support.house import until
from support.staging import ROUTES, Stage, staged

pytestmark = pytest.mark.xdist_group("full-disk")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    """A stage of the test's own: its gateway is harmed."""
    with staged(tmp_path / "home") as made:
        yield made


def most_file_bytes(process: int, size: int) -> None:
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


def fill(process: int) -> None:
    most_file_bytes(process, 0)


def free(process: int) -> None:
    most_file_bytes(process, resource.RLIM_INFINITY)


def asked(stage: Stage, *, streams: int = 2) -> list[tuple[int, bool, bool]]:
    """Requests on both routes: their status, whether they came whole, and whether they say what they should."""
    found = []
    for route in ROUTES:
        for number in range(streams):
            answer = stage.play(route, lambda _: say("words of an answer"), stream=number % 2 == 0)
            found.append((answer.status, answer.whole, b"answer" in answer.body))
    return found


FINE = [(200, True, True)] * 4


def worker(stage: Stage) -> int:
    running = stage.home.running()
    assert running is not None
    return running.worker


def served(stage: Stage, count: int) -> None:
    """A request's line is written when its answer is out: the client may have it a moment earlier."""

    def enough() -> bool:
        running = stage.home.running()
        return running is not None and running.served == count

    until(f"{count} requests are over", enough)


def test_on_a_full_disk_requests_go_on_and_the_log_says_afterwards_what_it_lost(own: Stage) -> None:
    log = own.home.state().log_file
    assert asked(own) == FINE
    until("four requests are logged", lambda: log.read_text().count(" request=") == 4)
    before = log.read_bytes()
    fill(worker(own))
    assert asked(own) == FINE
    served(own, 8)
    assert log.read_bytes() == before
    free(worker(own))
    assert asked(own) == FINE
    served(own, 12)
    lines = log.read_bytes().removeprefix(before).decode().splitlines()
    assert lines[0].endswith(" event=log-lines-lost lines=4")
    assert len(lines) == 1 + 4


def test_without_a_place_for_the_log_requests_go_on_and_it_is_written_again_when_there_is_one(
    own: Stage,
) -> None:
    folder = own.home.state().log_file.parent
    assert asked(own) == FINE
    folder.rename(folder.with_name("elsewhere"))
    folder.touch(0o600)  # into a read-only folder root could write
    until("the log's file is let go of", lambda: asked(own) == FINE and not _open_at(own, "elsewhere"))
    assert asked(own) == FINE
    folder.unlink()
    folder.mkdir(0o700)
    assert asked(own) == FINE
    assert "event=log-lines-lost lines=" in own.home.state().log_file.read_text()


def _open_at(stage: Stage, name: str) -> bool:
    """Whether the next line still goes to the folder of this name."""
    log = stage.home.state_home / name / "gateway.log"
    before = log.stat().st_size
    asked(stage)
    return log.stat().st_size > before


def test_on_a_full_disk_a_worker_that_ends_is_replaced_all_the_same(own: Stage) -> None:
    old = worker(own)
    fill(own.gateway.running.pid)
    fill(old)
    os.kill(old, signal.SIGKILL)
    until("the worker is gone", lambda: not Path(f"/proc/{old}").exists())
    assert asked(own) == FINE
    assert worker(own) != old
