"""Clients that leave and clients that stop reading: the provider's connection follows, memory stays, others are served."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from openclaude.simulator import eventstream
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import FOREVER, Framing, Pause, Reply
from openclaude.simulator.script import Answer, say
from support.house import resident, until
from support.patience import DEADLINE
from support.product import Home, make_home
from support.rawhttp import Client
from support.rawupstream import Peer, RawUpstream
from support.staging import OPUS, PLAY_HEADER, ROUTES, Stage, client_headers, message_body, serving

PIECE = b"x" * 32 * 1024
MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.xdist_group("leaving")


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[True, False], ids=["reset", "close"])
def reset(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def until_aborted(stage: Stage, belongs: Callable[[Recorded], object]) -> None:
    """Wait until the gateway has closed the request's connection. That it does so within a second: tests/faults (S4)."""

    def left(rows: tuple[Recorded, ...]) -> bool:
        return any(belongs(row) and row.aborted_after is not None for row in rows)

    stage.world.wait_for(left, DEADLINE)


def await_idle(stage: Stage) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        running = stage.home.running()
        assert running is not None
        if running.in_flight == 0:
            return
        assert time.monotonic() < deadline, f"{running.in_flight} requests are still under way"
        time.sleep(0.02)


def logged_outcome(stage: Stage) -> str:
    """How the last request in the log ended."""
    lines = (stage.home.state_home / "logs" / "gateway.log").read_text().splitlines()
    return (
        next(line for line in reversed(lines) if " request=" in line)
        .partition(" outcome=")[2]
        .partition(" ")[0]
    )


def test_a_client_that_leaves_during_its_upload_takes_the_providers_connection_along(
    stage: Stage, reset: bool
) -> None:
    mark = stage.plays.add(lambda _: say("never")).encode()
    body = message_body(OPUS, "u" * 500_000, stream=True)
    client = Client(stage.gateway)
    client.send(
        client.head("/v1/messages?beta=true", stage.headers((PLAY_HEADER, mark)), len(body)) + body[:200_000]
    )

    def ours(row: Recorded) -> bool:
        return row.header(PLAY_HEADER.decode()) == mark

    stage.world.wait_for(lambda rows: any(ours(row) for row in rows), DEADLINE)
    client.leave(reset=reset)
    until_aborted(stage, ours)
    await_idle(stage)
    assert logged_outcome(stage) == "client_left"


@pytest.mark.parametrize("upload", ["length", "chunks"])
def test_a_client_that_leaves_during_its_upload_to_bedrock_causes_no_request(
    stage: Stage, reset: bool, upload: str
) -> None:
    body = stage.body("bedrock", lambda _: say("never"), stream=True)
    before = len(stage.world.requests())
    with Client(stage.gateway) as client:
        length = len(body) if upload == "length" else None
        part = body[:-10] if length else b"%x\r\n%b\r\n" % (len(body) - 10, body[:-10])
        client.send(client.head("/v1/messages?beta=true", stage.headers(), length) + part)
        deadline = time.monotonic() + DEADLINE
        while (running := stage.home.running()) is None or not running.in_flight:
            assert time.monotonic() < deadline
        client.leave(reset=reset)
    await_idle(stage)
    assert len(stage.world.requests()) == before


def test_a_client_that_leaves_before_the_first_byte_takes_the_providers_connection_along(
    stage: Stage, route: str, stream: bool, reset: bool
) -> None:
    body = stage.body(route, lambda _: Answer(say("").parts, hold=FOREVER), stream=stream)
    client = Client(stage.gateway)
    client.post("/v1/messages?beta=true", stage.headers(), body)
    stage.world.wait_for(lambda _: stage.requests(body), DEADLINE)
    client.leave(reset=reset)
    until_aborted(stage, lambda row: row in stage.requests(body))
    await_idle(stage)
    assert logged_outcome(stage) == "client_left"


def test_a_client_that_leaves_mid_stream_takes_the_providers_connection_along(
    stage: Stage, route: str, reset: bool
) -> None:
    body = stage.body(
        route, lambda _: Answer(say("word " * 50).parts, cut_after=4, cut_with=(Pause(FOREVER),)), stream=True
    )
    client = Client(stage.gateway)
    client.post("/v1/messages?beta=true", stage.headers(), body)
    head = client.read_head()
    assert b"message_start" in next(client.pieces(head))
    client.leave(reset=reset)
    until_aborted(stage, lambda row: row in stage.requests(body))
    await_idle(stage)
    assert logged_outcome(stage) == "client_left"


# Back-pressure ------------------------------------------------------------------------------------------------------


class Source:
    """An answer of 400 MB that notes how much of it was taken."""

    def __init__(self, route: str) -> None:
        self.taken = 0
        self._route = route

    def __call__(self, _: object) -> Reply:
        kind = "text/event-stream" if self._route == "anthropic" else "application/vnd.amazon.eventstream"
        return Reply(200, (("content-type", kind),), self._pieces(), Framing.CHUNKED)

    def _pieces(self) -> Iterator[bytes]:
        if self._route == "bedrock":
            yield eventstream.event("messageStart", {"role": "assistant"})
        delta = {"delta": {"text": PIECE.decode()}, "contentBlockIndex": 0}
        piece = eventstream.event("contentBlockDelta", delta) if self._route == "bedrock" else PIECE
        while self.taken < 400 * MEGABYTE:
            self.taken += len(piece)
            yield piece

    def settled(self) -> int:
        """How much was taken once nothing more is taken."""
        deadline = time.monotonic() + DEADLINE
        before = -1
        while before != self.taken or not before:
            assert time.monotonic() < deadline, "the answer goes on although nobody reads it"
            before = self.taken
            time.sleep(0.5)
        return before


def test_a_client_that_stops_reading_stops_its_provider_and_nobody_else(stage: Stage, route: str) -> None:
    assert stage.play(route, lambda _: say("warm"), stream=True).status == 200
    pid = stage.gateway.running.pid
    before = resident(pid)
    sources = [Source(route) for _ in range(4)]
    clients = [Client(stage.gateway, receive_buffer=16 * 1024) for _ in sources]
    bodies = [stage.body(route, source, stream=True) for source in sources]
    for client, body in zip(clients, bodies, strict=True):
        client.post("/v1/messages?beta=true", stage.headers(), body)
        assert client.read_head().status == 200
    assert all(source.settled() < 32 * MEGABYTE for source in sources)
    assert resident(pid) - before < 32 * MEGABYTE
    for other in ROUTES:
        assert stage.play(other, lambda _: say("meanwhile"), stream=True).whole
    for client in clients:
        client.leave()
    for body in bodies:
        until_aborted(stage, lambda row, body=body: row in stage.requests(body))
    await_idle(stage)


def test_a_client_that_reads_again_gets_the_rest(stage: Stage) -> None:
    size = 24 * MEGABYTE
    answer = Reply(200, (("content-type", "application/json"),), [PIECE] * (size // len(PIECE)))
    body = stage.body("anthropic", lambda _: answer, stream=False)
    with Client(stage.gateway, receive_buffer=16 * 1024) as client:
        client.post("/v1/messages?beta=true", stage.headers(), body)
        head = client.read_head()
        time.sleep(0.3)  # every buffer on the way fills
        assert sum(len(piece) for piece in client.pieces(head)) == size


def test_a_provider_that_stops_reading_stops_the_clients_upload(tmp_path: Path) -> None:
    stalled, go_on = threading.Event(), threading.Event()

    def behave(peer: Peer) -> None:
        stalled.set()
        go_on.wait(DEADLINE)
        request = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%d" % (len(str(len(request))), len(request)))

    home = make_home(tmp_path / "home", "sk-ant-" + "oat01-" + "x" * 32)
    with (
        RawUpstream(tmp_path) as upstream,
        serving(home, upstream.connect_to, upstream.ca_file, env={}) as gateway,
    ):
        upstream.behaviour = behave
        before = resident(gateway.running.worker)
        # More than a kernel takes in for a reader that rests: Linux may keep tcp_rmem's most, 32 MiB on some machines.
        body = message_body(OPUS, "u" * 60 * MEGABYTE, stream=True)
        with Client(gateway) as client:
            upload = threading.Thread(
                target=client.post, args=("/v1/messages", client_headers(home.login), body), daemon=True
            )
            upload.start()
            assert stalled.wait(DEADLINE)
            upload.join(1.0)
            assert upload.is_alive()
            assert (
                resident(gateway.running.worker) - before < 24 * MEGABYTE
            )  # of 60 that wait, the first connection included
            go_on.set()
            upload.join(DEADLINE)
            assert not upload.is_alive()
            response = client.read()
        assert int(response.body) > len(body)


def test_a_client_that_resets_behind_an_upload_at_a_standstill_takes_the_providers_connection_along(
    tmp_path: Path,
) -> None:
    stalled, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def behave(peer: Peer) -> None:
        stalled.set()
        go_on.wait(DEADLINE)
        with suppress(EOFError, OSError):
            while True:
                peer.read_request()
        ended.set()

    home = make_home(tmp_path / "home", "sk-ant-" + "oat01-" + "x" * 32)
    with (
        RawUpstream(tmp_path) as upstream,
        serving(home, upstream.connect_to, upstream.ca_file, env={}) as gateway,
    ):
        upstream.behaviour = behave
        client = Client(gateway)
        client.socket.settimeout(1.0)
        body = message_body(OPUS, "u" * 30 * MEGABYTE, stream=True)
        rest = memoryview(client.head("/v1/messages", client_headers(home.login), len(body)) + body)
        while rest:
            try:
                rest = rest[client.socket.send(rest) :]
            except TimeoutError:
                if stalled.is_set():
                    break
        assert rest
        client.leave(reset=True)
        until("the request is over", lambda: _over(home))
        line = next(line for line in home.state().log_file.read_text().splitlines() if " request=" in line)
        assert (
            " outcome=client_left " in line
        )  # and not the end that the system makes of it after half a minute
        go_on.set()
        assert ended.wait(DEADLINE)


def _over(home: Home) -> bool:
    running = home.running()
    return running is not None and not running.in_flight
