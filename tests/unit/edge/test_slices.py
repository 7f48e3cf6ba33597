"""Long data goes out a slice in a turn of the loop, in order, and not faster than the other side reads."""

import asyncio
from typing import Any

import pytest

from openclaude.edge.slices import SLICE, SlicedWriter

pytestmark = pytest.mark.anyio
LONG = bytes(range(256)) * (5 * SLICE // 512)  # two slices and a half


class FakeTransport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self.on_write: Any = None

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))
        if self.on_write is not None:
            self.on_write()

    def is_closing(self) -> bool:
        return self.closing


class Scene:
    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.drained = 0
        self.filled = 0
        self.writer = SlicedWriter(self.transport, self._fill, self._count)  # type: ignore[arg-type]

    def _fill(self) -> None:
        self.filled += 1

    def _count(self) -> None:
        self.drained += 1


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_short_data_goes_out_at_once(scene: Scene) -> None:
    scene.writer.write(b"short")
    assert (scene.transport.written, scene.writer.full, scene.drained) == ([b"short"], False, 0)


async def test_long_data_takes_a_turn_of_the_loop_for_each_slice(scene: Scene) -> None:
    scene.writer.write(LONG)
    scene.writer.write(b"after it")
    sizes = []
    while scene.writer.full:
        sizes.append(len(scene.transport.written))
        await asyncio.sleep(0)
    assert sizes == [1, 2]
    assert b"".join(scene.transport.written) == LONG + b"after it"
    assert [len(piece) for piece in scene.transport.written] == [SLICE, SLICE, SLICE // 2, 8]
    assert scene.drained == 1


async def test_who_writes_faster_than_slices_take_turns_is_told_to_stop_and_to_go_on(scene: Scene) -> None:
    piece = LONG[: SLICE // 8]
    scene.writer.write(LONG[: SLICE + 1])
    written = 0
    while not scene.filled and written < 100:
        scene.writer.write(piece)
        written += 1
    assert written == 8
    assert scene.drained == 0
    turns = 0
    while scene.writer.full:
        turns += 1
        await asyncio.sleep(0)
    assert turns == 2
    assert scene.drained == 1
    assert b"".join(scene.transport.written) == LONG[: SLICE + 1] + 8 * piece


async def test_nothing_is_written_while_the_other_side_does_not_read(scene: Scene) -> None:
    scene.transport.on_write = scene.writer.pause
    scene.writer.write(LONG)
    for slices in (1, 2, 3):
        await asyncio.sleep(0)
        assert len(scene.transport.written) == slices
        assert scene.writer.full
        scene.writer.resume()
    assert b"".join(scene.transport.written) == LONG
    assert (scene.drained, scene.writer.full) == (1, False)


async def test_a_closed_transport_gets_nothing_more(scene: Scene) -> None:
    scene.writer.write(LONG)
    scene.transport.closing = True
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(scene.transport.written) == 1
    assert not scene.writer.full
