"""`openclaude restart` under connections that come at any moment: each is served, by the old worker or by the new one."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from openclaude.launcher import daemon
from openclaude.simulator.script import Answer, say
from support.house import until
from support.patience import DEADLINE
from support.rawhttp import Client
from support.staging import Stage, staged
from support.trust import Target, context

RESTARTS = 5

pytestmark = pytest.mark.xdist_group("supervisor")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    """A stage of the test's own: its worker is replaced."""
    with staged(tmp_path / "home", keep_raw=False) as made:
        yield made


def plain(stage: Stage) -> Target:
    """The way in by plain HTTP."""
    secret = stage.gateway.secrets.base_path
    return {"ANTHROPIC_BASE_URL": daemon.other_door(stage.home.state(), stage.gateway, "http", secret)}


def hello(target: Target) -> str:
    """One request on a connection of its own; what became of it."""
    try:
        with Client(target) as client:
            client.send(client.head("/api/hello", [], 0, method=b"GET"))
            answer = client.read()
    except (OSError, EOFError) as error:
        return repr(error)
    return f"{answer.status}" if answer.whole else "cut"


@contextmanager
def hammering(target: Target) -> Iterator[list[str]]:
    """One new connection after another, for as long as the block runs; what became of each."""
    over, ends = threading.Event(), list[str]()

    def hammer() -> None:
        while not over.is_set():
            ends.append(hello(target))

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        yield ends
    finally:
        over.set()
        thread.join()


def sockets(pid: int) -> list[list[str]]:
    """The rows of the kernel's table (proc(5), /proc/net/tcp) that are sockets of a process."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            own.add(str(entry.readlink()))
    return [row for row in rows if f"socket:[{row[9]}]" in own]


def listens(pid: int) -> set[str]:
    """The addresses on which a process listens."""
    return {row[1] for row in sockets(pid) if row[3] == "0A"}


def peers(pid: int) -> set[int]:
    """The ports of those who are connected to a process."""
    return {int(row[2].partition(":")[2], 16) for row in sockets(pid)}


def test_no_connection_is_left_unanswered_while_workers_are_replaced(own: Stage) -> None:
    with ExitStack() as stack:
        doors = [stack.enter_context(hammering(way)) for way in (own.gateway, plain(own)) for _ in range(2)]
        for _ in range(RESTARTS):
            assert daemon.restart(own.home.state(), pytest.fail) is None
    ends = [end for door in doors for end in door]
    assert all(len(door) > RESTARTS for door in doors)
    assert [end for end in ends if end != "200"] == []


def test_when_a_restart_answers_the_worker_before_listens_no_more(own: Stage) -> None:
    gate = threading.Event()
    body = own.body("anthropic", lambda _: Answer(say("a word").parts, gate=gate), stream=True)
    with Client(own.gateway) as client:
        client.post("/v1/messages?beta=true", own.headers(), body)
        assert client.read_head().status == 200
        plain(own)
        for _ in range(RESTARTS):
            before = own.home.running()
            assert before is not None
            assert len(listens(before.worker)) == 2
            assert daemon.restart(own.home.state(), pytest.fail) is None
            with suppress(FileNotFoundError):  # gone already; the first one has an answer under way
                assert listens(before.worker) == set()
        gate.set()


@pytest.mark.parametrize("sent", [0, 30], ids=["nothing", "half a head"])
@pytest.mark.parametrize("door", ["mutual", "http"])
def test_a_client_that_had_connected_before_a_restart_gets_its_answer(
    own: Stage, door: str, sent: int
) -> None:
    with Client(plain(own) if door == "http" else own.gateway) as client:
        request = client.head("/api/hello", [], 0, method=b"GET")
        client.send(request[:sent])
        assert daemon.restart(own.home.state(), pytest.fail) is None
        client.send(request[sent:])
        answer = client.read()
    assert (answer.status, answer.whole, answer.get("connection")) == (200, True, "close")


def test_a_handshake_that_was_under_way_at_a_restart_ends_in_an_answer(own: Stage) -> None:
    tls = context(own.gateway)
    assert tls is not None
    with socket.create_connection(("127.0.0.1", own.gateway.running.port), timeout=DEADLINE) as early:
        before = own.home.running()
        assert before is not None
        until("it has been accepted", lambda: early.getsockname()[1] in peers(before.worker))
        assert daemon.restart(own.home.state(), pytest.fail) is None
        with tls.wrap_socket(early, server_hostname="127.0.0.1") as late:
            late.sendall(b"GET /api/hello HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % own.gateway.running.port)
            answer = b"".join(iter(lambda: late.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer


def test_a_restart_beside_a_worker_that_hangs_says_so_and_the_new_one_serves(own: Stage) -> None:
    before = own.home.running()
    assert before is not None
    os.kill(before.worker, signal.SIGSTOP)
    try:
        said: list[str] = []
        assert daemon.restart(own.home.state(), said.append) is None
        assert [text.partition("\n")[0] for text in said] == [
            f"the new worker serves, but the one before it (pid {before.worker}) does not answer and may still take a connection"
        ]
        assert hello(own.gateway) == "200"
        after = own.home.running()
        assert after is not None
        assert after.worker != before.worker
    finally:
        os.kill(before.worker, signal.SIGCONT)
    until("the worker before has gone", lambda: not Path(f"/proc/{before.worker}").exists())
