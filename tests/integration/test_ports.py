"""The gateway's port in other hands: noticed, named, told nothing, and lived without."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from openclaude.launcher import certificates
from openclaude.launcher.state import open_state
from support.house import House, free_port, housed, until
from support.patience import DEADLINE
from support.product import OPENCLAUDE

pytestmark = pytest.mark.xdist_group("ports")


class Squatter:
    """An HTTP server that answers 200 to everything and keeps what it is sent."""

    def __init__(self, port: int) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=16)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        body = b'{"proof":"%b","ok":true}' % (b"0" * 64)
        answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(DEADLINE)
                self.received.append(connection.recv(65536))
                connection.sendall(answer)


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


def test_a_server_on_the_port_that_answers_200_to_everything_is_told_nothing(house: House) -> None:
    with Squatter(house.port) as squatter:
        code, stderr, seen = house.launch().finished()
        assert squatter.received == []
    assert code == 0, stderr
    chosen = house.status()["port"]
    assert chosen > house.port
    assert f"port {house.port} is taken by " in stderr
    assert (
        f"(pid {os.getpid()}), which is not openClaude; nothing was sent to it. Using port {chosen}" in stderr
    )
    assert f"hint: `[gateway] port = {chosen}` in config.toml makes that permanent" in stderr
    assert seen["env"]["ANTHROPIC_BASE_URL"] == f"https://127.0.0.1:{chosen}"
    assert seen["settings"]["env"]["ANTHROPIC_BASE_URL"] == f"https://127.0.0.1:{chosen}"


def test_a_later_launch_goes_where_the_gateway_is_and_says_so(house: House) -> None:
    with Squatter(house.port) as squatter:
        house.start()
        chosen = house.status()["port"]
        code, stderr, seen = house.launch().finished()
        assert squatter.received == []
    assert code == 0
    assert f"openclaude: port {house.port} is taken by " in stderr
    assert f"nothing was sent to it. The gateway is on port {chosen}\n" in stderr
    assert seen["env"]["ANTHROPIC_BASE_URL"] == f"https://127.0.0.1:{chosen}"


def test_after_a_crash_the_gateway_comes_back_to_the_port_its_sessions_know(house: House) -> None:
    with Squatter(house.port):
        house.start()
        first = house.status()
        os.kill(first["pid"], signal.SIGKILL)
        until("it is gone", lambda: not house.gateways())
        house.start()
        assert house.status()["port"] == first["port"]


def test_after_a_crash_sessions_are_found_even_when_the_configured_port_is_free_again(house: House) -> None:
    with Squatter(house.port):
        first = house.start()
    os.kill(first["pid"], signal.SIGKILL)
    until("it is gone", lambda: not house.gateways())
    again = house.run("start")
    assert f"the gateway is back on port {first['port']}, where its sessions look for it" in again.stderr
    assert house.status()["port"] == first["port"]
    assert house.run("restart").returncode == 0
    assert house.status()["port"] == house.port


def test_a_port_taken_right_after_a_crash_is_noticed_by_the_next_launch(house: House) -> None:
    os.kill(house.start()["pid"], signal.SIGKILL)
    until("it is gone", lambda: not house.gateways())
    with Squatter(house.port) as squatter:
        code, stderr, seen = house.launch().finished()
        assert squatter.received == []
    assert code == 0, stderr
    assert f":{house.port}/" not in seen["env"]["ANTHROPIC_BASE_URL"]
    assert "taken by" in stderr


def test_serve_on_a_taken_port_names_the_holder_and_the_remedy(house: House) -> None:
    with Squatter(house.port) as squatter:
        done = house.run("serve")
        assert squatter.received == []
    assert done.returncode == 1
    assert f"openclaude: port {house.port} of 127.0.0.1 is taken by " in done.stderr
    assert f"(pid {os.getpid()})\nhint: --port N, or `port` under [gateway] in config.toml" in done.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999999999999"])
def test_serve_on_a_port_that_does_not_exist_says_so(house: House, port: str) -> None:
    done = house.run("serve", "--port", port)
    assert done.returncode in {1, 2}
    assert port in done.stderr
    assert "Traceback" not in done.stderr
    assert house.gateways() == []


def test_serve_on_port_0_takes_a_free_one_and_says_which(house: House) -> None:
    process = subprocess.Popen(
        [*OPENCLAUDE, "serve", "--port", "0", "--config", str(house.state / "config.toml")],
        env=house.home.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    port = house.status()["port"]
    assert (
        said == f"openclaude: the gateway listens on 127.0.0.1:{port} (this machine only); ctrl-c stops it\n"
    )
    assert house.run("stop").returncode == 0
    assert process.wait(DEADLINE) == 0
    process.stderr.close()


def test_when_every_port_is_taken_the_user_learns_which_and_what_to_do(tmp_path: Path) -> None:
    first = free_port()
    with ExitStack() as taken:
        for port in range(first, first + 51):
            try:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue  # somebody else has it: taken all the same
        house = taken.enter_context(housed(tmp_path / "home", "login", port=first))
        done = house.run("start")
    assert done.returncode == 1
    assert f"port {first} is taken by " in done.stderr
    assert "and so are the 50 after it\nhint: set another `port` under [gateway]" in done.stderr


def outward() -> str:
    """This machine's own address towards others, without asking a name server or sending anything; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_the_gateway_listens_on_loopback_only(house: House) -> None:
    house.start()
    for address in {"127.0.0.2", "127.1.2.3", outward()} - {"127.0.0.1"}:
        with socket.socket() as probe:
            probe.settimeout(DEADLINE)
            assert probe.connect_ex((address, house.port)) != 0


def test_a_gateway_whose_port_no_longer_proves_itself_is_not_used(house: House, tmp_path: Path) -> None:
    """The certificates were replaced under a running gateway: it does not hold the new key, so nobody trusts it."""
    pid = house.start()["pid"]
    (made,) = certificates.ensure(open_state(tmp_path / "other" / ".openClaude"))
    shutil.rmtree(house.state / "tls")
    made.folder.parent.rename(house.state / "tls")
    for command in ("status", "env", "start"):
        done = house.run(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"the gateway (pid {pid}) does not answer for port {house.port}" in done.stderr
        assert "hint: openclaude restart" in done.stderr
    code, _, seen = house.launch().finished()
    assert (code, seen) == (1, {})
    assert house.run("restart").returncode == 0
    assert house.run("status").returncode == 0


def test_a_holder_is_named_by_its_program(house: House) -> None:
    program = f"import socket,time; s=socket.create_server(('127.0.0.1',{house.port})); print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = house.run("start")
        assert f"(pid {holder.pid}), which is not openClaude" in done.stderr
        assert json.loads(house.run("status", "--json").stdout)["port"] != house.port
    finally:
        holder.kill()
        holder.communicate()
