"""Requests that are read in more than one way: none of them makes the gateway execute a request hidden in another."""

import json
from pathlib import Path

import pytest

from support.front import DOORS, OPUS, assert_nothing_got_through, fronted
from support.smuggling import FAMILIES

pytestmark = pytest.mark.anyio
VECTORS = Path(__file__).resolve().parents[1] / "data" / "llhttp" / "requests.jsonl"
LEAST = 1500
"""Generated inputs."""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("family", FAMILIES)
async def test_nothing_hidden_in_a_request_is_executed(family: str, door: str, tmp_path: Path) -> None:
    async with fronted(tmp_path, door) as front:
        names, inputs = zip(*FAMILIES[family](front), strict=True)
        assert_nothing_got_through(front, names, await front.converse_all(inputs))


async def test_the_generated_inputs_are_many_and_different(tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        inputs = {data for family in FAMILIES.values() for _, data in family(front)}
    assert len(inputs) >= LEAST


@pytest.mark.parametrize("door", DOORS)
async def test_the_hidden_request_is_executed_and_noticed_when_it_is_sent_openly(
    door: str, tmp_path: Path
) -> None:
    async with fronted(tmp_path, door) as front:
        said = await front.converse(front.smuggled())
        assert said.statuses == [200]
        assert said.probed == 200
        assert len(front.smuggled_requests()) == 1


def vectors() -> list[tuple[str, bytes]]:
    """llhttp's own request vectors, whatever mode they are for."""
    rows = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    return [(row["vector"], row["raw"].encode()) for row in rows]


def let_in(raw: bytes, front) -> bytes:
    """A vector as a client of this gateway would have sent it: our path, and our headers before its own."""
    line, end, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
    words = line.split(b" ")
    if len(words) == 3:
        line = b" ".join([words[0], front.base + b"/v1/messages", words[2]])
    return line + end + b"\r\n".join(front.ordinary()) + b"\r\n" + rest


@pytest.mark.parametrize("door", DOORS)
async def test_llhttps_own_request_vectors_smuggle_nothing(door: str, tmp_path: Path) -> None:
    found = vectors()
    assert len(found) == 166
    async with fronted(tmp_path, door) as front:
        cases = {
            **{f"{name} {n} as it is": raw for n, (name, raw) in enumerate(found)},
            **{f"{name} {n} and another": raw + front.smuggled() for n, (name, raw) in enumerate(found)},
            **{f"{name} {n} let in": let_in(raw, front) for n, (name, raw) in enumerate(found)},
            **{
                f"{name} {n} let in, and another": let_in(raw, front) + front.smuggled()
                for n, (name, raw) in enumerate(found)
            },
        }
        assert_nothing_got_through(front, list(cases), await front.converse_all(cases.values()))


async def test_a_good_request_is_answered_among_hostile_ones(tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        hostile = [data for _, data in FAMILIES["chunk framing"](front)]
        body = front.message(model=OPUS)
        good = front.head(b"Content-Length: %d" % len(body)) + body
        said = await front.converse_all([*hostile, good, *hostile])
        assert (said[len(hostile)].statuses, said[len(hostile)].probed) == ([200], 200)
