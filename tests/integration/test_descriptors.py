"""A gateway without a file descriptor left: what is under way goes on, what is new is told to come back."""

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaude.simulator.script import Answer, say
from support.rawhttp import Client
from support.staging import ROUTES, Stage, staged

pytestmark = pytest.mark.xdist_group("descriptors")
WORDS = " ".join(f"word{number}" for number in range(10))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "home") as made:
        yield made


def worker(stage: Stage) -> int:
    running = stage.home.running()
    assert running is not None
    return running.worker


def allow(process: int, files: int) -> int:
    """Let a process have so many descriptors; how many it could have before."""
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (files, hard))
    return soft


def begun(stage: Stage, route: str, gate: threading.Event) -> Client:
    """A stream of which the head has arrived; the end does not come before the gate is open."""
    body = stage.body(route, lambda _: Answer(say(WORDS).parts, gate=gate), stream=True)
    client = Client(stage.gateway)
    client.post("/v1/messages?beta=true", stage.headers(), body)
    assert client.read_head().status == 200
    return client


def test_without_descriptors_streams_go_on_and_new_requests_are_told_to_come_back(own: Stage) -> None:
    with Client(own.gateway) as later:
        later.send(later.head("/api/hello", [], 0, method=b"GET"))
        assert later.read().status == 200
        gate = threading.Event()
        streams = [begun(own, route, gate) for route in ROUTES]
        process = worker(own)
        before = allow(process, 3)
        later.post(
            "/v1/messages?beta=true",
            own.headers(),
            own.body("anthropic", lambda _: say("hello"), stream=True),
        )
        refused = later.read()
        assert refused.status == 529
        assert refused.get("retry-after") == "2"
        assert refused.get("x-should-retry") == "true"
        assert refused.json()["error"]["type"] == "overloaded_error"
        gate.set()
        for stream in streams:
            received = b"".join(stream._chunks())
            assert b"word9" in received
            assert b"event: message_stop" in received
            stream.leave()
        allow(process, before)
        assert own.play("anthropic", lambda _: say("hello"), stream=True).status == 200
        assert worker(own) == process
