"""What happens to a gateway while sessions use it: its worker dies, it is restarted, reloaded, left alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher import control, daemon
from openclaude.simulator.script import Answer, say
from support.house import House, housed, until
from support.patience import DEADLINE
from support.product import OPENCLAUDE
from support.rawhttp import Client
from support.staging import Stage, staged
from support.trust import Target

STREAMS = 20
RECOVERED_WITHIN = 2.0
"""Seconds after its worker's end within which a gateway must serve again. The one figure here that is a promise.

Held to the CPU seconds of the new worker, which other load on the machine does not change. That nothing else is waited for
is in tests/unit/launcher/test_supervisor.py.
"""

pytestmark = pytest.mark.xdist_group("supervisor")


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    """A stage of the test's own: its gateway is killed and replaced."""
    with staged(tmp_path / "home") as made:
        yield made


def hello(target: Target) -> int:
    with Client(target) as client:
        client.send(client.head("/api/hello", [], 0, method=b"GET"))
        return client.read().status


def kill(worker: int) -> None:
    """Kill a worker and wait for its end: until then it may still take a connection, and take it along."""
    os.kill(worker, signal.SIGKILL)
    until("the worker is gone", lambda: not Path(f"/proc/{worker}").exists())


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def facts(stage: Stage) -> dict[str, Any]:
    return dict(json.loads(stage.home.run("status", "--json").stdout))


def open_streams(stage: Stage, count: int, gate: threading.Event) -> list[Client]:
    """Streams of which the head has arrived; the end does not come before the gate is open."""
    clients = []
    for number in range(count):
        route = "anthropic" if number % 2 else "bedrock"
        words = " ".join(f"word{word}" for word in range(12))
        body = stage.body(route, lambda _, words=words: Answer(say(words).parts, gate=gate), stream=True)
        client = Client(stage.gateway)
        client.post("/v1/messages?beta=true", stage.headers(), body)
        assert client.read_head().status == 200
        clients.append(client)
    return clients


def rest(client: Client) -> bytes:
    """What still comes on a stream; the connection's end, however it comes, is the end of it."""
    data = b""
    with suppress(OSError):
        while piece := client.socket.recv(65536):
            data += piece
            if b"message_stop" in data and data.endswith(b"0\r\n\r\n"):
                break
    client.socket.close()
    return data


def test_when_the_worker_is_killed_during_streams_the_same_port_serves_again_within_two_seconds(
    own: Stage,
) -> None:
    clients = open_streams(own, STREAMS, threading.Event())
    before = facts(own)
    assert before["in_flight"] == STREAMS
    kill(before["worker"])
    status = hello(own.gateway)  # the connection waits in the supervisor's socket and is not refused
    assert status == 200
    assert cpu_seconds(facts(own)["worker"]) < RECOVERED_WITHIN
    cut = [rest(client) for client in clients]
    assert all(b"message_stop" not in data for data in cut)
    after = facts(own)
    assert (after["pid"], after["port"]) == (before["pid"], before["port"])
    assert after["worker"] != before["worker"]
    assert own.play("anthropic", lambda _: say("on"), stream=True).whole
    assert own.play("bedrock", lambda _: say("on"), stream=True).whole
    log = (own.home.state_home / "logs" / "gateway.log").read_text()
    assert 'after="signal 9"' in log


def test_a_restart_truncates_no_stream(own: Stage) -> None:
    gate = threading.Event()
    clients = open_streams(own, STREAMS, gate)
    before = facts(own)
    assert daemon.restart(own.home.state(), pytest.fail) is None
    assert own.play("anthropic", lambda _: say("beside"), stream=True).whole
    assert facts(own)["worker"] != before["worker"]
    gate.set()
    for data in [rest(client) for client in clients]:
        assert b"message_stop" in data
        assert b"event: error" not in data
    until("the old worker has gone", lambda: not Path(f"/proc/{before['worker']}").exists())


def test_restarts_one_after_another_lose_nothing_either(own: Stage) -> None:
    gate = threading.Event()
    (client,) = open_streams(own, 1, gate)
    workers = set()
    for _ in range(3):
        assert daemon.restart(own.home.state(), pytest.fail) is None
        workers.add(facts(own)["worker"])
    assert len(workers) == 3
    gate.set()
    assert b"message_stop" in rest(client)


def test_a_session_keeps_its_own_aws_environment_when_the_worker_is_replaced(
    own: Stage, canary: Callable[[str], str]
) -> None:
    secret = canary()
    own.world.bedrock.verifier.keys["AKSURVIVES"] = (secret, None)
    own.extra["the session's key"] = secret
    env = {"AWS_ACCESS_KEY_ID": "AKSURVIVES", "AWS_SECRET_ACCESS_KEY": secret}
    session = control.open_session(own.home.state().run, env, token=True)
    assert session is not None
    gateway = own.gateway
    plain = daemon.other_door(own.home.state(), gateway, "http", session.token)
    led = {"ANTHROPIC_BASE_URL": daemon.session_url(plain, session)}
    for end in (
        lambda: kill(facts(own)["worker"]),
        lambda: daemon.restart(own.home.state(), pytest.fail),
    ):
        end()
        body = own.body("bedrock", lambda _: say("paid by the session"), stream=False)
        with Client(led) as client:
            client.post("/v1/messages", own.headers(), body)
            assert client.read().status == 200
        (row,) = own.requests(body)
        assert b"Credential=AKSURVIVES/" in (row.header("authorization") or b"")
    assert facts(own)["sessions"] == 1
    session.connection.close()
    until("the session has ended", lambda: facts(own)["sessions"] == 0)
    with Client(led) as client:
        client.post("/v1/messages", own.headers(), b"{}")
        assert client.read().status == 401


def test_a_worker_that_crashes_again_and_again_is_given_up_with_a_word(house: House) -> None:
    house.start()
    pid = house.status()["pid"]
    killed: set[int] = set()
    while house.gateways() == [pid]:
        running = control.ask(house.state / "run", "status", timeout=DEADLINE)
        if running is not None and running["worker"] not in killed:
            killed.add(running["worker"])
            with suppress(ProcessLookupError):
                os.kill(running["worker"], signal.SIGKILL)
    said = (house.state / "logs" / "gateway.err").read_text()
    assert "ended 9 times in a row (signal 9); giving up" in said
    assert (
        said.count("another one takes its place") == len(killed) - 1 >= 8
    )  # one that lived for ten seconds counts anew
    assert house.start()["port"] == house.port


def test_when_the_supervisor_is_killed_its_worker_ends_and_the_next_launch_has_the_port(own: Stage) -> None:
    before = facts(own)
    os.kill(before["pid"], signal.SIGKILL)
    until("the worker has gone", lambda: not Path(f"/proc/{before['worker']}").exists())
    assert own.home.run("start").returncode == 0
    assert facts(own)["port"] == before["port"]
    assert hello(own.gateway) == 200


def test_reload_takes_a_new_configuration_over_without_a_new_process(house: House) -> None:
    before = house.start()
    config = house.state / "config.toml"
    config.write_text(config.read_text().replace('"qwen-3-coder"', '"other-name"'))
    done = house.run("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "taken over: 2 routes\n", "")
    after = house.status()
    assert (after["worker"], after["config_current"]) == (before["worker"], True)
    led = json.loads(house.run("env", "--json").stdout)
    assert "other-name" in models(led)
    kill(after["worker"])
    assert "other-name" in models(led)


def models(target: Target) -> str:
    with Client(target) as client:
        client.send(client.head("/v1/models", [], 0, method=b"GET"))
        return client.read().body.decode()


def test_a_broken_configuration_changes_nothing_and_says_why(house: House) -> None:
    house.start()
    config = house.state / "config.toml"
    good = config.read_text()
    before = control.ask(house.state / "run", "status")
    assert before is not None
    config.write_text(good + "\n[gatway]\ncolour = 1\n")
    line = len(good.splitlines()) + 2
    for command in ("reload", "restart"):
        done = house.run(command)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{config}:{line}: gatway: unknown table" in done.stderr
    direct = control.ask(house.state / "run", "reload")
    assert direct is not None
    assert f"{config}:{line}: gatway: unknown table" in direct["error"]
    again = control.ask(house.state / "run", "restart")
    assert again is not None
    assert "gatway" in again["error"]
    kill(before["worker"])  # a crash must not bring the broken file in either
    after = control.ask(house.state / "run", "status")
    assert after is not None
    assert after["config"] == before["config"]
    config.write_text(good)
    assert "qwen-3-coder" in models(json.loads(house.run("env", "--json").stdout))


def test_reload_without_a_gateway_says_how_to_start_one(house: House) -> None:
    done = house.run("reload")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "openclaude: no gateway runs\nhint: `openclaude start`\n"


def lingering(house: House, seconds: int) -> None:
    config = house.state / "config.toml"
    config.write_text(config.read_text().replace("[gateway]\n", f"[gateway]\nlinger = {seconds}\n"))


def test_a_gateway_that_a_launch_started_ends_after_its_last_session_and_not_before(house: House) -> None:
    lingering(house, 1)
    first = house.launch(1, env={"FAKE_CLAUDE_WAIT": "1"})
    until("the client runs", first.record.exists)
    (pid,) = house.gateways()
    second = house.launch(2, env={"FAKE_CLAUDE_WAIT": "1"})
    until("the other client runs", second.record.exists)
    first.process.terminate()
    assert first.finished()[0] == 0
    time.sleep(2.5)  # longer than it lingers
    assert house.gateways() == [pid]
    assert house.status()["sessions"] == 1
    second.process.terminate()
    assert second.finished()[0] == 0
    until("the gateway has gone", lambda: house.gateways() == [])
    assert house.run("status").returncode == 3
    assert "event=stopped" in house.log()
    assert not (house.state / "run" / "port").exists()


@pytest.mark.parametrize("reason", ["start", "env", "connection"])
def test_a_gateway_that_somebody_wants_stays(house: House, reason: str) -> None:
    lingering(house, 1)
    launch = house.launch(env={"FAKE_CLAUDE_WAIT": "1"})
    until("the client runs", launch.record.exists)
    (pid,) = house.gateways()
    with ExitStack() as kept:
        if reason == "connection":  # a client of which the launcher knows nothing
            kept.enter_context(Client(json.loads(launch.record.read_text())["env"]))
        else:
            assert house.run(reason).returncode == 0
        launch.process.terminate()
        assert launch.finished()[0] == 0
        time.sleep(2.5)
        assert house.gateways() == [pid]
    if reason == "connection":
        until("the gateway has gone", lambda: house.gateways() == [])


def test_a_gateway_of_another_version_is_replaced_and_its_streams_finish(own: Stage, tmp_path: Path) -> None:
    gate = threading.Event()
    (client,) = open_streams(own, 1, gate)
    before = facts(own)
    program = (
        "import sys; sys.argv[0] = 'openclaude'\n"
        "import openclaude; openclaude.__version__ = '9.9.9'\n"
        "from openclaude.cli import main; sys.exit(main.main(sys.argv[1:]))\n"
    )
    from fakes import fake_claude  # noqa: PLC0415

    fake = fake_claude.install(tmp_path / "bin")
    env = {
        **own.home.env,
        "PATH": f"{fake.parent}:{own.home.env['PATH']}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    env["FAKE_CLAUDE_RECORD"] = str(tmp_path / "record.json")
    done = subprocess.run(
        [sys.executable, "-c", program, "-p", "hi"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert "the gateway was version 0.1.0; now it is " in done.stderr
    assert facts(own)["worker"] != before["worker"]
    gate.set()
    assert b"message_stop" in rest(client)


def test_no_process_of_the_gateway_leaves_a_core_or_shows_its_memory(house: House) -> None:
    house.start()
    os.kill(house.status()["worker"], signal.SIGKILL)  # the next one is a program of its own
    running = house.status()
    for pid in (running["pid"], running["worker"]):
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        assert Path(f"/proc/{pid}/status").stat().st_uid == 0  # not dumpable: the kernel keeps it for root
        assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
    reader = (
        "import os,sys; os.setuid(int(sys.argv[2])) if os.geteuid() == 0 else None; open(sys.argv[1]).read()"
    )
    if os.geteuid():
        for name in ("environ", "maps"):
            with pytest.raises(PermissionError):
                Path(f"/proc/{running['pid']}/{name}").read_text()
    else:  # root may look; what the kernel decides for everybody else is the mode of the files, seen above
        assert reader


def targets(folder: Path) -> Iterator[str]:
    """What a process has open."""
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(entry.readlink())


def test_only_the_loopback_address_is_listened_on(house: House) -> None:
    house.start()
    assert house.run("env", "--http").returncode == 0
    pids = {house.status()["pid"], house.status()["worker"]}
    inodes = {
        target.removeprefix("socket:[").rstrip("]")
        for pid in pids
        for target in targets(Path(f"/proc/{pid}/fd"))
        if target.startswith("socket:[")
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row[1].split(":")[0] for row in rows if row[9] in inodes and row[3] == "0A"]
    assert mine
    assert set(mine) == {"0100007F"}
    assert not any(row.split()[9] in inodes for row in Path("/proc/net/tcp6").read_text().splitlines()[1:])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_ends_both_processes_well(house: House, number: int) -> None:
    """As ctrl-c in a terminal does, or a service manager."""
    process = subprocess.Popen(
        [*OPENCLAUDE, "serve"],
        env=house.home.env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert "listens on" in process.stderr.readline()
    worker = house.status()["worker"]
    os.killpg(process.pid, number)
    assert process.communicate(timeout=DEADLINE)[1] == ""
    assert process.returncode == 0
    assert not Path(f"/proc/{worker}").exists()


def test_stop_signals_nobody_whose_pid_lies_around(house: House) -> None:
    running = house.start()
    victim = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    places = ("gateway.pid", "daemon.pid", "run/pid", "run/gateway.pid", "run/worker", "logs/pid")
    for place in places:
        (house.state / place).write_text(f"{victim.pid}\n")
    for place in ("run/gateway.lock", "run/start.lock"):
        (house.state / place).write_text(f"{victim.pid}\n")
    try:
        assert house.run("stop").returncode == 0
        assert not Path(f"/proc/{running['worker']}").exists()
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_callers_wait_while_the_worker_is_replaced(house: House) -> None:
    worker = house.start()["worker"]
    answers: list[object] = []
    os.kill(worker, signal.SIGSTOP)
    asking = threading.Thread(
        target=lambda: answers.append(control.ask(house.state / "run", "status", timeout=DEADLINE))
    )
    asking.start()
    os.kill(worker, signal.SIGKILL)
    asking.join()
    (answer,) = answers
    assert isinstance(answer, dict)
    assert answer["worker"] != worker
    with socket.create_connection(("127.0.0.1", house.port), timeout=DEADLINE):
        pass
