"""The short way leads where the long way leads: the same bytes on both sides, the same line in the log, the same counts."""

import asyncio
import gzip
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.handler import RecordingHandler
from openclaude.credentials.fingerprints import API_KEY, KNOWN
from support.eitherway import OPUS, SECRET, SPILLING, TOKEN, Side, alike, answer, body, both, head
from support.fuzzing import examples

pytestmark = pytest.mark.anyio

PLAN = (
    b"anthropic-ratelimit-unified-status: allowed",
    b"anthropic-ratelimit-unified-5h-utilization: 0.25",
    b"anthropic-ratelimit-unified-5h-reset: 1795000000",
)
ANSWERS = {
    "plain": answer(),
    "other values": answer(b'{"usage":{"output_tokens":12345}}').replace(b"req_011", b"req_012-\xc3"),
    "empty": answer(b""),
    "long": answer(b'{"usage":{"input_tokens":7}}' + b" " * 20_000),
    "plan": answer(b"{}", *PLAN),
    "plan used up": answer(
        b"{}", PLAN[0].replace(b"allowed", b"rejected"), *PLAN[1:], status=b"429 Too Many Requests"
    ),
    "coded": answer(
        gzip.compress(b'{"usage":{"input_tokens":7,"output_tokens":3}}', mtime=0), b"Content-Encoding: gzip"
    ),
    "error": answer(b'{"type":"error"}', status=b"529 Overloaded"),
    "redirect": answer(b"", b"Location: https://example.org/", status=b"302 Found"),
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "last": answer(b"{}", b"Connection: close"),
    "kept": answer(b"{}", b"Connection: keep-alive"),
    "a length with a zero in front": answer().replace(b"Content-Length: ", b"Content-Length: 0"),
    "more than one": answer() + answer(),
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(),
    "stream": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nevent\r\n7\r\n: ping\n\r\n0\r\n\r\n",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    "no HTTP": b"\0\1\2",
}


def asked(login: bytes, text: bytes, **of: Any) -> bytes:
    return head(login, len(text), **of) + text


async def exchange(sides: tuple[Side, Side], login: bytes, said: bytes, told: bytes) -> None:
    await alike(sides, lambda side: side.says(0, said))
    for number in sides[0].busy():
        await alike(sides, lambda side, number=number: side.hears(number, told))


async def primed(sides: tuple[Side, Side], login: bytes) -> None:
    """A client of each gateway whose next request can take the short way."""
    for side in sides:
        side.accept()
    for _ in range(3):
        await exchange(sides, login, asked(login, body()), ANSWERS["plain"])


@pytest.mark.parametrize("name", ["plain", "other values", "empty", "long", "plan", "coded", "kept"])
async def test_a_repeated_request_takes_the_short_way_and_looks_the_same(name: str, canary) -> None:
    login = canary().encode()
    with both() as sides:
        for side in sides:
            side.accept()
        for _ in range(8):
            await exchange(sides, login, asked(login, body()), ANSWERS[name])
        short, long = sides
        assert long.handler.begun == 8
        assert short.handler.begun == 1
        assert len(short.log.lines) == 8
        assert short.near[0][1].written[-1].count(b"x-openclaude-route: anthropic") == (name != "long")


@pytest.mark.parametrize("name", ANSWERS)
async def test_any_answer_to_a_request_on_the_short_way_looks_the_same(name: str, canary) -> None:
    login = canary().encode()
    with both() as sides:
        await primed(sides, login)
        begun = sides[0].handler.begun
        await exchange(sides, login, asked(login, body()), ANSWERS[name])
        assert sides[0].handler.begun == begun


@pytest.mark.parametrize(
    ("changed", "begun", "last"),
    [
        (lambda side: side.reload(), 2, b"200"),
        (lambda side: side.wall.permit(()), 2, b"200"),
        (lambda side: side.tokens.clear(), 1, b"401"),
        (lambda side: side.services.healths.popitem(), 1, b"200"),
    ],
    ids=["reload", "wall", "token", "nothing"],
)
async def test_what_has_changed_is_seen_before_the_next_request(
    changed: Any, begun: int, last: bytes, canary
) -> None:
    """`begun` is how many requests have gone the long way then; one that is not let in begins nothing."""
    login = canary().encode()
    with both() as sides:
        for side in sides:
            side.accept()
        said = asked(login, body(), first=TOKEN)
        for _ in range(3):
            await exchange(sides, login, said, ANSWERS["plain"])
        assert sides[0].handler.begun == 1
        await alike(sides, changed)
        await exchange(sides, login, said, ANSWERS["plain"])
        short, long = sides
        assert (short.handler.begun, long.handler.begun) == (begun, 3 + (last == b"200"))
        assert b"".join(short.near[0][1].written).rpartition(b"HTTP/1.1 ")[2].startswith(last)


async def test_a_secret_that_was_met_meanwhile_is_looked_for_in_the_next_head(canary) -> None:
    """Here it is an API key of another origin, in a header that goes to Anthropic: it may not be passed on to it."""
    login, key = canary().encode(), canary(reaches=()).encode()
    with both() as sides:
        for side in sides:
            side.accept()
        said = asked(login, body(), more=b"x-stainless-lang: %b\r\n" % key)
        for _ in range(3):
            await exchange(sides, login, said, ANSWERS["plain"])
        assert sides[0].handler.begun == 1
        sent = [len(wire.written) for _, wire in sides[0].far]
        KNOWN.remember(key, API_KEY)
        await exchange(sides, login, said, ANSWERS["plain"])
        assert sides[0].handler.begun == 2
        assert [len(wire.written) for _, wire in sides[0].far] == sent
        assert [kind for _, _, kind in sides[0].stopped] == ["a secret of the kind API key"]


async def test_a_provider_that_fails_is_left_alone_by_the_short_way_too(canary) -> None:
    login = canary().encode()
    with both() as sides:
        await primed(sides, login)

        def fails(side: Side) -> None:
            (health,) = side.services.healths.values()
            for _ in range(20):
                health.failed("", side.clock.monotonic(), probe=False)

        await alike(sides, fails)
        sent = [len(wire.written) for _, wire in sides[0].far]
        await alike(sides, lambda side: side.says(0, asked(login, body())))
        assert [len(wire.written) for _, wire in sides[0].far] == sent
        assert b"HTTP/1.1 529" in b"".join(sides[0].near[0][1].written)


async def test_what_follows_a_request_before_its_answer_ends_both(canary) -> None:
    login = canary().encode()
    with both() as sides:
        await primed(sides, login)
        await alike(sides, lambda side: side.says(0, asked(login, body())))
        await alike(sides, lambda side: side.says(0, asked(login, body())))
        assert sides[0].handler.begun == 1


async def test_an_upload_in_pieces_takes_the_short_way(canary) -> None:
    login = canary().encode()
    with both() as sides:
        await primed(sides, login)
        said = asked(login, body(size=300_000))
        for start in range(0, len(said), 65536):
            await alike(sides, lambda side, start=start: side.says(0, said[start : start + 65536]))
        await alike(sides, lambda side: side.hears(0, ANSWERS["plain"]))
        short, long = sides
        assert (short.handler.begun, long.handler.begun) == (1, 4)
        assert f" in={len(body(size=300_000))} " in short.log.lines[-1]


@pytest.mark.parametrize("where", ["before", "behind"])
async def test_a_mistake_on_the_short_way_reaches_client_and_log(where: str, canary) -> None:
    login = canary().encode()
    with both() as (short, long):
        await primed((short, long), login)

        def broken(*_: object) -> None:
            raise RuntimeError(where)

        if where == "before":
            short.far[0][0].push = broken
        else:
            short.near[0][0]._push = broken
        short.says(0, asked(login, body()))
        await short.settle()
        if where == "behind":
            short.hears(0, ANSWERS["plain"])
            await short.settle()
        assert short.reported == [f"RuntimeError('{where}')"]
        assert short.near[0][1].ended
        assert short.services.in_flight == 0
        assert not short.busy()


async def test_a_handler_that_does_not_say_where_requests_go_gets_every_one(canary) -> None:
    login = canary().encode()
    with both() as (short, _):
        handler = RecordingHandler()
        short.listener.handler = handler
        short.accept()
        for _ in range(3):
            short.says(0, asked(login, body()))
            await short.settle()
        assert len(handler.exchanges) == 3


MODELS = st.sampled_from([OPUS, OPUS, OPUS, b"claude-sonnet-5-5", SPILLING, b"unknown", b"claude-\xff", b""])
ASKED = st.tuples(
    st.just("ask"),
    st.integers(0, 1),
    st.tuples(
        MODELS,
        st.sampled_from([0, 0, 0, 20_000, 300_000]),
        st.sampled_from([b"", b"", b"", b"x-app: cli\r\n", b"Connection: close\r\n"]),
        st.sampled_from([SECRET, SECRET, TOKEN]),
        st.sampled_from([b"/v1/messages", b"/v1/messages", b"/v1/messages", b"/v1/messages/count_tokens"]),
        st.lists(st.floats(0, 1), max_size=2),
    ),
)
ANSWERED = st.tuples(
    st.just("answer"),
    st.integers(0, 2),
    st.tuples(st.sampled_from(["plain"] * 8 + list(ANSWERS)), st.lists(st.floats(0, 1), max_size=2)),
)
HAPPENS = st.tuples(
    st.sampled_from(
        [
            "more", "client left", "provider left", "client full", "client drained", "provider full", "provider drained",
            "reload", "secret", "token", "closing", "time", "stray",
        ]
    ),
    st.integers(0, 2),
    st.none(),
)  # fmt: skip


def cut(data: bytes, places: list[float]) -> list[bytes]:
    edges = [0, *sorted(int(place * len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


class Scene:
    """Two gateways and what their clients have still to send."""

    def __init__(self, sides: tuple[Side, Side], login: bytes) -> None:
        self.sides = sides
        self.login = login
        self.unsent: dict[int, list[bytes]] = {0: [], 1: []}

    async def do(self, what: str, number: int, of: Any) -> None:
        busy = self.sides[0].busy()
        if what == "ask":
            await self.ask(number, *of)
        elif what == "more":
            await self.say_more(number % 2)
        elif what == "answer" and number < len(busy):
            for piece in cut(ANSWERS[of[0]], of[1]):
                await alike(self.sides, lambda side, piece=piece: side.hears(busy[number], piece))
        elif what in ("client left", "client full", "client drained", "closing"):
            await alike(self.sides, lambda side: self.to_client(side, what, number % 2))
        elif what in ("provider left", "provider full", "provider drained", "stray") and number < len(
            self.sides[0].far
        ):
            await alike(self.sides, lambda side: self.to_provider(side, what, number))
        elif what == "secret":
            KNOWN.remember(b"another one %d" % (KNOWN.met + 1000), API_KEY)
        else:
            await alike(self.sides, lambda side: self.to_gateway(side, what))

    async def ask(
        self,
        number: int,
        model: bytes,
        size: int,
        more: bytes,
        first: bytes,
        path: bytes,
        places: list[float],
    ) -> None:
        if self.unsent[number]:
            await self.say_more(number)
            return
        text = body(model, size)
        self.unsent[number] = cut(
            head(self.login, len(text), first=first, more=more, path=path) + text, places
        )
        await self.say_more(number)

    async def say_more(self, number: int) -> None:
        if self.unsent[number]:
            piece = self.unsent[number].pop(0)
            await alike(self.sides, lambda side: side.says(number, piece))

    def to_client(self, side: Side, what: str, number: int) -> None:
        connection, wire = side.near[number]
        if what == "client left":
            wire.close()
            side.accept()
            side.near[number], side.near[-1] = side.near[-1], side.near[number]
            self.unsent[number] = []
        elif wire.ended:
            return
        elif what == "client full":
            connection.pause_writing()
        elif what == "client drained":
            connection.resume_writing()
        else:
            connection.close_after_answer()

    @staticmethod
    def to_provider(side: Side, what: str, number: int) -> None:
        connection, wire = side.far[number]
        if wire.ended:
            return
        if what == "provider left":
            wire.close()
        elif what == "provider full":
            connection.pause_writing()
        elif what == "provider drained":
            connection.resume_writing()
        elif number not in side.busy():
            connection.data_received(b"?")

    @staticmethod
    def to_gateway(side: Side, what: str) -> None:
        if what == "reload":
            side.reload()
        elif what == "token":
            side.tokens.symmetric_difference_update({TOKEN})
        elif what == "time":
            side.clock.advance(2.5)


@examples(0.3)
@given(story=st.lists(st.one_of(ASKED, ASKED, ANSWERED, ANSWERED, ANSWERED, HAPPENS), max_size=30))
def test_any_story_looks_the_same(story: list[tuple[str, int, Any]]) -> None:
    async def told() -> None:
        login = b"login-of-the-story-0123456789"
        with both() as sides:
            for side in sides:
                side.accept()
                side.accept()
            for _ in range(3):
                await exchange(sides, login, asked(login, body()), ANSWERS["plain"])
            scene = Scene(sides, login)
            for step in story:
                await scene.do(*step)
            for _ in range(3):
                await alike(sides, lambda side: side.clock.advance(400))

    asyncio.run(told())
