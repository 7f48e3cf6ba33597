"""The control socket: both ends of it, with a thread in the supervisor's place."""

import os
import selectors
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher import callers, control
from openclaude.launcher.callers import Callers
from support.house import until
from support.patience import DEADLINE

Serve = Callable[[Callers, socket.socket, dict[str, Any]], None]


@contextmanager
def answering(folder: Path, serve: Serve) -> Iterator[Callers]:
    """Somebody who answers on the control socket in `folder`."""
    selector = selectors.DefaultSelector()
    over = threading.Event()
    made = Callers(callers.bind(folder), selector, lambda caller, request: serve(made, caller, request))

    def loop() -> None:
        while not over.is_set():
            for key, _ in selector.select(0.02):
                key.data()
        made.close()
        selector.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()


def echo(made: Callers, caller: socket.socket, request: dict[str, Any]) -> None:
    made.answer(caller, {"heard": request})


def raw(folder: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        with chdir(folder):
            connection.connect(control.SOCKET_NAME)
        connection.sendall(data)
        return connection.recv(65536)


def test_a_request_is_answered_over_a_private_socket(tmp_path: Path) -> None:
    with answering(tmp_path, echo):
        assert control.ask(tmp_path, "open", door="tls") == {"heard": {"op": "open", "door": "tls"}}
        assert stat.S_IMODE((tmp_path / control.SOCKET_NAME).stat().st_mode) == 0o600


def test_a_folder_with_a_very_long_path_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    here = Path.cwd()
    with answering(folder, echo):
        assert control.ask(folder, "status") == {"heard": {"op": "status"}}
        assert Path.cwd() == here


def test_the_socket_of_a_dead_gateway_is_replaced(tmp_path: Path) -> None:
    callers.bind(tmp_path).close()
    with answering(tmp_path, echo):
        assert control.ask(tmp_path, "status") == {"heard": {"op": "status"}}


@pytest.mark.parametrize(
    "data", [b"not json\n", b"[1]\n", b'{"op": 1}\n', b"{}\n", b"\xff\n", b"\n", b"x" * 300_000]
)
def test_nonsense_gets_no_answer_and_the_next_caller_does(tmp_path: Path, data: bytes) -> None:
    with answering(tmp_path, echo):
        try:
            assert raw(tmp_path, data) == b""
        except ConnectionError:
            assert len(data) > callers.MAX_LINE  # it hung up before everything was said
        assert control.ask(tmp_path, "status") == {"heard": {"op": "status"}}


def test_nobody_there_is_none(tmp_path: Path) -> None:
    assert control.ask(tmp_path, "status") is None
    assert control.status(tmp_path) is None
    assert control.open_session(tmp_path, {}) is None


def test_a_session_lasts_until_its_last_holder_is_gone(tmp_path: Path) -> None:
    ended: list[str] = []
    seen: list[object] = []

    def hold(made: Callers, caller: socket.socket, request: dict[str, Any]) -> None:
        seen.append((request["aws"], request["token"]))
        made.hold(caller, {"session": "0123456789ab", "token": "t"}, lambda: ended.append("now"))

    env = {"AWS_PROFILE": "work", "HOME": "/h", "PATH": "/p", "ANTHROPIC_API_KEY": "no"}
    with answering(tmp_path, hold):
        session = control.open_session(tmp_path, env, token=True)
        assert session is not None
        assert (session.name, session.token) == ("0123456789ab", "t")
        assert "0123456789ab" in repr(session)
        assert seen == [({"AWS_PROFILE": "work", "PATH": "/p"}, True)]
        assert session.connection.get_inheritable()
        second = os.dup(session.connection.fileno())
        session.connection.close()
        control.ask(tmp_path, "session", aws=None, token=False)
        until("the other one ended", lambda: len(ended) == 1)
        os.close(second)
        until("the session ended", lambda: len(ended) == 2)


def test_a_shell_without_aws_credentials_hands_nothing_over(tmp_path: Path) -> None:
    seen: list[object] = []

    def hold(made: Callers, caller: socket.socket, request: dict[str, Any]) -> None:
        seen.append(request["aws"])
        made.hold(caller, {"session": ""}, lambda: None)

    with answering(tmp_path, hold):
        session = control.open_session(tmp_path, {"PATH": "/p", "AWS_REGION": "r"})
        assert session is not None
        session.connection.close()
    assert seen == [None]


def test_a_silent_caller_is_hung_up_on(tmp_path: Path) -> None:
    with answering(tmp_path, echo) as made, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        with chdir(tmp_path):
            connection.connect(control.SOCKET_NAME)
        until("it is noticed", lambda: made.asking)
        made.sweep()
        assert made.asking
        made._asking = {caller: (said, 0.0) for caller, (said, _) in made._asking.items()}
        made.sweep()
        assert connection.recv(10) == b""
        assert not made.asking


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"AWS_REGION": "r", "AWS_EC2_METADATA_DISABLED": "true"}, False, id="no credentials"),
        pytest.param({"AWS_PROFILE": "work"}, True, id="a profile"),
        pytest.param({"AWS_ACCESS_KEY_ID": "k"}, True, id="keys"),
        pytest.param({"AWS_ACCESS_KEY_ID": ""}, False, id="an empty variable"),
    ],
)
def test_a_shell_that_names_its_credentials_needs_a_session(env: dict[str, str], expected: bool) -> None:
    assert control.has_credentials(env) is expected
