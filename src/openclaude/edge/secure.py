"""TLS between a socket of the loop and a protocol, with the ssl module's `SSLObject` and as little beside it as works.

Asyncio has this too. Its way, and uvloop's, is a buffer of 256 KiB for each connection, and for each read an exception that says
that nothing is left. Here one read of the socket is handed to OpenSSL 32 KiB at a time, and asked for until it is used up; nothing
decrypted ever waits here, so that pausing the socket is all there is to pausing. What is written is encrypted at once, and waits in
the socket's own transport.
"""

import asyncio
import math
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, cast

RECORD: Final = 16 * 1024
"""Bytes that one record holds at most (RFC 8446 §5.1), and so all that one read of OpenSSL can give."""
PORTION: Final = 32 * 1024
"""Bytes OpenSSL is given at a time. Its memory BIOs keep the size that they once had as long as their connection lives."""

Data = bytes | bytearray | memoryview


class SecureTransport(asyncio.Transport, asyncio.Protocol):
    """The transport of `application`, and the protocol of the socket's own transport.

    The application hears nothing before the handshake is done. It is told `eof_received` when the peer closes TLS in order
    (close_notify), which it cannot stay after; a connection that just ends is `connection_lost` alone.

    Args:
        context: what verifies the peer; a server's context without a `name`.
        application: whose bytes these are.
        name: the server that is dialled.
        seconds: after which a handshake that is not done is given up, and so is a closed connection of which the peer took
            nothing more for as long.
        ready: done when the handshake is. Fails with `ssl.SSLError` or `OSError`.
    """

    __slots__ = (
        "_closing",
        "_context",
        "_ended",
        "_error",
        "_incoming",
        "_outgoing",
        "_over",
        "_seconds",
        "_shaken",
        "_timer",
        "_tls",
        "_wire",
        "application",
        "ready",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        application: asyncio.Protocol,
        *,
        name: str | None = None,
        seconds: float,
        ready: "asyncio.Future[None] | None" = None,
    ) -> None:
        super().__init__()
        self.application = application
        self._context = context
        self._seconds = seconds
        self.ready = ready
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=name is None, server_hostname=name
        )
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shaken = self._ended = self._over = self._closing = False
        self._error: Exception | None = None

    # the protocol of the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.abort)
        if self._tls.server_hostname is not None:
            self._shake()

    def data_received(self, data: bytes) -> None:
        if not self._shaken or len(data) > PORTION:
            self._take_in(memoryview(data))
            return
        incoming = self._incoming
        incoming.write(data)
        try:
            piece = self._tls.read(RECORD)
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLZeroReturnError:  # how close_notify is told to who has said it, too
            piece = b""
        except ssl.SSLError as error:
            self._fail(error)
            return
        if piece and not incoming.pending and not self._outgoing.pending:
            self.application.data_received(piece)  # an event that came alone, as most do
        else:
            self._hand_over([piece, *self._decrypted()] if piece else [piece])

    def eof_received(self) -> bool:
        """The socket ended. What TLS has to say of it was said before, or never. The socket's transport closes itself."""
        self._wait_for_the_end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wire = None
        exc, self._error = self._error or exc, None  # an error's traceback leads back here
        if self._shaken:
            self.application.connection_lost(exc)
        elif self.ready is not None and not self.ready.done():
            self.ready.set_exception(
                exc or ConnectionResetError("the connection ended during the TLS handshake")
            )

    def pause_writing(self) -> None:
        if self._shaken:
            self.application.pause_writing()

    def resume_writing(self) -> None:
        if self._shaken:
            self.application.resume_writing()

    # the transport of the application

    def write(self, data: Data) -> None:
        wire = self._wire
        if wire is None or self._closing or self._ended or not data:
            return
        try:
            if len(data) <= RECORD:
                self._tls.write(data)
                wire.write(self._outgoing.read())
            else:
                wire.writelines(self._encrypted(memoryview(data)))
        except ssl.SSLError as error:
            self._fail(error)

    def _encrypted(self, view: memoryview) -> list[bytes]:
        records = []
        while view:
            view = view[self._tls.write(view[:RECORD]) :]
            records.append(self._outgoing.read())
        return records

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        """As one `write` of all, but a long piece behind a short one is not copied: its beginning fills the other's record."""
        pieces = list(list_of_data)
        wire = self._wire
        if len(pieces) != 2 or not len(pieces[0]) < RECORD < len(pieces[1]):
            self.write(b"".join(pieces))
        elif wire is not None and not self._closing and not self._ended:
            view, room = memoryview(pieces[1]), RECORD - len(pieces[0])
            first = memoryview(b"".join((pieces[0], view[:room])))
            try:
                wire.writelines(self._encrypted(first) + self._encrypted(view[room:]))
            except ssl.SSLError as error:
                self._fail(error)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say that nothing more follows (close_notify), and close the sending half of the socket. Reading goes on."""
        if self._wire is None or self._closing or self._ended:
            return
        self._take_leave()
        self._wire.write_eof()

    def close(self) -> None:
        """Say that nothing more follows, and close the socket once everything has left."""
        if self._wire is None or self._closing:
            return
        if not self._shaken:
            self.abort()
            return
        if not self._ended:
            self._take_leave()
        self._closing = True
        self._wire.close()
        self._wait_for_the_end()

    def abort(self) -> None:
        self._closing = True
        if self._wire is not None:
            self._wire.abort()

    def is_closing(self) -> bool:
        """Also while the last data is handed over, behind which the peer has ended: nothing new may be begun there."""
        return self._closing or self._over or self._wire is None or self._wire.is_closing()

    def pause_reading(self) -> None:
        if self._wire is not None:
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        if self._wire is not None:
            self._wire.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._wire is not None:
            self._wire.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return 0 if self._wire is None else self._wire.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._context
        return default if self._wire is None else self._wire.get_extra_info(name, default)

    # inner workings

    def _take_in(self, view: memoryview) -> None:
        """A long read, or one of the handshake. The application gets what it holds in one piece.

        It hears of the connection only when all is decrypted: `unwrap` reads too, and nothing can be read once it met data.
        """
        known, pieces = self._shaken, list[bytes]()
        while view and not self._closing and pieces[-1:] != [b""]:
            self._incoming.write(view[:PORTION])
            view = view[PORTION:]
            if not self._shaken:
                self._shake()
            if self._shaken:
                pieces += self._decrypted()
        if self._shaken and not known:
            self._made()
        self._hand_over(pieces)

    def _decrypted(self) -> list[bytes]:
        """The records that are there, decrypted; an empty one at the end is the peer's close_notify."""
        pieces: list[bytes] = []
        try:
            while self._incoming.pending and (not pieces or pieces[-1]):
                pieces.append(self._tls.read(RECORD))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pieces.append(b"")
        except ssl.SSLError as error:
            self._fail(error)
        return pieces

    def _hand_over(self, pieces: list[bytes]) -> None:
        self._flush()
        if not pieces or (self._closing and self._error is None):  # it wants no more
            return
        self._over = not pieces[-1]
        if data := b"".join(pieces):
            self.application.data_received(data)
        if self._over and not self._closing:
            self.application.eof_received()
            self.close()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._shaken = True

    def _made(self) -> None:
        self.application.connection_made(self)
        if self.ready is not None and not self.ready.done():
            self.ready.set_result(None)

    def _flush(self) -> None:
        """Send what OpenSSL has to say by itself: its part of the handshake, new keys, an alert."""
        if self._outgoing.pending and self._wire is not None:
            self._wire.write(self._outgoing.read())

    def _fail(self, error: ssl.SSLError) -> None:
        """What came is not TLS, or not from whom it should be. The alert that says so leaves first."""
        self._error = error
        self._closing = True
        self._flush()
        if self._wire is not None:
            self._wire.close()
        self._wait_for_the_end()

    def _take_leave(self) -> None:
        self._ended = True
        with suppress(ssl.SSLError):  # that the peer's own word is not there yet, which is not waited for
            self._tls.unwrap()
        self._flush()

    def _wait_for_the_end(self, left: float = math.inf) -> None:
        """A peer that takes nothing of what is left for it must not keep the connection.

        Args:
            left: bytes that were left at the last look.
        """
        wire, loop = self._wire, asyncio.get_running_loop()
        if wire is None:
            return
        size = wire.get_write_buffer_size()
        if size >= left:
            wire.abort()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._seconds, self._wait_for_the_end, size)
