import time
from collections.abc import Iterator

import pytest

from openclaude.domain.errors import ApiError
from openclaude.preflight.attempts import Attempt, attempts, operations
from openclaude.simulator.replies import Framing, Reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, Text, Usage
from openclaude.simulator.world import World
from support.preflight import bedrock, caller, routes, signer

QWEN = "qwen.qwen3-coder-next"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as running:
        yield running


def tried(world: World, script: Script) -> list[Attempt]:
    world.bedrock.script = script
    [route] = routes(bedrock(QWEN))
    return list(attempts(route, signer(world), caller(world, time.time)))


def fine(ask: Ask) -> Answer:
    return Answer((Text("Hi"),), stop="max_tokens", usage=Usage(9, 1))


def test_both_operations_of_a_route_are_tried(world: World) -> None:
    assert tried(world, fine) == [
        Attempt("Converse", "answered: 9 tokens in, 1 out"),
        Attempt("ConverseStream", "streamed: 9 tokens in, 1 out"),
    ]
    assert operations(routes(bedrock(QWEN))[0]) == ("Converse", "ConverseStream")


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (404, "ResourceNotFoundException", False),
        (403, "ExpiredTokenException", False),
        (403, "AccessDeniedException", True),
        (429, "ThrottlingException", True),
    ],
)
def test_the_stream_is_tried_unless_it_would_meet_the_same_problem(
    world: World, status: int, kind: str, again
) -> None:
    first, second = tried(world, lambda ask: Fail(status, kind, "no"))
    assert isinstance(first.outcome, ApiError)
    assert isinstance(second.outcome, ApiError) == again


def raw(body: bytes, content: str) -> Script:
    def script(ask: Ask) -> Answer | Reply:
        return Reply(200, (("content-type", content),), (body,), Framing.CHUNKED) if ask.stream else fine(ask)

    return script


@pytest.mark.parametrize("body", [b"", b"no frames at all", b"\0" * 40], ids=["empty", "text", "zeros"])
def test_a_stream_that_is_none_is_a_problem(world: World, body: bytes) -> None:
    whole, streamed = tried(world, raw(body, "application/vnd.amazon.eventstream"))
    assert whole.outcome == "answered: 9 tokens in, 1 out"
    assert isinstance(streamed.outcome, ApiError)
    assert streamed.outcome.status == 502


def test_an_answer_that_is_not_json_is_a_problem(world: World) -> None:
    whole, _ = tried(world, lambda ask: Reply(200, (("content-type", "text/html"),), (b"<html>",)))
    assert isinstance(whole.outcome, ApiError)
    assert "not JSON" in whole.outcome.message
