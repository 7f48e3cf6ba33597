"""The 12 faults of a client: what it does, how far its request gets, and how the log says that it ended.

In every one of them the provider's connection is closed within a second of the client's end. `Act` is what the client does;
it returns when it has left, or when the gateway has to see to it that it goes.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from faults.modes import Family, Mode
from faults.person import Person
from faults.provider import Peer, Play, answering, chunk, head
from faults.stand import Stand
from openclaude.simulator.script import Answer, Text

Act = Callable[[Stand, Mode], Awaitable[Person]]
Provides = Literal["silence", "half", "flood", "good", "nobody"]
"""What the provider does meanwhile: says nothing, stops in mid-answer, sends megabytes, answers well, accepts nobody."""
LARGE = 60_000
"""Bytes of a body that is cut in two: more than a head, less than what a route without a stream would wait for."""
STALL = 300.0
"""Seconds after which a client that does not read is given up (threat L21 of the sheet)."""
CRAWL = 40.0
"""Seconds after which a body that does not arrive is given up: 30 of them and two sweeps (threat L20)."""


@dataclass(frozen=True)
class Leave:
    """One way of the fault.

    Attributes:
        provides: what the provider does.
        act: what the client does.
        outcome: of the log line; None where there was no request yet.
        reaches: the families in which a request is under way upstream when the client goes.
        within: seconds that the gateway itself has to notice.
        exceptions: outcomes of families that differ.
    """

    id: str
    provides: Provides
    act: Act
    outcome: str | None = "client_left"
    reaches: tuple[Family, ...] = ("pass-stream", "pass-whole", "stream", "whole", "count")
    within: float = 0.0
    exceptions: dict[Family, str] = field(default_factory=dict)

    def ends(self, mode: Mode) -> str | None:
        return self.exceptions.get(mode.family, self.outcome)


@dataclass(frozen=True)
class ClientFault:
    """A row of the matrix."""

    id: str
    ways: tuple[Leave, ...] = field(repr=False)


# what the provider does --------------------------------------------------------------------------------------------


def flood(mode: Mode) -> list[bytes]:
    """An answer that no buffer on the way holds, where it streams; elsewhere one that the gateway may hold whole."""
    return list(mode.encode(Answer((Text("w" * flooded(mode)),), chunk=100_000)))


def flooded(mode: Mode) -> int:
    """Characters of text in it."""
    return 20_000_000 if mode.streams or mode.passes else 6_000_000


def provided(kind: Provides, mode: Mode) -> Play:
    if kind == "good":
        return answering(mode.pieces(), mode.content_type, close=False)
    pieces = flood(mode) if kind == "flood" else mode.pieces()

    async def play(peer: Peer) -> None:
        await peer.begun()
        if kind == "silence":
            await peer.hold()
        await peer.request()
        headers = [("content-type", mode.content_type), ("connection", "close")]
        await peer.send(head(200, headers, chunked=True))
        for piece in pieces[: len(pieces) // 2] if kind == "half" else pieces:
            await peer.send(chunk(piece))
        if kind == "half":
            await peer.hold()
        await peer.send(b"0\r\n\r\n")
        peer.close()

    return play


# what the client does ----------------------------------------------------------------------------------------------


async def _head_only(stand: Stand, mode: Mode) -> Person:
    one = await stand.connect()
    one.send(one.head(mode.target, 100)[:80])
    await stand.loop.rest()
    one.leave()
    return one


async def _half_sent(stand: Stand, mode: Mode) -> Person:
    """Half a request is there, and on the pass-through route at the provider already."""
    one = await stand.connect()
    body = mode.body(stand.prompt, padding=LARGE)
    one.send(one.head(mode.target, len(body)) + body[: LARGE // 2])
    stand.asked += 1
    if mode.passes:
        await stand.loop.happens("the upload begins", lambda: stand.provider.peers, within=1)
    await stand.loop.rest()
    return one


async def _unanswered(stand: Stand, mode: Mode) -> Person:
    one = await stand.ask(mode)
    await stand.loop.happens("the provider is asked", lambda: stand.provider.peers, within=1)
    await stand.loop.rest()
    return one


async def _half_answered(stand: Stand, mode: Mode) -> Person:
    one = await _unanswered(stand, mode)
    if mode.streams or mode.passes:
        await stand.loop.happens("an answer begins", lambda: one.seen.body, within=1)
    return one


def then_leave(stage: Act) -> Act:
    async def act(stand: Stand, mode: Mode) -> Person:
        one = await stage(stand, mode)
        one.leave()
        return one

    return act


def then_reset(stage: Act) -> Act:
    async def act(stand: Stand, mode: Mode) -> Person:
        one = await stage(stand, mode)
        one.reset()
        return one

    return act


async def _half_closed(stand: Stand, mode: Mode) -> Person:
    one = await _half_answered(stand, mode)
    one.vanish()
    return one


async def _dialling(stand: Stand, mode: Mode) -> Person:
    one = await stand.ask(mode)
    await stand.loop.rest()
    await stand.loop.advance(2)
    one.leave()
    return one


async def _escape(stand: Stand, mode: Mode) -> Person:
    """After 70 s of silence, when a stream of Bedrock's has been started with pings. A count is over by then."""
    one = await _unanswered(stand, mode)
    await stand.loop.advance(5 if mode.family == "count" else 70)
    one.leave()
    return one


async def _pipelined(stand: Stand, mode: Mode) -> Person:
    one = await _unanswered(stand, mode)
    one.ask(mode.target, mode.body("a second request"))
    return one


async def _deaf(stand: Stand, mode: Mode) -> Person:
    one, before = await stand.connect(deaf=True), len(stand.provider.everyone)
    one.ask(mode.target, mode.body(stand.prompt))
    stand.asked += 1
    await stand.loop.happens("the provider is asked", lambda: stand.provider.everyone[before:], within=1)
    return one


async def _slow(stand: Stand, mode: Mode) -> Person:
    """Reads nothing for a minute, then everything."""
    one = await _deaf(stand, mode)
    await stand.loop.rest()
    await stand.loop.advance(60)
    stopped = any(not peer.has_room for peer in stand.provider.peers)
    if mode.streams and not stopped:
        raise AssertionError("the provider went on although nobody read")
    one.hear()
    await stand.loop.happens("the rest arrives", lambda: one.answered, within=5)
    check_flood(one, mode)
    one.leave()
    return one


def check_flood(one: Person, mode: Mode) -> None:
    """Every byte is there."""
    seen = one.seen
    assert (seen.status, seen.whole) == (200, True), "the answer is not whole"
    if mode.passes:
        # Identifiers are made for each answer; its length is not.
        assert len(seen.body) == sum(map(len, flood(mode))), "bytes are missing"
    elif mode.family != "count":
        assert seen.body.count(b"w") >= flooded(mode), "text is missing"
    else:
        assert json.loads(seen.body)["input_tokens"], "there is no count"


_PASSES: tuple[Family, ...] = ("pass-stream", "pass-whole")


def _one(
    name: str, provides: Provides, act: Act, outcome: str | None = "client_left", **more: object
) -> ClientFault:
    return ClientFault(name, (Leave("", provides, act, outcome, **more),))  # type: ignore[arg-type]


CLIENT_FAULTS: tuple[ClientFault, ...] = (
    _one("leaves-in-head", "good", _head_only, None, reaches=()),
    _one("leaves-in-upload", "silence", then_leave(_half_sent), reaches=_PASSES),
    _one("leaves-while-dialling", "nobody", _dialling, reaches=()),
    _one("leaves-before-first-byte", "silence", then_leave(_unanswered)),
    _one("leaves-mid-answer", "half", then_leave(_half_answered)),
    _one("half-closes", "half", _half_closed),
    ClientFault(
        "resets",
        (
            Leave("in-upload", "silence", then_reset(_half_sent), reaches=_PASSES),
            Leave("before-first-byte", "silence", then_reset(_unanswered)),
            Leave("mid-answer", "half", then_reset(_half_answered)),
        ),
    ),
    _one("stalls-in-upload", "silence", _half_sent, reaches=_PASSES, within=CRAWL),
    _one(
        "never-reads",
        "flood",
        _deaf,
        within=STALL + 10,
        exceptions={"whole": "complete", "count": "complete"},
    ),
    _one("reads-slowly", "flood", _slow, "complete"),
    _one("pipelines", "silence", _pipelined),
    _one("escapes-a-silent-answer", "silence", _escape),
)
