"""The loopback listener: HTTP/1.1 on `asyncio.Protocol`, parsed by llhttp, one request at a time on a connection.

A connection is its request's `ClientSide`: what an exchange writes goes straight to the socket.
"""

import asyncio
import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol, cast

import httptools

from openclaude.domain.errors import ApiError, error_body
from openclaude.domain.http import CLOSE, Header
from openclaude.edge.admission import Admitted, Challenge, Door, admit, too_large
from openclaude.ports import Exchange, Handler
from openclaude.wire import http1
from openclaude.wire.chunks import ChunkedBody

WRITE_HIGH: Final = 256 * 1024
"""Bytes a client may leave unread before its provider is no longer read."""
HEAD_SECONDS: Final = 10.0
"""A head that takes longer than this is a slow attack or a dead client."""
BODY_SECONDS: Final = 30.0
"""A body of which less than `BODY_RATE` bytes for each second arrive in this time is one, too."""
BODY_RATE: Final = 1024
STALL_SECONDS: Final = 300.0
"""An upload that its provider does not take for this long is given up: the end of its client cannot be seen behind it."""
LINGER_SECONDS: Final = 5.0
"""How long a refused client may go on sending before it is cut off."""

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unassigned')}\r\n".encode()
    for status in range(200, 600)
}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_ERROR_TYPES: Final = {413: "request_too_large", 503: "overloaded_error"}


class Owner(Protocol):
    """What a connection needs of the listener that accepted it."""

    @property
    def door(self) -> Door:
        """What requests are checked against."""

    @property
    def handler(self) -> Handler:
        """Who begins exchanges."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop everything runs on."""

    def register(self, connection: "ClientConnection") -> bool:
        """Take note of a connection; False when there are too many."""

    def forget(self, connection: "ClientConnection") -> None:
        """The connection is gone."""

    def report(self, error: BaseException) -> None:
        """An exception that no rule foresaw."""


class ClientConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[Header] = []
        self._body_bytes = 0
        self._body_left = 0
        self._chunks: ChunkedBody | None = None
        self._chunked_answer = False
        self._answering = False
        self._body_done = True
        self._close_after = False
        self._bodyless = False
        self._head_since: float | None = None
        self._head_bytes = 0
        self._tail = b""
        self._paused_since: float | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._mark = (0.0, 0)

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        if not self._server.register(self):
            self._refuse_connection()

    def data_received(self, data: bytes) -> None:
        if self._close_after and not self._answering:
            return
        try:
            self._feed(data)
        except http1.HeadError as error:
            self._reject(error.status, error.message)
        except ApiError as error:
            self._answer_error(error.status, error.type, error.message, error.headers())
        except httptools.HttpParserUpgrade:
            self._reject(400, "protocol upgrades are not served here")
        except httptools.HttpParserCallbackError as error:
            self._callback_failed(error)
        except httptools.HttpParserError:
            self._reject(400, "the request is not well-formed HTTP/1.1")

    def eof_received(self) -> bool:
        """A client that closes its sending half has left: the HTTP clients served here never do otherwise."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.forget(self)
        exchange, self._exchange = self._exchange, None
        self._transport = None
        if exchange is not None:
            exchange.client_left()

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.client_full()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.client_drained()

    # llhttp

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._body_bytes = 0
        self._body_done = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_since = None
        method = self._parser.get_method()
        self._bodyless = method == b"HEAD"
        self._close_after = not self._parser.should_keep_alive()
        admitted = admit(
            self._server.door,
            method,
            self._parser.get_http_version(),
            self._target,
            self._headers,
        )
        self._headers = []
        self._answering = True
        self._mark = (self._server.loop.time(), 0)
        if isinstance(admitted, Challenge):
            self._plain(200, b'{"proof":"%b"}' % admitted.proof.encode())
            return
        self._body_left = admitted.content_length or 0
        self._chunks = ChunkedBody() if admitted.content_length is None else None
        self._begin(admitted)

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
        self._settle()

    # ClientSide

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        self._close_after |= CLOSE in headers
        lines = [_STATUS_LINES[status]]
        lines += [b"%b: %b\r\n" % pair for pair in headers if pair is not CLOSE]
        self._chunked_answer = length is None and not self._bodyless
        if length is not None:
            lines.append(b"content-length: %d\r\n" % length)
        elif self._chunked_answer:
            lines.append(b"transfer-encoding: chunked\r\n")
        if self._close_after:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._write(b"".join(lines))

    def write(self, data: bytes) -> None:
        if self._bodyless or not data:
            return
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked_answer else data)

    def end(self) -> None:
        if self._chunked_answer:
            self._write(_LAST_CHUNK)
        self._flush()
        self._exchange = None
        self._answering = False
        self.resume_body()
        self._settle()

    def abort(self) -> None:
        self._exchange = None
        self._flush()
        if self._transport is not None:
            self._transport.abort()

    def pause_body(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused_since = self._server.loop.time()
            self._transport.pause_reading()

    def resume_body(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused_since = None
            self._transport.resume_reading()

    # the server's sweep

    def overdue(self, now: float) -> bool:
        """Whether a head has been on its way for too long, or an upload at a standstill."""
        head, stall = self._head_since, self._paused_since
        return (
            (head is not None and now - head > HEAD_SECONDS)
            or (stall is not None and now - stall > STALL_SECONDS)
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

    def close_when_idle(self) -> None:
        """Close now, or after the answer that is under way."""
        self._close_after = True
        if not self._answering and self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # inner workings

    def _feed(self, data: bytes) -> None:
        """Hand over one head or one body at a time, so that where one ends is decided here and not by a second opinion."""
        while data and not (self._close_after and not self._answering):
            if self._chunks is not None:
                data = self._feed_chunks(self._chunks, data)
            elif self._body_left:
                piece, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(piece)
                self._parser.feed_data(piece)
            else:
                data = self._feed_head(data)

    def _feed_head(self, data: bytes) -> bytes:
        """The part of the data that belongs to a head; what follows is returned."""
        if self._answering:
            raise http1.HeadError(400, "a request may not be sent before the last one is answered")
        if self._head_since is None:
            self._head_since = self._server.loop.time()
            self._head_bytes = 0
            self._tail = b""
        end = http1.head_end(self._tail, data)
        self._head_bytes += end
        if self._head_bytes > http1.MAX_HEAD_BYTES:
            raise http1.HeadError(431, "the request's head is too large")
        piece = data[:end]
        self._tail = (self._tail + piece[-3:])[-3:]
        self._parser.feed_data(piece)
        return data[end:]

    def _feed_chunks(self, chunks: ChunkedBody, data: bytes) -> bytes:
        for piece in chunks.feed(data):
            self.on_body(piece)
        if not chunks.done:
            return b""
        self._chunks = None
        self._parser = httptools.HttpRequestParser(self)  # the old one still waits for the chunks
        self.on_message_complete()
        return chunks.rest

    def _begin(self, admitted: Admitted) -> None:
        request = admitted.request(f"req_oc_{os.urandom(12).hex()}")
        if admitted.expects_continue:
            self._write(_CONTINUE)
        self._exchange = self._server.handler.begin(request, admitted.credential, self)

    def _settle(self) -> None:
        """After an answer: wait for the next request, or close. A body that is still arriving is read and dropped."""
        if self._answering or self._transport is None:
            return
        if self._close_after and self._body_done:
            self._transport.close()
        elif self._close_after:
            self._linger()

    def _callback_failed(self, error: BaseException) -> None:
        cause = error.__context__ or error.__cause__
        if isinstance(cause, http1.HeadError):
            self._reject(cause.status, cause.message)
        elif isinstance(cause, ApiError):
            self._answer_error(cause.status, cause.type, cause.message, cause.headers())
        else:
            self._server.report(cause or error)
            self._answer_error(500, "api_error", "openClaude: an internal error, see `openclaude logs`")

    def _reject(self, status: int, message: str) -> None:
        self._answer_error(
            status, _ERROR_TYPES.get(status, "invalid_request_error"), f"openClaude: {message}"
        )

    def _answer_error(self, status: int, kind: str, message: str, headers: Sequence[Header] = ()) -> None:
        """Answer a request that was not let in, and close: what follows on the connection cannot be trusted."""
        exchange, self._exchange = self._exchange, None
        if self._answering and exchange is not None:
            exchange.client_left()
            self.abort()
            return
        self._close_after = True
        self._answering = True
        request_id = f"req_oc_{os.urandom(12).hex()}"
        body = error_body(kind, message, request_id)
        shown = [(b"content-type", b"application/json"), (b"request-id", request_id.encode()), *headers]
        self.start(status, shown, len(body))
        self.write(body)
        self._answering = False
        self._linger()

    def _linger(self) -> None:
        """Close the sending half and read on for a while: a reset would overtake the answer. Closing TLS is just that."""
        self._flush()
        transport = self._transport
        if transport is None:
            return
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()
        self._server.loop.call_later(LINGER_SECONDS, transport.abort)

    def _refuse_connection(self) -> None:
        self._close_after = True
        self._reject(503, "too many connections are open to this gateway")

    def _plain(self, status: int, body: bytes) -> None:
        self.start(status, [(b"content-type", b"application/json")], len(body))
        self.write(body)
        self.end()

    def _write(self, data: bytes) -> None:
        """Hold bytes until the end of this turn of the loop: one system call for a head and its body, or for many events."""
        if not self._held:
            self._server.loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > WRITE_HIGH:
            self._flush()  # a fast provider fills megabytes in one turn, and only what is written can stop it

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        if self._transport is not None:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
