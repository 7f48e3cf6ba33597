"""The least a Python program can do that speaks HTTP: `parsing.py PORT UPSTREAM_PORT [CA [CERTIFICATE KEY]]`, as `bare.py` has them.

It parses requests and answers with llhttp, keeps connections to the upstream, and passes heads on as it found them: no rules, no
routes, no credentials, no log. What this takes beyond `bare.py` is the price of HTTP in Python.
"""

import asyncio
import ssl
import sys
from collections.abc import Callable
from typing import cast

import httptools
import uvloop

from benchmarks.bare import contexts


class Far(asyncio.Protocol):
    """A connection to the upstream."""

    def __init__(self, idle: "list[Far]") -> None:
        self.transport: asyncio.Transport | None = None
        self.near: Near | None = None
        self.idle = idle
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        near = self.near
        self.parser.feed_data(data)
        if near is not None and near.transport is not None:
            near.transport.write(data)

    def on_message_complete(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        near, self.near = self.near, None
        if near is not None:
            near.far = None
            self.idle.append(self)

    def pause_writing(self) -> None:
        if self.near is not None and self.near.transport is not None:
            self.near.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.near is not None and self.near.transport is not None:
            self.near.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self in self.idle:
            self.idle.remove(self)
        if self.near is not None and self.near.transport is not None:
            self.near.transport.close()


class Near(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, dial: Callable[["Near"], None], idle: list[Far]) -> None:
        self.transport: asyncio.Transport | None = None
        self.far: Far | None = None
        self.dial = dial
        self.idle = idle
        self.held: list[bytes] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        self.send()

    def send(self) -> None:
        """Pass on what is held, once there is a connection for it."""
        if self.held and self.far is not None and self.far.transport is not None:
            self.far.transport.write(b"".join(self.held))
            self.held.clear()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        lines = [b"%b: %b" % header for header in self.headers]
        self.held.append(b"\r\n".join((b"POST %b HTTP/1.1" % self.target, *lines, b"", b"")))
        self.headers, self.target = [], b""
        if self.idle:
            self.join(self.idle.pop())
        else:
            self.dial(self)

    def on_body(self, data: bytes) -> None:
        self.held.append(data)

    def join(self, far: Far) -> None:
        """From here on the request has its connection."""
        self.far, far.near = far, self

    def pause_writing(self) -> None:
        if self.far is not None and self.far.transport is not None:
            self.far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.far is not None and self.far.transport is not None:
            self.far.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.far is not None and self.far.transport is not None:
            self.far.transport.close()


class Relay:
    """Dials, and keeps the connections."""

    near: type[Near] = Near
    far: type[Far] = Far

    def __init__(self, upstream: int, tls: ssl.SSLContext | None) -> None:
        self.upstream = upstream
        self.tls = tls
        self.idle: list[Far] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> Near:
        return self.near(self.dial, self.idle)

    def dial(self, near: Near) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(near))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _dial(self, near: Near) -> None:
        name = "localhost" if self.tls else None
        _, far = await asyncio.get_running_loop().create_connection(
            lambda: self.far(self.idle), "127.0.0.1", self.upstream, ssl=self.tls, server_hostname=name
        )
        near.join(far)
        near.send()


async def serve(kind: type[Relay], port: int, upstream: int, files: list[str]) -> None:
    """Run until the process is ended."""
    dial, accept = contexts(files)
    relay = kind(upstream, dial)
    server = await asyncio.get_running_loop().create_server(
        relay.accept, "127.0.0.1", port, ssl=accept, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Relay, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
