"""The gateway's private control socket: a line of JSON in, a line of JSON out.

It lies in a folder of mode 0700 and has mode 0600: whoever can connect is this user. On Linux the kernel confirms it.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SOCKET_NAME: Final = "control.sock"
MAX_LINE: Final = 256 * 1024
"""A launcher hands over its AWS variables in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation says. With `on_close` the connection stays open until the caller ends it, and then it is called."""

    facts: Mapping[str, Any]
    on_close: Callable[[], None] | None = None


Operation = Callable[[Mapping[str, Any]], Answer]


def bind(folder: Path) -> socket.socket:
    """A listening unix socket in `folder`; a left-over file of a dead gateway is replaced.

    Binding happens by a relative name: the full path may be longer than the 104 to 108 bytes a socket name can have.
    Call it before threads start, since it changes the working directory for a moment.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(folder)
        Path(SOCKET_NAME).unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            listener.bind(SOCKET_NAME)
        finally:
            os.umask(mask)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    finally:
        os.fchdir(before)
        os.close(before)
    listener.setblocking(False)
    return listener


class ControlServer:
    """Answers `{"op": NAME, ...}` with what the operation of that name says."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = operations
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_LINE)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer: Answer | None = None
        try:
            if _same_user(writer.get_extra_info("socket")):
                async with asyncio.timeout(5):
                    line = await reader.readline()
                answer = self._answer(line)
                writer.write(json.dumps(answer.facts).encode() + b"\n")
                await writer.drain()
                if answer.on_close is not None:
                    await reader.read()
        except (OSError, TimeoutError, ValueError):
            pass  # a caller that went away or talked nonsense gets nothing
        finally:
            writer.close()
            if answer is not None and answer.on_close is not None:
                answer.on_close()

    def _answer(self, line: bytes) -> Answer:
        request = json.loads(line)
        operation = self._operations.get(str(request.get("op"))) if isinstance(request, dict) else None
        if operation is None:
            return Answer({"error": f"unknown operation; known are {', '.join(self._operations)}"})
        return operation(request)


def _same_user(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return bool(uid == os.getuid())
