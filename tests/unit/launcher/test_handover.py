"""How a supervisor puts one worker in the place of another, and who is asked meanwhile: the workers are played by the test."""

import json
import os
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher import callers
from openclaude.launcher.control import HANDOVER_SECONDS
from openclaude.launcher.supervisor import AWAITED, DRAIN_GRACE, Supervisor
from openclaude.launcher.workers import Settings, Start, Worker

Said = dict[str, Any]
NAME = "0123456789ab"


class Played:
    """A worker: what the supervisor sent to it, and what it says, which the supervisor hears at once."""

    def __init__(self, supervisor: Supervisor, start: Start) -> None:
        self.start = start
        ours, self._end = socket.socketpair()
        self._end.setblocking(False)
        self._supervisor = supervisor
        pid = os.posix_spawnp("true", ["true"], {})  # what is left of it when it has ended
        self.worker = Worker(pid, ours, time.monotonic())
        self._buffer = b""

    def heard(self) -> list[Said]:
        """What was sent to it since it was looked at last."""
        try:
            self._buffer += self._end.recv(1 << 20)
        except BlockingIOError:
            return []
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def says(self, **message: Any) -> None:
        self._end.sendall(json.dumps(message).encode() + b"\n")
        self._supervisor._from_worker(self.worker)

    def ready(self) -> None:
        self.says(event="ready")

    def ends(self) -> None:
        self._end.close()
        self._supervisor._from_worker(self.worker)


class Scene:
    """A supervisor with one worker that serves; `said` is what it would tell the user."""

    def __init__(self, folder: Path) -> None:
        self.workers: list[Played] = []
        self.answers: list[Said] = []
        self.said: list[str] = []
        self._callers: list[socket.socket] = []
        self.supervisor = Supervisor(
            callers.bind(folder),
            spawn=self._spawn,
            load=lambda: Settings({}, 0.0),
            lingers=False,
            announce=lambda: None,
            complain=self.said.append,
        )
        self.supervisor._start_worker("", "")
        self.workers[0].ready()

    def _spawn(self, start: Start) -> Worker:
        self.workers.append(Played(self.supervisor, start))
        return self.workers[-1].worker

    def restarted(self) -> tuple[Played, Played, Said]:
        """A restart up to the moment in which both workers serve: the one before, the next one, and what the first was told."""
        self.supervisor._restart("", self.answers.append)
        before, after = self.workers
        after.ready()
        (told,) = before.heard()
        return before, after, told

    def asks(self, **request: Any) -> list[Said]:
        """What a caller of the control socket asks, and where its answer will be."""
        answers: list[Said] = []
        self.supervisor._ask(request, answers.append)
        return answers

    def caller(self) -> socket.socket:
        """Somebody who is connected to the control socket."""
        ours, theirs = socket.socketpair()
        self._callers.append(theirs)
        self.supervisor._selector.register(ours, selectors.EVENT_READ)
        return ours

    def session(self) -> socket.socket:
        """A session of the one worker; it ends with its caller."""
        caller = self.caller()
        self.supervisor._open_session(caller, {"aws": {"AWS_PROFILE": "one"}})
        (asked,) = self.workers[0].heard()
        self.workers[0].says(id=asked["id"], session=NAME)
        return caller

    def close(self) -> None:
        self.supervisor._stopping = True
        for caller in self._callers:
            caller.close()
        self.supervisor._callers.close()
        for played in self.workers:
            if played.worker in self.supervisor._workers:
                played.ends()
        self.supervisor._selector.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_a_restart_is_done_when_the_worker_before_has_said_that_it_lets_nobody_in(scene: Scene) -> None:
    before, after, told = scene.restarted()
    assert told == {"id": 1, "op": "drain", "grace": DRAIN_GRACE, "awaited": AWAITED}
    assert scene.answers == []
    before.says(id=1, draining=True)
    assert scene.answers == [{"restarted": True, "pid": os.getpid(), "worker": after.worker.pid, "silent": 0}]
    assert scene.supervisor._patience() > 1  # nothing more is waited for


def test_a_restart_says_so_when_the_worker_before_does_not_answer(scene: Scene) -> None:
    before, after, _ = scene.restarted()
    assert 0 < scene.supervisor._patience() <= HANDOVER_SECONDS
    scene.supervisor._tick()
    assert scene.answers == []
    scene.supervisor._handover_until = time.monotonic()
    scene.supervisor._tick()
    assert [answer["silent"] for answer in scene.answers] == [before.worker.pid]
    before.says(id=1, draining=True)  # too late
    assert len(scene.answers) == 1
    assert scene.supervisor._current is after.worker


def test_a_restart_says_so_when_the_doors_of_the_worker_before_could_not_be_shut(scene: Scene) -> None:
    before, _, _ = scene.restarted()
    before.says(id=1, error="it did not work")
    assert [answer["silent"] for answer in scene.answers] == [before.worker.pid]


def test_the_end_of_the_worker_before_is_as_good_as_its_word(scene: Scene) -> None:
    before, after, _ = scene.restarted()
    before.ends()
    assert [answer["silent"] for answer in scene.answers] == [0]
    assert scene.supervisor._current is after.worker
    assert after.heard() == []  # above all not that it should let nobody in
    assert scene.said == []


def test_when_the_next_worker_ends_while_it_takes_over_another_one_is_started(scene: Scene) -> None:
    before, after, _ = scene.restarted()
    asked = scene.asks(op="status")
    after.ends()
    assert "ended at once" in scene.answers[0]["error"]
    scene.supervisor._tick()
    third = scene.workers[2]
    third.ready()
    (status,) = third.heard()
    third.says(id=status["id"], served=0)
    assert asked == [{"served": 0}]
    assert len(scene.said) == 1
    scene.supervisor._restart("", scene.answers.append)
    scene.workers[3].ready()
    before.says(id=1, draining=True)  # the word of the third is waited for, and not of the first
    assert len(scene.answers) == 1


def test_when_the_next_worker_does_not_start_nothing_changes(scene: Scene) -> None:
    scene.supervisor._restart("", scene.answers.append)
    before, after = scene.workers
    after.ends()
    assert "ended at once" in scene.answers[0]["error"]
    assert scene.supervisor._current is before.worker
    assert (before.heard(), scene.said) == ([], [])


def test_what_callers_ask_while_one_worker_takes_over_is_asked_of_the_next(scene: Scene) -> None:
    before, after, _ = scene.restarted()
    asked = scene.asks(op="status")
    assert (before.heard(), after.heard()) == ([], [])
    before.says(id=1, draining=True)
    (status,) = after.heard()
    assert status["op"] == "status"
    after.says(id=status["id"], served=0)
    assert asked == [{"served": 0}]


def test_what_the_worker_before_left_unanswered_is_asked_of_the_next(scene: Scene) -> None:
    asked = scene.asks(op="status")
    scene.supervisor._restart("", scene.answers.append)
    before, after = scene.workers
    after.ready()
    scene.supervisor._hand_over(confirmed=False)
    (status,) = after.heard()
    before.says(id=1, served=7)  # too late
    after.says(id=status["id"], served=0)
    assert asked == [{"served": 0}]


def test_the_next_worker_hears_of_doors_and_sessions_that_changed_while_it_started(scene: Scene) -> None:
    """The worker before answers what it was asked first; nothing of it may be lost."""
    session = scene.session()
    scene.supervisor._restart("", scene.answers.append)
    before, after = scene.workers
    assert [request["aws"] for request in after.start.sessions] == [{"AWS_PROFILE": "one"}]
    scene.supervisor._callers.hang_up(session)
    scene.supervisor._serve(scene.caller(), {"op": "open", "door": "http"})
    after.ready()
    over, door, drain = before.heard()
    assert (over["op"], door["op"], drain["op"]) == ("session-end", "open", "drain")
    before.says(id=door["id"], port=1)
    before.says(id=drain["id"], draining=True)
    assert [(each["op"], each.get("name"), each.get("door")) for each in after.heard()] == [
        ("session-end", NAME, None),
        ("open", None, "http"),
    ]


def test_a_session_is_known_to_the_next_worker_before_its_client_is_let_go(scene: Scene) -> None:
    """The client's first connection may be taken by either."""
    scene.supervisor._restart("", scene.answers.append)
    before, after = scene.workers
    answered = scene.session()
    (told,) = after.heard()
    assert (told["op"], told["aws"]) == ("session", {"AWS_PROFILE": "one"})
    assert answered in scene.supervisor._callers._held
    after.ready()
    (drain,) = before.heard()
    before.says(id=drain["id"], draining=True)
    assert after.heard() == []  # it has two holders otherwise, and never ends


def test_a_session_that_ends_while_one_worker_takes_over_ends_once(scene: Scene) -> None:
    session = scene.session()
    before, after, drain = scene.restarted()
    scene.supervisor._callers.hang_up(session)
    before.says(id=drain["id"], draining=True)
    assert [each["op"] for each in after.heard()] == ["session-end"]


def test_a_session_that_ends_while_a_crashed_worker_is_replaced_ends_once(scene: Scene) -> None:
    session = scene.session()
    scene.workers[0].ends()
    scene.supervisor._tick()
    scene.supervisor._callers.hang_up(session)
    after = scene.workers[1]
    after.ready()
    assert [each["op"] for each in after.heard()] == ["session-end"]


def test_a_worker_that_was_told_to_go_before_it_was_ready_is_not_asked(scene: Scene) -> None:
    """It was started in the place of one that crashed during a restart, and the restart's own was ready first."""
    scene.supervisor._restart("", scene.answers.append)
    crashed, after = scene.workers
    crashed.ends()
    scene.supervisor._tick()
    late = scene.workers[2]
    after.ready()
    scene.supervisor._hand_over(confirmed=False)  # it takes long to start
    late.ready()
    assert scene.supervisor._current is after.worker
    assert len(scene.answers) == 1
