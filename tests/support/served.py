"""A listener on a free port, with raw clients of it; what it takes in goes to a handler that records."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fakes.handler import RecordingHandler
from openclaude.edge import sockets
from openclaude.edge.admission import Door
from openclaude.edge.listener import Listener
from support.patience import DEADLINE

SECRET = b"s" * 40


class Served:
    """A listener on a free port, with a raw socket client."""

    def __init__(self, handler: RecordingHandler, most: int | None) -> None:
        self.handler = handler
        self.reported: list[BaseException] = []
        self.socket = sockets.bind(0)
        self.port = self.socket.getsockname()[1]
        self.listener = Listener(
            Door(self.port, SECRET, "id"), handler, report=self.reported.append, most=most
        )

    def head(self, path=b"/v1/messages", method=b"POST", **headers: bytes) -> bytes:
        kind = {"Content_Type": b"application/json"} if method == b"POST" else {}
        shown = {"Host": b"127.0.0.1:%d" % self.port} | kind | headers
        lines = b"".join(
            name.replace("_", "-").encode() + b": " + value + b"\r\n" for name, value in shown.items()
        )
        return b"%b /%b%b HTTP/1.1\r\n%b\r\n" % (method, SECRET, path, lines)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def talk(self, data: bytes, *, until_close: bool = True) -> bytes:
        """Send bytes and read until the server closes (or one answer with a Content-Length is complete)."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read() if until_close else read_answer(reader), DEADLINE)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head + await reader.readuntil(b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def serving(
    handler: RecordingHandler | None = None, *, most: int | None = None
) -> AsyncIterator[Served]:
    served = Served(handler or RecordingHandler(), most)
    await served.listener.start(served.socket)
    try:
        yield served
    finally:
        await served.listener.stop(grace=0)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)
