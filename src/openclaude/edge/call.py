"""One request under way to a provider, from before it has a connection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data
from openclaude.ports import Receiver

WRITE_HIGH: Final = 256 * 1024


class Carrier(Protocol):
    """A connection as the request on it sees it."""

    @property
    def full(self) -> bool:
        """Whether the provider reads too slowly for what is written."""

    def begin(self, call: "Call", pieces: Sequence[Data]) -> None:
        """Send a request's first bytes."""

    def write(self, data: bytes) -> None:
        """Send more of them."""

    def close(self) -> None:
        """End the connection; its request hears nothing more."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Go on reading."""


class Call:
    """One request under way: before it has a connection it holds the bytes to send.

    Attributes:
        left: bytes of the body that were not written yet.
        over: its receiver hears nothing more.
        take: what is given chunks that pass as they stand, if anything is.
    """

    __slots__ = ("_dialling", "_held", "_held_bytes", "connection", "left", "over", "receiver", "take")

    def __init__(self, receiver: Receiver, expected: int) -> None:
        self.receiver = receiver
        self.left = expected
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.connection: Carrier | None = None
        self._dialling: asyncio.Task[None] | None = None
        self.over = False
        self.take: Callable[[bytes], None] | None = None

    def dial(self, task: "asyncio.Task[None]") -> None:
        self._dialling = task

    def hold(self, pieces: Sequence[Data]) -> None:
        """Copies what a view shows: dialling may take long, and what it is of holds more."""
        self._held.extend(map(bytes, pieces))

    def attach(self, connection: Carrier) -> None:
        """Send what is held on this connection."""
        self._dialling = None
        if self.over:
            connection.close()
            return
        self.connection = connection
        pieces, self._held = self._held, []
        connection.begin(self, pieces)
        if self._held_bytes > WRITE_HIGH and not connection.full:
            self.receiver.upstream_drained()

    def write(self, data: bytes) -> None:
        if self.over:
            return
        self.left -= len(data)
        if self.connection is not None:
            self.connection.write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > WRITE_HIGH:
            # Nobody reads yet: without this the whole upload would wait here while the connection is dialled.
            self.receiver.upstream_full()

    def cancel(self) -> None:
        if self.over:
            return
        self.over = True
        self._held = []
        if self._dialling is not None:
            self._dialling.cancel()
        if self.connection is not None:
            self.connection.close()

    def pause(self) -> None:
        if self.connection is not None and not self.over:
            self.connection.pause()

    def resume(self) -> None:
        if self.connection is not None and not self.over:
            self.connection.resume()

    def pass_chunks(self, take: Callable[[bytes], None]) -> None:
        self.take = take

    def complete(self) -> None:
        if not self.over:
            self.over = True
            self.receiver.complete()

    def failed(self, error: ApiError) -> None:
        if not self.over:
            self.over = True
            self._held = []
            error.unsent = self.connection is None
            self.receiver.failed(error)
