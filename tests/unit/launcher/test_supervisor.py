"""What a supervisor decides, without a worker: when the next one starts, and when nobody needs one any more."""

import time
from collections.abc import Iterator
from pathlib import Path
from socket import socketpair

import pytest

from openclaude.launcher import callers
from openclaude.launcher.supervisor import Supervisor
from openclaude.launcher.workers import Held, Settings, Start, Worker

LINGER = 1800.0
UNUSED = {"in_flight": 0, "connections": 0}


class Scene:
    """A supervisor whose workers are only written down."""

    def __init__(self, folder: Path) -> None:
        self.control = callers.bind(folder)
        self.said: list[str] = []
        self.supervisor = Supervisor(
            self.control,
            spawn=self._spawn,
            load=lambda: Settings({}, LINGER),
            lingers=True,
            announce=lambda: None,
            complain=self.said.append,
        )
        self.supervisor._wanted = True

    def _spawn(self, start: Start) -> Worker:
        raise AssertionError(start)

    def crash(self) -> float:
        """A worker that served ends; the seconds for which the next one is waited with, at least."""
        ours, theirs = socketpair()
        before = time.monotonic()
        with ours, theirs:
            self.supervisor._crashed(Worker(1, ours, before, ready=True), 9)
        at = self.supervisor._respawn_at
        assert at is not None
        return at - before

    def unused(self, seconds: float) -> None:
        self.supervisor._used = self.supervisor._asked_at = time.monotonic() - seconds


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    if not made.supervisor._stopping:
        made.supervisor._callers.close()
    made.supervisor._selector.close()


def test_after_a_first_crash_nothing_is_waited_for(scene: Scene) -> None:
    scene.crash()
    assert scene.supervisor._patience() == 0.0
    assert scene.said == ["the gateway's worker has ended (signal 9); another one takes its place"]


def test_after_further_crashes_the_next_worker_is_waited_with_longer_and_longer(scene: Scene) -> None:
    scene.crash()
    assert scene.crash() >= 0.4
    assert scene.crash() >= 0.8


def test_a_gateway_that_is_not_used_ends_by_its_workers_word(scene: Scene) -> None:
    scene.unused(LINGER + 1)
    scene.supervisor._note_use(UNUSED)
    assert scene.supervisor._stopping


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [
        pytest.param(LINGER + 60, {"in_flight": 0, "connections": 1}, id="a connection"),
        pytest.param(LINGER + 60, {"in_flight": 1, "connections": 0}, id="a request"),
        pytest.param(LINGER - 60, UNUSED, id="not for long enough"),
    ],
)
def test_a_gateway_that_somebody_may_still_use_goes_on(scene: Scene, seconds: float, answer: dict) -> None:
    scene.unused(seconds)
    scene.supervisor._note_use(answer)
    assert not scene.supervisor._stopping


def test_a_session_that_began_while_the_worker_was_asked_keeps_the_gateway(scene: Scene) -> None:
    scene.unused(LINGER + 1)
    scene.supervisor._held.append(Held("one", {}))
    scene.supervisor._note_use(UNUSED)
    assert not scene.supervisor._stopping


def test_a_worker_that_is_late_with_its_word_is_waited_for(scene: Scene) -> None:
    scene.unused(LINGER + 1)
    scene.supervisor._tick()
    assert [request for request, _ in scene.supervisor._waiting] == [{"op": "status"}]
    assert not scene.supervisor._stopping
