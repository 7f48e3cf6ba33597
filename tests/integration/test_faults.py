"""What a provider can do wrong, on both routes: nothing hangs, nothing is repeated that may have begun, every error
says what to do."""

import json
import struct
from collections.abc import Sequence

import pytest

from openclaude.simulator import bedrock, eventstream
from openclaude.simulator.anthropic import events, sse
from openclaude.simulator.replies import Cut, Ending, Framing, Piece, Raw, Reply, redirect
from openclaude.simulator.script import Answer, Fail, StreamError, Text, say
from support.anthropic_errors import assert_explained
from support.rawhttp import Response
from support.staging import ROUTES, Stage

WORDS = say("some words of a simulated answer, cut into several pieces of a stream")

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(autouse=True)
def _forgotten(stage: Stage) -> None:
    """What one test does to a provider's reputation is nothing to the next."""
    stage.reload()


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def encoded(route: str) -> list[bytes]:
    """A streamed answer as the route's provider encodes it, event by event."""
    if route == "anthropic":
        return [sse(event) for event in events(WORDS, ROUTES[route])]
    return list(bedrock.frames(WORDS, None))


def whole(route: str) -> bytes:
    """An answer that is not streamed, as the route's provider encodes it."""
    if route == "anthropic":
        return b'{"type":"message","content":[{"type":"text","text":"%b"}]}' % (b"w" * 400)
    return json.dumps(bedrock.message(Answer((Text("w" * 400),)))).encode()


def reply(
    route: str, pieces: Sequence[Piece], framing: Framing = Framing.CHUNKED, *, declared: int | None = None
) -> Reply:
    kinds = {"anthropic": "text/event-stream", "bedrock": "application/vnd.amazon.eventstream"}
    return Reply(200, (("content-type", kinds[route]),), pieces, framing, declared_length=declared)


def assert_broken_off(route: str, response: Response, sent: Sequence[bytes]) -> None:
    """What arrived is a part of what was sent, and the client can tell that it is not all.

    The pass-through route cuts the connection; the translated one ends its stream with an `error` event.
    """
    assert response.status == 200
    if route == "anthropic":
        assert not response.whole
        assert b"".join(sent).startswith(response.body)
        return
    assert response.whole
    kinds = [event["type"] for event in response.events()]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "error"
    assert "message_stop" not in kinds
    assert response.body.rstrip().rpartition(b"\n\n")[2].startswith(b"event: error\ndata: ")
    error = response.events()[-1]["error"]
    assert set(error) == {"type", "message"}
    assert error["message"]


MID_STREAM = [
    pytest.param(Framing.CHUNKED, (Cut(Ending.RESET),), None, id="reset"),
    pytest.param(Framing.CHUNKED, (Cut(Ending.EOF),), None, id="clean-end-without-last-chunk"),
    pytest.param(Framing.CHUNKED, (Raw(b"zz\r\nrubbish\r\n"),), None, id="chunk-size-that-is-no-number"),
    pytest.param(Framing.CHUNKED, (Raw(b"5\r\nhello-and-more\r\n"),), None, id="chunk-longer-than-its-size"),
    pytest.param(Framing.CHUNKED, (Raw(b"fffffffffffffffff\r\nx"),), None, id="chunk-size-over-64-bits"),
    pytest.param(Framing.LENGTH, (Cut(Ending.EOF),), 100_000, id="content-length-too-long"),
    pytest.param(Framing.LENGTH, (Cut(Ending.RESET),), 100_000, id="reset-within-content-length"),
]


@pytest.mark.parametrize(("framing", "fault", "declared"), MID_STREAM)
def test_a_stream_that_breaks_off_never_looks_whole(
    stage: Stage, route: str, framing: Framing, fault: tuple[Piece, ...], declared: int | None
) -> None:
    sent = encoded(route)[:5]
    body = stage.body(route, lambda _: reply(route, [*sent, *fault], framing, declared=declared), stream=True)
    response = stage.ask(body)
    assert_broken_off(route, response, [*sent, b"hello"])
    assert len(stage.requests(body)) == 1


@pytest.mark.parametrize(("framing", "fault", "declared"), MID_STREAM)
def test_a_whole_answer_that_breaks_off_never_looks_whole(
    stage: Stage, route: str, framing: Framing, fault: tuple[Piece, ...], declared: int | None
) -> None:
    part = whole(route)[:200]
    answer = Reply(
        200, (("content-type", "application/json"),), [part, *fault], framing, declared_length=declared
    )
    body = stage.body(route, lambda _: answer, stream=False)
    response = stage.ask(body)
    if route == "anthropic":
        assert_broken_off(route, response, [part, b"hello"])
    else:
        assert "hint:" in assert_explained(response, 502)
    assert len(stage.requests(body)) == 1


def test_a_content_length_that_is_too_short_ends_the_answer_there(stage: Stage, route: str) -> None:
    sent = b"".join(encoded(route)[:5])
    body = stage.body(
        route, lambda _: reply(route, [sent], Framing.LENGTH, declared=len(sent) - 20), stream=True
    )
    response = stage.ask(body)
    if route == "anthropic":
        assert response.whole
        assert response.body == sent[:-20]
    else:
        assert_broken_off(route, response, [])
    assert stage.play(route, lambda _: say("in step"), stream=False).json()["content"][0]["text"] == "in step"


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.CLOSE], ids=lambda item: item.value)
def test_a_translated_stream_that_ends_before_its_message_does_ends_with_an_error(
    stage: Stage, framing: Framing
) -> None:
    sent = encoded("bedrock")[:3]
    response = stage.play("bedrock", lambda _: reply("bedrock", sent, framing), stream=True)
    assert_broken_off("bedrock", response, sent)


def corrupted(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x41]) + frame[at + 1 :]


BAD_FRAMES = {
    "prelude-crc": lambda frame: corrupted(frame, 9),
    "message-crc": lambda frame: corrupted(frame, len(frame) - 1),
    "payload": lambda frame: corrupted(frame, len(frame) // 2),
    "huge-length": lambda frame: struct.pack(">I", 0x7FFFFFFF) + frame[4:],
    "not-an-event-stream": lambda _: b"event: message_start\ndata: {}\n\n" * 4,
    "payload-is-not-json": lambda _: eventstream.frame(
        {":event-type": "contentBlockDelta", ":message-type": "event"}, b"{not json"
    ),
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
@pytest.mark.parametrize("place", [0, 3], ids=["first", "mid-stream"])
def test_a_frame_that_cannot_be_trusted_ends_a_translated_stream(stage: Stage, kind: str, place: int) -> None:
    frames = encoded("bedrock")
    frames[place] = BAD_FRAMES[kind](frames[place])
    response = stage.play("bedrock", lambda _: reply("bedrock", frames), stream=True)
    if place == 0:
        text = assert_explained(response, 502)
        assert "damaged" in text
        assert "Retry the request" in text
    else:
        assert_broken_off("bedrock", response, [])


EXCEPTIONS = {
    "throttlingException": (429, "rate_limit_error"),
    "validationException": (400, "invalid_request_error"),
    "serviceUnavailableException": (529, "overloaded_error"),
    "internalServerException": (500, "api_error"),
    "modelStreamErrorException": (502, "api_error"),
    "modelTimeoutException": (504, "timeout_error"),
    "somethingNewException": (500, "api_error"),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_before_any_event_is_an_http_error(stage: Stage, name: str) -> None:
    answer = Answer(WORDS.parts, error=StreamError(name, "the simulated reason", after=0))
    response = stage.play("bedrock", lambda _: answer, stream=True)
    status, kind = EXCEPTIONS[name]
    assert "the simulated reason" in assert_explained(response, status)
    assert response.json()["error"]["type"] == kind


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_inside_a_stream_is_its_last_event(stage: Stage, name: str) -> None:
    answer = Answer(WORDS.parts, error=StreamError(name, "the simulated reason", after=3))
    response = stage.play("bedrock", lambda _: answer, stream=True)
    assert_broken_off("bedrock", response, [])
    assert response.events()[-1]["error"]["type"] == EXCEPTIONS[name][1]
    assert "the simulated reason" in response.events()[-1]["error"]["message"]


def test_an_error_frame_outside_the_model_is_explained_too(stage: Stage) -> None:
    sent = [*encoded("bedrock")[:3], eventstream.error("InternalError", "the simulated reason")]
    response = stage.play("bedrock", lambda _: reply("bedrock", sent), stream=True)
    assert_broken_off("bedrock", response, [])
    assert "the simulated reason" in response.events()[-1]["error"]["message"]


@pytest.mark.parametrize("after", [0, 3], ids=["first", "mid-stream"])
def test_an_error_event_of_anthropics_own_is_relayed_unchanged(stage: Stage, after: int) -> None:
    answer = Answer(WORDS.parts, error=StreamError("overloaded_error", "Overloaded", after=after))
    response = stage.play("anthropic", lambda _: answer, stream=True)
    assert response.whole
    assert len(response.events()) == after + 1
    assert response.events()[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}


def test_interim_answers_are_swallowed(stage: Stage, route: str, stream: bool) -> None:
    pieces = encoded(route) if stream else [whole(route)]
    kind = "application/json" if not stream else reply(route, []).headers[0][1]
    interim = ((100, ()), (103, (("link", "</style.css>"),)), (102, ()))
    answer = Reply(200, (("content-type", kind),), pieces, informational=interim)
    response = stage.play(route, lambda _: answer, stream=stream)
    assert (response.status, response.whole) == (200, True)
    assert response.get("link") is None
    if route == "anthropic":
        assert response.body == b"".join(pieces)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    ["https://evil.invalid/v1/messages", "//evil.invalid/", "/elsewhere", "https://api.anthropic.com/v1/x"],
    ids=["other-origin", "no-scheme", "path", "anthropic"],
)
def test_a_redirect_is_neither_followed_nor_relayed(
    stage: Stage, route: str, status: int, location: str
) -> None:
    seen = len(stage.world.requests())
    body = stage.body(route, lambda _: redirect(location, status=status), stream=True)
    response = stage.ask(body)
    text = assert_explained(response, 502)
    assert str(status) in text
    assert "evil.invalid" not in repr(response)
    assert len(stage.world.requests()) == seen + 1


@pytest.mark.parametrize(
    ("status", "kind", "shown", "error"),
    [
        (429, "ThrottlingException", 429, "rate_limit_error"),
        (400, "ThrottlingException", 429, "rate_limit_error"),
        (503, "ServiceUnavailableException", 529, "overloaded_error"),
        (429, "ModelNotReadyException", 529, "overloaded_error"),
        (500, "InternalServerException", 500, "api_error"),
        (408, "ModelTimeoutException", 504, "timeout_error"),
        (403, "AccessDeniedException", 403, "permission_error"),
    ],
)
def test_a_refusal_by_bedrock_keeps_its_reason_and_its_wait(
    stage: Stage, stream: bool, status: int, kind: str, shown: int, error: str
) -> None:
    refusal = Fail(status, kind, "the simulated reason", (("retry-after", "7"), ("set-cookie", "a=b")))
    body = stage.body("bedrock", lambda _: refusal, stream=stream)
    response = stage.ask(body)
    assert "the simulated reason" in assert_explained(response, shown)
    assert response.json()["error"]["type"] == error
    assert response.get("retry-after") == ("7" if shown != 403 else None)
    assert response.get("set-cookie") is None
    assert not any(name.startswith(b"anthropic-") for name, _ in response.headers)
    assert len(stage.requests(body)) == 1


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503, 504])
def test_a_page_of_a_proxy_in_between_becomes_an_error_a_client_can_read(
    stage: Stage, stream: bool, status: int
) -> None:
    page = b"<html><title>Blocked</title>by the company proxy</html>"
    answer = Reply(status, (("content-type", "text/html"),), (page,))
    response = stage.play("bedrock", lambda _: answer, stream=stream)
    assert "company proxy" in assert_explained(response, 400, 502)


def test_a_compressed_answer_on_the_translated_route_is_refused_not_garbled(stage: Stage) -> None:
    answer = Reply(
        200,
        (("content-type", "application/json"), ("content-encoding", "gzip")),
        (b"\x1f\x8b\x08" + b"\0" * 60,),
    )
    assert_explained(stage.play("bedrock", lambda _: answer, stream=False), 502)


def test_the_gateway_serves_on_after_all_of_this(stage: Stage, route: str, stream: bool) -> None:
    response = stage.play(route, lambda _: WORDS, stream=stream)
    assert (response.status, response.whole) == (200, True)
    running = stage.home.running()
    assert running is not None
    assert running.in_flight == 0
    log = (stage.home.state_home / "logs" / "gateway.log").read_text()
    assert "event=internal-error" not in log
