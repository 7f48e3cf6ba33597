"""Addresses that answer, fail or stay silent, on the loopback interface."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.turned import TurnedLoop
from openclaude.edge.reach import (
    ATTEMPT_DELAY,
    DEAD_SECONDS,
    Address,
    Reached,
    attend,
    by_turns,
    race,
    resolve,
    still_the_way,
    stirrings,
)
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio
V4, V6 = socket.AF_INET, socket.AF_INET6


def v4(host: str, port: int) -> Address:
    return Address(V4, (host, port))


@contextlib.contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[tuple[socket.socket, Address]]:
    with socket.create_server((host, 0)) as server:
        server.setblocking(False)
        yield server, v4(host, server.getsockname()[1])


@contextlib.contextmanager
def deaf(host: str = "127.0.0.2") -> Iterator[Address]:
    """An address at which nothing is refused and nothing answered: its queue of waiting connections is full."""
    with contextlib.ExitStack() as held:
        server = held.enter_context(socket.create_server((host, 0), backlog=0))
        where = server.getsockname()
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(where)
        yield v4(*where)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def refusing(host: str = "127.0.0.2") -> Address:
    with socket.create_server((host, 0)) as server:
        return v4(host, server.getsockname()[1])


async def test_families_come_by_turns_and_the_systems_first_choice_stays_first() -> None:
    addresses = [Address(V6, ("a",)), Address(V6, ("b",)), Address(V6, ("c",)), Address(V4, ("d",))]
    assert [address.where[0] for address in by_turns(addresses)] == ["a", "d", "b", "c"]
    assert [address.where[0] for address in by_turns(addresses[::-1])] == ["d", "c", "b", "a"]
    assert by_turns(addresses[:1] * 2) == addresses[:1]


async def test_a_numeric_address_is_its_own_resolution() -> None:
    assert await resolve("127.0.0.1", 443) == [v4("127.0.0.1", 443)]
    assert [(found.family, found.where[0]) for found in await resolve("::1", 443)] == [(V6, "::1")]


def raced(*addresses: Address, within: float) -> Reached:
    """Who wins the race within seconds of a clock that is turned by hand; with none it stands still."""

    async def run() -> Reached:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TurnedLoop)
        race_ = loop.create_task(race(addresses))
        await loop.happens("an address is reached", race_.done, within=within)
        return race_.result()

    with asyncio.Runner(loop_factory=TurnedLoop) as runner:
        reached = runner.run(run())
    reached.socket.close()
    return reached


def test_an_address_that_stays_silent_does_not_keep_the_next_one_waiting() -> None:
    with deaf() as nobody, listening() as (_, somebody):
        assert raced(nobody, somebody, within=ATTEMPT_DELAY).address == somebody


def test_an_address_that_refuses_gives_way_at_once() -> None:
    with listening() as (_, somebody), deaf() as nobody:
        assert raced(refusing(), somebody, nobody, within=0).address == somebody


async def test_a_family_that_this_machine_cannot_use_gives_way_to_the_other() -> None:
    with listening() as (_, somebody):
        reached = await race([Address(V6, ("::1", somebody.where[1], 0, 0)), somebody])
        assert reached.address == somebody
        reached.socket.close()


async def test_when_no_address_answers_the_first_ones_reason_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        await race([refusing(), refusing("127.0.0.3")])
    with pytest.raises(ConnectionRefusedError, match=r"^\[Errno \d+\] Connection refused$"):
        await race([refusing()])


async def test_an_attempt_that_is_given_up_leaves_no_socket_behind() -> None:
    with deaf() as nobody, deaf("127.0.0.3") as another:
        await asyncio.sleep(0)
        before = open_files()
        task = asyncio.get_running_loop().create_task(race([nobody, another]))
        while open_files() < before + 2:
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert open_files() == before


async def test_a_slower_attempt_that_succeeds_too_is_closed() -> None:
    with listening() as (first, one), listening("127.0.0.2") as (second, two):
        reached = await race([one, two])
        reached.socket.close()
        waiting = [server for server in (first, second) if _accepts(server)]
        assert len(waiting) >= 1


def _accepts(server: socket.socket) -> bool:
    """Whether there is a connection; it has to be closed at the other end."""
    try:
        connection, _ = server.accept()
    except BlockingIOError:
        return False
    with connection:
        connection.settimeout(DEADLINE)
        assert connection.recv(1) == b""
    return True


def test_the_system_watches_a_connection_to_a_provider() -> None:
    with socket.socket() as connection:
        attend(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DEAD_SECONDS * 1000
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3


@contextlib.contextmanager
def pair(source: str = "") -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; the first leaves from `source`."""
    with listening() as (server, address), socket.socket() as ours:
        if source:
            ours.bind((source, 0))
        ours.connect(address.where)
        ours.setblocking(False)
        server.setblocking(True)
        theirs, _ = server.accept()
        with theirs:
            yield ours, theirs


def test_an_unused_connection_is_sound_while_nothing_comes() -> None:
    with pair() as (ours, _):
        told = stirrings(ours)
        assert not told()
        assert not told()


@pytest.mark.parametrize("what", ["end", "half", "reset", "bytes"])
def test_an_unused_connection_is_unsound_when_it_ended_or_said_something(what: str) -> None:
    with pair() as (ours, theirs):
        told = stirrings(ours)
        if what == "bytes":
            theirs.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        elif what == "half":
            theirs.shutdown(socket.SHUT_WR)
        else:
            if what == "reset":
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
        assert told()


def test_a_closed_socket_is_unsound() -> None:
    with pair() as (ours, _):
        told = stirrings(ours)
        ours.close()
        assert told()
        assert not still_the_way(ours)


def test_a_connection_whose_network_is_still_there_is_on_its_way() -> None:
    with pair() as (ours, _):
        assert still_the_way(ours)


def test_a_connection_from_an_address_that_the_machine_would_no_longer_use_is_not() -> None:
    with pair("127.0.0.9") as (ours, _):
        assert not still_the_way(ours)
