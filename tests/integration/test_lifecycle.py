"""The gateway's life as its user meets it: one for everybody, found again, ended on request and not otherwise."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openclaude.launcher import daemon
from openclaude.simulator.script import Answer, say
from openclaude.simulator.world import World
from support.house import House, free_port, housed, until
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home, gateway_for
from support.rawhttp import Client, ask
from support.session import configure
from support.staging import OPUS, client_headers, message_body, staged
from support.trust import Target

LAUNCHES = 50

pytestmark = pytest.mark.xdist_group("lifecycle")


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


@pytest.fixture
def neighbour(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    """Another installation on the same machine."""
    with housed(tmp_path / "neighbour", canary("sk-ant-" + "oat01-")) as made:
        yield made


def hello(target: Target) -> int:
    with Client(target) as client:
        client.send(client.head("/api/hello", [], 0, method=b"GET"))
        return client.read().status


def test_fifty_launches_at_once_start_one_gateway_and_all_use_it(house: House) -> None:
    launches = [house.launch(number) for number in range(LAUNCHES)]
    finished = [launch.finished() for launch in launches]
    assert [code for code, _, _ in finished] == [0] * LAUNCHES, finished[0][1]
    urls = {seen["env"]["ANTHROPIC_BASE_URL"] for _, _, seen in finished}
    assert urls == {f"https://127.0.0.1:{house.port}"}
    assert {hello(seen["env"]) for _, _, seen in finished} == {200}
    assert {seen["argv"][-1] for _, _, seen in finished} == {f"task {number}" for number in range(LAUNCHES)}
    running = house.home.running()
    assert running is not None
    assert house.gateways() == [running.pid]
    assert house.log().count("event=started") == 1


def test_after_kill_9_the_next_launch_has_a_gateway_on_the_same_port(house: House) -> None:
    first = house.start()
    os.killpg(first["pid"], signal.SIGKILL)
    until("the process is gone", lambda: first["pid"] not in house.gateways())
    assert house.run("status").returncode == 3
    code, stderr, seen = house.launch().finished()
    assert (code, stderr.count("taken")) == (0, 0)
    second = house.status()
    assert second["pid"] != first["pid"]
    assert second["port"] == first["port"] == house.port
    assert seen["env"]["ANTHROPIC_BASE_URL"] == f"https://127.0.0.1:{house.port}"
    assert hello(seen["env"]) == 200


def test_the_base_url_survives_a_crash_so_that_running_sessions_go_on(house: House) -> None:
    house.start()
    before = house.run("env").stdout
    for _ in range(2):
        os.killpg(house.status()["pid"], signal.SIGKILL)
        house.start()
        assert house.run("env").stdout == before


def test_stop_ends_the_gateway_and_nothing_else(house: House, neighbour: House) -> None:
    pid = house.start()["pid"]
    other = neighbour.start()["pid"]
    victim = house.launch(1, env={"FAKE_CLAUDE_WAIT": "1"})
    until("the client runs", victim.record.exists)
    for name in ("gateway.pid", "pid", "daemon.pid", "run/gateway.pid"):
        (house.state / name).write_text(f"{victim.process.pid}\n")
    try:
        done = house.run("stop")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"stopped (pid {pid}, port {house.port})\n"
        assert house.gateways() == []
        assert neighbour.gateways() == [other]
        assert neighbour.run("status").returncode == 0
        assert victim.process.poll() is None
        assert json.loads(victim.record.read_text())["signals"] == []
    finally:
        victim.process.terminate()
        assert victim.finished()[0] == 0
    assert (house.run("stop").stdout, house.run("stop").returncode) == ("not running\n", 0)


def test_status_says_whether_it_runs_in_words_in_json_and_by_its_exit_code(house: House) -> None:
    done = house.run("status")
    assert (done.returncode, done.stdout, done.stderr) == (3, "not running\n", "")
    done = house.run("status", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (3, {"running": False})
    started = house.run("start")
    (pid,) = house.gateways()
    assert started.stdout == f"started on 127.0.0.1:{house.port} (pid {pid})\n"
    done = house.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(
        rf"running +127\.0\.0\.1:{house.port} \(pid {pid}, version \d+\.\d+\.\d+\)\nup +0 h 00 min ",
        done.stdout,
    )
    facts = house.status()
    assert (facts["running"], facts["pid"], facts["port"], facts["config_current"]) == (
        True,
        pid,
        house.port,
        True,
    )


def test_starting_twice_keeps_the_first(house: House) -> None:
    pid = house.start()["pid"]
    again = house.run("start")
    assert (again.returncode, again.stdout) == (0, f"already running on 127.0.0.1:{house.port} (pid {pid})\n")
    assert house.gateways() == [pid]


def test_restart_is_a_new_worker_on_the_same_port_with_the_new_configuration(house: House) -> None:
    before = house.start()
    config = house.state / "config.toml"
    config.write_text(config.read_text() + "\n# changed\n")
    assert house.status()["config_current"] is False
    warned = house.run("status").stderr
    assert "the configuration has changed since the gateway started\nhint: `openclaude reload`" in warned
    done = house.run("restart")
    after = house.status()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"restarted on 127.0.0.1:{house.port} (pid {before['pid']}, worker {after['worker']})\n"
    )
    assert after["pid"] == before["pid"]
    assert after["worker"] != before["worker"]
    assert after["config_current"] is True
    assert house.run("restart").returncode == 0


def test_restart_onto_another_port_stops_and_starts(house: House) -> None:
    before = house.start()
    config = house.state / "config.toml"
    moved = free_port()
    config.write_text(config.read_text().replace(f"port = {house.port}", f"port = {moved}"))
    done = house.run("restart")
    after = house.status()
    assert done.stdout == (
        f"stopped (pid {before['pid']}, port {house.port})\n"
        f"started on 127.0.0.1:{moved} (pid {after['pid']})\n"
    )


def test_restart_onto_another_port_keeps_the_way_to_the_providers(home: Home) -> None:
    configure(home, port=free_port())
    with World(lambda _: say("fine"), keep_raw=True) as world, gateway_for(home, world):
        moved = home.run("restart")
        assert moved.returncode == 0, moved.stderr
        there = daemon.find(home.state(), home.state().secrets())
        assert there is not None
        assert f"started on 127.0.0.1:{there.running.port} " in moved.stdout
        body = message_body(OPUS, "hello", stream=False)
        assert ask(there, client_headers(home.login), body).status == 200
        assert [row.body for row in world.requests()] == [body]


def test_restart_starts_what_was_not_running(house: House) -> None:
    done = house.run("restart")
    assert done.returncode == 0
    assert done.stdout.startswith("not running\nstarted on ")


@pytest.mark.parametrize("command", ["stop", "restart", "start"])
def test_the_same_command_many_times_at_once_ends_well(house: House, command: str) -> None:
    house.start()
    processes = [
        subprocess.Popen(
            [*OPENCLAUDE, command],
            env=house.home.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = [process.communicate(timeout=DEADLINE)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said
    assert len(house.gateways()) == (0 if command == "stop" else 1)


def test_a_second_serve_says_who_runs_and_where(house: House) -> None:
    pid = house.start()["pid"]
    done = house.run("serve")
    assert done.returncode == 1
    assert done.stderr == (
        f"openclaude: a gateway of this user is already running on port {house.port}\n"
        "hint: `openclaude stop` stops it\n"
    )
    assert house.gateways() == [pid]


def test_serve_in_the_foreground_ends_cleanly_on_a_signal(house: House) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [*OPENCLAUDE, "serve"],
            env=house.home.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == (
            f"openclaude: the gateway listens on 127.0.0.1:{house.port} (this machine only); ctrl-c stops it\n"
        )
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE) == ("", "")
        assert process.returncode == 0
        assert house.run("status").returncode == 3


def test_env_without_a_gateway_says_how_to_start_one(house: House) -> None:
    done = house.run("env")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "openclaude: no gateway runs\nhint: `openclaude start`\n"
    house.start()
    printed = json.loads(house.run("env", "--json").stdout)
    assert hello(printed) == 200


def test_logs_shows_the_lines_and_follows_what_is_added(house: House) -> None:
    assert "there is no log yet" in house.run("logs").stderr
    house.start()
    done = house.run("logs")
    assert done.returncode == 0
    assert f"event=started version=0.1.0 port={house.port}" in done.stdout
    assert house.run("logs", "-n", "0").stdout == ""
    following = subprocess.Popen(
        [*OPENCLAUDE, "logs", "-f", "-n", "0"],
        env=house.home.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    led = json.loads(house.run("env", "--json").stdout)
    seen = threading.Event()

    def request_until_seen() -> None:
        while not seen.wait(0.2):
            hello(led)

    asking = threading.Thread(target=request_until_seen)
    asking.start()
    line = following.stdout.readline()
    seen.set()
    asking.join()
    assert re.search(r" request=req_\S+ kind=hello .*route=local status=200 outcome=complete ", line)
    following.send_signal(signal.SIGINT)
    assert following.wait(DEADLINE) == 130
    assert following.communicate()[1] == ""


def test_an_answer_under_way_is_finished_before_the_gateway_ends(tmp_path: Path) -> None:
    gate = threading.Event()
    with staged(tmp_path / "home") as stage:
        body = stage.body("anthropic", lambda _: Answer(say("slow but whole").parts, gate=gate), stream=True)
        with Client(stage.gateway) as client:
            client.post("/v1/messages?beta=true", stage.headers(), body)
            client.read_head()
            stopping = threading.Thread(target=stage.home.run, args=("stop",))
            stopping.start()
            until("it is about to end", lambda: stage.home.running() is None)
            gate.set()
            rest = b""
            while b"message_stop" not in rest:
                piece = client.socket.recv(65536)
                assert piece
                rest += piece
            stopping.join()
        assert not accepts(stage.gateway.running.port)
        assert stage.home.run("status").returncode == 3
        assert "event=stopped served=1" in (stage.home.state_home / "logs" / "gateway.log").read_text()


def test_a_start_while_the_last_answers_are_finished_waits_and_takes_over(tmp_path: Path) -> None:
    with staged(tmp_path / "home") as stage:
        body = stage.body("anthropic", lambda _: Answer(say("slow but whole").parts, pace=0.2), stream=True)
        with Client(stage.gateway) as client:
            client.post("/v1/messages?beta=true", stage.headers(), body)
            client.read_head()
            stopping = threading.Thread(target=stage.home.run, args=("stop",))
            stopping.start()
            until("it is about to end", lambda: stage.home.running() is None)
            started = stage.home.run("start")
            stopping.join()
        assert (started.returncode, started.stderr) == (0, "")
        assert started.stdout.startswith("started on 127.0.0.1:")
        (stage.home.state_home / "config.toml").unlink(missing_ok=True)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_gateway_inherits_nothing_of_the_clients(house: House, canary: Callable[[str], str]) -> None:
    planted = {
        name: canary(name)
        for name in (
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "ANTHROPIC_CUSTOM_HEADERS",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CONFIG_DIR",
            "HTTP_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "SSL_CERT_FILE",
            "SSLKEYLOGFILE",
            "PYTHONPATH_EXTRA",
            "GITHUB_TOKEN",
        )
    }
    assert house.run("start", env=planted).returncode == 0
    (pid,) = house.gateways()
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    for name, value in planted.items():
        assert name.encode() not in environ
        assert value.encode() not in environ + arguments
    secret = (house.state / "secret").read_bytes().strip()
    gateway = house.home.state().secrets()
    for value in (secret, gateway.base_path.encode(), gateway.identity.encode()):
        assert value not in environ + arguments


def test_a_repository_cannot_bring_modules_of_its_own(house: House, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    mark = tmp_path / "imported"
    for name in ("openclaude", "msgspec", "uvloop", "json", "asyncio"):
        (repository / name).mkdir(parents=True)
        (repository / name / "__init__.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    script = Path(sys.executable).with_name("openclaude")
    done = subprocess.run(
        [script, "start"],
        env=house.home.env,
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert hello(json.loads(house.run("env", "--json").stdout)) == 200
    assert not mark.exists()


def test_a_home_with_a_path_too_long_for_a_socket_address_works(
    tmp_path: Path, canary: Callable[[str], str]
) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "home with blanks and ü"
    with housed(deep, canary("sk-ant-" + "oat01-")) as house:
        assert len(str(house.state / "run" / "control.sock")) > 108
        pid = house.start()["pid"]
        assert house.gateways() == [pid]
        assert house.run("stop").returncode == 0
        assert house.gateways() == []


def test_a_problem_of_the_configuration_is_said_and_nothing_starts(house: House) -> None:
    config = house.state / "config.toml"
    config.write_text(config.read_text().replace(f"port = {house.port}", 'port = "many"\ncolour = 1'))
    for command in ("start", "status", "env", "restart"):
        done = house.run(command)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{config}:" in done.stderr
        assert "port" in done.stderr
        assert "colour" in done.stderr
        assert "Traceback" not in done.stderr
    assert house.gateways() == []


def test_two_installations_of_one_machine_do_not_mix(house: House, neighbour: House) -> None:
    house.start()
    neighbour.start()
    ours, theirs = (json.loads(each.run("env", "--json").stdout) for each in (house, neighbour))
    assert hello(ours) == hello(theirs) == 200
    for name in ("NODE_EXTRA_CA_CERTS", "CLAUDE_CODE_CLIENT_CERT"):
        assert ours[name] != theirs[name]
    with pytest.raises(ssl.SSLCertVerificationError):
        hello({**theirs, "ANTHROPIC_BASE_URL": ours["ANTHROPIC_BASE_URL"]})
    stranger = {**ours, **{name: theirs[name] for name in theirs if name.startswith("CLAUDE_CODE_CLIENT_")}}
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        hello(stranger)


def test_the_plain_door_of_one_installation_does_not_open_to_anothers_secret(
    house: House, neighbour: House
) -> None:
    house.start()
    neighbour.start()
    ours, theirs = (
        json.loads(each.run("env", "--http", "--json").stdout)["ANTHROPIC_BASE_URL"]
        for each in (house, neighbour)
    )
    assert hello(ours) == hello(theirs) == 200
    stranger = "/".join([*ours.split("/")[:3], theirs.split("/")[3]])
    assert ask(stranger, [], message_body("claude-opus-5-5", "hi", stream=False)).status == 401
