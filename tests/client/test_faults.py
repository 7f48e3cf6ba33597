"""The faults the real client meets most, on both routes: how often each provider is asked, and what the user sees.

The client has a ladder of its own, about three minutes long; `CLAUDE_CODE_MAX_RETRIES` shortens it here. Numbers of
requests are exact, but where a bound says that the client's own choice is left open.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude.simulator.replies import Cut, Ending, Reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, Text, ToolUse, say
from openclaude.simulator.stories import AGENT_TOOLS, is_agent
from support.printed import operations, outcome, retries, said, session
from support.product import Home
from support.session import with_client

pytestmark = pytest.mark.client

GOOD = "a whole heron"
PLAN_IS_OVER = (
    ("anthropic-ratelimit-unified-status", "rejected"),
    ("anthropic-ratelimit-unified-reset", str(int(time.time()) + 3600)),
    ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
)
OVER = Fail(429, "rate_limit_error", "This request would exceed your rate limit.", PLAN_IS_OVER)
SLOW = "slow down"
LIMITED = f"API Error: Server is temporarily limiting requests (not your usage limit) · {SLOW}"
OVERLOADED = "API Error: 529 Overloaded. This is a server-side issue, usually temporary"
RESET = Reply(pieces=(Cut(Ending.RESET),), head=False)
HALF = "half of a heron, and some more of it"
CUT = Answer((Text(HALF),), cut_after=5, cut_with=(Cut(Ending.RESET),))
CLOSED = "closed the connection before the answer was complete. hint: check the network"


def limited(*headers: tuple[str, str]) -> Fail:
    return Fail(429, "rate_limit_error", SLOW, headers)


def overloaded(*headers: tuple[str, str]) -> Fail:
    return Fail(529, "overloaded_error", "Overloaded", headers)


def meets(fault: Answer | Fail | Reply, times: int) -> Script:
    """A model that is well again after so many faults."""
    return lambda ask: fault if ask.number < times else say(GOOD)


@dataclass(frozen=True)
class Case:
    """A fault and what comes of it.

    Attributes:
        sent: requests at the provider.
        told: the status behind each repetition that the client announces; None where an answer broke off.
        ends: what the user reads at last, or a part of it; without it, the answer.
        times: how often the provider fails.
        most: how often the client may repeat a request.
    """

    fault: Answer | Fail | Reply
    sent: int
    told: tuple[int | None, ...] = ()
    ends: str = GOOD
    times: int = 99
    most: int = 2


ANTHROPIC = {
    "429 because the plan is used up": Case(OVER, 1, ends="You've hit your 5-hour limit · resets "),
    "429": Case(limited(), 3, (429, 429), LIMITED),
    "429 once": Case(limited(), 2, (429,), times=1),
    "429 once, with a wait": Case(limited(("retry-after", "1")), 2, (429,), times=1),
    "429 with a wait longer than the client's": Case(limited(("retry-after", "600")), 1, ends=LIMITED),
    "429 that no repetition helps": Case(limited(("x-should-retry", "false")), 1, ends=LIMITED),
    "529": Case(overloaded(), 3, (529, 529), OVERLOADED),
    "529 once": Case(overloaded(), 2, (529,), times=1),
    "529 that no repetition helps": Case(overloaded(("x-should-retry", "false")), 1, ends=OVERLOADED),
    "a reset before the answer": Case(RESET, 3, (502, 502), CLOSED),
    "a reset before the answer, once": Case(RESET, 2, (502,), times=1),
    "a reset in mid-stream, once": Case(CUT, 2, (None,), times=1),
}


@pytest.mark.parametrize("case", ANTHROPIC.values(), ids=ANTHROPIC)
def test_on_the_anthropic_route_every_repetition_is_the_clients(
    home: Home, project: Path, case: Case
) -> None:
    with session(home, project, meets(case.fault, case.times)) as run:
        lines = run.run("count", model="opus", env={"CLAUDE_CODE_MAX_RETRIES": str(case.most)})
        anthropic, bedrock = run.anthropic, run.bedrock

    failed, text = outcome(lines)
    assert (len(anthropic), len(bedrock)) == (case.sent, 0)
    assert len({row.body for row in anthropic}) == 1
    assert retries(lines) == list(case.told)
    assert case.ends in text
    assert (failed, run.code) == ((False, 0) if case.ends is GOOD else (True, 1))


def test_an_answer_of_anthropic_that_always_breaks_off_is_asked_for_whole_at_last(
    home: Home, project: Path
) -> None:
    """How often the client begins again is its own choice; that it is not multiplied by the gateway is what counts."""
    with session(home, project, lambda _: CUT) as run:
        lines = run.run("count", model="opus", env={"CLAUDE_CODE_MAX_RETRIES": "2"})
        anthropic = run.anthropic

    streamed = [row.json().get("stream", False) for row in anthropic]
    assert streamed[-1] is False
    assert 2 <= streamed.count(True) <= 3
    assert len(streamed) <= 4
    assert (outcome(lines), run.code) == ((False, HALF), 0)


def test_the_end_of_the_plan_is_told_on_the_terminal_with_its_time(home: Home, project: Path) -> None:
    with session(home, project, lambda _: OVER) as run:
        env = with_client(home, run.world.aws_env())
        done = home.run("-p", "count", "--model", "opus", env=env, cwd=project)
        lines = run.run("count", model="opus")
        assert len(run.anthropic) == 2

    assert done.stdout.startswith("You've hit your 5-hour limit · resets ")
    assert done.returncode == 1
    [event] = [line["rate_limit_info"] for line in lines if line["type"] == "rate_limit_event"]
    assert (event["status"], event["rateLimitType"]) == ("rejected", "five_hour")
    assert event["resetsAt"] == int(dict(PLAN_IS_OVER)["anthropic-ratelimit-unified-reset"])


# The haiku slot on Bedrock -----------------------------------------------------------------------------------------


def throttled(*headers: tuple[str, str]) -> Fail:
    return Fail(429, "ThrottlingException", "Too many herons", headers)


UNAVAILABLE = Fail(503, "ServiceUnavailableException", "No herons today")
BEDROCK = {
    "throttling": Case(throttled(), 4, (429,), "Bedrock throttled the request: Too many herons", most=1),
    "throttling once": Case(throttled(), 2, times=1),
    "throttling three times": Case(throttled(), 4, (429,), times=3),
    "throttling with a wait that is passed on": Case(throttled(("retry-after", "3")), 2, (429,), times=1),
    "no service": Case(
        UNAVAILABLE, 4, (529,), "API Error: 529 Bedrock is unavailable: No herons today", most=1
    ),
    "no service once": Case(UNAVAILABLE, 2, times=1),
    "a reset before the answer": Case(RESET, 3, (502, 502), CLOSED),
    "a reset before the answer, once": Case(RESET, 2, (502,), times=1),
    "a reset in mid-stream, once": Case(CUT, 2, times=1),
}
"""A fault before the answer is met by one repetition of the gateway and then by the client's; a reset after the request
had left is left to the client, and a stream that breaks off is resumed by it."""


@pytest.mark.parametrize("case", BEDROCK.values(), ids=BEDROCK)
def test_on_the_bedrock_route_the_gateway_adds_one_repetition_where_it_is_safe(
    home: Home, project: Path, case: Case
) -> None:
    with session(home, project, meets(case.fault, case.times)) as run:
        lines = run.run("count", env={"CLAUDE_CODE_MAX_RETRIES": str(case.most)})
        anthropic, bedrock = run.anthropic, run.bedrock

    failed, text = outcome(lines)
    assert (len(anthropic), operations(bedrock)) == (0, ["converse-stream"] * case.sent)
    assert retries(lines) == list(case.told)
    assert case.ends in text
    assert (failed, run.code) == ((False, 0) if case.ends is GOOD else (True, 1))


def test_an_answer_of_bedrock_that_always_breaks_off_ends_with_what_there_is(
    home: Home, project: Path
) -> None:
    """The client asks a few times to go on, which is its own choice; a whole ladder it would have been after a reset."""
    with session(home, project, lambda _: CUT) as run:
        lines = run.run("count")
        bedrock = run.bedrock

    assert 2 <= len(bedrock) <= 5
    assert retries(lines) == []
    assert said(lines, "assistant", "text")[0]["text"] == HALF
    failed, text = outcome(lines)
    assert "Server error mid-response" in text
    assert (failed, run.code) == (True, 1)


def delegates(ask: Ask) -> Answer | Fail:
    """A main model that asks a haiku sub-agent and repeats what came of it; the sub-agent's provider throttles."""
    if is_agent(ask):
        return throttled()
    outcomes = ask.outcomes()
    if outcomes:
        return say(f"The agent: {outcomes[0][1].failed} {outcomes[0][1].text}")
    tool = next(name for name in AGENT_TOOLS if name in ask.tools)
    given = {"description": "Count", "prompt": "Count.", "subagent_type": "general-purpose", "model": "haiku"}
    return Answer((ToolUse(tool, {**given, "run_in_background": False}),))


def test_a_sub_agent_that_bedrock_throttles_is_a_failed_tool_and_the_session_goes_on(
    home: Home, project: Path
) -> None:
    with session(home, project, delegates) as run:
        lines = run.run("go", model="opus", env={"CLAUDE_CODE_MAX_RETRIES": "1"})
        anthropic, bedrock = run.anthropic, run.bedrock

    assert (len(anthropic), len(bedrock)) == (2, 4)
    failed, text = outcome(lines)
    assert (failed, run.code) == (False, 0)
    assert text.startswith("The agent: True ")
    assert "Bedrock throttled the request: Too many herons" in text
