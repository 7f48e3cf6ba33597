"""A web page in a real browser, which even knows the gateway's secret path: none of its requests reaches a handler."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from fakes.handler import RecordingHandler
from openclaude.edge import sockets
from openclaude.edge.admission import Door
from openclaude.edge.listener import Listener
from support.front import certificates
from support.hostile import Recorder, plain_answer
from support.page import HOSTS, VECTORS, attack, browser

SECRET = "s" * 40


class Gateway:
    """A listener in a thread of its own. `seen` are the exchanges that were begun, `accepted` the connections."""

    def __init__(self, door: str) -> None:
        self.mutual = door == "mutual"
        self.handler = RecordingHandler()
        self.accepted = 0
        self.port = 0

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        loop = uvloop.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="gateway", daemon=True)
        thread.start()

        def call(work) -> None:
            asyncio.run_coroutine_threadsafe(work, loop).result(30)

        call(self._start())
        try:
            yield self
        finally:
            call(self._listener.stop(grace=0))
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _start(self) -> None:
        socket = sockets.bind(0)
        self.port = socket.getsockname()[1]
        gateway = self

        class Counting(Listener):
            def register(self, connection) -> bool:
                gateway.accepted += 1
                return super().register(connection)

        self._listener = Counting(
            Door(self.port, None, None) if self.mutual else Door(self.port, SECRET.encode(), "identity"),
            self.handler,
            report=self._report,
        )
        self.reported: list[BaseException] = []
        await self._listener.start(socket, certificates().mutual if self.mutual else None)

    def _report(self, error: BaseException) -> None:
        self.reported.append(error)


def targets(port: int, *, named: bool, schemes: tuple[str, ...], base: str) -> list[dict[str, object]]:
    return [
        {
            "origin": f"{scheme}://{host}:{port}",
            "get": f"{base}/v1/models",
            "post": f"{base}/v1/messages",
            "named": named,
        }
        for scheme in schemes
        for host in HOSTS
    ]


def test_the_browser_is_there() -> None:
    assert Path(browser()).exists()


@pytest.mark.parametrize(
    ("page", "door"),
    [("127.0.0.1", "http"), ("localhost", "http"), ("page.localhost", "http"), ("127.0.0.1", "mutual")],
)
def test_no_request_of_a_web_page_reaches_a_handler(page: str, door: str, tmp_path: Path) -> None:
    base = "" if door == "mutual" else f"/{SECRET}"
    with Recorder(plain_answer(b"{}")) as open_door, Gateway(door).running() as gateway:
        plan = targets(open_door.port, named=True, schemes=("http",), base=base)[:2]
        plan += targets(gateway.port, named=False, schemes=("http", "https"), base=base)
        attack(tmp_path / "browser", page, plan)
        heads = b"\n".join(open_door.requests()).decode("latin-1")
        tried = {vector for vector in VECTORS if re.search(rf"/{vector}[ ?]", heads)}
        assert gateway.handler.exchanges == []
        assert gateway.reported == []
        # The same tries reach a server that lets everybody in, and they came as far as the gateway's door.
        assert set(VECTORS) - tried <= NOT_HEADLESS
        assert gateway.accepted > len(HOSTS) or gateway.mutual


NOT_HEADLESS = {"manifest", "popup"}
"""What this browser, without a window, may leave out."""
