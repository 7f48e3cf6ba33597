import argparse
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openclaude.cli import statusline
from openclaude.launcher import callers

AWAY = {"profile": "", "model": "claude-opus-5-5", "to": "opus-on-bedrock", "why": "5h at 96 %", "until": 4e9}
FELL = {"profile": "work", "model": "claude-sonnet-5-5", "to": "qwen", "why": "overloaded", "at": 1.8e9}


def run(home: Path, profile: str = "") -> str:
    out, errors = io.StringIO(), io.StringIO()
    env = {"OPENCLAUDE_HOME": str(home)}
    assert statusline.run(argparse.Namespace(profile=profile), env=env, stdout=out, stderr=errors) == 0
    assert errors.getvalue() == ""
    return out.getvalue()


@contextmanager
def answering(home: Path, answer: object) -> Iterator[list[dict[str, object]]]:
    """A control socket that answers one caller; the result collects what was asked."""
    (home / "run").mkdir()
    listener = callers.bind(home / "run")
    listener.setblocking(True)
    asked: list[dict[str, object]] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(json.loads(connection.recv(4096)))
            connection.sendall(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        thread.join()
        listener.close()


def test_one_line_says_what_goes_elsewhere_why_and_until_when(tmp_path: Path) -> None:
    with answering(tmp_path, {"elsewhere": [AWAY, FELL]}) as asked:
        said = run(tmp_path)
    assert asked == [{"op": "plan"}]
    assert said.startswith("openClaude: 5h at 96 %, claude-opus-5-5 goes to opus-on-bedrock until ")
    assert said.count("\n") == 1
    assert "overloaded" not in said


def test_a_profile_hears_of_its_own_routes(tmp_path: Path) -> None:
    with answering(tmp_path, {"elsewhere": [AWAY, FELL]}):
        said = run(tmp_path, "work")
    assert said.startswith("openClaude: claude-sonnet-5-5 was answered by qwen at ")
    assert said.endswith(" (overloaded)\n")


def test_nothing_is_said_while_everything_goes_its_way(tmp_path: Path) -> None:
    with answering(tmp_path, {"elsewhere": []}):
        assert run(tmp_path) == ""


def test_nothing_is_said_where_no_gateway_answers_or_it_says_nonsense(tmp_path: Path) -> None:
    assert run(tmp_path) == ""
    with answering(tmp_path, ["odd"]):
        assert run(tmp_path) == ""


def test_a_folder_that_cannot_be_is_no_reason_to_fail() -> None:
    assert run(Path("not-absolute")) == ""
