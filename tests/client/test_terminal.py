"""The client's own interface, at a terminal."""

import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from openclaude.demo.oracle import holds
from openclaude.simulator.script import Answer, Ask, Text, say
from openclaude.simulator.stories import is_background
from openclaude.simulator.world import World
from support.product import OPENCLAUDE, Home, gateway_for
from support.session import TRAFFIC, configure, trust, with_client
from support.terminal import CTRL_C, ENTER, Terminal

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-terminal")]

TITLE = "Herons at dawn"
PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


@pytest.fixture
def words() -> str:
    """What the model answers: found on the screen only if it came from the simulator."""
    return f"heron-{token_hex(6)}"


@pytest.fixture
def world(words: str) -> Iterator[World]:
    def model(ask: Ask) -> Answer:
        if is_background(ask):
            return say(json.dumps({"title": TITLE}))
        return Answer((Text(words),))

    with World(model, keep_raw=True) as running:
        yield running


def log_lines(home: Home, *fields: str) -> list[str]:
    lines = (home.state_home / "logs" / "gateway.log").read_text().splitlines()
    return [line for line in lines if all(field in line.split() for field in fields)]


def test_a_session_at_the_terminal_talks_to_both_routes_and_ends(
    home: Home, project: Path, world: World, words: str
) -> None:
    """With the traffic a user has: the client probes the quota and asks for a title, both in the haiku slot.

    The title is structured output; the window has its name from it.
    """
    configure(home)
    trust(home, project)
    env = {name: value for name, value in with_client(home, world.aws_env()).items() if name != TRAFFIC}
    command = [*OPENCLAUDE, "--model", "opus", "--permission-mode", "default"]
    with gateway_for(home, world), Terminal(command, env=env, cwd=project) as terminal:
        terminal.wait_for(lambda text: "Claude Code" in text and PROMPT in text)
        terminal.type("where are the herons")
        terminal.wait_for(lambda text: "where are the herons" in text)
        terminal.type(ENTER)
        terminal.wait_for(lambda text: words in text)
        world.wait_for(lambda rows: any(row.server == "bedrock" for row in rows))
        terminal.wait_for(lambda _: TITLE in terminal.screen.title)
        terminal.wait_for(lambda text: "esc to interrupt" not in text)
        code = terminal.press_until_end(CTRL_C)  # one press asks for another

    titles = [row for row in world.requests() if row.server == "bedrock"]
    assert code == 0
    assert [row.values("authorization") for row in world.log.requests("anthropic")] == [
        (f"Bearer {home.login}".encode(),)
    ]
    assert len(titles) == 1
    assert "where are the herons" in json.dumps(titles[0].json()["messages"])
    wanted = titles[0].json()["outputConfig"]["textFormat"]
    assert wanted["type"] == "json_schema"
    assert list(json.loads(wanted["structure"]["jsonSchema"]["schema"])["properties"]) == ["title"]
    # The probe is one user message, "quota", for one token: answered here, with no provider asked.
    assert '"text": "quota"' not in json.dumps([row.json() for row in titles])
    probes = [line for line in log_lines(home, "slot=haiku", "status=200") if "credential=" not in line]
    assert len(probes) == 1
    assert not holds(b"\0".join(world.log.wires("bedrock")), home.login)
