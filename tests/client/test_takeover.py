"""The whole gateway is killed in mid-session and a stranger takes its port at once: the real client tells it nothing.

`make squatter` repeats it fifty times in one session (OPENCLAUDE_TAKEOVERS).
"""

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from openclaude.demo.oracle import holds
from openclaude.launcher import daemon
from openclaude.simulator.certs import Authority
from openclaude.simulator.script import Answer, Ask, ToolUse, say
from openclaude.simulator.world import World
from support.hostile import free_port, model_answer
from support.house import until
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home
from support.session import ECHO, configure, with_client

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("takeover")]

TAKEOVERS = int(os.environ.get("OPENCLAUDE_TAKEOVERS", "2"))
FOREVER = 3600.0
HANDSHAKE = 0x16
"""The type of the TLS record that a client begins with."""


class Story:
    """A model that calls the shell once in each turn; in each turn its first answer never comes."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.asked: Counter[int] = Counter()

    def __call__(self, ask: Ask) -> Answer:
        turn = len(ask.outcomes())
        self.asked[turn] += 1
        answer = (
            Answer((ToolUse("Bash", {"command": f"echo turn-{turn}", "description": "Say it"}),))
            if turn < self._turns
            else say("the session went on to its end")
        )
        held = turn < self._turns and self.asked[turn] == 1
        return Answer(answer.parts, hold=FOREVER) if held else answer


class Stranger:
    """Somebody on the gateway's port: plain HTTP that says yes to everything, or TLS with another certificate."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.raw = bytearray()
        self.understood = bytearray()
        self.connections = 0
        self._tls = tls
        self._listener = self._bind(port)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @staticmethod
    def _bind(port: int) -> socket.socket:
        """The port is free as soon as the gateway's last process is gone: milliseconds after the signal."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                return socket.create_server(("127.0.0.1", port))
            except OSError:
                assert time.monotonic() < deadline

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(5)
            with suppress(OSError):
                self._talk(connection)
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is None:
            self.raw += connection.recv(65536)
            connection.sendall(model_answer())
            self.raw += connection.recv(65536)
            return
        with self._tls.wrap_socket(connection, server_side=True) as opened:
            self.understood += opened.recv(65536)
            opened.sendall(model_answer())


def start(home: Home, world: World, port: int) -> int:
    """A gateway on the port; the result is its supervisor's pid, which is its process group too."""
    state = home.state()
    redirects = [flag for entry in world.connect_to for flag in ("--connect-to", entry)]
    flags = [*redirects, "--ca-file", str(world.ca_file)]
    daemon.spawn(state, port=port, config=state.home / "config.toml", env=home.env, flags=flags)
    gateway = daemon.find(state, state.secrets())
    assert gateway is not None
    return gateway.running.pid


def begin(home: Home, project: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*OPENCLAUDE, "-p", "Use your shell in each turn.", "--model", "opus", *arguments, *ECHO],
        env=with_client(home),
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def heard_no_http(stranger: Stranger, home: Home) -> None:
    """A client that begins a handshake, and nothing else."""
    assert stranger.connections
    assert stranger.understood == b""
    assert not stranger.raw or stranger.raw[0] == HANDSHAKE
    for word in (b"POST", b"HTTP/1", b"/v1/messages", b"uthorization"):
        assert word not in stranger.raw
    assert not holds(bytes(stranger.raw), home.login)


def test_a_stranger_on_the_port_of_a_killed_gateway_hears_no_http_and_the_session_goes_on(
    home: Home, project: Path
) -> None:
    port = free_port()
    configure(home, port=port)
    story = Story(TAKEOVERS)
    with World(story) as world:
        pid = start(home, world, port)
        client = begin(home, project)
        try:
            for turn in range(TAKEOVERS):
                until(f"turn {turn} is under way", lambda turn=turn: story.asked[turn] == 1)
                os.killpg(pid, signal.SIGKILL)
                with Stranger(port, None) as stranger:
                    until("the client tries again", lambda stranger=stranger: stranger.connections > 0)
                heard_no_http(stranger, home)
                pid = start(home, world, port)
            stdout, stderr = client.communicate(timeout=120)
        finally:
            client.kill()
            client.communicate()
            daemon.stop(home.state())
    assert client.returncode == 0, stderr
    assert "the session went on to its end" in stdout
    assert set(story.asked) == set(range(TAKEOVERS + 1))


def test_a_stranger_with_a_certificate_of_its_own_hears_no_http_either(home: Home, project: Path) -> None:
    """The client does not try again where a certificate is wrong: the turn ends, and the session goes on with the next."""
    port = free_port()
    configure(home, port=port)
    story = Story(1)
    other = Authority().server_context("127.0.0.1", "localhost")
    with World(story) as world:
        pid = start(home, world, port)
        client = begin(home, project)
        try:
            until("the turn is under way", lambda: story.asked[0] == 1)
            os.killpg(pid, signal.SIGKILL)
            with Stranger(port, other) as stranger:
                stdout, _ = client.communicate(timeout=120)
            heard_no_http(stranger, home)
            assert client.returncode == 1
            assert "certificate" in stdout.lower()
            start(home, world, port)
            client = begin(home, project, "--continue")
            stdout, stderr = client.communicate(timeout=120)
        finally:
            client.kill()
            client.communicate()
            daemon.stop(home.state())
    assert client.returncode == 0, stderr
    assert "the session went on to its end" in stdout
