import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from openclaude.edge.channel import Channel
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio


class Line:
    """A worker's channel, and the supervisor's end of it."""

    def __init__(self) -> None:
        self.lost = 0
        self.reported: list[BaseException] = []
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(DEADLINE)
        theirs.setblocking(False)
        self._theirs = theirs
        self.channel = Channel(
            {"echo": lambda request: {"heard": request["text"]}, "break": self._break},
            lost=self._lost,
            report=self.reported.append,
        )

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: self.channel, sock=self._theirs)

    async def read(self, lines: int = 1) -> list[Any]:
        def receive() -> list[Any]:
            data = b""
            while data.count(b"\n") < lines:
                data += self.socket.recv(4096)
            return [json.loads(line) for line in data.splitlines()]

        return await asyncio.to_thread(receive)

    def _lost(self) -> None:
        self.lost += 1

    def _break(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise KeyError("secret")


@pytest.fixture
async def line():
    made = Line()
    await made.connect()
    yield made
    made.channel.close()
    made.socket.close()


async def test_answers_carry_the_number_of_their_question(line: Line) -> None:
    line.socket.sendall(b'{"id": 7, "op": "echo", "text": "a"}\n{"id": 8, "op": "echo", ')
    assert await line.read() == [{"id": 7, "heard": "a"}]
    line.socket.sendall(b'"text": "b"}\n{"id": 9, "op": "none"}\n')
    first, second = await line.read(2)
    assert first == {"id": 8, "heard": "b"}
    assert second == {"id": 9, "error": "unknown operation; known are echo, break"}


async def test_an_operation_that_fails_is_an_error_without_its_text(line: Line) -> None:
    line.socket.sendall(b'{"id": 1, "op": "break"}\n{"id": 2, "op": "echo", "text": "on"}\n')
    first, second = await line.read(2)
    assert first == {"id": 1, "error": "it did not work (KeyError); see `openclaude logs`"}
    assert second["heard"] == "on"
    assert [type(error) for error in line.reported] == [KeyError]


async def test_an_event_is_told_and_the_end_of_the_supervisor_is_noticed(line: Line) -> None:
    line.channel.tell("ready", more=1)
    assert await line.read() == [{"event": "ready", "more": 1}]
    line.socket.close()
    async with asyncio.timeout(DEADLINE):
        while not line.lost:
            await asyncio.sleep(0.01)
