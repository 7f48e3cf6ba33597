"""A client that leaves takes everything along at once, whatever its request is waiting for."""

import json
from collections.abc import Callable

import pytest

from fakes.transport import FakeCall
from fakes.worker import FakeWorker
from support.bedrock_frames import event
from support.gateway import Gateway

UNSUPPORTED = (
    b'{"message":"This model doesn\'t support the temperature field. Remove temperature and try again."}'
)
INVALID = [(b"x-amzn-errortype", b"ValidationException")]
EXPIRED = [(b"x-amzn-errortype", b"ExpiredTokenException")]
LONG = "a" * 300_000
QWEN, OPUS = "qwen-3-coder", "claude-opus-5-5"


class Scene:
    """A gateway with a second thread, in the middle of a request."""

    def __init__(self) -> None:
        self.gateway = Gateway()
        self.worker = FakeWorker()
        self.gateway.services.worker = self.worker

    def ask(self, model: str = QWEN, **extra: object) -> FakeCall:
        call = self.gateway.ask(model, **extra)
        assert call is not None
        return call


def uploading(scene: Scene) -> None:
    scene.gateway.exchange = scene.gateway.begin(length=1000)
    scene.gateway.exchange.body(json.dumps({"model": OPUS}).encode())


def collecting(scene: Scene) -> None:
    scene.gateway.exchange = scene.gateway.begin(length=1000)
    scene.gateway.exchange.body(json.dumps({"model": QWEN}).encode())


def translating(scene: Scene) -> None:
    scene.gateway.ask(QWEN, system=LONG)


def looking_for_keys(scene: Scene) -> None:
    scene.gateway.keys.slow = True
    scene.gateway.ask(QWEN)


def amending(scene: Scene) -> None:
    scene.gateway.ask(QWEN, system=LONG, temperature=0.5)
    scene.worker.finish()
    scene.gateway.transport.calls[-1].answer(400, UNSUPPORTED, INVALID)
    assert scene.worker.busy


def looking_for_other_keys(scene: Scene) -> None:
    call = scene.ask()
    scene.gateway.keys.renews_slowly = True
    call.answer(403, b'{"message":"expired"}', EXPIRED)
    assert scene.gateway.keys.hoping


def pausing(scene: Scene) -> None:
    scene.ask().answer(503, b"{}")


def repeated(scene: Scene) -> None:
    pausing(scene)
    scene.gateway.clock.advance(1)
    assert len(scene.gateway.transport.calls) == 2


def waiting(scene: Scene) -> None:
    scene.ask(stream=True)


def held(scene: Scene) -> None:
    scene.ask(stream=True)
    scene.gateway.clock.advance(70)


def streaming(scene: Scene) -> None:
    call = scene.ask(stream=True)
    call.receiver.head(200, [], None)
    call.receiver.data(event("messageStart", {"role": "assistant"}))


def collecting_an_answer(scene: Scene) -> None:
    call = scene.ask()
    call.receiver.head(200, [], 100)
    call.receiver.data(b"{")


def refused_slowly(scene: Scene) -> None:
    call = scene.ask()
    call.receiver.head(503, [], 100)
    call.receiver.data(b"{")


def relaying(scene: Scene) -> None:
    call = scene.ask(OPUS, stream=True)
    call.receiver.head(200, [], None)
    call.receiver.data(b"data: {}\n\n")


def waiting_for_anthropic(scene: Scene) -> None:
    scene.ask(OPUS)


PHASES = [
    uploading,
    collecting,
    translating,
    looking_for_keys,
    amending,
    looking_for_other_keys,
    pausing,
    repeated,
    waiting,
    held,
    streaming,
    collecting_an_answer,
    refused_slowly,
    relaying,
    waiting_for_anthropic,
]


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_the_provider_is_let_go_of_at_once_and_nothing_is_sent_afterwards(
    phase: Callable[[Scene], None],
) -> None:
    scene = Scene()
    gateway = scene.gateway
    phase(scene)
    calls, seen = list(gateway.transport.calls), len(gateway.client.body)
    open_ones = [
        call
        for call in calls
        if call is calls[-1] and phase not in (amending, looking_for_other_keys, pausing)
    ]
    gateway.exchange.client_left()
    assert all("cancelled" in call.events for call in open_ones)
    assert gateway.log.records[-1].outcome == "client_left"
    assert gateway.services.in_flight == 0
    # Whatever was under way elsewhere comes back and finds nobody.
    while scene.worker.busy:
        scene.worker.finish()
    for then in (*gateway.keys.waiting, *gateway.keys.hoping):
        then(gateway.keys.result)
    gateway.clock.advance(1000)
    assert gateway.transport.calls == calls
    assert len(gateway.client.body) == seen
    assert not gateway.waits()
    for health in gateway.services.healths.values():
        assert (health.budget.in_flight, health.budget.repeating, health.breakers) == (0, 0, {})
