"""How a client is looked after whose upload rests: nothing is read from it meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from openclaude.edge.server import ClientConnection


class Standing:
    """A listener and its loop, which keep the timers that were asked for."""

    def __init__(self) -> None:
        self.loop = self
        self.timers: list[Callable[[], None]] = []

    def register(self, connection: ClientConnection) -> bool:
        del connection
        return True

    def time(self) -> float:
        return 0.0

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        del seconds
        self.timers.append(call)

    def passes(self) -> None:
        timers, self.timers = self.timers, []
        for call in timers:
            call()


class Open(asyncio.Transport):
    """A connection that is there, as far as the system can say: it has no socket to ask."""

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def pause_reading(self) -> None:
        """Nothing arrives."""

    def resume_reading(self) -> None:
        """Nothing arrives."""


def test_an_upload_that_is_held_up_again_and_again_keeps_one_timer_for_as_long_as_it_rests() -> None:
    standing = Standing()
    connection = ClientConnection(cast("Any", standing))
    connection.connection_made(Open())
    for _ in range(10):
        connection.pause_body()
        connection.resume_body()
    connection.pause_body()
    for _ in range(3):
        assert len(standing.timers) == 1
        standing.passes()
    connection.resume_body()
    standing.passes()
    assert not standing.timers
