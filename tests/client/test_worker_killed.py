"""The gateway's worker is killed while it streams to many: the sessions of the real client go on to their ends.

That the port serves again within two seconds is measured in tests/integration/test_supervisor.py, without the client.
"""

import os
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher import control
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.script import Answer, Ask, say
from openclaude.simulator.world import World
from support.house import until
from support.patience import DEADLINE
from support.product import Home, gateway_for
from support.rawhttp import Client, ask
from support.session import configure
from support.staging import OPUS, QWEN, client_headers, message_body
from support.streaming import sessions

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-worker")]

STREAMS = 20
SESSIONS = ("opus", "opus", "sonnet", "haiku")
"""The models of the streams that belong to the real client; the haiku slot is on Bedrock."""
PACE = 0.5
ENDLESS = "heron " * 2000
"""Minutes long at this pace: no stream ends by itself before the worker is killed."""
ERRAND = re.compile(r"errand-\d+")


class Model:
    """Answers each errand's first request with a stream that nobody sees the end of, and every other one at once.

    Attributes:
        asked: the provider of each request, by its errand.
    """

    def __init__(self) -> None:
        self.asked: defaultdict[str, list[str]] = defaultdict(list)

    def __call__(self, request: Ask) -> Answer:
        text = " ".join(text for turn in request.turns for text in turn.texts)
        errand = next(iter(ERRAND.findall(text)), "")
        self.asked[errand].append(request.provider)
        if errand and len(self.asked[errand]) == 1:
            return Answer(say(ENDLESS).parts, pace=PACE)
        return say(whole(errand))


def whole(errand: str) -> str:
    return f"{errand} is done"


@contextmanager
def raw_streams(home: Home, gateway: Gateway, count: int) -> Iterator[Sequence[Client]]:
    """Streams of which the head has arrived, on either route, without the real client."""
    with ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(Client(gateway))
            body = message_body((OPUS, QWEN)[number % 2], f"errand-{100 + number}", stream=True)
            client.post("/v1/messages?beta=true", client_headers(home.login), body)
            assert client.read_head().status == 200
            clients.append(client)
        yield clients


def status(home: Home) -> dict[str, Any]:
    answer = control.ask(home.state().run, "status", timeout=DEADLINE)
    assert answer is not None
    return dict(answer)


def remainder(client: Client) -> bytes:
    """What still comes on a connection up to its end, in whatever way it ends."""
    data = b""
    with suppress(OSError):
        while piece := client.socket.recv(65536):
            data += piece
    return data


@contextmanager
def knowing(model: Model, keys: Mapping[str, str]) -> Iterator[World]:
    """Providers of which Bedrock knows a further pair of keys: those of the sessions, which the gateway itself has not."""
    with World(model, keep_raw=True) as world:
        world.bedrock.verifier.keys[keys["AWS_ACCESS_KEY_ID"]] = (keys["AWS_SECRET_ACCESS_KEY"], None)
        yield world


def signers(world: World, errand: str) -> list[str]:
    """The key ids with which an errand's requests to Bedrock were signed."""
    rows = [row for row in world.log.requests("bedrock") if errand.encode() in (row.body or b"")]
    heads = [(row.header("authorization") or b"").decode() for row in rows]
    return [head.partition("Credential=")[2].partition("/")[0] for head in heads]


def test_sessions_whose_worker_is_killed_in_mid_stream_end_well_and_the_port_serves_on(
    home: Home, project: Path, canary: Callable[[], str]
) -> None:
    configure(home)
    keys = {"AWS_ACCESS_KEY_ID": "AKOFTHESESSION", "AWS_SECRET_ACCESS_KEY": canary()}
    model = Model()
    with (
        knowing(model, keys) as world,
        gateway_for(home, world) as gateway,
        sessions(home, project, keys, SESSIONS) as started,
        raw_streams(home, gateway, STREAMS - len(SESSIONS)) as raw,
    ):
        for session in started:
            until(f"{session.errand} streams", session.shows_text)
        until("all streams are open", lambda: status(home)["in_flight"] == STREAMS)
        before = status(home)

        os.kill(before["worker"], signal.SIGKILL)
        until("another worker is there", lambda: status(home)["worker"] != before["worker"])

        for name in (OPUS, QWEN):
            answer = ask(gateway, client_headers(home.login), message_body(name, "hello", stream=True))
            assert (answer.status, answer.whole) == (200, True)
        ends = [session.ended() for session in started]
        after = status(home)
        cut = [b"message_stop" not in remainder(client) for client in raw]
        signed = signers(world, started[-1].errand)

    assert ends == [(0, False, whole(session.errand)) for session in started]
    # One more request of each, on the way of the first and with the keys of its own session.
    asked = [model.asked[session.errand] for session in started]
    assert asked == [*[["anthropic"] * 2] * 3, ["bedrock"] * 2]
    assert signed == [keys["AWS_ACCESS_KEY_ID"]] * 2
    assert all(cut)
    assert (after["pid"], after["port"]) == (before["pid"], before["port"])
    assert after["worker"] != before["worker"]
