"""The duties of the pass-through way in as few steps as Python can take: `duties.py PORT UPSTREAM_PORT [CA [CERTIFICATE KEY]]`.

Two functions, one for a request and one for its answer, do without a layer between them what openClaude does for a JSON
request that repeats its connection's head: compare the head to the byte, read the model and choose the route, allow the
credential for the origin, put the new head together, see that the kept connection is sound; read the answer's head by its
form, name the route in it, read the usage, write a line of the log. A head that is new, and an answer of another form, are
left to `parsing.py`. It refuses nothing, knows no error, no limit of time and no reload, so it serves no user. What it takes
beyond `parsing.py` is what the duties cost in Python; what openClaude takes beyond it is the price of knowing all of these.
"""

import asyncio
import itertools
import os
import re
import select
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.parsing import Far, Near, Relay, serve

ORIGIN = "https://api.anthropic.com"
ALLOWED = {ORIGIN: frozenset(("client-login",))}
ROUTES: dict[bytes, tuple[str, bytes]] = {}
"""What the model decides: the route, and the lines that name it in the answer. As a table of routes it is filled on first sight."""
MODEL = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([ -!#-\[\]-\x7e]*)"')
INPUT = re.compile(rb'"input_tokens"\s*:\s*(\d{1,12})')
OUTPUT = re.compile(rb'"output_tokens"\s*:\s*(\d{1,12})')
VALUES = {b"content-length": rb"(?P<length>[0-9]{1,12})", b"request-id": rb"(?P<name>[!-~]+)"}
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
SMALL = 16 * 1024
TICK = 100_000_000
BURST = 16
"""Lines of a tick that are written one by one, as the product does; the others of it together."""


class Log:
    """A file with a line for each request."""

    def __init__(self) -> None:
        self.descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        self.tick = self.burst = 0
        self.second = 0
        self.stamp = ""
        self.held: list[tuple[int, Callable[..., str], tuple[object, ...]]] = []

    def write(self, make: Callable[..., str], *values: object) -> None:
        """The line that `make` gives for some values. One that is held is made when it is written: many in a row take less."""
        now = time.time_ns()
        tick = now // TICK
        if tick != self.tick:
            self.tick, self.burst = tick, 0
        self.burst += 1
        if self.burst <= BURST and not self.held:
            os.write(self.descriptor, self.line(now, make, values).encode())
            return
        if not self.held:
            asyncio.get_running_loop().call_later(0.1, self.flush)
        self.held.append((now, make, values))

    def line(self, now: int, make: Callable[..., str], values: tuple[object, ...]) -> str:
        second, rest = divmod(now, 1_000_000_000)
        if second != self.second:
            self.second = second
            self.stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self.stamp}.{rest // 1_000_000:03d}Z {make(*values)}\n"

    def flush(self) -> None:
        held, self.held = self.held, []
        os.write(self.descriptor, "".join([self.line(*each) for each in held]).encode())


LOG = Log()
NAMES = itertools.count()


class KnownFar(Far):
    """A connection to the upstream that reads answers of the form of its last one."""

    def __init__(self, idle: list[Far]) -> None:
        super().__init__(idle)
        self.form: Callable[[bytes], re.Match[bytes] | None] | None = None
        self.stirs: Callable[[int], object] = lambda _: False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.stirs = poll.poll

    def data_received(self, data: bytes) -> None:
        near, form = cast("KnownNear | None", self.near), self.form
        found = form(data) if form is not None else None
        if (
            found is None
            or near is None
            or near.transport is None
            or not near.known
            or len(data) - found.end() != int(found["length"])
        ):
            super().data_received(data)
            if self.near is None:
                self.form = self.form or _form(data)
            return
        body = data[found.end() :]
        first = time.monotonic() - near.began
        near.transport.write(b"%b%b\r\n%b" % (found["head"], near.marks, body))
        self.near = near.far = None
        if self.transport is not None and not self.transport.is_closing():
            self.idle.append(self)
        total = time.monotonic() - near.began
        LOG.write(
            _line, (near.model, near.route), first, total, near.length, len(body), body[-2048:], found["name"]
        )


class KnownNear(Near):
    """A client's connection that repeats its head."""

    def __init__(self, dial: Callable[[Near], None], idle: list[Far]) -> None:
        super().__init__(dial, idle)
        self.before = self.after = self.lines = self.marks = b""
        self.model = self.route = ""
        self.known = False
        self.began = 0.0
        self.length = self.left = 0

    def data_received(self, data: bytes) -> None:
        if self.left and self.far is not None and self.far.transport is not None:
            self.left -= len(data)
            self.far.transport.write(data)
            return
        start = len(self.before)
        end = data.find(b"\r", start, start + 13)
        digits = data[start:end]
        if not (
            start
            and self.idle
            and data.startswith(self.before)
            and digits.isdigit()
            and data.startswith(self.after, end)
        ):
            self.known = False
            super().data_received(data)
            if not start:
                self._learn(data)
            return
        body = data[end + len(self.after) :]
        far = cast("KnownFar", self.idle.pop())
        transport, model = far.transport, MODEL.match(body)
        if (
            transport is None
            or transport.is_closing()
            or far.stirs(0)
            or model is None
            or "client-login" not in ALLOWED[ORIGIN]
        ):
            raise ValueError("this program has no errors")
        self.began = time.monotonic()
        self.model = model[1].decode()
        self.route, self.marks = ROUTES.get(model[1]) or _route(model[1])
        self.known = True
        self.far, far.near = far, self
        self.length = int(digits)
        self.left = self.length - len(body)
        head = b"%bContent-Length: %b\r\n\r\n" % (self.lines, digits)
        if len(body) <= SMALL:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    def _learn(self, data: bytes) -> None:
        """Remember a head that llhttp has accepted."""
        length = LENGTH.search(data)
        if length is None:
            return
        end = data.find(b"\r\n\r\n") + 4
        first, *others = data[: end - 4].split(b"\r\n")
        kept = [line for line in others if not line.lower().startswith((b"host:", b"content-length:"))]
        self.lines = b"\r\n".join((first, b"Host: api.anthropic.com", *kept, b""))
        self.before, self.after = data[: length.start(1)], data[length.end(1) : end]


def _line(
    asked_of: tuple[str, str], first: float, total: float, sent: int, size: int, last: bytes, name: bytes
) -> str:
    """What the log says of a request that was asked of a model by a route."""
    model, route = asked_of
    asked, said = INPUT.search(last), OUTPUT.search(last)
    return (
        f"request=req_{next(NAMES):016x} kind=messages model={model} route={route} status=200 outcome=complete "
        f"first={first:.3f} total={total:.3f} in={sent} out={size} "
        f"tokens={int(asked[1]) if asked else '-'}/{int(said[1]) if said else '-'} credential=client-login upstream_request={name.decode()}"
    )


def _route(model: bytes) -> tuple[str, bytes]:
    """The route of a model, and what names it in the answer."""
    ROUTES[model] = "anthropic", b"x-openclaude-route: anthropic\r\nx-openclaude-model: %b\r\n" % model
    return ROUTES[model]


def _form(data: bytes) -> Callable[[bytes], re.Match[bytes] | None] | None:
    """What matches heads like the one of this answer, whatever their values are; None where they tell no length."""
    first, *lines = data[: data.find(b"\r\n\r\n")].split(b"\r\n")
    pattern = re.escape(first) + rb"\r\n"
    for line in lines:
        name = line.partition(b":")[0]
        pattern += re.escape(name) + b": " + VALUES.get(name.lower(), rb"[!-~][ -~]*+(?<! )") + rb"\r\n"
    form = re.compile(b"(?P<head>%b)\r\n" % pattern)
    return form.match if "length" in form.groupindex else None


class KnownRelay(Relay):
    """Dials as `Relay` does, and makes the connections of this program."""

    near = KnownNear
    far = KnownFar


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(KnownRelay, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
