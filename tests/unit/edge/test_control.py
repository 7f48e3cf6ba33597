import asyncio
import os
import stat
from pathlib import Path

import pytest

from openclaude.edge import control as server
from openclaude.launcher import control as client

pytestmark = pytest.mark.anyio


def fine(request) -> server.Answer:
    return server.Answer({"fine": True})


async def asked(folder: Path, operation: str):
    return await asyncio.to_thread(client.ask, folder, operation)


async def test_an_operation_is_answered_over_a_private_socket(tmp_path: Path) -> None:
    control = server.ControlServer({"status": lambda _: server.Answer({"port": 7})})
    await control.start(server.bind(tmp_path))
    assert await asked(tmp_path, "status") == {"port": 7}
    assert stat.S_IMODE((tmp_path / server.SOCKET_NAME).stat().st_mode) == 0o600
    control.stop()


async def test_an_unknown_operation_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    control = server.ControlServer({"status": fine, "stop": fine})
    await control.start(server.bind(tmp_path))
    assert await asked(tmp_path, "format-disk") == {"error": "unknown operation; known are status, stop"}
    control.stop()


async def test_a_folder_with_a_very_long_path_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    here = Path.cwd()
    control = server.ControlServer({"status": fine})
    await control.start(server.bind(folder))
    assert await asked(folder, "status") == {"fine": True}
    assert Path.cwd() == here
    control.stop()


async def test_the_socket_of_a_dead_gateway_is_replaced(tmp_path: Path) -> None:
    server.bind(tmp_path).close()
    control = server.ControlServer({"status": lambda _: server.Answer({"new": True})})
    await control.start(server.bind(tmp_path))
    assert await asked(tmp_path, "status") == {"new": True}
    control.stop()


async def test_nonsense_gets_no_answer_and_the_next_caller_does(tmp_path: Path) -> None:
    control = server.ControlServer({"status": fine})
    await control.start(server.bind(tmp_path))
    reader, writer = await open_control(tmp_path)
    writer.write(b"not json\n")
    assert await reader.read() == b""
    writer.close()
    reader, writer = await open_control(tmp_path)
    writer.write(b"[1]\n")
    assert b"unknown operation" in await reader.read()
    writer.close()
    assert await asked(tmp_path, "status") == {"fine": True}
    control.stop()


async def test_nobody_there_is_none(tmp_path: Path) -> None:
    assert await asked(tmp_path, "status") is None
    assert client.status(tmp_path) is None


async def open_control(folder: Path):
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        return await asyncio.open_unix_connection(server.SOCKET_NAME)
    finally:
        os.fchdir(before)
        os.close(before)


async def test_a_held_operation_ends_when_its_caller_does(tmp_path: Path) -> None:
    ended: list[str] = []
    seen: list[object] = []

    def session(request) -> server.Answer:
        seen.append(request["aws"])
        return server.Answer({"session": "0123456789ab"}, on_close=lambda: ended.append("now"))

    control = server.ControlServer({"session": session})
    await control.start(server.bind(tmp_path))
    env = {"AWS_PROFILE": "work", "HOME": "/h", "PATH": "/p", "ANTHROPIC_API_KEY": "no"}
    opened = await asyncio.to_thread(client.open_session, tmp_path, env)
    assert opened is not None
    assert opened.name == "0123456789ab"
    assert seen == [{"AWS_PROFILE": "work", "PATH": "/p"}]
    assert opened.connection.get_inheritable()
    await asyncio.sleep(0.05)
    assert ended == []
    opened.connection.close()
    async with asyncio.timeout(5):
        while not ended:
            await asyncio.sleep(0.01)
    control.stop()


async def test_a_session_cannot_be_opened_where_nobody_listens(tmp_path: Path) -> None:
    assert await asyncio.to_thread(client.open_session, tmp_path, {}) is None


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
def test_a_shell_that_names_its_credentials_needs_a_session(env, expected) -> None:
    assert client.has_credentials(env) is expected
