"""What lies in the state folder is private, and what somebody else put there is refused and left as it is."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from support.house import House, housed
from support.patience import DEADLINE

PLACES = (
    "secret",
    "run/control.sock",
    "run/gateway.lock",
    "run/start.lock",
    "run/tls.lock",
    "run/port",
    "logs/gateway.log",
    "logs/gateway.err",
)
PRECIOUS = b"precious, and nobody's business\n"

pytestmark = pytest.mark.xdist_group("state-files")


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


class Planted:
    """Something at a path of the state folder that is not ours, and how it looked before."""

    def __init__(self, path: Path, kind: str, target: Path) -> None:
        self.path = path
        self._target = target
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        match kind:
            case "link to a file":
                target.write_bytes(PRECIOUS)
                target.chmod(0o644)
                path.symlink_to(target)
            case "link to nothing":
                path.symlink_to(target)
            case "pipe":
                os.mkfifo(path, 0o600)
            case _:
                path.mkdir()
                (path / "inside").write_bytes(PRECIOUS)
        self._before = self._look()

    def remove(self) -> None:
        if self.path.is_dir() and not self.path.is_symlink():
            (self.path / "inside").unlink()
            self.path.rmdir()
        else:
            self.path.unlink()

    def untouched(self) -> bool:
        return self._look() == self._before

    def _look(self) -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []
        for path in (self.path, self._target, self.path / "inside"):
            if os.path.lexists(path):
                found = path.lstat()
                data = path.read_bytes() if stat.S_ISREG(found.st_mode) else b""
                seen.append((path.name, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, data))
        return seen


KINDS = ("link to a file", "link to nothing", "pipe", "folder")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_stranger_in_a_files_place_is_refused_by_name_and_left_alone(
    house: House, tmp_path: Path, place: str, kind: str
) -> None:
    planted = Planted(house.state / place, kind, tmp_path / "target")
    done = house.run("start")
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    assert str(planted.path) in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert planted.untouched()
    assert house.gateways() == []
    planted.remove()
    assert house.run("status").returncode == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_in_the_place_of_the_clients_settings_stops_the_launch(
    house: House, tmp_path: Path, kind: str
) -> None:
    planted = Planted(house.state / "settings.json", kind, tmp_path / "target")
    code, stderr, seen = house.launch().finished()
    assert (code, seen) == (1, {})
    assert str(planted.path) in stderr
    assert "hint: " in stderr
    assert "Traceback" not in stderr
    assert planted.untouched()


@pytest.mark.parametrize("folder", ["run", "logs", "tls", "."])
def test_a_folder_that_is_a_link_is_refused(house: House, tmp_path: Path, folder: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    path = house.state / folder
    if folder == ".":
        (path / "config.toml").unlink()
        path.rmdir()
    path.symlink_to(elsewhere)
    done = house.run("start")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"openclaude: {house.state if folder == '.' else path}: is a symbolic link\nhint: "
    )
    assert list(elsewhere.iterdir()) == []
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


@pytest.mark.parametrize("kind", ["link to a file", "pipe", "folder"])
def test_the_log_command_reads_nobody_elses_file(house: House, tmp_path: Path, kind: str) -> None:
    planted = Planted(house.state / "logs" / "gateway.log", kind, tmp_path / "target")
    done = house.run("logs")
    assert done.returncode == 1
    assert PRECIOUS.decode() not in done.stdout
    assert str(planted.path) in done.stderr
    assert "Traceback" not in done.stderr


def test_another_socket_in_the_control_sockets_place_is_not_believed(house: House) -> None:
    """A left-over socket of a dead gateway is the ordinary case; one that answers without the lock is no gateway."""
    run = house.state / "run"
    run.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale, chdir(run):
        stale.bind("control.sock")
    assert house.run("status").returncode == 3
    assert house.start()["port"] == house.port


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_every_file_is_private_whatever_the_umask_says(house: House, mask: int) -> None:
    before = os.umask(mask)
    try:
        code, stderr, seen = house.launch().finished()
    finally:
        os.umask(before)
    assert code == 0, stderr
    assert seen["settings"]
    for path in (house.state, *house.state.rglob("*")):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.lstat().st_mode) == expected, path
    names = {str(path.relative_to(house.state)) for path in house.state.rglob("*") if not path.is_dir()}
    assert {
        "secret",
        "settings.json",
        "config.toml",
        "run/control.sock",
        "run/gateway.lock",
        "logs/gateway.log",
    } <= names


@pytest.mark.parametrize("folder", [".", "run", "logs", "tls"])
def test_a_folder_that_others_can_enter_is_closed(house: House, folder: str) -> None:
    path = house.state / folder
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    house.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_secret_that_others_can_read_is_refused_with_the_remedy(house: House) -> None:
    house.start()
    house.run("stop")
    secret = house.state / "secret"
    secret.chmod(0o644)
    done = house.run("start")
    assert done.returncode == 1
    assert done.stderr == (
        f"openclaude: {secret}: can be read or written by other users\nhint: chmod 600 {secret}\n"
    )


@pytest.mark.parametrize(
    "content", [b"", b"short", b"z" * 5000, b"\0" * 64], ids=["empty", "short", "long", "zeros"]
)
def test_a_damaged_secret_is_made_again(house: House, content: bytes) -> None:
    secret = house.state / "secret"
    secret.write_bytes(content)
    secret.chmod(0o600)
    assert house.start()["running"] is True
    made = secret.read_text().strip()
    assert len(made) == 64
    assert int(made, 16)
    assert house.run("env").returncode == 0


@pytest.mark.parametrize("content", ["0", "65536", "9" * 20, "four thousand"])
def test_a_damaged_port_file_is_ignored(house: House, content: str) -> None:
    run = house.state / "run"
    run.mkdir(mode=0o700)
    (run / "port").write_text(content)
    (run / "port").chmod(0o600)
    with socket.create_server(("127.0.0.1", house.port)):
        port = house.start()["port"]
    assert house.port < port <= house.port + 50


def test_the_installations_secrets_are_in_no_file_but_their_own(house: House) -> None:
    code, stderr, seen = house.launch().finished()
    assert code == 0, stderr
    held = house.home.state().secrets()
    assert seen["settings"]["env"]["ANTHROPIC_BASE_URL"] == f"https://127.0.0.1:{house.port}"
    for path in house.state.rglob("*"):
        if path.is_file():
            for secret in (held.base_path, held.identity):
                assert secret.encode() not in path.read_bytes(), path


def test_nonsense_on_the_control_socket_disturbs_nobody(house: House) -> None:
    pid = house.start()["pid"]
    run = house.state / "run"
    for data in (
        b"",
        b"\n",
        b"stop\n",
        b"[]\n",
        b'{"op":["stop"]}\n',
        b"\xff\xfe\n",
        b"x" * 100_000,
        b'{"op":"status"',
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            with chdir(run):  # the whole path may be too long for a socket address
                connection.connect("control.sock")
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
    assert house.status()["pid"] == pid
