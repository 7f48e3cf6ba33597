"""The clients of a load: each keeps one stream open after the other, and knows what has to arrive."""

import asyncio
import json
import math
import random
import re
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import httptools

from load.plans import CLIENT_FAULTS, READ_ON, STALLED_AFTER, STALLED_FOR, Plan, drawn

PATIENCE = 120.0
"""Seconds beyond its plan after which a stream counts as hung."""
_NUMBER = re.compile(rb"#(\d+) x")
_MODELS = {"anthropic": "claude-opus-5-5", "bedrock": "qwen-3-coder"}


@dataclass(frozen=True)
class Door:
    """How the gateway is reached. `login` is an invented credential."""

    port: int
    tls: ssl.SSLContext
    login: str


@dataclass
class Tally:
    """What became of the streams. `lost` has a line for each that did not end as it had to."""

    open: int = 0
    whole: int = 0
    events: int = 0
    faulty: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


class Reader(asyncio.Protocol):
    """One connection to the gateway. An answer's events have to be numbered without a gap, and end with the last."""

    def __init__(self) -> None:
        self._transport = cast("asyncio.Transport", None)
        self.alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._line = b""
        self._stops_at = math.inf
        self.begin(stalls=False)

    def begin(self, *, stalls: bool) -> None:
        """A new request follows."""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.events = 0
        self._line = b""
        self._stopped = False
        self._gap = ""
        self._stops_at = STALLED_AFTER if stalls else math.inf

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def resume(self, *, events: float = math.inf) -> None:
        """Read on, for so many events."""
        self._stops_at = self.events + events
        if self.alive:
            self._transport.resume_reading()

    def leave(self) -> None:
        self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self.events >= self._stops_at and self.alive:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._end(f"the connection ended ({exc})")

    # llhttp

    def on_body(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            for number in _NUMBER.findall(line):
                self.events += 1
                if int(number) != self.events:
                    self._gap = self._gap or f"event {int(number)} came as number {self.events}"
            self._stopped = self._stopped or line == b"event: message_stop"

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.alive = False
        self._parser = httptools.HttpResponseParser(self)
        if status != 200:
            self._end(f"HTTP {status}: {self._line[:200]!r}")
        elif self._gap or not self._stopped:
            self._end(self._gap or f"no message_stop after event {self.events}: {self._line[-200:]!r}")
        else:
            self._end("")

    def _end(self, why: str) -> None:
        if not self.over.done():
            self.over.set_result(why)


class Client:
    """Opens a stream, and when it is over the next one, until the load ends."""

    def __init__(self, door: Door, tally: Tally, chance: random.Random, *, route: str, stalls: bool) -> None:
        self._door = door
        self._tally = tally
        self._chance = chance
        self._route = route
        self._stalls = stalls
        self._reader: Reader | None = None

    async def run(self, end: float, lifetime: tuple[float, float], faults: float) -> None:
        """Keep a stream open until the loop's time is `end`."""
        loop = asyncio.get_running_loop()
        while (left := end - loop.time()) > 1:
            shortest, longest = (min(seconds, left) for seconds in lifetime)
            await self._stream(drawn(self._chance, (shortest, longest), faults, stalls=self._stalls))
        if self._reader is not None:
            self._reader.leave()

    async def _stream(self, plan: Plan) -> None:
        self._tally.open += 1
        try:
            why = await asyncio.wait_for(self._one(plan), plan.seconds + PATIENCE)
        except TimeoutError:
            why = "it hung"
            self._drop()
        except OSError as error:
            why = f"no connection: {error}"
            self._drop()
        self._tally.open -= 1
        if plan.fault and why != "it hung":
            self._tally.faulty[plan.fault] += 1
        elif why:
            self._tally.lost.append(f"{self._route}, {plan.text()} {why}")
        else:
            self._tally.whole += 1

    async def _one(self, plan: Plan) -> str:
        """The empty string when the stream was whole, else what was wrong with it."""
        reader = await self._connected()
        reader.begin(stalls=plan.stalls)
        request = self._request(plan)
        if plan.fault == "leaves-early":
            reader.send(request[: len(request) // 2])
            await asyncio.sleep(0.2)
            self._drop()
            return "left"
        reader.send(request)
        if plan.stalls or plan.fault in CLIENT_FAULTS:
            await _stalled(reader, plan.seconds * (0.5 if plan.fault else 1))
            if plan.fault in CLIENT_FAULTS:
                self._drop()
                return "left"
            reader.resume()
        why = await reader.over
        self._tally.events += reader.events
        return why

    async def _connected(self) -> Reader:
        if self._reader is None or not self._reader.alive:
            self._drop()
            plain = socket.socket()
            if self._stalls:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            plain.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(plain, ("127.0.0.1", self._door.port))
            _, self._reader = await loop.create_connection(
                Reader, sock=plain, ssl=self._door.tls, server_hostname="127.0.0.1"
            )
        return self._reader

    def _drop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.leave()

    def _request(self, plan: Plan) -> bytes:
        body = json.dumps(
            {
                "model": _MODELS[self._route],
                "max_tokens": 4096,
                "stream": True,
                "messages": [{"role": "user", "content": plan.text()}],
            }
        ).encode()
        head = (
            f"POST /v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:{self._door.port}\r\n"
            "Content-Type: application/json\r\nanthropic-version: 2023-06-01\r\n"
            f"Authorization: Bearer {self._door.login}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def _stalled(reader: Reader, seconds: float) -> None:
    """Let a reader stand still for so long, but for a look at what has come every few minutes."""
    left = seconds
    while left > 0 and not reader.over.done():
        await asyncio.wait({reader.over}, timeout=min(left, STALLED_FOR))
        left -= STALLED_FOR
        if left > 0:
            reader.resume(events=READ_ON)
