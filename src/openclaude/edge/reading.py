"""Reads requests off a connection: where a head or a body ends is decided here, what a head says by llhttp.

One request at a time: what follows a request is not looked at before it is answered.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Protocol, cast

import httptools

from openclaude.domain.http import Header
from openclaude.edge.admission import Admitted, Challenge, Door, admit, too_large
from openclaude.edge.known import KnownHead, remembered
from openclaude.edge.names import request_id
from openclaude.ports import ClientSide, Exchange, Handler
from openclaude.wire import http1
from openclaude.wire.chunks import ChunkedBody

HEAD_SECONDS: Final = 10.0
"""A head that takes longer than this is a slow attack or a dead client."""
BODY_SECONDS: Final = 30.0
"""A body of which less than `BODY_RATE` bytes for each second arrive in this time is one, too."""
BODY_RATE: Final = 1024
STALL_SECONDS: Final = 300.0
"""An upload that its provider does not take for this long is given up: the end of its client cannot be seen behind it.
So is an answer that its client does not take: a provider would be held for it."""


class Owner(Protocol):
    """What reading needs of the listener that accepted the connection."""

    @property
    def door(self) -> Door:
        """What requests are checked against."""

    @property
    def handler(self) -> Handler:
        """Who begins exchanges."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop everything runs on."""


class RequestReader(ClientSide, ABC):
    """The reading half of a client's connection."""

    __slots__ = (
        "_admitted",
        "_answering",
        "_body_bytes",
        "_body_done",
        "_body_left",
        "_bodyless",
        "_chunks",
        "_close_after",
        "_exchange",
        "_full_since",
        "_head_bytes",
        "_head_since",
        "_headers",
        "_known",
        "_mark",
        "_next_is_last",
        "_parser",
        "_paused_since",
        "_server",
        "_tail",
        "_target",
    )

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._exchange: Exchange | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._known: KnownHead | None = None
        self._admitted: Admitted | None = None
        self._target = b""
        self._headers: list[Header] = []
        self._body_bytes = 0
        self._body_left = 0
        self._chunks: ChunkedBody | None = None
        self._answering = False
        self._body_done = True
        self._close_after = False
        self._next_is_last = False
        self._bodyless = False
        self._head_since: float | None = None
        self._head_bytes = 0
        self._tail = b""
        self._paused_since: float | None = None
        self._full_since: float | None = None
        self._mark = (0.0, 0)

    @abstractmethod
    def challenged(self, challenge: Challenge) -> None:
        """Answer a launcher that asks who listens."""

    @abstractmethod
    def invite_body(self) -> None:
        """The client wants to hear that its body is wanted."""

    @abstractmethod
    def settle(self) -> None:
        """A body has ended."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """What was read cannot be served."""

    def data_received(self, data: bytes) -> None:
        """What the socket gave. The connection's last head once more with its whole body goes straight through."""
        known = self._known
        free = self._body_done and not self._answering and not self._close_after
        try:
            if known is None or not free or (found := known.read(data)) is None:
                self._feed(data)
                return
            request, length, end = found
            self._answering = True
            self._body_done = len(data) - end == length
            exchange = self._exchange = self._server.handler.begin(request, known.credential, self)
            if not self._body_done:
                self._feed_begun(length, data[end:])
                return
            exchange.whole(data, end)
            if self._close_after:
                self.settle()
        except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
            self.failed(error)

    # llhttp

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = cast("httptools.HttpRequestParser", self._parser)
        method = parser.get_method()
        self._bodyless = method == b"HEAD"
        self._close_after = self._next_is_last or not parser.should_keep_alive()
        admitted = admit(self._server.door, method, parser.get_http_version(), self._target, self._headers)
        self._headers = []
        self._expect_body()
        if isinstance(admitted, Challenge):
            self.challenged(admitted)
            return
        self._body_left = admitted.content_length or 0
        self._chunks = ChunkedBody() if admitted.content_length is None else None
        if admitted.expects_continue:
            self.invite_body()
        self._admitted = admitted
        self._exchange = self._server.handler.begin(admitted.request(request_id()), admitted.credential, self)

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > http1.MAX_BODY_BYTES:
            raise too_large()
        if self._exchange is not None:
            self._exchange.body(data)

    def on_message_complete(self) -> None:
        self._body_done = True
        if self._exchange is not None:
            self._exchange.body_complete()
        self.settle()

    # the server's sweep

    def overdue(self, now: float) -> bool:
        """Whether a head has been on its way for too long, or an upload or an answer at a standstill."""
        head, stall, full = self._head_since, self._paused_since, self._full_since
        return (
            (head is not None and now - head > HEAD_SECONDS)
            or (stall is not None and now - stall > STALL_SECONDS)
            or (full is not None and now - full > STALL_SECONDS)
            or self._crawls(now)
        )

    def _crawls(self, now: float) -> bool:
        """Whether a body that is wanted arrives too slowly to be meant."""
        since, seen = self._mark
        if self._body_done or self._head_since is not None or self._paused_since is not None:
            self._mark = (now, self._body_bytes)
            return False
        if now - since <= BODY_SECONDS:
            return False
        self._mark = (now, self._body_bytes)
        return self._body_bytes - seen < BODY_RATE * BODY_SECONDS

    @property
    def idle(self) -> bool:
        """Whether nothing is under way on this connection."""
        return not self._answering and self._body_done and self._head_since is None

    @property
    def rests(self) -> bool:
        """Whether it is idle after an answer, so that its client may find it closed at any time."""
        return self.idle and self._parser is not None and not self._close_after

    # inner workings

    def _feed(self, data: bytes) -> None:
        """Take in one head or one body at a time, so that where one ends is decided here and not by a second opinion."""
        while data and not (self._close_after and not self._answering):
            if self._chunks is not None:
                data = self._feed_chunks(self._chunks, data)
            elif self._body_left:
                data = self._feed_body(self._body_left, data)
            elif self._answering:
                raise http1.HeadError(400, "a request may not be sent before the last one is answered")
            elif self._head_since is None:
                data = self._feed_new_head(data)
            else:
                data = self._feed_head(data)
                self._admitted = None

    def _feed_new_head(self, data: bytes) -> bytes:
        """A head from its beginning."""
        self._body_bytes = 0
        self._known = None
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers = []
        self._head_since = self._server.loop.time()
        self._head_bytes = 0
        self._tail = b""
        rest = self._feed_head(data)
        admitted, self._admitted = self._admitted, None
        if admitted is not None and not self._close_after:
            head = data[: len(data) - len(rest)]
            self._known = remembered(self._server.door, head, self._target, admitted)
        return rest

    def _feed_begun(self, length: int, data: bytes) -> None:
        """What follows a known head where it is not just its body."""
        self._body_bytes = 0
        self._body_left = length
        self._mark = (self._server.loop.time(), 0)
        self._feed(data)

    def _expect_body(self) -> None:
        """A head is through; from here on the request counts."""
        self._head_since = None
        self._body_done = False
        self._answering = True
        self._mark = (self._server.loop.time(), 0)

    def _feed_head(self, data: bytes) -> bytes:
        """The part of the data that belongs to a head; what follows is returned."""
        end = http1.head_end(self._tail, data)
        self._head_bytes += end
        if self._head_bytes > http1.MAX_HEAD_BYTES:
            raise http1.HeadError(431, "the request's head is too large")
        piece = data[:end]
        self._tail = (self._tail + piece[-3:])[-3:]
        cast("httptools.HttpRequestParser", self._parser).feed_data(piece)
        return data[end:]

    def _feed_body(self, left: int, data: bytes) -> bytes:
        """The part of the data that belongs to a body whose length was told; what follows is returned."""
        size = len(data)
        if size <= left:
            self._body_left = left - size
            self.on_body(data)
            rest = b""
        else:
            self._body_left = 0
            self.on_body(data[:left])
            rest = data[left:]
        if self._body_left == 0:
            self.on_message_complete()
        return rest

    def _feed_chunks(self, chunks: ChunkedBody, data: bytes) -> bytes:
        for piece in chunks.feed(data):
            self.on_body(piece)
        if not chunks.done:
            return b""
        self._chunks = None
        self.on_message_complete()
        return chunks.rest
