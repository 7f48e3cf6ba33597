import contextlib
import os
import resource
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.access import AccessRecord
from openclaude.edge import accesslog
from openclaude.edge.accesslog import BURST, TICK, RotatingLog, request_line, shown

RECORD = AccessRecord(
    request_id="req_oc_1",
    endpoint="messages",
    model="qwen-3-coder",
    slot="haiku",
    route="bedrock",
    upstream_model="qwen.qwen3-coder-next",
    upstream_request_id="abc",
    credential="aws signature (env)",
    status=200,
    outcome="complete",
    first_byte=0.1234,
    total=1.5,
    bytes_in=33000,
    bytes_out=1200,
    input_tokens=8000,
    output_tokens=42,
    notes=("max_tokens_clamped",),
)


def test_a_request_is_one_line_of_named_fields() -> None:
    assert request_line(RECORD) == (
        "request=req_oc_1 kind=messages slot=haiku model=qwen-3-coder route=bedrock status=200 outcome=complete "
        "first=0.123 total=1.500 in=33000 out=1200 tokens=8000/42 upstream_model=qwen.qwen3-coder-next "
        'credential="aws signature (env)" upstream_request=abc notes=max_tokens_clamped'
    )


def test_a_request_that_was_never_answered_has_dashes() -> None:
    assert request_line(AccessRecord("req_oc_2", "messages", outcome="client_left")) == (
        "request=req_oc_2 kind=messages slot=- model=- route=- status=- outcome=client_left first=- total=0.000 "
        "in=0 out=0 tokens=-/-"
    )


@pytest.mark.parametrize(
    "field",
    ["endpoint", "slot", "model", "route", "outcome", "upstream_model", "reason", "credential", "request_id"],
)
def test_what_most_lines_repeat_is_never_taken_from_the_line_before(field: str) -> None:
    assert request_line(RECORD) == request_line(replace(RECORD))
    assert '="another one"' in request_line(replace(RECORD, **{field: "another one"}))
    assert " status=418 " in request_line(replace(RECORD, status=418))


@pytest.mark.parametrize(
    "field", ["endpoint", "slot", "model", "route", "outcome", "upstream_model", "reason", "credential"]
)
@pytest.mark.parametrize("name", ["100%", "%s", "%(model)s", "%%"])
def test_percent_signs_stand_in_the_line_as_they_are(field: str, name: str) -> None:
    assert f"={name} " in request_line(replace(RECORD, **{field: name}))


@pytest.mark.parametrize("field", ["request_id", "upstream_request_id"])
@pytest.mark.parametrize("name", ["a b", "\u00e9", "\u0430", "a\nb", '"', "\x1b[31m"])
def test_a_name_that_is_not_plain_is_quoted(field: str, name: str) -> None:
    assert f"={shown(name)} " in request_line(replace(RECORD, **{field: name}))
    assert shown(name).startswith('"')


@given(st.text(max_size=60))
def test_foreign_text_can_neither_forge_a_line_nor_drive_a_terminal(text: str) -> None:
    line = shown(text)
    assert all(char.isprintable() for char in line)
    assert " " not in line or line[0] == line[-1] == '"'


def test_an_escape_sequence_in_a_model_name_is_shown_not_obeyed() -> None:
    assert shown("a\x1b[31m\nb\u202e") == '"a\\u001b[31m\\u000ab\\u202e"'


def test_lines_are_appended_to_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    log = RotatingLog(path)
    log.write(RECORD)
    log.event("stopped", served="1")
    log.close()
    first, second = path.read_text().splitlines()
    assert first.endswith(request_line(RECORD))
    assert second.endswith(" event=stopped served=1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_file_becomes_the_first_of_two_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    log = RotatingLog(path)
    filler = "x" * (accesslog.MAX_BYTES // 2)
    for number in range(8):
        log.line(f"{number} {filler}")
    log.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["gateway.log", "gateway.log.1", "gateway.log.2"]
    assert path.read_text()[25:26] == "7"
    assert (tmp_path / "gateway.log.1").read_text()[25:26] == "6"
    assert log.lost == 0


@pytest.mark.parametrize("kind", ["folder", "link", "missing parent"])
def test_a_log_that_cannot_be_written_loses_lines_and_raises_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "victim")
    else:
        path = tmp_path / "missing" / "gateway.log"
    log = RotatingLog(path)
    log.write(RECORD)
    log.write(RECORD)
    assert log.lost == 2
    assert not (tmp_path / "victim").exists()


def later(log: RotatingLog) -> None:
    """A second goes by."""
    log._now = 0


def test_a_full_disk_loses_lines_and_the_next_one_says_how_many(tmp_path: Path) -> None:
    log = RotatingLog(Path("/dev/full"))
    for _ in range(3):
        log.write(RECORD)
    assert log.lost == 3
    log._path = tmp_path / "gateway.log"  # there is room again
    log.write(RECORD)
    log.write(RECORD)
    lines = (tmp_path / "gateway.log").read_text().splitlines()
    assert [line[25:45] for line in lines] == ["event=log-lines-lost", *["request=req_oc_1 kin"] * 2]
    assert lines[0].endswith(" lines=3")
    assert log.lost == 3


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    log = RotatingLog(path)
    log.line("first")
    with most_file_bytes(path.stat().st_size + 10):
        log.line("second")
        log.line("third")
    log.line("fourth")
    whole = [line[25:] for line in path.read_text().splitlines()]
    assert whole == ["first", "", "event=log-lines-lost lines=2", "fourth"]


@contextlib.contextmanager
def most_file_bytes(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    log = RotatingLog(path)
    log.line("gone")
    path.unlink()
    later(log)
    log.line("seen")
    assert path.read_text()[25:] == "seen\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_another_program_rotated_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    log = RotatingLog(path)
    log.line("older")
    path.rename(tmp_path / "kept")
    path.touch(0o600)
    later(log)
    log.line("newer")
    assert (path.read_text()[25:], (tmp_path / "kept").read_text()[25:]) == ("newer\n", "older\n")


def test_where_the_older_files_cannot_be_moved_the_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    (tmp_path / "gateway.log.1" / "inside").mkdir(parents=True)
    log = RotatingLog(path)
    for number in range(5):
        log.line(f"{number} {'x' * (accesslog.MAX_BYTES // 2)}")
    assert path.stat().st_size < accesslog.MAX_BYTES
    assert path.read_text()[25:26] == "4"
    assert log.lost == 0


def test_a_pipe_in_the_files_place_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    os.mkfifo(path, 0o600)
    log = RotatingLog(path)
    log.write(RECORD)
    assert log.lost == 1


def test_a_folder_that_is_gone_loses_lines_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = RotatingLog(folder / "gateway.log")
    log.line("first")
    folder.rename(tmp_path / "elsewhere")
    folder.touch()  # a file in its place: root could write into any folder
    later(log)
    log.line("second")
    assert log.lost == 1
    folder.unlink()
    folder.mkdir()
    log.line("third")
    assert "lines=1" in (folder / "gateway.log").read_text()


class Timers:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        assert seconds == TICK
        self.due.append(action)


def test_the_lines_of_a_burst_are_written_together_and_in_order(tmp_path: Path) -> None:
    timers, path = Timers(), tmp_path / "gateway.log"
    log = RotatingLog(path, timers.later)
    for number in range(BURST * 4):
        log.line(f"line={number}")
    while timers.due:
        timers.due.pop()()
    lines = path.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [f"line={number}" for number in range(BURST * 4)]
    log.close()


def test_the_requests_of_a_burst_have_each_their_own_line(tmp_path: Path) -> None:
    timers, path = Timers(), tmp_path / "gateway.log"
    log = RotatingLog(path, timers.later)
    records = [
        replace(RECORD, request_id=f"req_oc_{number}", total=number / 8) for number in range(BURST * 2)
    ]
    for record in records:
        log.write(record)
    timers.due.pop()()
    lines = path.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [request_line(record) for record in records]
    log.close()


def test_few_lines_are_in_the_file_at_once(tmp_path: Path) -> None:
    timers, path = Timers(), tmp_path / "gateway.log"
    log = RotatingLog(path, timers.later)
    for number in range(BURST):
        log.line(f"line={number}")
        assert len(path.read_text().splitlines()) == number + 1
    assert timers.due == []
    log.close()


def test_a_line_that_is_held_is_made_when_it_is_written(tmp_path: Path) -> None:
    timers, path = Timers(), tmp_path / "gateway.log"
    log = RotatingLog(path, timers.later)
    made: list[int] = []

    def make(number: int, word: str) -> str:
        made.append(number)
        return f"{word}={number}"

    for number in range(BURST + 3):
        log.line_of(make, (number, "line"))
    assert made == list(range(BURST))
    timers.due.pop()()
    lines = path.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [f"line={number}" for number in range(BURST + 3)]
    log.close()


@pytest.mark.parametrize("end", ["close", "event"])
def test_nothing_that_is_held_is_lost_at_the_end(end: str, tmp_path: Path) -> None:
    timers, path = Timers(), tmp_path / "gateway.log"
    log = RotatingLog(path, timers.later)
    for number in range(1000):
        log.line(f"line={number}")
    if end == "close":
        log.close()
    else:
        log.event("stopped")
    lines = [line.partition(" ")[2] for line in path.read_text().splitlines()]
    assert lines[:1000] == [f"line={number}" for number in range(1000)]
    assert lines[1000:] == ([] if end == "close" else ["event=stopped"])
    log.close()


def test_held_lines_that_cannot_be_written_are_counted_each(tmp_path: Path) -> None:
    timers, folder = Timers(), tmp_path / "logs"
    folder.mkdir()
    log = RotatingLog(folder / "gateway.log", timers.later)
    for number in range(BURST * 3):
        log.line(f"line={number}")
    log._let_go()
    written = len((folder / "gateway.log").read_text().splitlines())
    (folder / "gateway.log").unlink()
    folder.rmdir()
    log.flush()
    assert written + log.lost == BURST * 3
    folder.mkdir()
    log.event("again")
    assert f"event=log-lines-lost lines={log.lost}\n" in (folder / "gateway.log").read_text()
    log.close()
