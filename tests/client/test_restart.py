"""`openclaude restart` while sessions of the real client are in the middle of an answer: none of it is asked for twice."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from openclaude.simulator.script import Answer, Ask, Script, ToolUse, say
from openclaude.simulator.world import World
from support.hostile import free_port
from support.house import until
from support.product import Home, gateway_for
from support.session import ECHO, configure
from support.streaming import sessions

pytestmark = pytest.mark.client

MODELS = ("opus", "haiku")
LONG = "heron " * 40


def standing_still(gate: threading.Event) -> Script:
    """A long text, which waits in the middle, and a tool call; after its result the end."""

    def script(ask: Ask) -> Answer:
        if ask.outcomes():
            return say(f"The tool said {ask.outcomes()[0][1].text}")
        call = ToolUse("Bash", {"command": "echo heron", "description": "Say a word"})
        return Answer((*say(LONG).parts, call), gate=gate)

    return script


def test_streams_of_both_routes_end_whole_and_the_next_turn_is_the_new_workers(
    home: Home, project: Path
) -> None:
    port = (
        free_port()
    )  # restart keeps the port, and with it the simulators, only where it is the configured one
    configure(home, port=port)
    gate = threading.Event()
    with (
        World(standing_still(gate), keep_raw=True) as world,
        gateway_for(home, world, port=port),
        sessions(home, project, world.aws_env(), MODELS, *ECHO) as started,
    ):
        for each in started:
            until(f"{each.errand} streams", each.shows_text)
        before = home.running()
        done = home.run("restart")
        assert done.returncode == 0, done.stderr
        after = home.running()
        assert [row.finished for row in world.requests()] == [None] * 2
        gate.set()
        ends = [each.ended() for each in started]
        lines = [each.lines() for each in started]
        asked = Counter(row.server for row in world.requests())

    assert before is not None
    assert after is not None
    assert (before.pid, before.port) == (after.pid, after.port)
    assert before.worker != after.worker
    assert ends == [(0, False, "The tool said heron")] * 2
    assert asked == {"anthropic": 2, "bedrock": 2}
    assert not any(line.get("subtype") == "api_retry" for each in lines for line in each)
