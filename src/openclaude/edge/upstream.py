"""Dials the origin that an authorised request names, and unwraps its credential as the last thing before the socket.

Connections are kept and used again, one request at a time. A request whose bytes were written is never sent twice:
a model may already be generating.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, cast

import httptools

from openclaude.credentials.sealed import AuthorizedRequest
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header, Origin
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressError, EgressWall, refusal
from openclaude.edge.slices import SlicedWriter
from openclaude.edge.trouble import reason, timed_out, trouble
from openclaude.ports import Receiver
from openclaude.wire import http1

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
"""How long an unused connection is kept; providers close theirs after a minute or more."""
WRITE_HIGH: Final = 256 * 1024
SMALL: Final = 16 * 1024
"""Below this a head and its body are joined, so that they leave in one TLS record and one packet train."""

Report = Callable[[BaseException], None]


class UpstreamConnection(asyncio.Protocol):
    """One connection to one origin."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._call: Call | None = None
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._head_done = False
        self._until_close = False
        self._reusable = False
        self.idle_since = 0.0
        self._writer: SlicedWriter | None = None

    @property
    def full(self) -> bool:
        """Whether the provider reads too slowly for what is written."""
        return self._writer is not None and self._writer.full

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, call: "Call", pieces: Sequence[bytes]) -> None:
        """Send a request's first bytes on this idle connection."""
        self._call = call
        self._parser = httptools.HttpResponseParser(self)
        self._reset_head()
        if len(pieces) > 1 and len(pieces[0]) + len(pieces[1]) <= SMALL:
            pieces = (pieces[0] + pieces[1], *pieces[2:])
        cast("SlicedWriter", self._writer).writelines(pieces)

    def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def close(self) -> None:
        self._call = None
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if self.usable:
            cast("asyncio.Transport", self._transport).pause_reading()

    def resume(self) -> None:
        if self.usable:
            cast("asyncio.Transport", self._transport).resume_reading()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._writer = SlicedWriter(self._transport, self._drained)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._call is None:
            self.close()  # bytes that nobody asked for: the connection is out of step
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, http1.HeadError):
                self._fail(f"sent an answer that cannot be trusted ({cause.message})")
            else:
                self._fail("sent an answer that the gateway could not handle", cause=cause)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("sent something that is not well-formed HTTP/1.1")
        else:
            self._try_to_deliver()
        if not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > http1.MAX_HEAD_BYTES:
                self._fail("sent a response head that is too large")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)
        self._transport = self._writer = None
        call, self._call = self._call, None
        if call is None:
            return
        if self._until_close and self._head_done and exc is None:
            call.complete()
        else:
            call.failed(self._pool.trouble("closed the connection before the answer was complete"))

    def pause_writing(self) -> None:
        if self._writer is not None:
            self._writer.pause()
        if self._call is not None:
            self._call.receiver.upstream_full()

    def resume_writing(self) -> None:
        if self._writer is not None:
            self._writer.resume()

    def _drained(self) -> None:
        if self._call is not None:
            self._call.receiver.upstream_drained()

    # llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = cast("httptools.HttpResponseParser", self._parser)
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                raise http1.HeadError(502, "it switched protocols")
            self._headers = []
            return
        if status > 599:
            raise http1.HeadError(502, f"HTTP knows no status {status}")
        if http1.splits_a_response(self._headers):
            raise http1.HeadError(502, "a header has characters that are not allowed")
        length = http1.response_framing(status, self._headers)
        chunked = any(name.lower() == b"transfer-encoding" for name, _ in self._headers)
        self._until_close = length is None and not chunked
        self._head_done = True
        if self._call is not None:
            self._call.receiver.head(status, self._headers, length)

    def on_body(self, data: bytes) -> None:
        # A provider that streams sends each event as a chunk of its own, and one read brings many of them.
        self._body.append(data)

    def on_message_complete(self) -> None:
        parser = cast("httptools.HttpResponseParser", self._parser)
        if not self._head_done:
            self._reset_head()  # an interim response (100, 103): the real one follows
            return
        self._deliver()
        # valid only inside this callback
        self._reusable = parser.should_keep_alive() and not self._until_close
        call, self._call = self._call, None
        if call is None:
            return
        if self._reusable and call.sent_everything and self.usable:
            self.resume()
            self._pool.give_back(self)
        elif self._transport is not None:
            self._transport.close()
        call.complete()

    # inner workings

    def _try_to_deliver(self) -> None:
        try:
            self._deliver()
        except Exception as error:  # noqa: BLE001  whatever it is, the client has to hear of it
            self._fail("sent an answer that the gateway could not handle", cause=error)

    def _deliver(self) -> None:
        """Hand on the body bytes of this read, in one piece."""
        if not self._body:
            return
        pieces, self._body = self._body, []
        if self._call is not None:
            self._call.receiver.data(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _reset_head(self) -> None:
        self._headers = []
        self._body = []
        self._head_bytes = 0
        self._head_done = False
        self._until_close = False

    def _fail(self, what: str, *, cause: BaseException | None = None) -> None:
        """Give up on this connection; what came before the fault is handed on first, unless the fault was ours."""
        if cause is None:
            self._try_to_deliver()
        call, self._call = self._call, None
        if self._transport is not None:
            self._transport.abort()
        if cause is not None:
            self._pool.report(cause)
        if call is not None:
            call.failed(self._pool.trouble(what))


class Call:
    """One request under way: before it has a connection it holds the bytes to send."""

    def __init__(self, receiver: Receiver, expected: int) -> None:
        self.receiver = receiver
        self._left = expected
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._connection: UpstreamConnection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._over = False

    @property
    def sent_everything(self) -> bool:
        return self._left == 0

    def dial(self, task: "asyncio.Task[None]") -> None:
        self._dialling = task

    def hold(self, pieces: Sequence[bytes]) -> None:
        self._held.extend(pieces)

    def attach(self, connection: UpstreamConnection) -> None:
        """Send what is held on this connection."""
        self._dialling = None
        if self._over:
            connection.close()
            return
        self._connection = connection
        pieces, self._held = self._held, []
        connection.begin(self, pieces)
        if self._held_bytes > WRITE_HIGH and not connection.full:
            self.receiver.upstream_drained()

    def write(self, data: bytes) -> None:
        if self._over:
            return
        self._left -= len(data)
        if self._connection is not None:
            self._connection.write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > WRITE_HIGH:
            # Nobody reads yet: without this the whole upload would wait here while the connection is dialled.
            self.receiver.upstream_full()

    def cancel(self) -> None:
        if self._over:
            return
        self._over = True
        self._held = []
        if self._dialling is not None:
            self._dialling.cancel()
        if self._connection is not None:
            self._connection.close()

    def pause(self) -> None:
        if self._connection is not None and not self._over:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None and not self._over:
            self._connection.resume()

    def complete(self) -> None:
        if not self._over:
            self._over = True
            self.receiver.complete()

    def failed(self, error: ApiError) -> None:
        if not self._over:
            self._over = True
            self._held = []
            self.receiver.failed(error)


class Pool:
    """The connections to one origin."""

    def __init__(self, origin: Origin, dial: DialMap, tls: ssl.SSLContext, report: Report) -> None:
        self.origin = origin
        self.report = report
        self._dial = dial
        self._tls = tls
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._loop = asyncio.get_running_loop()

    def take(self) -> UpstreamConnection | None:
        """The connection used last, if one is alive and fresh."""
        oldest = self._loop.time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def connect(self, call: Call) -> None:
        """Dial for a call; its receiver hears of every way this can fail."""
        host, port = self._dial.address(self.origin)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self),
                    host,
                    port,
                    ssl=self._tls,
                    server_hostname=self.origin.host,
                )
        except ssl.SSLCertVerificationError as error:
            call.failed(
                self.trouble(f"presented a certificate that is not valid for it ({error.verify_message})")
            )
        except TimeoutError:
            call.failed(timed_out(self.origin, CONNECT_SECONDS))
        except OSError as error:
            call.failed(self.trouble(f"cannot be reached ({reason(error)})"))
        else:
            self._hand_over(connection, call)

    def _hand_over(self, connection: UpstreamConnection, call: Call) -> None:
        """Give a fresh connection its call. A provider may have closed it in the turn of the loop since it was opened."""
        if connection.usable:
            self._all.add(connection)
            call.attach(connection)
        else:
            call.failed(self.trouble("closed the connection as soon as it was open"))

    def trouble(self, what: str) -> ApiError:
        return trouble(self.origin, what)

    def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()


class UpstreamTransport:
    """The only code that sends a request to a provider.

    Args:
        tls: gives a context that verifies, when the first connection is made; see edge/tls.py.
        dial: where origins are dialled.
        report: told of exceptions that no rule foresaw.
        wall: looks at every head.
    """

    def __init__(
        self, *, tls: Callable[[], ssl.SSLContext], dial: DialMap, report: Report, wall: EgressWall
    ) -> None:
        self._tls = tls
        self._wall = wall
        self._dial = dial
        self._report = report
        self._pools: dict[Origin, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def send(self, authorized: AuthorizedRequest, body: Sequence[bytes], receiver: Receiver) -> Call:
        """Send the head and the body bytes at hand to `authorized.origin`; the rest follows by `Call.write`."""
        if authorized.origin.scheme != "https":
            raise ValueError(f"a credential may not be sent to {authorized.origin}: it is not https")
        call = Call(receiver, authorized.request.content_length - sum(map(len, body)))
        try:
            head = self._wall.head(authorized)
        except EgressError as error:
            self._loop.call_soon(call.failed, refusal(error))
            return call
        pool = self._pools.get(authorized.origin)
        if pool is None:
            pool = self._pools[authorized.origin] = Pool(
                authorized.origin, self._dial, self._tls(), self._report
            )
        call.hold((head, *body))
        connection = pool.take()
        if connection is not None:
            call.attach(connection)
        else:
            task = self._loop.create_task(pool.connect(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            call.dial(task)
        return call

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
