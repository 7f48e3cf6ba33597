"""The two functions of the short way, one for a request and one for its answer, and the way back to the long one.

What an attribute holds is given a name of its own here before it is called: of `self._now()` CPython 3.11 would look for a
method each time, which takes some nanoseconds more.
"""

import asyncio
import re
from collections.abc import Callable, Sized
from typing import Final, cast

from openclaude.credentials.fingerprints import KNOWN
from openclaude.domain.messages import LEADING
from openclaude.edge.call import Call
from openclaude.edge.connection import UNHANDLED, Keeper, UpstreamConnection
from openclaude.edge.server import SMALL, ClientConnection, Listening
from openclaude.fastpath.shapes import Shape, shape_of
from openclaude.fastpath.shortcuts import Course, Express, Shortcut
from openclaude.gateway.exchange import Answer
from openclaude.gateway.intake import Intake
from openclaude.gateway.observers import HEAD, usage_of
from openclaude.gateway.passthrough import PassthroughExchange
from openclaude.gateway.sweep import EVERY
from openclaude.ports import Receiver
from openclaude.wire.http1 import MAX_BODY_BYTES, MAX_HEAD_BYTES

_read: Final = UpstreamConnection.data_received
"""What reads each event of a stream: `super()` would take as long as the check before it."""
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_END: Final = b"\r\n\r\n"


def _nowhere(data: bytes) -> None:
    """What is written once a transport is gone."""
    del data


class FastClientConnection(ClientConnection):
    """A client's connection that sends repeated requests itself.

    Args:
        server: the listener.
        express: makes shortcuts.
    """

    __slots__ = (
        "_began",
        "_course",
        "_express",
        "_far",
        "_length",
        "_now",
        "_push",
        "_services",
        "_shortcut",
        "_take",
        "_wall",
        "_watched",
    )

    _course: Course
    """What the model of the request under way decides; there once there was one."""
    _push: Callable[[bytes], None]
    _take: "Callable[[], FastUpstreamConnection | None]"

    def __init__(self, server: Listening, express: Express) -> None:
        super().__init__(server)
        self._express = express
        self._services = express.services
        self._wall = express.wall
        self._now = express.services.clock.monotonic
        self._shortcut: Shortcut | None = None
        self._far: FastUpstreamConnection | None = None
        self._began = 0.0
        self._length = 0
        self._watched = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._push = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Send the request that this is the beginning of, or more of it; what cannot be sent here goes the long way."""
        try:
            shortcut = self._shortcut
            if (
                shortcut is not None
                and not self._answering
                and self._body_done
                and not self._close_after
                and shortcut.known is self._known
                and (sent := shortcut.head.leaving(data)) is not None
            ):
                head, length, end = sent
                take, now = self._take, self._now
                left = length + end - len(data)
                named = LEADING.match(data, end)
                if (
                    named is not None
                    and (not left or (left > 0 and length <= MAX_BODY_BYTES))
                    and (course := shortcut.courses[named[1]]) is not None
                    and KNOWN.met == shortcut.met
                    and self._wall.table is shortcut.table
                    and self._server.handler is shortcut.handler
                    and not course.breakers
                    and (not shortcut.token or shortcut.token in shortcut.tokens)
                    and (far := take()) is not None
                ):
                    far.near, self._far, self._course = self, far, course
                    self._length, self._body_left, self._body_done = length, left, not left
                    self._answering = True
                    self._began = began = now()
                    self._services.in_flight += 1
                    if left:
                        self._body_bytes, self._mark = length - left, (began, length - left)
                    if not self._watched:
                        self._watched = True
                        self._services.sweep.add(self)
                    if len(data) <= SMALL and not far.backlog:
                        push = far.push
                        push(b"".join((*head, data[end:])))
                    else:
                        far.send((b"".join(head), memoryview(data)[end:]))
                    return
            elif self._far is not None:
                self._continue(self._far, data)
                return
        except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
            self.go_back()
            self.failed(error)
            return
        super().data_received(data)
        self._learn()

    def _continue(self, far: "FastUpstreamConnection", data: bytes) -> None:
        """More of a request that is under way."""
        left = self._body_left - len(data)
        if left < 0:
            self.go_back()
            super().data_received(data)
            return
        self._body_left = left
        self._body_bytes += len(data)
        self._body_done = not left
        far.write(data)

    def answer(self, shape: Shape, found: re.Match[bytes], size: int, body: bytes) -> bool:
        """Hand a whole answer over; False, and nothing has happened, where the long way has to do that."""
        if self._body_left or self._close_after:
            return False
        services, course, now, push = self._services, self._course, self._now, self._push
        took = now() - self._began
        # A line may wait for others, and a short body with it: what that says of its usage is read when the line is made.
        said = None if shape.encoded else body if size <= HEAD else usage_of(body)
        named = found[shape.request_id] if shape.request_id else b""
        if shape.status:
            today, headers = services.clock.now().timestamp(), shape.shown(found)
            services.quota.hear(
                cast("Shortcut", self._shortcut).credential.number,
                course.name,
                headers,
                today,
                status=found[shape.status],
            )
        self._far = None
        self._answering = False
        services.in_flight -= 1
        services.served += 1
        picked = shape.picked
        head = _OK, *picked(found), course.marks, found[shape.length], _END
        if size <= SMALL:
            push(b"".join((*head, body)))
        else:
            push(b"".join(head))
            push(body)
        services.log.line_of(course.line, (took, self._length, size, said, named))
        return True

    def go_back(self) -> PassthroughExchange | None:
        """Have the request under way go on by the long way, from where it is; what carries it on there."""
        far, self._far = self._far, None
        if far is None:
            return None
        far.near = None
        services, shortcut, course = self._services, cast("Shortcut", self._shortcut), self._course
        services.in_flight -= 1  # an Answer counts it anew
        answer = Answer(services, shortcut.known.request(self._length), self)
        answer.started_at = self._began
        intake = Intake(shortcut.routing, answer, shortcut.credential)
        self._exchange, left = intake, self._body_left
        return intake.under_way(course.way, course.relay, lambda to: far.go_on(to, left), self._length - left)

    def look(self, now: float) -> None:
        """A request that has taken as long as from one look to the next is the long way's."""
        if self._far is None:
            self._unwatch()
        elif now - self._began >= EVERY and (exchange := self.go_back()) is not None:
            exchange.look(now)

    def _unwatch(self) -> None:
        self._watched = False
        self._services.sweep.discard(self)

    def pause_writing(self) -> None:
        self.go_back()
        super().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.go_back()
        self._unwatch()
        self._shortcut, self._push = None, _nowhere  # a bound method of the transport, which leads back here
        super().connection_lost(exc)

    def _learn(self) -> None:
        """See whether the head that came last can be sent here the next time."""
        known, shortcut = self._known, self._shortcut
        if known is not None and (
            shortcut is None
            or shortcut.known is not known
            or not self._express.holds(shortcut, self._server.handler)
        ):
            self._shortcut = shortcut = self._express.shortcut(known, self._server.handler)
            if shortcut is not None:
                self._take = cast("Callable[[], FastUpstreamConnection | None]", shortcut.pool.take)


class FastUpstreamConnection(UpstreamConnection):
    """A connection to a provider that hands whole answers back itself.

    Attributes:
        near: whose request is under way on it by the short way.
    """

    __slots__ = ("_shape", "backlog", "near", "push")

    push: Callable[[bytes], None]
    backlog: Sized

    def __init__(self, pool: Keeper) -> None:
        super().__init__(pool)
        self.near: FastClientConnection | None = None
        self._shape: Shape | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.push = cast("asyncio.Transport", transport).write
        self.backlog = self.writer.left if self.writer is not None else ()

    def data_received(self, data: bytes) -> None:
        """Hand over the whole answer that this is; one that it is not goes the long way."""
        near = self.near
        if near is not None:
            try:
                shape = self._shape
                if shape is not None:
                    match = shape.match
                    if (
                        (found := match(data)) is not None
                        and (end := found.end()) <= MAX_HEAD_BYTES
                        and (size := len(data) - end) == int(found[shape.length])
                        and near.answer(shape, found, size, data[end:])
                    ):
                        self.near = None
                        self._pool.give_back(self)
                        return
                self._go_back()
            except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
                self.near = None
                if near.go_back() is None:
                    near.close()  # in the midst of its answer
                self._fail(UNHANDLED, cause=error)
                return
        _read(self, data)

    def go_on(self, receiver: Receiver, left: int) -> Call:
        """Have the request under way go on by the long way, with so many bytes of its body to come."""
        call = Call(receiver, left)
        call.connection = self
        self.carry(call)
        return call

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_back()
        self.push, self.backlog = _nowhere, ()
        super().connection_lost(exc)

    def _filled(self) -> None:
        self._go_back()
        super()._filled()

    def _learn(self, data: bytes) -> None:
        super()._learn(data)
        self._shape = None if self._form is None else shape_of(self._form)

    def _go_back(self) -> None:
        near, self.near = self.near, None
        if near is not None:
            near.go_back()
