"""The 14 faults of the host and of the gateway's life (S5), under three loads: nothing, one stream, sixteen streams.

Half of them need processes, a second network or a real client, and have tests of their own: `ELSEWHERE` names them. Six are
played here, on a gateway with that many answers half-way on both routes: all of them have to arrive whole. The last one, a
gateway that is stopped for a while, needs a process too and is in `stopped.py`.
"""

import asyncio
import json
import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from faults import rules
from faults.cells import Result, afterwards, baseline, check_answer
from faults.faults import Says
from faults.modes import MODES, Mode
from faults.person import Person
from faults.provider import Peer, chunk, head
from faults.rules import Expect, error
from faults.stand import Kit, Stand, run, standing
from faults.turned import HungError

LOADS = (0, 1, 16)
STREAMS = tuple(mode for mode in MODES if mode.streams)
SKEW = timedelta(minutes=20)
ELSEWHERE = {
    "kill-9": (
        "tests/integration/test_supervisor.py",
        "test_when_the_worker_is_killed_during_streams_the_same_port_serves_again_within_two_seconds",
    ),
    "out-of-memory": (
        "tests/client/test_worker_killed.py",
        "test_sessions_whose_worker_is_killed_in_mid_stream_end_well_and_the_port_serves_on",
    ),
    "sleep": ("tests/unit/edge/test_upstream.py", "test_a_connection_that_slept_is_not_used_again"),
    "network-gone": (
        "tests/unit/edge/test_upstream.py",
        "test_a_connection_whose_network_is_gone_is_not_used_again",
    ),
    "squatter": (
        "tests/client/test_takeover.py",
        "test_a_stranger_on_the_port_of_a_killed_gateway_hears_no_http_and_the_session_goes_on",
    ),
    "stale-lock": (
        "tests/integration/test_lifecycle.py",
        "test_after_kill_9_the_next_launch_has_a_gateway_on_the_same_port",
    ),
    "fifty-launches": (
        "tests/integration/test_lifecycle.py",
        "test_fifty_launches_at_once_start_one_gateway_and_all_use_it",
    ),
}
"""Faults that others try: the file, and the name of the test."""

Scene = Callable[[Stand, Result], Awaitable[None]]


@contextmanager
def _limit(kind: int, soft: int) -> Iterator[None]:
    """This process may have less of something."""
    before, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (before, hard))


@contextmanager
def _no_more_descriptors() -> Iterator[None]:
    """Every descriptor that this process may have is taken."""
    spare = os.dup(0)
    taken = [spare]
    try:
        with _limit(resource.RLIMIT_NOFILE, spare + 1):
            with suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            yield
    finally:
        for each in taken:
            os.close(each)


@dataclass(frozen=True)
class HostFault:
    """A row that is played here. `lost` says that lines of the log may be lost, if they are counted."""

    id: str
    scene: Scene = field(repr=False)
    lost: bool = False
    ends: bool = False


class Load:
    """Answers that are half-way."""

    def __init__(self, stand: Stand, count: int) -> None:
        self._stand = stand
        self._modes = [STREAMS[number % len(STREAMS)] for number in range(count)]
        self._people: list[tuple[Person, Mode, Says]] = []
        self.go_on = asyncio.Event()

    async def start(self) -> None:
        for mode in self._modes:
            says = Says(mode.pieces(), kind=mode.content_type)
            self._stand.provider.play = self._half(says)
            one = await self._stand.ask(mode)
            await self._stand.loop.happens("a stream begins", lambda one=one: one.seen.body, within=1)
            self._people.append((one, mode, says))

    def _half(self, says: Says) -> Callable[[Peer], Awaitable[None]]:
        middle = len(says.pieces) // 2

        async def play(peer: Peer) -> None:
            await peer.request()
            ending = [("content-type", says.kind), ("connection", "close")]
            await peer.send(head(200, ending, chunked=True))
            await peer.send(b"".join(map(chunk, says.pieces[:middle])))
            await self.go_on.wait()
            await peer.send(b"".join(map(chunk, says.pieces[middle:])) + b"0\r\n\r\n")
            peer.close()

        return play

    async def finish(self, result: Result) -> None:
        """Let the answers come to their end; every one has to be whole."""
        self.go_on.set()
        try:
            await self._stand.loop.happens(
                "the streams end", lambda: all(one.answered for one, _, _ in self._people), within=rules.SLACK
            )
        except HungError as hung:
            result.hung += 1
            result.wrong.append(f"HUNG: {hung}")
        for one, mode, says in self._people:
            check_answer(one.seen, Expect("complete"), mode, says, result)


def play_host_fault(kit: Kit, folder: Path, fault: HostFault, load: int) -> Result:
    """A cell: the fault while so many answers are half-way."""

    async def scene() -> Result:
        async with standing(kit, folder) as stand:
            return await _played(stand, fault, load)

    return run(scene)


async def _played(stand: Stand, fault: HostFault, load: int) -> Result:
    result, mode = Result(ends="complete"), STREAMS[0]
    for each in STREAMS:
        before = await baseline(stand, each, result)
    streams = Load(stand, load)
    await streams.start()
    await fault.scene(stand, result)
    await streams.finish(result)
    result.status = 200
    if fault.ends:
        await _ended(stand, result)
    else:
        await stand.heal()
        await afterwards(stand, mode, before, result)
        await stand.loop.advance(1)  # lines that come in a burst are held for a moment
    _check_lines(stand, fault, result)
    return result


async def _ended(stand: Stand, result: Result) -> None:
    """The gateway ends by itself once its last answer is out."""
    try:
        await stand.loop.happens("the gateway ends", lambda: stand.ended, within=rules.SLACK)
    except HungError as hung:
        result.hung += 1
        result.wrong.append(f"HUNG: {hung}")


def _check_lines(stand: Stand, fault: HostFault, result: Result) -> None:
    """A line for each request, or a line that says how many were lost."""
    told = [line for line in stand.log.read_text().splitlines() if "event=log-lines-lost" in line]
    counted = sum(int(line.rpartition("lines=")[2]) for line in told)
    if len(stand.rows()) + counted != stand.asked or bool(counted) != fault.lost:
        result.lost_rows += 1
        result.wrong.append(
            f"{len(stand.rows())} lines for {stand.asked} requests, {counted} said to be lost"
        )


async def _asks(stand: Stand, result: Result, modes: tuple[Mode, ...] = STREAMS) -> None:
    """Requests are answered as if nothing were wrong."""
    for mode in modes:
        result.wrong += [f"during the fault: {each}" for each in await stand.good(mode)]


# what happens ------------------------------------------------------------------------------------------------------


async def _told_to_stop(stand: Stand, result: Result) -> None:
    """SIGTERM, as the supervisor hands it on."""
    del result
    stand.tell({"op": "drain", "grace": 600})
    await stand.loop.rest()


async def _full_disk(stand: Stand, result: Result) -> None:
    # No file may grow beyond the log's size: what a full disk says, another error with the same consequence.
    with _limit(resource.RLIMIT_FSIZE, stand.log.stat().st_size):
        await _asks(stand, result)


async def _folder_gone(stand: Stand, result: Result) -> None:
    """The log's folder cannot be written: nothing can be made in it, and the file there was is gone."""
    away = stand.log.with_name("elsewhere.log")
    stand.log.rename(away)
    stand.log.mkdir()
    await stand.loop.really_sleep(1.1)  # the log looks for its file once a second
    await _asks(stand, result)
    stand.log.rmdir()
    away.rename(stand.log)


async def _no_descriptors(stand: Stand, result: Result) -> None:
    """A new request cannot be sent; it is told so at once (529, §2: existing streams live)."""
    people = [await stand.connect() for _ in STREAMS]
    wanted = error(529, "overloaded_error", after="2")
    with _no_more_descriptors():
        for one, mode in zip(people, STREAMS, strict=True):
            one.ask(mode.target, mode.body("hello"))
            stand.asked += 1
            await stand.loop.happens("it is told", lambda one=one: one.answered, within=1)
            check_answer(one.seen, wanted, mode, None, result)
    for one in people:
        one.leave()


async def _other_clock(stand: Stand, result: Result) -> None:
    """This clock is 20 minutes slow, then fast: a request is refused and sent again by AWS's time, as every later one is."""
    mode = STREAMS[1]
    for skew in (SKEW, -SKEW):
        stand.provider.play = _judging(mode, skew)
        for attempts in (2, 1):
            before = len(stand.provider.tally.requests)
            one = await stand.ask(mode)
            await stand.loop.happens("it is answered", lambda one=one: one.answered, within=rules.SLACK)
            check_answer(one.seen, Expect("complete"), mode, None, result)
            one.leave()
            made = len(stand.provider.tally.requests) - before
            if made != attempts:
                result.wrong.append(f"{made} attempts instead of {attempts}")


def _judging(mode: Mode, skew: timedelta) -> Callable[[Peer], Awaitable[None]]:
    async def play(peer: Peer) -> None:
        row = await peer.request()
        theirs = datetime.now(UTC) + skew
        stamp = row.head.lower().partition(b"x-amz-date: ")[2][:16].decode().upper()
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        date = f"date: {format_datetime(theirs, usegmt=True)}\r\n".encode()
        if abs(theirs - signed) > timedelta(minutes=5):
            word = "Signature expired" if signed < theirs else "Signature not yet current"
            says = Says(
                [json.dumps({"message": f"{word}: {stamp}"}).encode()],
                403,
                (("x-amzn-errortype", "InvalidSignatureException"), ("connection", "close")),
            )
        else:
            says = Says(mode.pieces(), kind=mode.content_type, headers=(("connection", "close"),))
        wire = says.wire()
        begin = wire.index(b"date: ")
        await peer.send(wire[:begin] + date + wire[wire.index(b"\r\n", begin) + 2 :])
        peer.close()

    return play


async def _bad_reload(stand: Stand, result: Result) -> None:
    """A configuration that is none: the one there is stays."""
    before = (await stand.status())["config"]
    answer = await stand.answer({"op": "reload", "texts": {"": ["[[routes]]\nmatch = 7\n", None]}})
    if "error" not in answer:
        result.wrong.append(f"a broken configuration was taken: {answer}")
    if (await stand.status())["config"] != before:
        result.wrong.append("the configuration is another")
    await _asks(stand, result)


HOST_FAULTS = (
    HostFault("told-to-stop", _told_to_stop, ends=True),
    HostFault("full-disk", _full_disk, lost=True),
    HostFault("log-folder-gone", _folder_gone, lost=True),
    HostFault("no-descriptors", _no_descriptors),
    HostFault("clock-20-min-off", _other_clock),
    HostFault("bad-reload", _bad_reload),
)
