"""AWS credentials of the haiku slot that expire under a session of the real client: what is sent, and what its user reads."""

import json
import secrets
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude.config import PRESETS
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.script import Answer, Ask, ToolUse, say
from openclaude.simulator.stories import AGENT_TOOLS, is_agent
from openclaude.simulator.world import World
from support.printed import outcome, retries, session
from support.product import Home
from support.session import ECHO

pytestmark = pytest.mark.client

BY_PROFILE = PRESETS["mixed"].replace('# profile = "openclaude"', 'profile = "dev"')
SSO = """\
[profile dev]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
region = us-west-2

[sso-session company]
sso_region = us-west-2
sso_start_url = https://company.example/start
"""
"""A login that was never made, or has been deleted as expired: there is no token in the cache."""


@dataclass
class Issued:
    """Temporary keys of one session each, which a program hands out, a new one at each run."""

    ids: tuple[str, ...]

    @classmethod
    def by(cls, world: World, home: Home, number: int) -> "Issued":
        folder = home.path / "issued"
        folder.mkdir()
        ids = []
        for each in range(number):
            ids.append("ASIA" + secrets.token_hex(8).upper())
            secret, token = secrets.token_hex(20), secrets.token_hex(40)
            world.add_keys({ids[-1]: (secret, token)})
            document = {
                "Version": 1,
                "AccessKeyId": ids[-1],
                "SecretAccessKey": secret,
                "SessionToken": token,
            }
            (folder / f"{each}.json").write_text(
                json.dumps({**document, "Expiration": "2099-01-01T00:00:00Z"})
            )
        code = f"import pathlib; f = min(pathlib.Path({str(folder)!r}).glob('*')); print(f.read_text()); f.unlink()"
        aws_config(
            home, f"[profile dev]\ncredential_process = {shlex.join([sys.executable, '-ISc', code])}\n"
        )
        return cls(tuple(ids))


def aws_config(home: Home, text: str) -> None:
    (home.path / ".aws").mkdir()
    (home.path / ".aws" / "config").write_text(text)


def signers(rows: tuple[Recorded, ...]) -> list[str]:
    heads = [(row.header("authorization") or b"").decode() for row in rows]
    return [head.partition("Credential=")[2].partition("/")[0] for head in heads]


def test_keys_that_expire_between_two_turns_are_replaced_and_the_user_sees_nothing(
    home: Home, project: Path
) -> None:
    def script(ask: Ask) -> Answer:
        if ask.outcomes():
            return say(f"The tool said {ask.outcomes()[0][1].text}")
        run.world.bedrock.verifier.expired.add(issued.ids[0])
        return Answer((ToolUse("Bash", {"command": "echo heron", "description": "Say a word"}),))

    with session(home, project, script, text=BY_PROFILE) as run:
        issued = Issued.by(run.world, home, 2)
        lines = run.run("count", *ECHO)
        bedrock = run.bedrock

    old, new = issued.ids
    assert signers(bedrock) == [old, old, new]
    assert bedrock[1].body == bedrock[2].body
    assert retries(lines) == []
    assert (outcome(lines), run.code) == ((False, "The tool said heron"), 0)


def test_keys_of_the_shell_that_have_expired_are_tried_again_once_by_the_client_and_named(
    home: Home, project: Path
) -> None:
    """The client sends again once after any 401; the gateway finds the same keys in the shell's environment."""
    with session(home, project, lambda _: say("not reached")) as run:
        run.world.bedrock.verifier.expired.add(run.world.aws_env()["AWS_ACCESS_KEY_ID"])
        lines = run.run("count")
        assert len(run.bedrock) == 2

    failed, text = outcome(lines)
    assert (failed, run.code) == (True, 1)
    assert text.startswith("Failed to authenticate. API Error: 401 ")
    assert "the AWS credentials of this route have expired. hint: renew them" in text
    assert "(their source: the default credential chain, env)" in text


def delegates(ask: Ask) -> Answer:
    """A main model that asks a haiku sub-agent and repeats what came of it."""
    assert not is_agent(ask)
    outcomes = ask.outcomes()
    if outcomes:
        return say(f"The agent: {outcomes[0][1].failed} {outcomes[0][1].text}")
    tool = next(name for name in AGENT_TOOLS if name in ask.tools)
    given = {"description": "Count", "prompt": "Count.", "subagent_type": "general-purpose", "model": "haiku"}
    return Answer((ToolUse(tool, {**given, "run_in_background": False}),))


@pytest.mark.parametrize(
    ("model", "asked", "begins"),
    [("haiku", 0, "Failed to authenticate. API Error: 401 "), ("opus", 2, "The agent: True ")],
    ids=["as the main model", "in a sub-agent"],
)
def test_an_sso_login_that_has_expired_asks_nobody_and_names_the_command(
    home: Home, project: Path, model: str, asked: int, begins: str
) -> None:
    """A session whose main model is another one goes on: its sub-agent is a tool that failed."""
    aws_config(home, SSO)
    with session(home, project, delegates, text=BY_PROFILE) as run:
        lines = run.run("count", model=model)
        anthropic, bedrock = run.anthropic, run.bedrock

    assert (len(anthropic), len(bedrock)) == (asked, 0)
    failed, text = outcome(lines)
    assert (failed, run.code) == ((False, 0) if asked else (True, 1))
    assert text.startswith(begins)
    assert "the AWS SSO login of profile `dev` is missing or has expired" in text
    assert "hint: run `aws sso login --profile dev`; the next request uses it without a restart" in text
