"""Sessions at the terminal whose own route cannot serve them for a while: the plan runs out, or a provider stumbles."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from openclaude.config.presets import PRESETS
from openclaude.demo.oracle import holds
from openclaude.simulator.script import Answer, Ask, Fail, Text, Thinking, say
from openclaude.simulator.stories import is_background
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home, gateway_for
from support.session import configure, trust, with_client
from support.terminal import CTRL_C, ENTER, Terminal

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-terminal")]

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
UNIFIED = "anthropic-ratelimit-unified-"
AWAY, TURNS = 20, 6
"""Seconds for which the plan is used up; as long as so many turns take, where a turn takes long."""
CONFIG = (
    PRESETS["all-anthropic"].replace(
        'to    = "anthropic"', 'to = "anthropic"\nfallback = ["opus-on-bedrock"]\n#'
    )
    + """
[[routes]]
match = "opus-on-bedrock"
to = "bedrock"
model = "us.anthropic.claude-opus-5-5"
region = "us-west-2"
"""
)


class Plan:
    """The provider's side of a plan: `used_up` makes the next request the one that hears of it."""

    def __init__(self) -> None:
        self.word = f"heron-{token_hex(6)}"
        self.away = AWAY
        self.resets = 0
        self.used_up = False

    def __call__(self, ask: Ask) -> Answer | Fail:
        if is_background(ask):
            return say(json.dumps({"title": "Herons"}))
        if ask.provider == "anthropic" and self.used_up:
            self.resets = self.resets or int(time.time()) + self.away
            if time.time() < self.resets:
                return Fail(429, "rate_limit_error", "limit", headers=self.refusal())
        return Answer((Text(f"{self.word} by {ask.provider} to {ask.user_text.split()[0]}"),))

    def refusal(self) -> tuple[tuple[str, str], ...]:
        return (
            (f"{UNIFIED}status", "rejected"),
            (f"{UNIFIED}representative-claim", "five_hour"),
            (f"{UNIFIED}reset", str(self.resets)),
        )


class Stumbling:
    """Anthropic is overloaded while `down`, and refuses thinking that it has not signed; Qwen thinks aloud."""

    def __init__(self) -> None:
        self.word = f"heron-{token_hex(6)}"
        self.down = False

    def __call__(self, ask: Ask) -> Answer | Fail:
        if is_background(ask):
            return say(json.dumps({"title": "Herons"}))
        said = Text(f"{self.word} by {ask.provider} to {ask.user_text.split()[0]}")
        if ask.provider == "bedrock":
            return Answer((Thinking("herons, hm", ""), said))
        if self.down:
            return Fail(529, "overloaded_error", "Overloaded")
        if "herons, hm" in json.dumps(ask.body["messages"]):
            return Fail(
                400, "invalid_request_error", "messages.3.content.0: Invalid `signature` in `thinking` block"
            )
        return Answer((said,))


def turn(terminal: Terminal, provider: Plan | Stumbling, word: str, by: str) -> None:
    """Say something, and see who answers."""
    terminal.type(f"{word} please")
    terminal.wait_for(lambda text: f"{word} please" in text)
    terminal.type(ENTER)
    terminal.wait_for(lambda text: f"{provider.word} by {by} to {word}" in text)
    terminal.wait_for(lambda text: "esc to interrupt" not in text)


@pytest.fixture
def plan() -> Plan:
    return Plan()


@pytest.fixture
def world(plan: Plan) -> Iterator[World]:
    with World(plan, keep_raw=True) as running:
        yield running


def test_the_next_turn_is_answered_by_the_fallback_the_user_is_told_and_the_plan_is_used_again(
    home: Home, project: Path, world: World, plan: Plan
) -> None:
    configure(home, text=CONFIG)
    trust(home, project)
    command = [*OPENCLAUDE, "--model", "opus", "--permission-mode", "default"]
    env = with_client(home, world.aws_env())

    with gateway_for(home, world), Terminal(command, env=env, cwd=project) as terminal:
        terminal.wait_for(lambda text: "Claude Code" in text and PROMPT in text)
        began = time.monotonic()
        turn(terminal, plan, "first", "anthropic")
        plan.away = max(AWAY, int(TURNS * (time.monotonic() - began)))
        plan.used_up = True
        turn(terminal, plan, "second", "bedrock")
        shown = terminal.wait_for(lambda text: "claude-opus-5-5 goes to opus-on-bedrock until" in text)
        said = home.run("status").stdout
        terminal.wait_for(lambda _: time.time() > plan.resets, plan.away + DEADLINE)
        turn(terminal, plan, "third", "anthropic")
        terminal.wait_for(lambda text: "goes to opus-on-bedrock" not in text)
        code = terminal.press_until_end(CTRL_C)

    assert code == 0
    assert "openClaude: 5h used up, " in shown
    assert "elsewhere   5h used up, claude-opus-5-5 goes to opus-on-bedrock until" in said
    log = (home.state_home / "logs" / "gateway.log").read_text()
    assert [line.split()[1] for line in log.splitlines() if "event=plan-" in line] == [
        "event=plan-away",
        "event=plan-back",
    ]
    assert not holds(b"\0".join(world.log.wires("bedrock")), home.login)


def test_what_another_model_thought_does_not_end_the_session_when_the_plan_is_back(
    home: Home, project: Path
) -> None:
    """The Anthropic API takes no thinking that it has not signed; the client then leaves it out, by itself."""
    own = 'to = "anthropic"\nfallback = ["qwen-3-coder"]\n#'
    configure(home, text=PRESETS["mixed"].replace('to    = "anthropic"', own))
    trust(home, project)
    provider = Stumbling()
    command = [*OPENCLAUDE, "--model", "opus", "--permission-mode", "default"]
    with World(provider) as world, gateway_for(home, world):
        env = with_client(home, world.aws_env())
        with Terminal(command, env=env, cwd=project) as terminal:
            terminal.wait_for(lambda text: "Claude Code" in text and PROMPT in text)
            turn(terminal, provider, "first", "anthropic")
            provider.down = True
            turn(terminal, provider, "second", "bedrock")
            terminal.wait_for(lambda text: "claude-opus-5-5 was answered by qwen-3-coder at" in text)
            provider.down = False
            turn(terminal, provider, "third", "anthropic")
            assert terminal.press_until_end(CTRL_C) == 0
        asked = [row.json()["messages"] for row in world.log.requests("anthropic")]
        assert len(asked) == 4
        assert "herons, hm" in json.dumps(asked[2])
        assert "herons, hm" not in json.dumps(asked[3])
