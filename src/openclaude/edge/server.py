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
from openclaude.domain.http import Header, InboundRequest
from openclaude.edge.admission import Admitted, Challenge, Door, admit, too_large
from openclaude.ports import Exchange, Handler
from openclaude.wire import http1

WRITE_HIGH: Final = 256 * 1024
"""Bytes a client may leave unread before its provider is no longer read."""
HEAD_SECONDS: Final = 10.0
"""A head that takes longer than this is a slow attack or a dead client."""
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
        self._chunked_answer = False
        self._answering = False
        self._body_done = True
        self._close_after = False
        self._bodyless = False
        self._head_since: float | None = None
        self._head_bytes = 0
        self._paused_since: float | None = None
        self._held: list[bytes] = []

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
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reject(400, "protocol upgrades are not served here")
        except httptools.HttpParserCallbackError as error:
            self._callback_failed(error)
        except httptools.HttpParserError:
            self._reject(400, "the request is not well-formed HTTP/1.1")
        if self._head_since is not None:
            self._head_bytes += len(data)
            if self._head_bytes > http1.MAX_HEAD_BYTES:
                self._reject(431, "the request's head is too large")

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
        if self._answering or not self._body_done:
            raise http1.HeadError(400, "a request may not be sent before the last one is answered")
        self._target = b""
        self._headers = []
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_done = False
        self._head_since = self._server.loop.time()

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
        if isinstance(admitted, Challenge):
            self._plain(200, b'{"proof":"%b"}' % admitted.proof.encode())
            return
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
        lines = [_STATUS_LINES[status]]
        lines += [b"%b: %b\r\n" % pair for pair in headers]
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
        return (head is not None and now - head > HEAD_SECONDS) or (
            stall is not None and now - stall > STALL_SECONDS
        )

    def close_when_idle(self) -> None:
        """Close now, or after the answer that is under way."""
        self._close_after = True
        if not self._answering and self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # inner workings

    def _begin(self, admitted: Admitted) -> None:
        request = InboundRequest(
            id=f"req_oc_{os.urandom(12).hex()}",
            endpoint=admitted.endpoint,
            query=admitted.query,
            headers=admitted.headers,
            content_length=admitted.content_length,
            session=admitted.session,
        )
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
        """Close the sending half and read on for a while: a reset would overtake the answer on its way."""
        self._flush()
        transport = self._transport
        if transport is None:
            return
        if transport.can_write_eof():
            transport.write_eof()
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

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, []
        if self._transport is not None:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
