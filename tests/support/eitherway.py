"""A gateway between hand-made wires, with the short way or without it: what is done to both has to look the same."""

import asyncio
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fakes.clock import FakeClock
from fakes.log import FakeLog
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.credentials.policies import Passthrough
from openclaude.domain.routes import RouteTable
from openclaude.edge.admission import Door
from openclaude.edge.connection import Line, UpstreamConnection
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import ANTHROPIC, EgressWall
from openclaude.edge.listener import Listener
from openclaude.edge.reach import Address
from openclaude.edge.server import ClientConnection
from openclaude.edge.upstream import UpstreamTransport
from openclaude.fastpath import Express, FastClientConnection, FastUpstreamConnection
from openclaude.gateway.exchange import Services
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import PassthroughRoute, Route, fallback_of

SECRET = b"s" * 40
TOKEN = b"t" * 40
OPUS = b"claude-opus-5-5"
SPILLING = b"claude-haiku-4-5"
"""A model whose route has a fallback, so that no request for it takes a short way."""
_NAMES = re.compile(rb"req_oc_[0-9a-f]{24}")


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.written: list[bytes] = []
        self.ended = ""
        self.paused = self.lost = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.written += map(bytes, list_of_data)

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def write_eof(self) -> None:
        self.written.append(b"<end>")

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It never fills by itself."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ours if name == "socket" else default

    def shown(self) -> tuple[object, ...]:
        return _NAMES.sub(b"req_oc_", b"".join(self.written)), self.ended, self.paused

    def drop(self) -> None:
        self.ours.close()
        self.theirs.close()


async def _nowhere(host: str, port: int) -> list[Address]:
    """A name that leads nowhere, after as many turns of the loop each time: a real refusal comes when the system says so."""
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host}:{port}")


@dataclass
class Counted:
    """A handler that counts what begins with it."""

    pipeline: Pipeline
    begun: int = 0

    def routing_of(self, profile: str) -> Any:
        return self.pipeline.routing_of(profile)

    def begin(self, *of: Any) -> Any:
        self.begun += 1
        return self.pipeline.begin(*of)


@dataclass
class Side:
    """One of the two gateways; to be made in a running loop."""

    short: bool
    clock: FakeClock = field(default_factory=FakeClock)
    log: FakeLog = field(default_factory=FakeLog)
    reported: list[str] = field(default_factory=list)
    stopped: list[tuple[object, ...]] = field(default_factory=list)
    tokens: set[bytes] = field(default_factory=lambda: {TOKEN})
    near: list[tuple[Any, Wire]] = field(default_factory=list)
    far: list[tuple[Any, Wire]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wall = EgressWall((), stopped=lambda *told: self.stopped.append(told))
        self.transport = UpstreamTransport(
            tls=ssl.create_default_context,
            dial=DialMap(),
            resolve=_nowhere,
            report=self._report,
            wall=self.wall,
            clock=self.clock.monotonic,
            connection=FastUpstreamConnection if self.short else UpstreamConnection,
        )
        self.services = Services(self.transport, self.clock, self.log)
        self.pool = self.transport._open(ANTHROPIC)
        self.handler = self._handler()
        express = Express(self.services, self.transport, self.wall)
        self.listener = Listener(
            Door(1, SECRET, "id", self.tokens),
            self.handler,
            report=self._report,
            connection=partial(FastClientConnection, express=express) if self.short else ClientConnection,
        )

    def _report(self, error: BaseException) -> None:
        self.reported.append(repr(error))

    def _handler(self) -> Counted:
        plain = PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())
        spilling = PassthroughRoute(
            "spilling", Passthrough(), AnthropicAdapter(), fallback_of(("claude-opus-5-5",))
        )
        routes: list[tuple[str, Route]] = [(SPILLING.decode(), spilling), ("claude-*", plain)]
        return Counted(Pipeline(RouteTable(routes), self.services, [], {}))

    # what is done to it

    def accept(self) -> None:
        connection, wire = self.listener._accepted(None), Wire()
        connection.connection_made(wire)
        self.near.append((connection, wire))

    def dialled(self) -> None:
        """See to it that there is a connection for the next request, as if it had been dialled."""
        idle = self.pool.take()
        if idle is not None:
            self.pool.give_back(idle)
            return
        wire = Wire()
        connection = self.pool.connection(self.pool)
        connection.connection_made(wire)
        now = self.clock.monotonic()
        connection.line = Line(wire.ours, now, now)
        self.pool._all.add(connection)
        self.pool.give_back(connection)
        self.far.append((connection, wire))

    def says(self, number: int, data: bytes) -> None:
        """A client sends bytes."""
        connection, wire = self.near[number]
        if not wire.ended:
            connection.data_received(data)

    def busy(self) -> list[int]:
        """The connections to the provider on which a request is under way."""
        return [
            number
            for number, (connection, wire) in enumerate(self.far)
            if not wire.ended
            and (connection._call is not None or getattr(connection, "near", None) is not None)
        ]

    def hears(self, number: int, data: bytes) -> None:
        """The provider sends bytes."""
        connection, wire = self.far[number]
        if not wire.ended:
            connection.data_received(data)

    def reload(self) -> None:
        self.wall.permit(())
        self.services.healths.clear()
        begun, self.handler = self.handler.begun, self._handler()
        self.handler.begun = begun
        self.listener.handler = self.handler

    async def settle(self) -> None:
        """What the loop does by itself."""
        for _ in range(3):
            await asyncio.sleep(0)
            for connection, wire in (*self.near, *self.far):
                if wire.ended and not wire.lost:
                    wire.lost = True
                    connection.connection_lost(None)

    def seen(self) -> dict[str, object]:
        """Everything that can be seen of it from outside, and what it counts."""
        # Sorted: in which order a look at all of them ends requests that are overdue is nobody's choice.
        lines = sorted(_NAMES.sub(b"req_oc_", line.encode()) for line in self.log.lines)
        return {
            "clients": [wire.shown() for _, wire in self.near],
            "providers": [wire.shown() for _, wire in self.far],
            "idle": [index for index, (one, _) in enumerate(self.far) if one in self.pool._idle],
            "busy": self.busy(),
            "resting": [(one.idle, one.rests) for one, wire in self.near if not wire.lost],
            "lines": lines,
            "events": self.log.events,
            "counts": (self.services.in_flight, self.services.served, self.services.bodies.kept),
            "plan": [login | {"login": 0} for login in self.services.plan()["plan"]],
            "reported": self.reported,
            "stopped": self.stopped,
        }

    def drop(self) -> None:
        self.transport.close()
        for _, wire in (*self.near, *self.far):
            wire.drop()


@contextlib.contextmanager
def both() -> Iterator[tuple[Side, Side]]:
    """The gateway with the short way, and the one without it."""
    sides = Side(short=True), Side(short=False)
    try:
        yield sides
    finally:
        for side in sides:
            side.drop()


async def alike(sides: Sequence[Side], act: Callable[[Side], object]) -> None:
    """Do the same to both; they have to look the same afterwards."""
    for side in sides:
        side.dialled()
        act(side)
        await side.settle()
    with_it, without = (side.seen() for side in sides)
    assert with_it == without


def head(
    login: bytes, length: int, *, first: bytes = SECRET, more: bytes = b"", path: bytes = b"/v1/messages"
) -> bytes:
    return (
        b"POST /%b%b?beta=true HTTP/1.1\r\nHost: localhost:1\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nanthropic-beta: oauth-2025-04-20\r\n%bContent-Length: %d\r\n\r\n"
    ) % (first, path, login, more, length)


def body(model: bytes = OPUS, size: int = 0) -> bytes:
    return b'{"model":"%b","max_tokens":16,"messages":[],"x":"%b"}' % (model, b"x" * size)


def answer(
    text: bytes = b'{"usage":{"input_tokens":7,"output_tokens":3}}', *lines: bytes, status: bytes = b"200 OK"
) -> bytes:
    shown = b"".join(line + b"\r\n" for line in lines)
    return (
        b"HTTP/1.1 %b\r\nDate: Fri, 27 Nov 2026 07:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"x-hidden: yes\r\nrequest-id: req_011\r\n%b\r\n%b"
    ) % (status, len(text), shown, text)
