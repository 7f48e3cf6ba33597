"""The loopback listener: HTTP/1.1 on `asyncio.Protocol`, parsed by llhttp, one request at a time on a connection.

A connection is its request's `ClientSide`: what an exchange writes goes straight to the socket.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol, cast

import httptools

from openclaude.domain.errors import ApiError, error_body, overloaded
from openclaude.domain.http import CLOSE, Header
from openclaude.edge.admission import Challenge
from openclaude.edge.names import request_id
from openclaude.edge.presence import left
from openclaude.edge.reading import Owner, RequestReader
from openclaude.wire import http1
from openclaude.wire.chunks import framed

WRITE_HIGH: Final = 256 * 1024
"""Bytes a client may leave unread before its provider is no longer read."""
SMALL: Final = 16 * 1024
"""Body bytes up to which an answer's head is joined with them."""
PRESENCE_SECONDS: Final = 0.5
"""How often a client is looked for whose upload its provider does not take."""
LINGER_SECONDS: Final = 5.0
"""How long a refused client may go on sending before it is cut off."""

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unassigned')}".encode() for status in range(200, 600)
}
_CRLF: Final = b"\r\n"
_CLOSING: Final = b"connection: close\r\n\r\n"
_line: Final = b": ".join
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_ERROR_TYPES: Final = {413: "request_too_large"}


class Listening(Owner, Protocol):
    """What a connection needs of the listener that accepted it."""

    def register(self, connection: "ClientConnection") -> bool:
        """Take note of a connection; False when there are too many."""

    def forget(self, connection: "ClientConnection") -> None:
        """The connection is gone."""

    def report(self, error: BaseException) -> None:
        """An exception that no rule foresaw."""


class ClientConnection(RequestReader, asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_chunked_answer",
        "_head",
        "_listener",
        "_looking",
        "_transport",
    )

    def __init__(self, server: Listening) -> None:
        super().__init__(server)
        self._listener = server
        self._transport: asyncio.Transport | None = None
        self._chunked_answer = False
        self._head = b""
        self._looking = False

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        if not self._listener.register(self):
            self._refuse_connection()

    def eof_received(self) -> bool:
        """A client that closes its sending half has left: the HTTP clients served here never do otherwise."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._listener.forget(self)
        exchange, self._exchange = self._exchange, None
        self._transport = self._parser = self._known = None
        if exchange is not None:
            exchange.client_left()

    def pause_writing(self) -> None:
        self._full_since = self._server.loop.time()
        if self._exchange is not None:
            self._exchange.client_full()

    def resume_writing(self) -> None:
        self._full_since = None
        if self._exchange is not None:
            self._exchange.client_drained()

    # ClientSide

    def start(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        self._head = self._begun(status, headers, length)
        if length == 0 or self._bodyless:
            self._send_head()
        else:
            # Most bodies begin in this turn: written as one they are one record of TLS and one call of the system.
            self._server.loop.call_soon(self._send_head)

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        head = self._begun(status, headers, len(body))
        transport = self._transport
        if transport is not None:
            if self._bodyless:
                body = b""
            if len(body) <= SMALL:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
        self.end()

    def _begun(self, status: int, headers: Sequence[Header], length: int | None) -> bytes:
        """The head of an answer, which has begun."""
        if CLOSE in headers:
            self._close_after = True
            headers = [pair for pair in headers if pair != CLOSE]
        self._chunked_answer = False
        if length is not None:
            last = b"content-length: %d\r\n" % length
        elif self._bodyless:
            last = b""
        else:
            self._chunked_answer = True
            last = b"transfer-encoding: chunked\r\n"
        last += _CLOSING if self._close_after else _CRLF
        return _CRLF.join((_STATUS_LINES[status], *map(_line, headers), last))

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and self._transport is not None:
            self._transport.write(head)

    def write(self, data: bytes) -> None:
        if data and not self._bodyless:
            self._send(framed(data) if self._chunked_answer else data)

    def _send(self, data: bytes) -> None:
        """Write, together with the head if that has not left."""
        transport, head = self._transport, self._head
        if transport is None:
            return
        if head:
            self._head = b""
            if len(data) <= SMALL:
                data = head + data
            else:
                transport.write(head)
        transport.write(data)

    def chunk_writer(self) -> Callable[[bytes], None] | None:
        transport = self._transport
        return transport.write if transport is not None and self._chunked_answer and not self._head else None

    def end(self, rest: bytes = b"") -> None:
        if self._chunked_answer:
            self._send(framed(rest) + _LAST_CHUNK if rest else _LAST_CHUNK)
        elif rest and not self._bodyless:
            self._send(rest)
        else:
            self._send_head()
        self._exchange = None
        self._answering = False
        if self._paused_since is not None:
            self.resume_body()
        if self._close_after:
            self.settle()

    def abort(self) -> None:
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def pause_body(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused_since = self._server.loop.time()
            self._transport.pause_reading()
            self._look_again()

    def resume_body(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._paused_since = None
            self._transport.resume_reading()

    def _look_again(self) -> None:
        """One timer, however often an upload is held up and goes on."""
        if not self._looking:
            self._looking = True
            self._server.loop.call_later(PRESENCE_SECONDS, self._look_whether_it_left)

    def _look_whether_it_left(self) -> None:
        """While nothing is read, the loop does not notice the end of a client."""
        self._looking = False
        if self._paused_since is None or self._transport is None or self._transport.is_closing():
            return
        if left(self._transport):
            self.close()
        else:
            self._look_again()

    def close_after_answer(self) -> None:
        """Close after the answer that is under way, or else after the next one."""
        if self._answering or not self._body_done:
            closes, self._close_after = self._close_after, True
            if not closes:
                self.settle()
        else:
            self._next_is_last, self._known = True, None

    def leave(self) -> None:
        """Close in order; whatever was written before still leaves."""
        self._send_head()
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # inner workings

    def challenged(self, challenge: Challenge) -> None:
        self._plain(200, b'{"proof":"%b"}' % challenge.proof.encode())

    def invite_body(self) -> None:
        if self._transport is not None:
            self._transport.write(_CONTINUE)

    def settle(self) -> None:
        """After an answer: wait for the next request, or close. A body that is still arriving is read and dropped."""
        if self._answering or self._transport is None:
            return
        if self._close_after and self._body_done:
            self._transport.close()
        elif self._close_after:
            self._linger()

    def failed(self, error: BaseException) -> None:
        """Say to the client what is wrong, and close."""
        if isinstance(error, http1.HeadError):
            self._reject(error.status, error.message)
        elif isinstance(error, ApiError):
            self._answer_error(error.status, error.type, error.message, error.headers())
        elif isinstance(error, httptools.HttpParserUpgrade):
            self._reject(400, "protocol upgrades are not served here")
        elif isinstance(error, httptools.HttpParserCallbackError):
            self._callback_failed(error)
        elif isinstance(error, httptools.HttpParserError):
            self._reject(400, "the request is not well-formed HTTP/1.1")
        else:
            self._internal(error)

    def _callback_failed(self, error: BaseException) -> None:
        cause = error.__context__ or error.__cause__
        if isinstance(cause, http1.HeadError):
            self._reject(cause.status, cause.message)
        elif isinstance(cause, ApiError):
            self._answer_error(cause.status, cause.type, cause.message, cause.headers())
        else:
            self._internal(cause or error)

    def _internal(self, error: BaseException) -> None:
        self._listener.report(error)
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
        name = request_id()
        body = error_body(kind, message, name)
        shown = [(b"content-type", b"application/json"), (b"request-id", name.encode()), *headers]
        self.start(status, shown, len(body))
        self.write(body)
        self._answering = False
        self._linger()

    def _linger(self) -> None:
        """Close the sending half and read on for a while: a reset would overtake the answer."""
        if self._transport is not None:
            self._transport.write_eof()
            self._server.loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _refuse_connection(self) -> None:
        """Those who are being served go on. A client that comes back a little later may find room."""
        full = overloaded("too many requests are under way in this gateway. hint: end some sessions")
        self._answer_error(full.status, full.type, full.message, full.headers())

    def _plain(self, status: int, body: bytes) -> None:
        self.whole(status, [(b"content-type", b"application/json")], body)
