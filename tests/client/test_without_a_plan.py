"""The real client in the all-bedrock set-up: every tier a Claude on Bedrock, and no Claude login anywhere."""

import shutil
import subprocess
from pathlib import Path

import pytest

from openclaude.config import PRESETS
from openclaude.simulator.script import Answer, Ask, Thinking, ToolUse, say
from openclaude.simulator.world import World
from support.product import OPENCLAUDE, Home, gateway_for
from support.session import ECHO, configure, with_client

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-without-a-plan")]

WORD = "openclaude-tool-word"


def story(ask: Ask) -> Answer:
    """Think, run a tool, say what it returned."""
    outcomes = ask.outcomes()
    if "Bash" not in ask.tools:
        return say("ok")
    if not outcomes:
        return Answer((Thinking("a tool", "c2lnbmVk"), ToolUse("Bash", {"command": f"echo {WORD}"})))
    return say(f"{ask.model} read {outcomes[0][1].text}")


@pytest.mark.parametrize("logged_in", [False, True], ids=["no login", "a stored login"])
def test_a_whole_session_runs_on_bedrock_and_no_login_leaves_the_client(
    home: Home, project: Path, logged_in: bool
) -> None:
    if not logged_in:
        shutil.rmtree(home.path / ".claude")
    configure(home, text=PRESETS["all-bedrock"])
    with World(story, keep_raw=True) as world, gateway_for(home, world):
        done = subprocess.run(
            [*OPENCLAUDE, "-p", "Use your tool.", "--model", "opus", *ECHO],
            env={**with_client(home), **world.aws_env()},
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"us.anthropic.claude-opus-5-5 read {WORD}" in done.stdout
        rows = world.requests()
        assert {row.server for row in rows} == {"bedrock"}
        assert rows[-1].json()["messages"][1]["content"][0]["signature"] == "c2lnbmVk"
        assert not any(home.login.encode() in wire for wire in world.log.wires("bedrock"))
