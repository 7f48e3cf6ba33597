"""The supervisor's end of the control socket: callers that each send one line of JSON and get one back.

It lies in a folder of mode 0700 and has mode 0600: whoever can connect is this user. On Linux the kernel confirms it.
"""

import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from openclaude.launcher.control import SOCKET_NAME

MAX_LINE: Final = 256 * 1024
"""A launcher hands over its AWS variables in one line."""
CALLER_SECONDS: Final = 5.0
Facts = dict[str, Any]


def bind(folder: Path) -> socket.socket:
    """The control socket in `folder`; a left-over file of a dead gateway is replaced.

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
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    finally:
        os.fchdir(before)
        os.close(before)
    listener.setblocking(False)
    return listener


class Callers:
    """Everybody who is connected to the control socket.

    Args:
        control: the listening socket.
        selector: told what to wait for; the data of a key is called when it is ready.
        serve: takes a caller's request. It is answered by `answer`.
    """

    def __init__(
        self,
        control: socket.socket,
        selector: selectors.BaseSelector,
        serve: Callable[[socket.socket, Facts], None],
    ) -> None:
        self._control = control
        self._selector = selector
        self._serve = serve
        self._asking: dict[socket.socket, tuple[bytes, float]] = {}
        self._held: dict[socket.socket, Callable[[], None]] = {}
        selector.register(control, selectors.EVENT_READ, self._accept)

    @property
    def asking(self) -> bool:
        """Whether somebody has connected and not said yet what for."""
        return bool(self._asking)

    def close(self) -> None:
        """Nobody new, and an end for those who have said nothing yet or hold a session."""
        self._selector.unregister(self._control)
        self._control.close()
        for caller in (*self._asking, *self._held):
            self.hang_up(caller)

    def answer(self, caller: socket.socket, answer: Facts) -> None:
        """Say it and hang up."""
        self._say(caller, answer)
        self.hang_up(caller)

    def hold(self, caller: socket.socket, answer: Facts, ended: Callable[[], None]) -> None:
        """Say it and stay connected; `ended` is called when the caller has gone."""
        self._held[caller] = ended
        self._say(caller, answer)

    def hang_up(self, caller: socket.socket) -> None:
        """End a connection; nothing happens when it has ended."""
        if caller.fileno() < 0:
            return
        self._asking.pop(caller, None)
        self._selector.unregister(caller)
        caller.close()
        ended = self._held.pop(caller, None)
        if ended is not None:
            ended()

    def sweep(self) -> None:
        """Hang up on callers that say nothing."""
        oldest = time.monotonic() - CALLER_SECONDS
        for caller, (_, since) in tuple(self._asking.items()):
            if since < oldest:
                self.hang_up(caller)

    def _say(self, caller: socket.socket, answer: Facts) -> None:
        if caller.fileno() < 0:
            return
        try:
            caller.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            self.hang_up(caller)

    def _accept(self) -> None:
        try:
            caller, _ = self._control.accept()
        except OSError:
            return
        if not _same_user(caller):
            caller.close()
            return
        caller.settimeout(CALLER_SECONDS)
        self._asking[caller] = (b"", time.monotonic())
        self._selector.register(caller, selectors.EVENT_READ, lambda: self._read(caller))

    def _read(self, caller: socket.socket) -> None:
        try:
            data = caller.recv(64 * 1024)
        except OSError:
            data = b""
        if not data or caller in self._held:
            self.hang_up(caller)
        elif caller in self._asking:  # what follows its one request is nothing to us
            buffer, since = self._asking[caller]
            self._asking[caller] = (buffer + data, since)
            if b"\n" in data:
                self._serve_line(caller)
            elif len(buffer) + len(data) > MAX_LINE:
                self.hang_up(caller)

    def _serve_line(self, caller: socket.socket) -> None:
        buffer, _ = self._asking.pop(caller)
        try:
            request = json.loads(buffer.partition(b"\n")[0])
        except ValueError:
            request = None
        if isinstance(request, dict) and isinstance(request.get("op"), str):
            self._serve(caller, request)
        else:
            self.hang_up(caller)


def _same_user(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return bool(uid == os.getuid())
