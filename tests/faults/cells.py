"""One cell of the matrix, played: the fault in one mode, then everything that has to hold whatever the fault was."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults import rules
from faults.faults import Fault, Says, Variant
from faults.modes import COUNTED, WORDS, Mode
from faults.person import Person, Seen
from faults.provider import Peer, Play, answering
from faults.rules import Expect
from faults.stand import Kit, Stand, descriptors, run, standing
from faults.turned import HungError

OWN = {"type", "error", "request_id"}


@dataclass
class Result:
    """What was wrong with a cell: empty when nothing was. `measures` are for the report."""

    wrong: list[str] = field(default_factory=list)
    attempts: int = 0
    took: float = 0.0
    status: int = 0
    ends: str = ""
    leaks: int = 0
    hung: int = 0
    lost_rows: int = 0

    def row(self) -> dict[str, Any]:
        """What the report shows."""
        shown = ("status", "ends", "attempts", "took", "leaks", "hung", "lost_rows")
        return {name: getattr(self, name) for name in shown}

    def add(self, other: "Result") -> None:
        """The result of another variant of the same cell."""
        self.wrong += other.wrong
        self.attempts = max(self.attempts, other.attempts)
        self.took = max(self.took, other.took)
        self.leaks += other.leaks
        self.hung += other.hung
        self.lost_rows += other.lost_rows
        self.status, self.ends = other.status, other.ends


def play_of(stand: Stand, variant: Variant, mode: Mode, says: Says | None) -> Play:
    """What the provider does with each connection of a variant, until the stand is `healed`."""
    if variant.does is not None:
        return variant.does
    if says is None:
        # Whoever is let through to this provider gets a good answer, which the rule then does not allow.
        return answering(mode.pieces(), mode.content_type)
    answered = 0

    async def play(peer: Peer) -> None:
        nonlocal answered
        while True:
            await peer.request()
            answered += 1
            if stand.healed or (variant.good_after is not None and answered > variant.good_after):
                well = Says(mode.pieces(), kind=mode.content_type)
                await peer.send(well.wire())
                continue
            await _speak(peer, says)
            if says.then != "keep":
                return

    return play


async def _speak(peer: Peer, says: Says) -> None:
    if says.bytewise:
        for byte in says.wire():
            await peer.send(bytes([byte]))
            await peer.loop.really_sleep(0)
    else:
        await peer.send(says.wire())
    if says.then == "close":
        peer.close()
    elif says.then == "reset":
        await peer.loop.rest()  # what was sent must arrive first: a reset overtakes it
        peer.reset()
    elif says.then == "hold":
        await peer.hold()


def play_fault(kit: Kit, folder: Path, fault: Fault, mode: Mode) -> Result:
    """A cell: all variants of a fault, each on a gateway of its own."""
    result = Result()
    for variant in fault.of(mode):
        (folder / variant.id).mkdir(exist_ok=True)
        result.add(play_variant(kit, folder / variant.id, variant, mode))
    return result


def play_variant(kit: Kit, folder: Path, variant: Variant, mode: Mode) -> Result:
    async def scene() -> Result:
        async with standing(kit, folder) as stand:
            stand.keys.rotating = variant.rotating
            return await _fault_scene(stand, variant, mode)

    return run(scene)


async def _fault_scene(stand: Stand, variant: Variant, mode: Mode) -> Result:
    expect, result = variant.expect(mode), Result()
    before = await baseline(stand, mode, result)
    says = variant.says(mode) if variant.says is not None else None
    if variant.stage is not None:
        await variant.stage(stand.provider)
    stand.provider.play = play_of(stand, variant, mode, says)
    dials, requests = stand.loop.dials, len(stand.provider.tally.requests)
    started = stand.loop.time()
    one = await stand.ask(mode)
    await over(stand, one, expect.limit, result)
    result.took = stand.loop.time() - started
    result.attempts = max(stand.loop.dials - dials, len(stand.provider.tally.requests) - requests)
    check_answer(one.seen, expect, mode, says, result)
    if result.attempts != expect.attempts:
        result.wrong.append(f"{result.attempts} attempts instead of {expect.attempts}")
    one.leave()
    await stand.heal()
    await afterwards(stand, mode, before, result)
    check_row(stand, 1, {"status": str(expect.status), "outcome": expect.outcome}, result)
    return result


async def over(stand: Stand, one: Person, limit: float, result: Result) -> None:
    """Wait for the end of an answer; what is not over within its limit is hung."""
    try:
        await stand.loop.happens("the answer is over", lambda: one.answered, within=limit + rules.SLACK)
    except HungError as error:
        result.hung += 1
        result.wrong.append(f"HUNG: {error}")


# what an answer has to be ------------------------------------------------------------------------------------------


def check_answer(seen: Seen, expect: Expect, mode: Mode, says: Says | None, result: Result) -> None:
    result.status, result.ends = seen.status, expect.ends
    if seen.status != expect.status:
        result.wrong.append(f"status {seen.status} instead of {expect.status}: {seen.body[:300]!r}")
        return
    if "location" in seen.headers or "link" in seen.headers:
        result.wrong.append("a header of the provider's that must not pass")
    if seen.extra:
        result.wrong.append(f"bytes behind the answer: {seen.extra[:60]!r}")
    try:
        result.wrong += _ENDS[expect.ends](seen, expect, mode, says)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        result.wrong.append(f"unreadable answer ({error!r}): {seen.body[:200]!r}")


def _error(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del mode, says
    answer = seen.json()
    told = {
        "whole": (seen.whole, True),
        "content-type": (seen.headers.get("content-type"), "application/json"),
        "members": (set(answer), OWN),
        "request-id": (seen.headers.get("request-id"), answer["request_id"]),
        "type": (answer["error"]["type"], expect.kind),
        "text": (bool(answer["error"]["message"]), True),
        "x-should-retry": (seen.headers.get("x-should-retry"), str(expect.retry).lower()),
        "retry-after": (seen.headers.get("retry-after"), expect.after),
    }
    return [
        f"{name} is {found!r} instead of {wanted!r}"
        for name, (found, wanted) in told.items()
        if found != wanted
    ]


def _relayed(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del expect, mode
    assert says is not None
    wrong = [] if seen.whole else ["the answer is not whole"]
    if seen.body != says.sent:
        wrong.append(f"{len(seen.body)} other bytes than the provider's {len(says.sent)}")
    for name, value in (*says.headers, ("content-type", says.kind)):
        if seen.headers.get(name) != value:
            wrong.append(f"{name} is {seen.headers.get(name)!r} instead of {value!r}")
    return wrong


def _cut(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del expect, mode
    assert says is not None
    wrong = []
    if seen.whole or not seen.closed:
        wrong.append(f"a broken answer can pass for a whole one (whole={seen.whole}, closed={seen.closed})")
    if not says.sent.startswith(seen.body):
        wrong.append("other bytes than the provider's")
    if not seen.body:
        wrong.append("what came before the fault was not relayed")
    return wrong


def _sse_error(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del mode, says
    wrong = [] if seen.whole else ["the stream was cut instead of ended"]
    events = [event for event in seen.events() if event["type"] != "ping"]
    kinds = [event["type"] for event in events]
    if "message_stop" in kinds or kinds[-1] != "error" or kinds.count("error") != 1:
        wrong.append(f"events {kinds}")
    elif events[-1]["error"]["type"] != expect.kind or not events[-1]["error"]["message"]:
        wrong.append(f"the event says {events[-1]['error']}")
    return wrong


def _complete(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del expect
    if not seen.whole:
        return ["the answer is not whole"]
    if mode.passes:
        return [] if says is not None and seen.body == says.sent else ["other bytes than the provider's"]
    if mode.family == "count":
        return [] if seen.json() == {"input_tokens": COUNTED} else [f"the count is {seen.body!r}"]
    text = _text(seen.events()) if mode.streams else seen.json()["content"][0]["text"]
    return [] if text == WORDS else [f"the text is {text!r}"]


def _text(events: list[dict[str, Any]]) -> str:
    """The text of a stream that was ended as it should be."""
    if events[-1]["type"] != "message_stop":
        return f"a stream that ends with {events[-1]}"
    return "".join(
        event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"
    )


def _estimate(seen: Seen, expect: Expect, mode: Mode, says: Says | None) -> list[str]:
    del expect, mode, says
    wrong = [] if seen.whole else ["the answer is not whole"]
    if seen.headers.get("x-openclaude-token-count") != "estimate":
        wrong.append("an estimate that does not say so")
    count = json.loads(seen.body)["input_tokens"]
    return wrong if isinstance(count, int) and count > 0 else [*wrong, f"the estimate is {count!r}"]


_ENDS: dict[str, Callable[[Seen, Expect, Mode, Says | None], list[str]]] = {
    "error": _error,
    "relayed": _relayed,
    "cut": _cut,
    "sse-error": _sse_error,
    "complete": _complete,
    "estimate": _estimate,
}


# what has to hold after every cell ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Baseline:
    """What a gateway at rest has, after it has served one request and everybody has left."""

    tasks: int
    descriptors: int


async def baseline(stand: Stand, mode: Mode, result: Result) -> Baseline:
    result.wrong += [f"before the fault: {each}" for each in await stand.good(mode)]
    await stand.settle()
    return Baseline(stand.tasks(), descriptors() - stand.provider.listening)


async def afterwards(stand: Stand, mode: Mode, before: Baseline, result: Result) -> None:
    """The gateway serves on, and nothing of the fault is left."""
    try:
        result.wrong += [f"after the fault: {each}" for each in await stand.good(mode)]
        await stand.settle()
        await stand.loop.happens("tasks end", lambda: stand.tasks() <= before.tasks, within=rules.SLACK)
    except HungError as error:
        result.hung += 1
        result.wrong.append(f"after the fault: {error}")

    def extra() -> int:
        return descriptors() - stand.provider.listening - before.descriptors

    with suppress(HungError):
        await stand.loop.happens("descriptors are as before", lambda: extra() <= 0, within=rules.SLACK)
    if extra() > 0:  # fewer are left while a log that was moved away waits for its next line
        result.wrong.append(f"{extra():+} descriptors")
    if stand.tasks() != before.tasks:
        result.wrong.append(f"{stand.tasks() - before.tasks:+} tasks")
    under_way = (await stand.status())["in_flight"]
    if under_way:
        result.wrong.append(f"{under_way} requests are said to be under way")
    leaks = stand.leaks()
    result.leaks += len(leaks)
    result.wrong += [f"LEAK: {each}" for each in leaks]
    result.wrong += stand.misses()


def check_row(stand: Stand, at: int | None, wanted: dict[str, str], result: Result) -> None:
    """Exactly one line for each request, and the fault's line (if it was a request at all) says how it ended."""
    rows = stand.rows()
    result.lost_rows += max(0, stand.asked - len(rows))
    if len(rows) != stand.asked:
        result.wrong.append(f"{len(rows)} lines in the log for {stand.asked} requests")
    elif at is not None:
        fields = dict(part.partition("=")[::2] for part in rows[at].split() if "=" in part)
        found = {name: fields[name] for name in wanted}
        if found != wanted:
            result.wrong.append(f"the log says {found} instead of {wanted}")
    log = stand.log.read_text()
    if "event=internal-error" in log:
        result.wrong.append("internal error: " + log.partition("event=internal-error")[2].partition("\n")[0])
