"""A session whose plan runs out in its middle: a whole gateway between both simulated providers, on a clock that is turned."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openclaude import config, wiring
from openclaude.cli.quota import elsewhere_lines
from openclaude.demo.oracle import holds
from openclaude.edge import dial, sockets
from openclaude.edge.clock import LoopClock
from openclaude.launcher import certificates
from openclaude.launcher.state import open_state
from openclaude.simulator.script import Answer, Ask, Fail, say
from openclaude.simulator.world import World
from support.house import until
from support.patience import DEADLINE

OPUS = "claude-opus-5-5"
HOUR = 3600
UNIFIED = "anthropic-ratelimit-unified-"
CONFIG = """
[[routes]]
match = "claude-*"
to = "anthropic"
fallback = ["opus-on-bedrock"]

[[routes]]
match = "opus-on-bedrock"
to = "bedrock"
model = "us.anthropic.claude-opus-5-5"
region = "us-west-2"
"""
ahead = [0.0]
"""Seconds by which the gateway's wall clock, and the provider's, are ahead of this machine's."""


class TurnedClock(LoopClock):
    def __init__(self) -> None:
        super().__init__()
        self.now = lambda: datetime.now(UTC) + timedelta(seconds=ahead[0])


class Plan:
    """The provider: serves until `resets` is set, and then again from that time on."""

    def __init__(self) -> None:
        self.resets: float | None = None

    def __call__(self, ask: Ask) -> Answer | Fail:
        now = datetime.now().astimezone().timestamp() + ahead[0]
        if ask.provider == "anthropic" and self.resets is not None and now < self.resets:
            headers = (
                (f"{UNIFIED}status", "rejected"),
                (f"{UNIFIED}representative-claim", "five_hour"),
                (f"{UNIFIED}reset", f"{self.resets:.0f}"),
            )
            return Fail(429, "rate_limit_error", "You have reached your limit", headers=headers)
        return say(f"{ask.provider} heard {ask.user_text}")


class Running:
    """A gateway on a thread of its own; `ask` is what its supervisor could ask."""

    def __init__(self, world: World, folder: Path) -> None:
        state = open_state(folder / "state")
        certificates.ensure(state)
        bound = {"mutual": sockets.bind(0), "http": sockets.bind(0, listen=False)}
        self.port = bound["http"].getsockname()[1]
        self.log = folder / "gateway.log"
        self._ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self._lines = self._ours.makefile("rw", encoding="utf-8")
        ready = threading.Event()
        plan = wiring.Plan(
            config=config.parse(CONFIG, "config.toml"),
            sockets=bound,
            certificates=lambda: certificates.ensure(state),
            opened=("http",),
            channel=theirs,
            log_file=self.log,
            base_path="secret",
            identity="identity",
            dial=dial.parse(world.connect_to),
            ca_file=world.ca_file,
            env=world.aws_env(),
            ready=ready.set,
            clock=TurnedClock,
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(wiring.serve(plan)))
        self._thread.start()
        assert ready.wait(DEADLINE)
        assert json.loads(self._lines.readline())["event"] == "ready"

    def ask(self, operation: str, **more: object) -> dict[str, Any]:
        self._lines.write(json.dumps({"id": 1, "op": operation, **more}) + "\n")
        self._lines.flush()
        return dict(json.loads(self._lines.readline()))

    def stop(self) -> None:
        self.ask("drain", grace=0)
        self._thread.join(DEADLINE)
        self._lines.close()
        self._ours.close()
        assert not self._thread.is_alive()

    def events(self) -> list[str]:
        lines = [line.split()[1] for line in self.log.read_text().splitlines()]
        return [line for line in lines if line in ("event=plan-away", "event=plan-back", "event=fallback")]


class Session:
    """A conversation of one client, which grows by what it is answered."""

    def __init__(self, port: int, login: str) -> None:
        self._port = port
        self._login = login
        self._messages: list[dict[str, Any]] = []

    def turn(self, text: str) -> tuple[str, dict[str, str]]:
        """Say something; the result is the answer's text and its headers."""
        self._messages.append({"role": "user", "content": text})
        body = {"model": OPUS, "max_tokens": 100, "messages": self._messages}
        headers = {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "oauth-2025-04-20",
            "authorization": f"Bearer {self._login}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        with closing(connection):
            connection.request("POST", "/secret/v1/messages?beta=true", json.dumps(body), headers)
            answer = connection.getresponse()
            message = json.loads(answer.read())
        assert answer.status == 200, message
        self._messages.append({"role": "assistant", "content": message["content"]})
        told = {name.lower(): value for name, value in answer.getheaders()}
        return str(message["content"][0]["text"]), told


@pytest.fixture
def plan() -> Plan:
    ahead[0] = 0.0
    return Plan()


@pytest.fixture
def world(plan: Plan) -> Iterator[World]:
    with World(plan, keep_raw=True) as running:
        yield running


@pytest.fixture
def gateway(world: World, tmp_path: Path) -> Iterator[Running]:
    running = Running(world, tmp_path)
    yield running
    running.stop()


def test_the_fallback_answers_until_the_reset_the_user_is_told_and_then_the_plan_answers_again(
    world: World, plan: Plan, gateway: Running, canary: Callable[..., str]
) -> None:
    login = canary("sk-ant-" + "oat01-")
    session = Session(gateway.port, login)
    assert session.turn("one")[0] == "anthropic heard one"

    now = datetime.now().astimezone()
    plan.resets = int(now.timestamp()) + HOUR
    said, headers = session.turn("two")
    assert said == "bedrock heard two"
    assert headers["x-openclaude-model"] == "us.anthropic.claude-opus-5-5"
    assert headers["x-openclaude-reason"] == "fallback: plan limit"

    (row,) = gateway.ask("plan")["elsewhere"]
    assert (row["model"], row["to"], row["until"]) == (OPUS, "opus-on-bedrock", plan.resets)
    reset = datetime.fromtimestamp(plan.resets, now.tzinfo)
    assert elsewhere_lines([row], reset) == [
        f"5h used up, {OPUS} goes to opus-on-bedrock until {reset:%H:%M}"
    ]

    ahead[0] = HOUR - 60
    assert session.turn("three")[0] == "bedrock heard three"
    assert (
        len(world.log.requests("anthropic")) == 2
    )  # the wall is remembered: the third turn did not run into it

    ahead[0] = HOUR + 1
    said, headers = session.turn("four")
    assert (said, headers["x-openclaude-reason"]) == ("anthropic heard four", "match")
    assert gateway.ask("plan")["elsewhere"] == []
    until("the log has the way back", lambda: "event=plan-back" in gateway.events())
    assert gateway.events() == ["event=plan-away", "event=plan-back"]
    assert not holds(b"\0".join(world.log.wires("bedrock")), login)
