"""Reaches a provider: every address its name has now, one after the other until one answers (happy eyeballs, RFC 8305).

uvloop's `create_connection` tries addresses in order, each until the system gives up, which is minutes for one that is
silent. Here the next one starts a quarter of a second later, the families by turns. Nothing is remembered of a name.
"""

import asyncio
import errno
import functools
import os
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

ATTEMPT_DELAY: Final = 0.25
"""Seconds until the next address is tried beside one that has not answered (RFC 8305, section 5)."""
DEAD_SECONDS: Final = 30
"""Sent bytes, or probes of an idle connection, that stay unacknowledged for this long end the connection."""
_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPALIVE", 15),  # what macOS calls TCP_KEEPIDLE
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", DEAD_SECONDS * 1000),
    (
        socket.IPPROTO_TCP,
        "TCP_WINDOW_CLAMP",
        512 * 1024,
    ),  # what the system holds of an answer nobody reads: else 6 MB
)


class Address(NamedTuple):
    """Where a name leads: what `socket.connect` takes, and its family."""

    family: int
    where: tuple[Any, ...]


async def resolve(host: str, port: int) -> list[Address]:
    """What the system says of a name at this moment, in the order to try it. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return by_turns([Address(family, where) for family, _, _, _, where in found])


def by_turns(addresses: Sequence[Address]) -> list[Address]:
    """The same addresses with the families by turns; the first stays the first (RFC 8305, section 4)."""
    first = [address for address in addresses if address.family == addresses[0].family]
    other = [address for address in addresses if address.family != addresses[0].family]
    mixed = [address for pair in zip(first, other, strict=False) for address in pair]
    both = min(len(first), len(other))
    return list(dict.fromkeys(mixed + first[both:] + other[both:]))


class Reached(NamedTuple):
    """A connected socket, and the address that answered."""

    address: Address
    socket: socket.socket


async def race(addresses: Sequence[Address]) -> Reached:
    """The first connection that comes about. Raises the OSError of the first address that failed."""
    if len(addresses) == 1:
        return await _attempt(addresses[0])
    waiting = list(reversed(addresses))
    attempts: set[asyncio.Task[Reached]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.get_running_loop().create_task(_attempt(waiting.pop())))
            await asyncio.wait(
                attempts,
                timeout=ATTEMPT_DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in attempts if task.done()]:
                attempts.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                failures.append(error)
        raise failures[0]
    finally:
        for task in attempts:
            task.cancel()
            task.add_done_callback(_unwanted)


def _unwanted(attempt: "asyncio.Task[Reached]") -> None:
    """Close what a slower attempt brought; its failure interests nobody."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().socket.close()


async def _attempt(address: Address) -> Reached:
    connection = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        attend(connection)
        await asyncio.get_running_loop().sock_connect(connection, address.where)
    except OSError as error:
        connection.close()
        if error.errno is None:
            raise
        raise OSError(
            error.errno, os.strerror(error.errno)
        ) from error  # the event loop puts the address there
    except BaseException:
        connection.close()
        raise
    return Reached(address, connection)


def attend(connection: socket.socket) -> None:
    """Have the system notice a peer that is gone without a word, as far as the platform can."""
    for level, name, value in _OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(level, option, value)


def stirrings(connection: socket.socket) -> Callable[[], Sequence[object]]:
    """What asks the system how a connection is that is not in use: nothing is told of one as it should be.

    That is open, and without a byte that nobody asked for. The event loop learns of an end one turn later than the system
    does, and a request would be written in between.
    """
    poller = select.poll()
    poller.register(connection, select.POLLIN)  # errors and ends are told in any case
    return functools.partial(poller.poll, 0)


def still_the_way(connection: socket.socket) -> bool:
    """Whether a new connection to the same peer would leave from the same address of this machine.

    After a change of networks it does not, and the old one is dead without having heard of it. Asking sends nothing.
    """
    try:
        with socket.socket(connection.family, socket.SOCK_DGRAM) as probe:
            probe.connect(connection.getpeername())
            return bool(probe.getsockname()[0] == connection.getsockname()[0])
    except OSError as error:
        return is_exhausted(error)  # without a descriptor to ask with nothing is known


def is_exhausted(error: OSError) -> bool:
    """Whether the process, or the machine, has no file descriptor left."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def no_descriptor_left() -> bool:
    """Whether a socket cannot be made now; looking names up does not say why it failed."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except OSError as error:
        return is_exhausted(error)
    return False
