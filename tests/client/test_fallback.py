"""A session of the real client, in print mode, whose own provider cannot serve it from the middle on.

What is told at the terminal, and the way back to the plan there, is in test_plan_limit.py.
"""

import time
from pathlib import Path
from typing import Final

import pytest

from openclaude.config import PRESETS
from openclaude.simulator.replies import Cut, Ending, Reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, ToolUse, say
from support.printed import operations, outcome, retries, session
from support.product import Home
from support.session import ECHO

pytestmark = pytest.mark.client

FALLBACKS = {"qwen-3-coder": "converse-stream", "opus-on-bedrock": "invoke-with-response-stream"}
"""Names in the configuration, and what is asked of Bedrock for them."""
CLAUDE: Final = """
[[routes]]
match = "opus-on-bedrock"
to = "bedrock"
model = "us.anthropic.claude-opus-5-5"
region = "us-west-2"
"""
LONG = 3600
"""Seconds: longer than the test."""


def config(fallback: str) -> str:
    own = f'to = "anthropic"\nfallback = ["{fallback}"]\n#'
    return PRESETS["mixed"].replace('to    = "anthropic"', own, 1) + CLAUDE


def used_up(seconds: float) -> Fail:
    headers = (
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
        ("anthropic-ratelimit-unified-reset", str(int(time.time() + seconds))),
    )
    return Fail(429, "rate_limit_error", "This request would exceed your rate limit.", headers)


def three_tools(fault: Fail | Reply) -> Script:
    """A task of three tools, one in each turn; from the second turn on Anthropic cannot serve it."""

    def script(ask: Ask) -> Answer | Fail | Reply:
        done = len(ask.outcomes())
        if done and ask.provider == "anthropic":
            return fault
        if done == 3:
            return say(" ".join(result.text for _, result in ask.outcomes()) + f" by {ask.provider}")
        return Answer((ToolUse("Bash", {"command": f"echo heron-{done}", "description": "Say a word"}),))

    return script


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_a_session_whose_plan_is_used_up_in_the_middle_goes_on_at_the_fallback_without_asking_the_plan_again(
    home: Home, project: Path, fallback: str
) -> None:
    with session(home, project, three_tools(used_up(LONG)), text=config(fallback)) as run:
        lines = run.run("count", *ECHO, model="opus")
        anthropic, bedrock = run.anthropic, run.bedrock

    assert (outcome(lines), run.code) == ((False, "heron-0 heron-1 heron-2 by bedrock"), 0)
    assert len(anthropic) == 2
    assert operations(bedrock) == [FALLBACKS[fallback]] * 3
    assert retries(lines) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fail(529, "overloaded_error", "Overloaded"),
        Reply(pieces=(Cut(Ending.RESET),), head=False),
    ],
    ids=["529", "a reset before the answer"],
)
def test_a_provider_that_stumbles_is_asked_once_in_each_turn_and_the_client_repeats_nothing(
    home: Home, project: Path, fault: Fail | Reply
) -> None:
    with session(home, project, three_tools(fault), text=config("opus-on-bedrock")) as run:
        lines = run.run("count", *ECHO, model="opus")
        anthropic, bedrock = run.anthropic, run.bedrock

    assert (outcome(lines), run.code) == ((False, "heron-0 heron-1 heron-2 by bedrock"), 0)
    assert len(anthropic) == 4
    assert operations(bedrock) == ["invoke-with-response-stream"] * 3
    assert retries(lines) == []


def test_a_session_that_is_resumed_after_the_reset_is_the_plans_again(home: Home, project: Path) -> None:
    resets: list[float] = []

    def script(ask: Ask) -> Answer | Fail:
        if ask.provider == "anthropic" and not resets:
            fault = used_up(8)
            resets.append(float(dict(fault.headers)["anthropic-ratelimit-unified-reset"]))
            return fault
        return say(f"answered by {ask.provider}")

    with session(home, project, script, text=config("opus-on-bedrock")) as run:
        first = run.run("count", model="opus")
        time.sleep(max(0.0, resets[0] - time.time()))
        second = run.run("again", "--resume", first[-1]["session_id"], model="opus")
        anthropic, bedrock = run.anthropic, run.bedrock

    assert [outcome(lines) for lines in (first, second)] == [
        (False, "answered by bedrock"),
        (False, "answered by anthropic"),
    ]
    assert (len(anthropic), len(bedrock)) == (2, 1)
    assert "answered by bedrock" in str(anthropic[1].json()["messages"])


def test_when_nobody_can_serve_the_user_reads_the_words_of_the_plan(home: Home, project: Path) -> None:
    def script(ask: Ask) -> Fail:
        if ask.provider == "anthropic":
            return used_up(LONG)
        return Fail(
            403, "AccessDeniedException", "You don't have access to the model with the specified model ID."
        )

    with session(home, project, script, text=config("opus-on-bedrock")) as run:
        lines = run.run("count", model="opus")
        anthropic, bedrock = run.anthropic, run.bedrock

    failed, text = outcome(lines)
    assert text.startswith("You've hit your 5-hour limit · resets ")
    assert (failed, run.code) == (True, 1)
    assert (len(anthropic), len(bedrock)) == (1, 1)
