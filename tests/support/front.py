"""The whole gateway on one event loop, between a hostile client and both simulated providers, which record everything.

Real sockets on both sides, the real listener, pipeline and transport. `Front.converse` says something to it and tells
how the conversation ended.
"""

import asyncio
import atexit
import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import httptools

from fakes.keys import FakeKeys
from fakes.log import FakeLog
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.credentials.sealed import AwsKeys
from openclaude.domain.routes import RouteTable
from openclaude.edge import sockets
from openclaude.edge.admission import Door
from openclaude.edge.clock import LoopClock
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressWall
from openclaude.edge.listener import Listener
from openclaude.edge.tls import Loopback, trusting
from openclaude.edge.upstream import UpstreamTransport
from openclaude.fastpath import Express, FastClientConnection, FastUpstreamConnection
from openclaude.gateway.exchange import Services
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import PassthroughRoute, Route, SignedRoute
from openclaude.launcher.certificates import Pair, ensure
from openclaude.launcher.control import client_context
from openclaude.launcher.state import open_state
from openclaude.simulator import bedrock
from openclaude.simulator.anthropic import HOST, AnthropicSimulator
from openclaude.simulator.bedrock import BedrockSimulator
from openclaude.simulator.certs import Authority
from openclaude.simulator.http import Setup
from openclaude.simulator.recorded import Log, Recorded
from openclaude.simulator.script import say
from support.patience import DEADLINE

OPUS = "claude-opus-5-5"
QWEN = "qwen-3-coder"
REGION = "us-west-2"
QUIET = 1.0
"""Seconds without a byte after which the gateway is taken to wait for more. Too short costs coverage, nothing else."""
PROBE_MODELS = b"/v1/models"


@dataclass
class Said:
    """How a conversation went.

    Attributes:
        statuses: of every answer to the input.
        ended: the gateway closed the connection, by itself or after the client's end.
        probed: the status of the answer to the probe that was sent behind the input, None when none was sent or answered.
        answer: the bytes up to the probe.
        raw: every byte the client got.
    """

    statuses: list[int] = field(default_factory=list)
    ended: bool = False
    probed: int | None = None
    answer: bytes = b""
    raw: bytes = b""

    @property
    def in_step(self) -> bool:
        """Whether nobody can have been confused: the connection is over, or the next answer is the next request's."""
        return self.ended or self.probed is not None


class _Answers:
    """Counts answers in bytes that may be cut anywhere."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.complete = 0
        self.closing = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self.statuses.append(self._parser.get_status_code())
            self.closing = not self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.complete = len(self.statuses)


DOORS = ("http", "mutual")
"""How a client comes in: by a secret path over plain HTTP, or by mutual TLS."""


class Front:
    """A gateway on a free port. `login` is what its client is logged in with."""

    def __init__(self, log: Log, authority: Authority, ca_file: Path, door: str) -> None:
        self.mutual = door == "mutual"
        self.log = log
        self.reported: list[BaseException] = []
        self.stopped: list[tuple[object, ...]] = []
        self.secret = secrets.token_hex(20).encode()
        self.login = b"sk-ant-" + b"oat01-" + secrets.token_hex(24).encode()
        self.key_id = "AKIA" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_hex(20)
        self.anthropic = AnthropicSimulator(
            lambda _: say("fine"), setup=Setup(tls=authority.server_context(HOST), log=log, keep_raw=True)
        )
        self.bedrock = BedrockSimulator(
            lambda _: say("fine"),
            keys={self.key_id: (self.secret_key, None)},
            region=REGION,
            setup=Setup(tls=authority.server_context(bedrock.host(REGION)), log=log, keep_raw=True),
        )
        self._ca_file = ca_file
        self.port = 0

    async def start(self) -> None:
        await self.anthropic.start()
        await self.bedrock.start()
        dial = DialMap(
            {
                (HOST, 443): ("127.0.0.1", self.anthropic.port),
                (bedrock.host(REGION), 443): ("127.0.0.1", self.bedrock.port),
            }
        )
        report = self.reported.append
        self.wall = EgressWall(
            {SignFor(region=REGION).origin}, stopped=lambda *told: self.stopped.append(told)
        )
        self.transport = UpstreamTransport(
            tls=trusting(self._ca_file),
            dial=dial,
            report=report,
            wall=self.wall,
            connection=FastUpstreamConnection,
        )
        services = Services(self.transport, LoopClock(), FakeLog())
        self.routes = RouteTable(self._routes())
        pipeline = Pipeline(self.routes, services, [(OPUS, OPUS)], {"haiku": QWEN})
        listening = sockets.bind(0)
        self.port = listening.getsockname()[1]
        door = Door(self.port, None, None) if self.mutual else Door(self.port, self.secret, "identity")
        express = Express(services, self.transport, self.wall)
        self.listener = Listener(
            door, pipeline, report=report, connection=partial(FastClientConnection, express=express)
        )
        await self.listener.start(listening, certificates().mutual if self.mutual else None)

    def _routes(self) -> list[tuple[str, Route]]:
        adapter = ConverseAdapter(
            route="bedrock",
            model_id="qwen.qwen3-coder-next",
            region=REGION,
            profile=profile_for("qwen.qwen3-coder-next"),
        )
        keys = FakeKeys(
            AwsKeys(access_key=self.key_id, secret_key=self.secret_key, token=None, source="test")
        )
        return [
            ("claude-*", PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())),
            (
                QWEN,
                SignedRoute("bedrock", SignFor(region=REGION), adapter, keys, "qwen.qwen3-coder-next"),
            ),
        ]

    async def stop(self) -> None:
        await self.listener.stop(grace=0)
        self.transport.close()
        await self.anthropic.close()
        await self.bedrock.close()

    # what a client says

    @property
    def base(self) -> bytes:
        return b"" if self.mutual else b"/" + self.secret

    @property
    def host(self) -> bytes:
        return b"127.0.0.1:%d" % self.port

    def message(self, text: str = "hello", model: str = OPUS) -> bytes:
        return b'{"model":"%b","max_tokens":16,"messages":[{"role":"user","content":"%b"}]}' % (
            model.encode(),
            text.encode(),
        )

    def head(self, *lines: bytes, target: bytes = b"/v1/messages", method: bytes = b"POST") -> bytes:
        """A request's head that is let in when `lines` say how long the body is."""
        return b"\r\n".join(
            [b"%b %b%b HTTP/1.1" % (method, self.base, target), *self.ordinary(), *lines, b"", b""]
        )

    def ordinary(self) -> list[bytes]:
        """The header lines of an ordinary client."""
        return [
            b"Host: " + self.host,
            b"Authorization: Bearer " + self.login,
            b"Content-Type: application/json",
            b"anthropic-version: 2023-06-01",
            b"anthropic-beta: oauth-2025-04-20",
        ]

    def smuggled(self) -> bytes:
        """A whole request that is executed as soon as anybody takes it for one; it would be seen at the provider."""
        body = self.message("smuggled")
        return self.head(b"x-claude-code-smuggled: yes", b"Content-Length: %d" % len(body)) + body

    def probe(self) -> bytes:
        return b"GET %b%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self.base, PROBE_MODELS, self.host)

    # what became of it

    def upstream(self) -> tuple[Recorded, ...]:
        return self.log.requests()

    def smuggled_requests(self) -> list[Recorded]:
        """The requests at the providers that came out of a hidden one."""
        return [
            row
            for row in self.upstream()
            if row.header("x-claude-code-smuggled") or b"smuggled" in row.target
        ]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client's connection; the one place that knows how the gateway is reached."""
        if not self.mutual:
            return await asyncio.open_connection("127.0.0.1", self.port)
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=_client(), server_hostname="127.0.0.1"
        )

    async def converse(self, data: bytes) -> Said:
        """Say `data`; when an answer leaves the connection open, send a probe; when none comes, end the sending half.

        Raises:
            TimeoutError: the gateway neither answered nor closed.
        """
        said = Said()
        reader, writer = await self.connect()
        try:
            async with asyncio.timeout(DEADLINE):
                with suppress(ConnectionError):
                    if len(data) % 2:  # half of the inputs arrive in two pieces
                        writer.write(data[: len(data) // 2])
                        await asyncio.sleep(0.005)
                        data = data[len(data) // 2 :]
                    writer.write(data)
                    await self._listen(reader, writer, said)
        finally:
            writer.transport.abort()
        return said

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: Said) -> None:
        answers, probing = _Answers(), False
        finished = False
        while True:
            try:
                async with asyncio.timeout(None if finished else QUIET):
                    data = await reader.read(65536)
            except TimeoutError:
                if not writer.can_write_eof():  # TLS has no half of a connection to close
                    said.ended = True
                    break
                writer.write_eof()
                finished = True
                continue
            except ConnectionError:
                data = b""
            if not data:
                said.ended = True
                break
            said.raw += data
            answers.feed(data)
            if not probing:
                said.answer += data
            if answers.complete and not answers.closing and not probing and not finished:
                probing, before = True, answers.complete
                writer.write(self.probe())
            elif probing and answers.complete > before and not answers.closing:
                said.probed = answers.statuses[-1]
                break
        said.statuses = answers.statuses[:before] if probing else answers.statuses

    async def converse_all(self, inputs: Iterable[bytes], *, at_once: int = 64) -> list[Said]:
        """Have every conversation, many at a time; the results are in the order of the inputs."""
        places = asyncio.Semaphore(at_once)

        async def one(data: bytes) -> Said:
            async with places:
                return await self.converse(data)

        return await asyncio.gather(*(one(data) for data in inputs))


@cache
def _authority() -> Authority:
    return Authority()


@cache
def _pair() -> Pair:
    """The certificates of an installation that lives as long as the tests do."""
    home = Path(tempfile.mkdtemp(prefix="openclaude-front-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o700)
    return ensure(open_state(home))[-1]


@cache
def certificates() -> Loopback:
    """What the mutual door shows and believes."""
    return Loopback(lambda: [_pair()], time.time)


@cache
def _client() -> ssl.SSLContext:
    return client_context([_pair()])


@asynccontextmanager
async def fronted(folder: Path, door: str = "http") -> AsyncIterator[Front]:
    """A running front."""
    authority = _authority()
    front = Front(Log(), authority, authority.write_ca(folder / "front-ca.pem"), door)
    await front.start()
    try:
        yield front
    finally:
        await front.stop()


def assert_nothing_got_through(front: Front, names: Sequence[str], results: Sequence[Said]) -> None:
    """What holds for every hostile input, whatever the answer: nothing smuggled, no crash, nobody out of step."""
    assert front.smuggled_requests() == []
    assert [repr(error) for error in front.reported] == []
    assert front.stopped == []
    assert front.log.refusals() == ()
    targets = {row.target for row in front.upstream() if row.server == "anthropic"}
    assert targets <= {b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens"}
    wrong = {
        name: (said.statuses, said.probed)
        for name, said in zip(names, results, strict=True)
        if not said.in_step or any(status >= 500 for status in said.statuses)
    }
    assert wrong == {}
