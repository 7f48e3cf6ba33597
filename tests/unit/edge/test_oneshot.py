import hashlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from openclaude.credentials.policies import KeyFor, SignFor
from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, RouteKey
from openclaude.domain.http import Origin, SafeHeaders, UpstreamRequest
from openclaude.edge import dial
from openclaude.edge.oneshot import MOST_BYTES, Answer, OneShot, UnreachableError
from openclaude.edge.tls import client_context
from openclaude.simulator.certs import Flaw
from openclaude.simulator.replies import Cut, Ending, Framing, Reply, redirect
from openclaude.simulator.script import Ask
from openclaude.simulator.world import World

HOST = "bedrock-runtime.us-west-2.amazonaws.com"
BODY = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(keep_raw=True) as running:
        yield running


def sender(world: World) -> OneShot:
    return OneShot(tls=client_context(world.ca_file), dial=dial.parse(world.connect_to))


def request(world: World) -> AuthorizedRequest:
    env = world.aws_env()
    keys = AwsKeys(
        access_key=env["AWS_ACCESS_KEY_ID"],
        secret_key=env["AWS_SECRET_ACCESS_KEY"],
        token=env["AWS_SESSION_TOKEN"],
        source="env",
    )
    asked = UpstreamRequest(
        method=b"POST",
        target=b"/model/qwen.qwen3-32b-v1%3A0/converse",
        headers=SafeHeaders([(b"Content-Type", b"application/json")]),
        content_length=len(BODY),
        body_sha256=hashlib.sha256(BODY).hexdigest(),
    )
    return SignFor(region="us-west-2").authorize(asked, keys, datetime.now(UTC))


def answered(world: World, reply: Reply) -> Answer:
    world.bedrock.script = lambda ask: reply
    return sender(world).send(request(world), BODY)


def test_a_signed_request_arrives_as_it_was_signed_and_its_answer_comes_back_whole(world: World) -> None:
    def script(ask: Ask) -> Reply:
        return Reply(200, (("x-one", "1"), ("x-one", "2")), (b"first ", b"second"), Framing.CHUNKED)

    world.bedrock.script = script
    answer = sender(world).send(request(world), BODY)
    assert (answer.status, answer.body, answer.header("x-one"), answer.header("x-none")) == (
        200,
        b"first second",
        "1",
        "",
    )
    assert [value for name, value in answer.headers if name == b"x-one"] == [b"1", b"2"]
    row = world.bedrock.requests()[-1]
    assert row.target == b"/model/qwen.qwen3-32b-v1%3A0/converse"
    assert row.body == BODY
    assert row.header("connection") == b"close"


def test_the_end_of_the_connection_may_end_an_answer_without_length(world: World) -> None:
    assert answered(world, Reply(200, (), (b"all of it",), Framing.CLOSE)).body == b"all of it"


def test_a_redirect_is_an_answer_and_is_not_followed(world: World) -> None:
    before = len(world.requests())
    assert answered(world, redirect("https://elsewhere.example/")).status == 307
    assert len(world.requests()) == before + 1


BROKEN = [
    pytest.param(
        Reply(200, (), (b"x" * 10, Cut(Ending.EOF)), declared_length=20),
        "ended the connection before its answer was whole",
        id="short",
    ),
    pytest.param(
        Reply(200, (), (b"x" * 10, Cut(Ending.EOF)), Framing.CHUNKED),
        "cannot be reached (incompleteread)",
        id="chunks",
    ),
    pytest.param(
        Reply(200, (), (b"x" * (MOST_BYTES + 1),), Framing.CLOSE),
        f"answered with more than {MOST_BYTES} bytes",
        id="endless",
    ),
]


@pytest.mark.parametrize(("reply", "reason"), BROKEN)
def test_an_answer_that_is_not_whole_is_no_answer(world: World, reply: Reply, reason: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        answered(world, reply)
    assert str(caught.value) == f"https://{HOST} {reason}"


def test_a_connection_that_is_reset_gives_no_answer(world: World) -> None:
    # Whether the reset or the end of what came before it is seen first is up to the kernel.
    with pytest.raises(UnreachableError):
        answered(world, Reply(200, (), (Cut(Ending.RESET),), declared_length=9))


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.value)
def test_nothing_is_sent_to_a_server_that_cannot_prove_its_name(flaw: Flaw) -> None:
    with World(bedrock_flaw=flaw) as spoiled:
        with pytest.raises(UnreachableError, match="presented a certificate that is not valid for it"):
            sender(spoiled).send(request(spoiled), BODY)
        assert spoiled.requests() == ()


def test_an_origin_without_tls_gets_no_credential(world: World, canary: Callable[[str], str]) -> None:
    plain = Origin(HOST, 80, "http")
    asked = UpstreamRequest(method=b"GET", target=b"/", headers=SafeHeaders(), content_length=0)
    with pytest.raises(ValueError, match="it is not https"):
        sender(world).send(KeyFor(RouteKey(plain, canary(""))).authorize(asked), b"")


def test_a_name_nobody_listens_at_is_unreachable(world: World) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    led = dial.parse([f"{HOST}:443=127.0.0.1:{port}"])
    with pytest.raises(UnreachableError, match=r"cannot be reached \(connection refused\)"):
        OneShot(tls=client_context(world.ca_file), dial=led).send(request(world), BODY)


def test_a_server_that_says_nothing_does_not_hold_the_command_for_ever(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        led = dial.parse([f"{HOST}:443=127.0.0.1:{silent.getsockname()[1]}"])
        waiting = OneShot(tls=client_context(world.ca_file), dial=led, patience=0.05)
        with pytest.raises(UnreachableError, match="does not answer"):
            waiting.send(request(world), BODY)
