"""A whole gateway on the loop of the test, between both providers: `wiring.serve` and nothing less.

Only three things are not production's: the clock (`turned.py`), where providers are dialled, and the look-up of AWS keys,
which would start a process for each cell. The gateway's supervisor is played by the other end of its channel.
"""

import asyncio
import json
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from faults import person
from faults.modes import CONFIG, Mode
from faults.person import Person
from faults.provider import Certificates, Provider, answering
from faults.turned import TurnedLoop
from openclaude import config, wiring
from openclaude.demo.oracle import Index
from openclaude.edge import sockets
from openclaude.edge.connection import Report
from openclaude.edge.dial import DialMap
from openclaude.edge.worker import ThreadWorker
from openclaude.launcher import certificates
from openclaude.launcher.state import State, open_state
from support.trust import trusting

T = TypeVar("T")
BASE_PATH = secrets.token_hex(16)
IDENTITY = secrets.token_hex(16)


@dataclass(frozen=True)
class Kit:
    """What is made once for all cells: the installation's certificates, and those of the providers."""

    state: State
    providers: Certificates
    context: ssl.SSLContext


def make_kit(folder: Path) -> Kit:
    state = open_state(folder / "state")
    pair = certificates.ensure(state)[-1]
    context = trusting(
        pair.server_certificate.read_text(), str(pair.client_certificate), str(pair.client_key)
    )
    return Kit(state, Certificates(folder), context)


@dataclass
class Keys:
    """AWS keys as a look-up finds them: new ones each time, or always the same."""

    found: dict[str, str] = field(default_factory=dict)
    rotating: bool = False
    used: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
        del env, question
        if self.rotating or not self.used:
            self.used.append(
                {
                    "access_key": "AKIA" + secrets.token_hex(8).upper(),
                    "secret_key": secrets.token_hex(20),
                    "token": secrets.token_hex(40),
                }
            )
        return {**self.used[-1], "expires": None, "method": "env"}


class Stand:
    """A running gateway and everything around it."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        self.kit = kit
        self.loop = cast("TurnedLoop", asyncio.get_running_loop())
        self.provider = Provider(kit.providers)
        self.keys = Keys()
        self.login = "sk-ant-" + "oat01-" + secrets.token_urlsafe(48)
        self.prompt = secrets.token_hex(16)
        self.log = folder / "gateway.log"
        self.people: list[Person] = []
        self.asked = 0
        self.healed = False
        self._worker: ThreadWorker | None = None
        self._listening = sockets.bind(0)
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        self._ready = asyncio.Event()
        self.plan = wiring.Plan(
            config=config.parse(CONFIG, "config.toml"),
            sockets={"mutual": self._listening},
            certificates=lambda: certificates.ensure(kit.state),
            channel=theirs,
            log_file=self.log,
            base_path=BASE_PATH,
            identity=IDENTITY,
            dial=DialMap(self.provider.entries),
            ca_file=kit.providers.ca_file,
            ready=self._ready.set,
            worker=self._make_worker,
            probe=self.keys,
        )
        self._serving: asyncio.Task[None] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def _make_worker(self, report: Report) -> ThreadWorker:
        self._worker = ThreadWorker(report)
        return self._worker

    async def start(self) -> None:
        await self.provider.serve()
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        self._serving = self.loop.create_task(wiring.serve(self.plan))
        await self.loop.happens("the gateway is ready", self._ready.is_set)
        self.loop.busy = lambda: self._worker is not None and self._worker.busy

    async def stop(self) -> None:
        """Hang up, as a supervisor that ends does, and let the gateway end."""
        for each in self.people:
            each.leave()
        await self.provider.close()
        if self._writer is not None:
            self._writer.close()
        if self._serving is not None:
            serving = self._serving
            await self.loop.advance(60, serving.done)
            await serving
        self._listening.close()

    @property
    def ended(self) -> bool:
        """Whether the gateway has come to its end."""
        return self._serving is not None and self._serving.done()

    def tell(self, request: Mapping[str, Any]) -> None:
        """Say something to the gateway, as its supervisor does."""
        assert self._writer is not None
        self._writer.write(json.dumps({"id": 1, **request}).encode() + b"\n")

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say something, and wait for the answer."""
        assert self._reader is not None
        self.tell(request)
        while True:
            line = json.loads(await self._reader.readline())
            if line.get("id") == 1:
                return dict(line)

    async def status(self) -> dict[str, Any]:
        """What the gateway says of itself."""
        return await self.answer({"op": "status"})

    # requests

    async def connect(self, *, deaf: bool = False) -> Person:
        port = self._listening.getsockname()[1]
        one = await person.connect(port, self.kit.context, self.login, deaf=deaf)
        self.people.append(one)
        return one

    async def ask(self, mode: Mode, *, padding: int = 0) -> Person:
        """A client that has sent its whole request."""
        one = await self.connect()
        one.ask(mode.target, mode.body(f"hello {self.prompt}", padding=padding))
        self.asked += 1
        return one

    async def heal(self) -> None:
        """The providers are well again, on the connections there are and on new ones."""
        self.healed = True
        await self.provider.serve()

    async def good(self, mode: Mode, *, close: bool = True) -> list[str]:
        """One request that nothing goes wrong with; what is wrong with it all the same."""
        self.provider.play = answering(mode.pieces(), mode.content_type, close=close)
        one = await self.ask(mode)
        await self.loop.happens("a good request is answered", lambda: one.answered, within=5)
        seen = one.seen
        one.leave()
        if seen.status != 200 or not seen.whole:
            return [f"a good request got {seen.status} {seen.body[:200]!r}"]
        return []

    # what is left

    def tasks(self) -> int:
        return len(asyncio.all_tasks(self.loop))

    async def settle(self) -> None:
        """Everybody but the gateway leaves."""
        for each in self.people:
            each.leave()
        for peer in tuple(self.provider.peers):
            peer.close()
        await self.loop.rest()

    def rows(self) -> list[str]:
        """The lines of requests in the log."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if " request=" in line]

    def leaks(self) -> list[str]:
        """Every secret at a place where it must not be: `SECRET at PLACE`."""
        allowed: dict[str, tuple[str, ...]] = {"login": ("anthropic",), "path": (), "identity": ()}
        hidden = {"login": self.login, "path": BASE_PATH, "identity": IDENTITY}
        for number, keys in enumerate(self.keys.used):
            for name, value in keys.items():
                hidden[f"AWS {name} {number}"] = value
                allowed[f"AWS {name} {number}"] = () if name == "secret_key" else ("bedrock", "mantle")
        index = Index(hidden)
        places = {name: bytes(data) for name, data in self.provider.tally.arrived.items()}
        places["client"] = b"\0".join(bytes(each.everything) for each in self.people)
        places["log"] = self.log.read_bytes() if self.log.exists() else b""
        return [
            f"{name} at {place}"
            for place, data in places.items()
            for name in sorted(index.found(data))
            if place not in allowed[name]
        ]

    def misses(self) -> list[str]:
        """Whether the oracle can see at all: each credential has to be where it belongs."""
        rows = self.provider.tally.requests
        missing = []
        for row in rows:
            wanted = self.login if row.provider == "anthropic" else "Credential=AKIA"
            if wanted.encode() not in row.head:
                missing.append(f"a request reached {row.provider} without its credential")
        return missing


def descriptors() -> int:
    """Open descriptors of this process."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):  # noqa: PTH112  pathlib would open one more
            return len(os.listdir(folder))  # noqa: PTH208  see above
    raise RuntimeError("this system does not show a process's descriptors")


@asynccontextmanager
async def standing(kit: Kit, folder: Path) -> AsyncIterator[Stand]:
    stand = Stand(kit, folder)
    await stand.start()
    try:
        yield stand
    finally:
        await stand.stop()


def run(scene: Callable[[], Awaitable[T]]) -> T:
    """Play a scene on a loop of its own."""

    async def played() -> T:
        return await scene()

    with asyncio.Runner(loop_factory=TurnedLoop) as runner:
        return runner.run(played())
