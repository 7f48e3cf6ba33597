"""A gateway that runs: started, seen to deliver, and stopped."""

import http.client
import json
import re
import shutil
import ssl
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks import bodies
from benchmarks.gateways import environment
from benchmarks.kinds import Gateway, Mode, Place, Program, Row, Way
from benchmarks.paths import BenchError
from benchmarks.processes import Session, free_port, wait_until_it_listens
from benchmarks.programs import Upstream

START_SECONDS: Final = 120.0
_DELTA: Final = re.compile(r"T\d{18} ")


class UndeliveredError(RuntimeError):
    """A gateway did not do its work; the text says what was missing. Its figure does not count."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started gateway; without `session` it is the upstream itself, asked without a gateway."""

    name: str
    gateway: Gateway | None
    program: Program
    session: Session | None
    reached: Way

    def way(self, row: Row) -> Way:
        """How a row's client reaches it."""
        headers = self.program.headers
        if row.translated and self.program.bedrock_headers is not None:
            headers = self.program.bedrock_headers
        return replace(self.reached, headers=headers)

    def cpu(self) -> float:
        return self.session.cpu() if self.session else 0.0


def direct(upstream: Upstream, mode: Mode) -> Running:
    """No gateway at all: what the client and the upstream take by themselves."""
    if mode == "http":
        way = Way(upstream.plain)
    else:
        way = Way(upstream.tls, authority=upstream.certificates.authority)
    return Running("direct", None, Program([]), None, way)


@contextmanager
def started(gateway: Gateway, mode: Mode, upstream: Upstream) -> Iterator[Running]:
    """The gateway, listening; all its processes are ended at the end.

    Raises:
        BenchError: it does not start, or another process holds its port.
    """
    with place(gateway.name, mode, upstream) as where:
        program = gateway.make(where)
        session = Session(program.command, environment(where, program), where.folder)
        try:
            wait_until_it_listens(session, where.port, name=gateway.name)
            way = program.way() if program.way else Way(where.port)
            if not session.listens_on(way.port):
                raise BenchError(
                    f"{gateway.name}: port {way.port} is held by a process that is not part of it"
                )
            yield Running(gateway.name, gateway, program, session, way)
        finally:
            session.stop()


@contextmanager
def place(name: str, mode: Mode, upstream: Upstream) -> Iterator[Place]:
    """A folder and a port for a gateway."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    try:
        yield Place(mode, free_port(), folder, upstream)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(way: Way, body: bytes, *, timeout: float = 60) -> tuple[int, str]:
    """Send one request; the result is status and body. Raises OSError and `http.client.HTTPException`."""
    if way.authority is None:
        connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=timeout)
    else:
        context = ssl.create_default_context(cafile=way.authority)
        if way.certificate is not None:
            context.load_cert_chain(way.certificate, way.key)
        connection = http.client.HTTPSConnection("127.0.0.1", way.port, timeout=timeout, context=context)
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "user-agent": "bench"}
    for line in way.headers:
        name, _, value = line.partition(": ")
        headers[name] = value
    try:
        connection.request("POST", way.target, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def until_answered(way: Way, body: bytes, session: Session) -> None:
    """Ask until there is a whole answer. Raises `BenchError` when there is none in time."""
    deadline = time.monotonic() + START_SECONDS
    said = "nothing"
    while time.monotonic() < deadline and session.alive:
        with suppress(OSError, http.client.HTTPException):
            status, said = ask(way, body)
            if status == 200:
                return
        time.sleep(0.002)
    raise BenchError(f"it did not answer: {said[:200]} {session.said()[-200:]}")


def check_delivery(running: Running, upstream: Upstream, *, translated: bool, stream: bool) -> None:
    """See with one answer, of 2 KB as JSON or of 150 KB as a stream, that the gateway delivers both ways.

    Raises:
        UndeliveredError: something did not arrive.
    """
    upstream.control(events=20, pace=0, hold=0, mark=bodies.MARK)
    size = "150k" if stream else "2k"
    row = Row("", "http", size, 1, events=20 if stream else None, translated=translated)
    body = bodies.path(size, translated=translated, stream=stream).read_bytes()
    before = upstream.stats()
    try:
        status, said = ask(running.way(row), body)
    except (OSError, http.client.HTTPException) as error:
        raise UndeliveredError(f"no answer: {type(error).__name__}") from error
    if status != 200:
        raise UndeliveredError(f"status {status}: {' '.join(said.split())[:160]}")
    after = upstream.stats()
    if after["marked"] - before["marked"] < 1:
        raise UndeliveredError("the conversation did not reach the provider whole")
    if running.gateway and running.gateway.exact and not translated:
        _check_exact(body, after)
    (_check_stream if stream else _check_answer)(said)


def _check_exact(body: bytes, stats: dict[str, Any]) -> None:
    if (stats["last_length"], stats["last_crc"]) != (len(body), f"{zlib.crc32(body):08x}"):
        raise UndeliveredError("the body was changed on its way")


def _check_answer(said: str) -> None:
    answer = json.loads(said)
    text = "".join(block.get("text", "") for block in answer.get("content", []))
    if not text.endswith("the end of the answer.") or answer.get("stop_reason") != "end_turn":
        raise UndeliveredError(f"the answer is not whole: {said[:160]}")


def _check_stream(said: str) -> None:
    """Twenty deltas in order, a stop reason and the last event, all of them Anthropic's."""
    events = [json.loads(line[5:]) for line in said.splitlines() if line.startswith("data:") and "{" in line]
    text = "".join(
        event["delta"].get("text", "") for event in events if event.get("type") == "content_block_delta"
    )
    times = _DELTA.findall(text)
    kinds = [event.get("type") for event in events]
    if len(times) != 20 or times != sorted(times) or kinds[0] != "message_start":
        raise UndeliveredError(f"{len(times)} of 20 events of the stream arrived: {said[:160]}")
    if kinds[-1] != "message_stop" or "message_delta" not in kinds:
        raise UndeliveredError(f"the stream has no proper end: {said[-160:]}")
