"""An independent witness: what the kernel saw the gateway send is what the recorders saw arrive, and nothing else."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from openclaude.demo.oracle import Index
from openclaude.launcher import daemon
from openclaude.launcher.control import client_context
from openclaude.simulator.script import say
from openclaude.simulator.world import World
from support import kernel
from support.kernel import Tap
from support.patience import DEADLINE
from support.product import Home, make_home
from support.staging import OPUS, QWEN

MODELS = (OPUS, QWEN, OPUS)


def talk(gateway: daemon.Gateway, through: int, login: str, model: str, *, stream: bool) -> bytes:
    """One request on a connection of its own, through a relay's port; every byte that came back."""
    url = urlsplit(gateway.base_url)
    body = json.dumps(
        {"model": model, "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    )
    head = [
        f"POST {url.path}/v1/messages?beta=true HTTP/1.1", f"Host: {url.netloc}", f"Authorization: Bearer {login}", "Content-Type: application/json",
        "anthropic-version: 2023-06-01", "anthropic-beta: oauth-2025-04-20", "Connection: close", f"Content-Length: {len(body)}", "", body,
    ]  # fmt: skip
    heard = b""
    with (
        socket.create_connection((str(url.hostname), through), timeout=DEADLINE) as plain,
        client_context(gateway.pairs).wrap_socket(plain, server_hostname=url.hostname) as connection,
    ):
        connection.sendall("\r\n".join(head).encode())
        while piece := connection.recv(65536):
            heard += piece
    return heard


@contextmanager
def watched(home: Home, flags: list[str], aws: dict[str, str], output: Path) -> Iterator[daemon.Gateway]:
    """A gateway that the kernel watches."""
    state = home.state()
    daemon.renew(state)
    process = subprocess.Popen(
        [*kernel.command(output), sys.executable, "-P", "-m", "openclaude", "serve", "--port", "0", *flags],
        env={**daemon.gateway_environment(home.env), **aws},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + DEADLINE
    while (gateway := daemon.find(state, state.secrets())) is None:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    try:
        yield gateway
    finally:
        daemon.stop(state)
        assert process.wait(DEADLINE) == 0


def test_strace_is_there() -> None:
    assert Path(kernel.strace()).exists()


def test_the_kernel_saw_what_the_recorders_saw_and_nothing_else(tmp_path: Path, canary) -> None:
    home = make_home(tmp_path / "home", canary("sk-ant-" + "oat01-"))
    output = tmp_path / "strace"
    with World(lambda _: say("fine"), keep_raw=True) as world, ExitStack() as stack:
        taps = [
            (name, stack.enter_context(Tap(int(to))))
            for name, to in (entry.split("=127.0.0.1:") for entry in world.connect_to)
        ]
        flags = [flag for name, tap in taps for flag in ("--connect-to", f"{name}=127.0.0.1:{tap.port}")]
        with watched(home, [*flags, "--ca-file", str(world.ca_file)], world.aws_env(), output) as gateway:
            door = stack.enter_context(Tap(gateway.running.port))
            heard = [
                talk(gateway, door.port, home.login, model, stream=stream)
                for model in MODELS
                for stream in (True, False)
            ]
        stack.pop_all().close()
        rows = world.requests()
        wires = b"\0".join(world.log.wires())
    seen = kernel.read(output)
    port = gateway.running.port

    # each byte on the way to a provider, and to the client, is the same on both sides
    for name, tap in taps:
        assert sorted(seen.to(rf"TCP.*->127\.0\.0\.1:{tap.port}\]")) == sorted(filter(None, tap.received)), (
            name
        )
    told = seen.to(rf"TCP:\[127\.0\.0\.1:{port}->")
    assert len(heard) == len(door.answered)
    assert all(data in told for data in door.answered)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in heard)
    assert {row.server for row in rows} == {"anthropic", "bedrock"}

    # nobody else was called, and nothing else was written
    ports = {tap.port for _, tap in taps}
    called = [
        re.search(r"sin_port=htons\((\d+)\).*inet_addr\((.*?)\)", each)
        for each in seen.connected
        if "AF_INET" in each
    ]
    assert {int(each[1]) for each in called if each} <= ports
    log = home.state().log_file
    assert seen.to(rf"^{re.escape(str(log))}$") == [log.read_bytes()]
    known = (
        r"^TCP:\[127\.0\.0\.1:",
        r"^UNIX-STREAM",
        r"^pipe:",
        r"^anon_inode:\[eventfd\]",
        rf"^{re.escape(str(home.state_home))}/",
        r"^/dev/null",
    )
    assert [name for name in seen.sent if not any(re.search(each, name) for each in known)] == []
    assert not seen.calls & {"sendfile", "splice"}

    # no secret in clear passed the kernel, but between the gateway and its own look-up of AWS keys
    aws = world.aws_env()
    index = Index(
        {
            "login": home.login,
            "secret": aws["AWS_SECRET_ACCESS_KEY"],
            "token": aws["AWS_SESSION_TOKEN"],
            "id": aws["AWS_ACCESS_KEY_ID"],
            "base": gateway.secrets.base_path,
        }
    )
    assert (
        index.found(
            b"\0".join(bytes(data) for name, data in seen.sent.items() if not name.startswith("pipe:"))
        )
        == set()
    )
    assert index.found(wires) == {"login", "token", "id"}
