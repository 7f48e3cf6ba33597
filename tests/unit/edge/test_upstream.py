"""What the transport does with a connection; faults over real sockets are in tests/integration."""

import asyncio
import contextlib
import os
import resource
import select
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from openclaude.credentials.policies import Passthrough
from openclaude.credentials.sealed import AuthorizedRequest, ClientCredential, SealedLines
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin, SafeHeaders, UpstreamRequest
from openclaude.edge import dial
from openclaude.edge.call import WRITE_HIGH, Call
from openclaude.edge.connection import Line, UpstreamConnection
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressWall, head_bytes
from openclaude.edge.reach import Address
from openclaude.edge.tls import trusting
from openclaude.edge.upstream import Pool, UpstreamTransport
from openclaude.ports import Receiver
from support.patience import DEADLINE
from support.rawupstream import Peer, RawUpstream

pytestmark = pytest.mark.anyio
ANTHROPIC = Origin("api.anthropic.com")
REQUEST = UpstreamRequest(b"POST", b"/v1/messages?beta=true", SafeHeaders([(b"X-App", b"cli")]), 5)


class Witness(Receiver):
    """A receiver that keeps the failures it is told of."""

    def __init__(self) -> None:
        self.failures: list[ApiError] = []
        self.pressure: list[str] = []

    def head(self, status, headers, length) -> None:
        """Not reached in these tests."""

    def data(self, data) -> None:
        """Not reached in these tests."""

    def complete(self) -> None:
        """Not reached in these tests."""

    def upstream_full(self) -> None:
        self.pressure.append("full")

    def upstream_drained(self) -> None:
        self.pressure.append("drained")

    def failed(self, error: ApiError) -> None:
        self.failures.append(error)


def ignore(error: BaseException) -> None:
    """Nothing is reported in these tests."""


async def test_a_connection_that_was_closed_before_its_first_use_fails_its_call_once() -> None:
    pool = Pool(Origin("api.anthropic.com"), DialMap(), ssl.create_default_context(), ignore)
    witness = Witness()
    call = Call(witness, 5)
    with socket.socket() as plain:
        pool._hand_over(UpstreamConnection(pool), Line(plain, 0, 0), call)
    assert [(error.status, error.type, error.retry) for error in witness.failures] == [
        (502, "api_error", True)
    ]
    assert (
        "https://api.anthropic.com closed the connection as soon as it was open"
        in witness.failures[0].message
    )


class Sink(asyncio.Transport):
    """A transport that takes everything at once."""

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        """It never fills."""

    def is_closing(self) -> bool:
        return False

    def write(self, data) -> None:
        """It is gone."""

    def abort(self) -> None:
        """Nothing is left to be cut off."""


async def test_a_client_that_uploads_while_the_provider_is_dialled_is_held_back() -> None:
    pool = Pool(Origin("api.anthropic.com"), DialMap(), ssl.create_default_context(), ignore)
    witness = Witness()
    call = Call(witness, 10 * WRITE_HIGH)
    for _ in range(4):
        call.write(b"x" * (WRITE_HIGH // 4))
    assert witness.pressure == []
    call.write(b"x")
    assert witness.pressure == ["full"]
    connection = UpstreamConnection(pool)
    connection.connection_made(Sink())
    with socket.socket() as plain:
        pool._hand_over(connection, Line(plain, 0, 0), call)
    assert witness.pressure == ["full", "drained"]


async def test_a_head_is_built_from_empty_with_the_credential_last(canary) -> None:
    login = canary().encode()
    authorized = Passthrough().authorize(REQUEST, ClientCredential([(b"authorization", b"Bearer " + login)]))
    assert head_bytes(authorized) == (
        b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: api.anthropic.com\r\nX-App: cli\r\nContent-Length: 5\r\n"
        b"authorization: Bearer " + login + b"\r\n\r\n"
    )


async def test_nothing_is_ever_sent_in_the_clear() -> None:
    wall = EgressWall((), stopped=lambda *_: None)
    transport = UpstreamTransport(tls=ssl.create_default_context, dial=DialMap(), report=ignore, wall=wall)
    plain = AuthorizedRequest(Origin("127.0.0.1", 80, "http"), REQUEST, "route-key", SealedLines(b""))
    with pytest.raises(ValueError, match="it is not https"):
        transport.send(plain, (), Witness())


class Answered(Witness):
    """A receiver that one can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.over = asyncio.Event()

    def head(self, status, headers, length) -> None:
        self.status = status

    def complete(self) -> None:
        self.over.set()

    def failed(self, error: ApiError) -> None:
        super().failed(error)
        self.over.set()


class Scene:
    """A transport, a provider below HTTP, and a clock that a test turns."""

    def __init__(self, upstream: RawUpstream, login: str) -> None:
        self.upstream = upstream
        self.seconds = 1000.0
        self.addresses = [dial.parse(upstream.connect_to).address(ANTHROPIC)]
        self.asked: list[tuple[str, int]] = []
        self.transport = UpstreamTransport(
            tls=trusting(upstream.ca_file),
            dial=DialMap(),
            report=ignore,
            wall=EgressWall((), stopped=lambda *_: None),
            clock=lambda: self.seconds,
            resolve=self._resolve,
        )
        self._credential = ClientCredential([(b"authorization", b"Bearer " + login.encode())])

    async def _resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append((host, port))
        return [Address(socket.AF_INET, where) for where in self.addresses]

    async def ask(self) -> Answered:
        """One request, to its end."""
        answer = Answered()
        self.transport.send(Passthrough().authorize(REQUEST, self._credential), (b"hello",), answer)
        async with asyncio.timeout(DEADLINE):
            await answer.over.wait()
        return answer


class Serving:
    """A provider's behaviour: answers requests, and does as `then` says after each answer."""

    def __init__(self, then: Callable[[Peer], None] = lambda _: None) -> None:
        self.then = then
        self.done = threading.Semaphore(0)
        self.requests = 0

    def __call__(self, peer: Peer) -> None:
        while True:
            peer.read_request()
            self.requests += 1
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            self.then(peer)
            self.done.release()


@pytest.fixture
async def scene(tmp_path: Path, canary: Callable[[str], str]) -> AsyncIterator[Scene]:
    with RawUpstream(tmp_path) as upstream:
        made = Scene(upstream, canary("sk-ant-" + "oat01-"))
        yield made
        made.transport.close()
        await asyncio.sleep(0.01)  # connections end in the turns of the loop that follow


async def test_a_connection_is_used_for_one_request_after_the_other(scene: Scene) -> None:
    scene.upstream.behaviour = Serving()
    for _ in range(3):
        assert (await scene.ask()).status == 200
    assert scene.upstream.connections == 1


async def test_the_system_watches_the_connection_that_is_used(scene: Scene) -> None:
    scene.upstream.behaviour = Serving()
    await scene.ask()
    [pool] = scene.transport._pools.values()
    [connection] = pool._all
    plain = connection.line.socket
    assert plain.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


ENDS = {
    "an orderly end": lambda peer: peer.close(patience=0.02),
    "an end without a word": Peer.drop,
    "a reset": Peer.reset,
    "half an end": Peer.half_close,
    "bytes that nobody asked for": lambda peer: peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_connection_that_died_while_unused_is_not_used_again(scene: Scene, end: str) -> None:
    """The loop has not heard of it yet: this thread waits for the end, and sends in the same turn."""
    told = threading.Event()

    def die(peer: Peer) -> None:
        if not told.is_set():
            told.wait()
            ENDS[end](peer)

    served = scene.upstream.behaviour = Serving(die)
    assert (await scene.ask()).status == 200
    told.set()
    served.done.acquire()
    [pool] = scene.transport._pools.values()
    [connection] = pool._all
    assert select.select([connection.line.socket], [], [], DEADLINE)[0]  # the loop must not turn meanwhile
    answer = await scene.ask()
    assert (answer.status, answer.failures) == (200, [])
    assert (scene.upstream.connections, served.requests) == (2, 2)


@pytest.mark.parametrize(("seconds", "connections"), [(29, 1), (31, 2), (3600, 2)])
async def test_a_connection_that_slept_is_not_used_again(
    scene: Scene, seconds: int, connections: int
) -> None:
    scene.upstream.behaviour = Serving()
    await scene.ask()
    scene.seconds += seconds
    assert (await scene.ask()).status == 200
    assert scene.upstream.connections == connections


async def test_connections_that_are_not_used_again_are_closed_the_others_are_kept(scene: Scene) -> None:
    scene.upstream.behaviour = Serving()
    await asyncio.gather(*(scene.ask() for _ in range(4)))
    [pool] = scene.transport._pools.values()
    scene.seconds += 20
    await scene.ask()
    scene.seconds += 10
    assert len(pool._idle) == 4
    pool._prune()
    assert len(pool._idle) == 1
    assert (await scene.ask()).status == 200
    assert scene.upstream.connections == 4
    scene.seconds += 30
    pool._prune()
    assert (pool._idle, pool._pruning) == ([], None)
    async with asyncio.timeout(DEADLINE):
        while pool._all:
            await asyncio.sleep(0.01)


async def test_a_name_that_moved_is_followed_after_five_minutes_even_by_a_busy_session(
    scene: Scene, tmp_path: Path
) -> None:
    scene.upstream.behaviour = Serving()
    for _ in range(15):
        await scene.ask()
        scene.seconds += 20
    assert (scene.upstream.connections, scene.asked) == (1, [("api.anthropic.com", 443)])
    with RawUpstream(tmp_path, authority=scene.upstream.authority) as moved:
        moved.behaviour = Serving()
        scene.addresses = [dial.parse(moved.connect_to).address(ANTHROPIC)]
        scene.seconds += 1
        assert (await scene.ask()).status == 200
        assert (scene.upstream.connections, moved.connections) == (1, 1)
        assert scene.asked == [("api.anthropic.com", 443)] * 2


async def test_a_connection_whose_network_is_gone_is_not_used_again(scene: Scene) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), source_address=("127.0.0.9", 0)) as ours,
    ):
        ours.setblocking(False)
        now = scene.seconds
        pool = Pool(ANTHROPIC, DialMap(), ssl.create_default_context(), ignore, clock=lambda: now)
        connection = UpstreamConnection(pool)
        connection.connection_made(Sink())
        connection.line = Line(ours, now, now)
        pool._all.add(connection)
        pool.give_back(connection)
        now += 0.5
        assert pool.take() is connection  # a second has not passed: nobody changes networks that often
        pool.give_back(connection)
        now += 1.5
        assert pool.take() is None
        pool.close()


async def test_an_address_that_breaks_off_the_handshake_gives_way_to_the_next(scene: Scene) -> None:
    scene.upstream.behaviour = Serving()
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen: list[bytes] = []

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                seen.append(connection.recv(65536))

        thread = threading.Thread(target=hang_up)
        thread.start()
        scene.addresses.insert(0, server.getsockname())
        answer = await scene.ask()
        thread.join()
    assert (answer.status, answer.failures) == (200, [])
    assert seen[0][:1] == b"\x16"  # the beginning of a handshake, and nothing of the request


async def test_without_a_descriptor_a_request_is_told_to_come_back(scene: Scene) -> None:
    scene.upstream.behaviour = Serving()
    with no_descriptors():
        answer = await scene.ask()
    [error] = answer.failures
    assert (error.status, error.type, error.retry, error.retry_after) == (529, "overloaded_error", True, 2)
    assert "ulimit -n" in error.message
    assert (await scene.ask()).status == 200


async def test_a_connection_that_carries_nothing_gives_its_descriptor_to_one_that_is_needed(
    scene: Scene,
) -> None:
    scene.upstream.behaviour = Serving()
    bedrock = Origin("bedrock-runtime.us-west-2.amazonaws.com")
    scene.transport._wall.permit([bedrock])
    assert (await scene.ask()).status == 200
    answer = Answered()
    with no_descriptors():
        request = AuthorizedRequest(bedrock, REQUEST, "route-key", SealedLines(b""))
        scene.transport.send(request, (b"hello",), answer)
        async with asyncio.timeout(DEADLINE):
            await answer.over.wait()
    assert [error.status for error in answer.failures] == []
    assert answer.status == 200


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Every file descriptor that this process may have is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
    taken: list[int] = [spare]
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_request_that_is_taken_back_while_its_provider_is_dialled_ends_the_dialling() -> None:
    asked = asyncio.Event()

    async def never(host: str, port: int) -> list[Address]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError((host, port))

    pool = Pool(Origin("api.anthropic.com"), DialMap(), ssl.create_default_context(), ignore, resolve=never)
    witness = Witness()
    call = Call(witness, 5)
    task = asyncio.get_running_loop().create_task(pool.connect(call))
    call.dial(task)
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert witness.failures == []
