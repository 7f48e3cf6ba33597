"""One more attempt on Bedrock, seen from both ends: what the client gets, and how often the provider was asked."""

from collections.abc import Iterator

import pytest

from openclaude.simulator.replies import Cut, Ending, Framing, Reply
from openclaude.simulator.script import Answer, Ask, Fail, StreamError, say
from support.rawhttp import Response
from support.staging import Stage, staged

THROTTLED = Fail(429, "ThrottlingException", "the simulated reason")
UNAVAILABLE = Fail(503, "ServiceUnavailableException", "the simulated reason")
FIRST_FRAME = Answer(say("").parts, error=StreamError("throttlingException", "the simulated reason", after=0))
RESET = Reply(200, (), (Cut(Ending.RESET),), Framing.CHUNKED)


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    """One of its own: a budget lasts, and others spend it."""
    with staged(tmp_path / "home") as running:
        yield running


def faced(stage: Stage, *faults: Answer | Fail | Reply, stream: bool = True) -> tuple[Response, int]:
    """The client's answer when the provider behaves like this, then well; and the requests it took."""
    left = list(faults)

    def play(_: Ask) -> Answer | Fail | Reply:
        return left.pop(0) if left else say("all is well")

    body = stage.body("bedrock", play, stream=stream)
    return stage.ask(body), len(stage.requests(body))


def test_a_short_fault_is_invisible_and_one_that_stays_is_told_after_two_attempts(stage: Stage) -> None:
    for fault, status in ((THROTTLED, 429), (UNAVAILABLE, 529)):
        for stream in (True, False):
            response, requests = faced(stage, fault, stream=stream)
            assert (response.status, response.whole, requests) == (200, True, 2)
        response, requests = faced(stage, fault, fault)
        assert (response.status, requests) == (status, 2)
        assert response.get("x-should-retry") == "true"
        assert response.get("retry-after") == "5"
    response, requests = faced(stage, FIRST_FRAME)
    assert (response.status, response.whole, requests) == (200, True, 2)
    assert "notes=retried:throttled" in (stage.home.state_home / "logs" / "gateway.log").read_text()


def test_a_broken_answer_or_a_long_wait_is_the_clients_to_answer(stage: Stage) -> None:
    slow = Fail(503, "ServiceUnavailableException", "the simulated reason", (("retry-after", "7"),))
    for fault, status in ((RESET, 502), (slow, 529)):
        response, requests = faced(stage, fault)
        assert (response.status, requests) == (status, 1)


def test_a_provider_that_keeps_failing_is_left_alone_until_a_probe_or_a_reload(stage: Stage) -> None:
    assert [faced(stage, *[UNAVAILABLE] * 2)[1] for _ in range(5)] == [2] * 5
    response, requests = faced(stage)
    assert (response.status, requests) == (529, 0)
    assert 0 < int(response.get("retry-after") or 0) <= 10
    assert response.get("x-should-retry") == "true"
    status = stage.home.run("status").stdout
    assert (
        "qwen.qwen3-coder-next at https://bedrock-runtime.us-west-2.amazonaws.com: left alone for " in status
    )
    assert "5 second attempts" in status
    assert "event=breaker origin=https://bedrock-runtime" in stage.home.run("logs").stdout
    assert stage.play("anthropic", lambda _: say("all is well"), stream=True).whole
    stage.home.reload()
    response, requests = faced(stage)
    assert (response.status, requests) == (200, 1)
