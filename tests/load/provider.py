"""Both providers as a small fast server, in a process of its own: `python -m load.provider CA_FILE` prints its port.

It answers every request with a stream of numbered events as the request's plan says (load.plans). What the answers
are made of comes from the simulators; what they check is left out, so that a thousand streams cost little.
"""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import uvloop

from load.plans import Plan, found
from openclaude.simulator import anthropic, bedrock, eventstream
from openclaude.simulator.certs import Authority
from openclaude.simulator.script import say

REGION = "us-west-2"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_BATCH, _PAUSE = 4, 0.5
"""Events that a fast stream writes at a time, and the seconds between."""


@dataclass(frozen=True)
class Format:
    """A provider's way to stream: everything before and behind the numbered events, and one of those."""

    kind: bytes
    begin: bytes
    delta: Callable[[str], bytes]
    end: bytes


@cache
def anthropics() -> Format:
    events = list(anthropic.events(say("word"), "claude-opus-5-5"))
    cut = next(number for number, event in enumerate(events) if event["type"] == "content_block_delta")
    return Format(
        b"text/event-stream; charset=utf-8",
        b"".join(map(anthropic.sse, events[:cut])),
        lambda text: anthropic.sse({**events[cut], "delta": {"type": "text_delta", "text": text}}),
        b"".join(anthropic.sse(event) for event in events[cut + 1 :] if event["type"] != events[cut]["type"]),
    )


@cache
def bedrocks() -> Format:
    events = list(bedrock.events(say("word")))
    cut = next(number for number, (name, _) in enumerate(events) if name == "contentBlockDelta")
    return Format(
        b"application/vnd.amazon.eventstream",
        b"".join(eventstream.event(*each) for each in events[:cut]),
        lambda text: eventstream.event("contentBlockDelta", {**events[cut][1], "delta": {"text": text}}),
        b"".join(eventstream.event(*each) for each in events[cut + 1 :] if each[0] != "contentBlockDelta"),
    )


class Connection(asyncio.Protocol):
    """One connection: a request, its stream, the next request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._buffer = b""
        self._format = anthropics()
        self._plan = Plan(0)
        self._until = 0.0
        self._number = 0
        self._full = False
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, ended, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not ended or length is None or len(rest) < int(length[1]):
            return
        assert not self._busy, "a second request came before the first was answered"
        body, self._buffer = rest[: int(length[1])], rest[int(length[1]) :]
        self._answer(bedrocks() if head.startswith(b"POST /model/") else anthropics(), found(body))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False

    def _answer(self, form: Format, plan: Plan) -> None:
        self._format, self._plan = form, plan
        if plan.fault == "closed-early":
            self._transport.close()
        elif plan.fault in ("overloaded", "failing"):
            status = 529 if plan.fault == "overloaded" else 500
            body = json.dumps(
                {"type": "error", "error": {"type": "api_error", "message": plan.fault}}
            ).encode()
            self._transport.write(
                b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(body), body)
            )
        else:
            self._busy = True
            self._number = 0
            self._until = self._loop.time() + plan.seconds * (0.5 if plan.fault else 1)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % form.kind
            self._transport.write(head + _chunk(form.begin))
            self._go_on()

    def _go_on(self) -> None:
        if self._loop.time() >= self._until and not self._full:
            self._finish()
            return
        for _ in range(_BATCH if self._plan.stalls else 1):
            if not self._full:
                self._number += 1
                text = f"#{self._number} ".ljust(self._plan.size, "x")
                self._transport.write(_chunk(self._format.delta(text)))
        self._timer = self._loop.call_later(self._plan.gap or _PAUSE, self._go_on)

    def _finish(self) -> None:
        self._busy = False
        match self._plan.fault:
            case "reset":
                self._transport.abort()
            case "cut":
                self._transport.close()
            case "rubbish":
                self._transport.write(b"zz\r\nrubbish\r\n")
            case _:
                self._transport.write(_chunk(self._format.end) + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(ca_file: Path) -> None:
    authority = Authority()
    authority.write_ca(ca_file)
    context = authority.server_context(anthropic.HOST, bedrock.host(REGION))
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", 0, ssl=context, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(
        None, sys.stdin.read
    )  # until whoever started this has gone


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
