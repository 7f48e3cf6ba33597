"""One connection to a provider, and one request under way on it."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, Protocol, cast

import httptools

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Data, Header
from openclaude.edge import reach
from openclaude.edge.call import WRITE_HIGH, Call
from openclaude.edge.slices import SlicedWriter
from openclaude.wire import answers, http1
from openclaude.wire.chunks import LONGEST, head_of

_CRLF: Final = b"\r\n"
SMALL: Final = 16 * 1024
"""Below this a head and its body are joined, so that they leave in one TLS record and one packet train."""

UNHANDLED: Final = "sent an answer that the gateway could not handle"

Report = Callable[[BaseException], None]


class Line:
    """What a pool knows of one of its connections: its socket, when it was opened, and since when it is unused."""

    __slots__ = ("idle_since", "opened", "socket", "stirrings")

    def __init__(self, plain: socket.socket, opened: float, idle_since: float) -> None:
        self.socket = plain
        self.opened = opened
        self.idle_since = idle_since
        self.stirrings = reach.stirrings(plain)


class Keeper(Protocol):
    """Who keeps the connections to one origin."""

    @property
    def report(self) -> Report:
        """Told of exceptions that no rule foresaw."""

    def give_back(self, connection: "UpstreamConnection") -> None:
        """The connection can serve another request."""

    def forget(self, connection: "UpstreamConnection") -> None:
        """The connection is gone."""

    def trouble(self, what: str) -> ApiError:
        """The error for what the provider did."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to one origin.

    Attributes:
        line: what its pool knows of it, from when it has it.
        transport: what it writes to, until it is lost.
        writer: the same for long data. As long as it has nothing left, short data may be given to `transport`.
        on_body: what llhttp calls for each piece of a body. A provider that streams sends each event as a chunk of its own,
            and one read brings many of them.
    """

    __slots__ = (
        "_body",
        "_body_done",
        "_call",
        "_closed_well",
        "_form",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_missing",
        "_names",
        "_parser",
        "_passing",
        "_paused",
        "_pool",
        "_reusable",
        "_until_close",
        "line",
        "on_body",
        "on_chunk_complete",
        "on_chunk_header",
        "transport",
        "writer",
    )

    line: Line

    def __init__(self, pool: Keeper) -> None:
        self._pool = pool
        self.transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._call: Call | None = None
        self._headers: list[Header] = []
        self._form: answers.Form | None = None
        self._names: tuple[bytes, ...] = ()
        self._missing = 0
        self._body: list[bytes] = []
        self.on_body = self._body.append
        self.on_chunk_header: Callable[[], int] = count().__next__
        self.on_chunk_complete: Callable[[], int] = count().__next__
        self._passing: Callable[[bytes], None] | None = None
        self._head_bytes = 0
        self._head_done = False
        self._body_done = False
        self._paused = False
        self._until_close = False
        self._closed_well = False
        self._reusable = False
        self.writer: SlicedWriter | None = None

    @property
    def full(self) -> bool:
        """Whether the provider reads too slowly for what is written."""
        return self.writer is not None and self.writer.full

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def carry(self, call: Call) -> None:
        """Read the answer to a request for this call."""
        self._call = call
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._body_done = self._head_done = self._until_close = False
        self._head_bytes = self._missing = 0
        self._headers = []

    def begin(self, call: Call, pieces: Sequence[Data]) -> None:
        """Send a request's first bytes on this idle connection."""
        self.carry(call)
        self.send(pieces)

    def send(self, pieces: Sequence[Data]) -> None:
        """Send a head and what is at hand of its body."""
        writer, transport = self.writer, self.transport
        if writer is None or transport is None:
            return
        if len(pieces) > 1 and len(pieces[0]) + len(pieces[1]) <= SMALL:
            first = b"".join(pieces[:2])
            if len(pieces) == 2 and not writer.left:
                transport.write(first)
                return
            pieces = (first, *pieces[2:])
        writer.writelines(pieces)

    def write(self, data: bytes) -> None:
        if self.writer is not None:
            self.writer.write(data)

    def close(self) -> None:
        self._call = self._passing = None
        if self.transport is not None:
            self.transport.abort()

    def pause(self) -> None:
        if self.usable:
            self._paused = True
            cast("asyncio.Transport", self.transport).pause_reading()

    def resume(self) -> None:
        if self.usable:
            self._paused = False
            cast("asyncio.Transport", self.transport).resume_reading()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)
        self.writer = SlicedWriter(self.transport, self._filled, self._drained)

    def data_received(self, data: bytes) -> None:
        passing = self._passing
        if passing is not None:
            size = len(data)
            if size <= LONGEST and data.startswith(head_of(size)) and data.endswith(_CRLF):
                try:
                    passing(data)
                except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
                    self._fail(UNHANDLED, cause=error)
                return
            self._passing = None
        parser, call = self._parser, self._call
        if parser is None or call is None:
            self.close()  # bytes that nobody asked for: the connection is out of step
            return
        if not self._head_done or self._missing:
            if self._form is not None and self._known(call, data, self._form):
                return
            self._head_bytes += len(data)
        self._parse(parser, call, data)

    def _parse(self, parser: httptools.HttpResponseParser, call: Call, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._cannot_be_read(error):
                return
        body = self._body
        try:
            if body:
                piece = body.pop() if len(body) == 1 else self._joined()
                if self._call is call:
                    tell = call.receiver.rest if self._body_done else call.receiver.data
                    tell(piece)
            if self._body_done:
                self._learn(data)
                self._finish()
            elif call.take is not None and not self._until_close and data.endswith(_CRLF):
                # Each says how often it was called, now as well. Equally often: the parser stands between two chunks.
                between = self.on_chunk_header() == self.on_chunk_complete()
                self._passing = call.take if between and self._call is call else None
        except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
            self._fail(UNHANDLED, cause=error)
        if not self._head_done and self._head_bytes > http1.MAX_HEAD_BYTES:
            self._fail("sent a response head that is too large")

    def eof_received(self) -> bool:
        """TLS said that its stream is complete. uvloop does not call this for a connection that just ends."""
        self._closed_well = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)
        self.transport = self.writer = self._parser = None
        call, self._call = self._call, None
        if call is None:
            return
        if self._until_close and self._head_done and self._closed_well and exc is None:
            call.complete()
        else:
            call.failed(self._pool.trouble("closed the connection before the answer was complete"))

    def pause_writing(self) -> None:
        if self.writer is not None:
            self.writer.pause()
        self._filled()

    def resume_writing(self) -> None:
        if self.writer is not None:
            self.writer.resume()

    def _filled(self) -> None:
        if self._call is not None:
            self._call.receiver.upstream_full()

    def _drained(self) -> None:
        if self._call is not None:
            self._call.receiver.upstream_drained()

    # llhttp

    def on_message_begin(self) -> None:
        if self._body_done:
            raise http1.HeadError(502, "it sent more than one")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser, call = self._parser, self._call
        if parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                raise http1.HeadError(502, "it switched protocols")
            self._headers = []
            return
        if status > 599:
            raise http1.HeadError(502, f"HTTP knows no status {status}")
        if self._head_bytes > http1.MAX_HEAD_BYTES and _size(self._headers) > http1.MAX_HEAD_BYTES:
            raise http1.HeadError(502, "its head is too large")
        length, self._until_close = http1.check_response(status, self._headers)
        self._head_done = True
        if call is not None:
            call.receiver.head(status, self._headers, length)

    def on_message_complete(self) -> None:
        parser = self._parser
        if not self._head_done:
            self._headers = []  # an interim response (100, 103): the real one follows
            self._head_bytes = 1  # not none: llhttp may have read the beginning of the next head
            return
        self._body_done = True
        # valid only inside this callback
        self._reusable = parser is not None and parser.should_keep_alive() and not self._until_close

    # heads of a known form

    def _learn(self, data: bytes) -> None:
        """An answer that came in one read and repeats the names of the last is worth a form, which costs as much as many."""
        if not self._reusable or self._head_bytes != len(data):
            return
        names = tuple([name for name, _ in self._headers])
        if names == self._names:
            self._form = answers.form(data, self._headers) or self._form
        self._names = names

    def _known(self, call: Call, data: bytes, form: answers.Form) -> bool:
        """Whether this is of an answer whose head has that form. Then it is read here, and llhttp sees nothing of it."""
        known = form.read(data) if not self._missing and not self._head_bytes else None
        if known is None and not self._missing:
            return False
        try:
            if known is not None:
                headers, length, end = known
                data = data[end:]
                self._head_done = True
                if len(data) == length and call.receiver.whole(200, headers, data):
                    call.over = self._reusable = True
                    self._finish()
                    return True
                self._missing = length
                call.receiver.head(200, headers, length)
            more = len(data) - self._missing
            if more > 0:
                data = data[: self._missing]  # whatever follows an answer, nobody asked for it
            self._missing -= len(data)
            if data and self._call is call:
                call.receiver.data(data)
            if more >= 0:
                self._reusable = not more
                self._finish()
        except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
            self._fail(UNHANDLED, cause=error)
        return True

    # inner workings

    def _cannot_be_read(self, error: Exception) -> bool:
        """Whether that is the answer's own fault, and its end."""
        if self._body_done:
            self._reusable = False  # whatever follows an answer, nobody asked for it
            return False
        cause = error.__context__
        if not isinstance(error, httptools.HttpParserCallbackError):
            self._fail("sent something that is not well-formed HTTP/1.1")
        elif isinstance(cause, http1.HeadError):
            self._fail(f"sent an answer that cannot be trusted ({cause.message})")
        else:
            self._fail(UNHANDLED, cause=cause)
        return True

    def _finish(self) -> None:
        """The answer is complete. The connection is free only now that everything that was read has been looked at."""
        call, self._call = self._call, None
        if call is None:
            return
        transport = self.transport
        if transport is not None:
            if self._reusable and not call.left and not transport.is_closing():
                if self._paused:
                    self.resume()
                self._pool.give_back(self)
            else:
                transport.close()
        if not call.over:
            call.over = True
            call.receiver.complete()

    def _joined(self) -> bytes:
        """The body bytes of this read, in one piece."""
        body = self._body
        piece = b"".join(body)
        body.clear()
        return piece

    def _fail(self, what: str, *, cause: BaseException | None = None) -> None:
        """Give up on this connection; what came before the fault is handed on first, unless the fault was ours."""
        if cause is None and self._call is not None and self._body:
            try:
                self._call.receiver.data(self._joined())
            except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
                what, cause = UNHANDLED, error
        self._body.clear()
        self._passing = None
        call, self._call = self._call, None
        if self.transport is not None:
            self.transport.abort()
        if cause is not None:
            self._pool.report(cause)
        if call is not None:
            call.failed(self._pool.trouble(what))


def _size(headers: Sequence[Header]) -> int:
    """Bytes of a head's lines; what was read with it may be body already."""
    return sum(len(name) + len(value) + 4 for name, value in headers)
