from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.access import AccessRecord
from openclaude.edge.accesslog import RotatingLog
from openclaude.launcher import logread


def test_what_the_log_writes_is_read_back(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "gateway.log")
    log.event("started", port="4000")
    record = AccessRecord(
        "req_1", "messages", model='odd "name"\\', slot="opus", credential="client login (authorization)"
    )
    record.status, record.outcome, record.first_byte = 200, "complete", 0.25
    log.write(record)
    log.close()
    started, request = logread.tail(tmp_path / "gateway.log", 10)
    assert (started["event"], started["port"]) == ("started", "4000")
    assert request["model"] == 'odd "name"\\'
    assert (request["credential"], request["status"], request["first"]) == (
        "client login (authorization)",
        "200",
        "0.250",
    )
    assert request["time"].endswith("Z")


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    path.write_text("t a=1\n")
    size = path.stat().st_size
    path.write_text("t a=1\nt a=2\n")
    assert [row["a"] for row in logread.since(path, size)] == ["2"]
    path.write_text("t a=3\n")
    assert [row["a"] for row in logread.since(path, size + 10)] == ["3"]


def test_a_log_that_is_not_there_has_no_entries(tmp_path: Path) -> None:
    assert logread.tail(tmp_path / "gone", 5) == []
    assert logread.since(tmp_path / "gone", 0) == []


@given(st.text(max_size=60))
def test_any_line_is_read_without_an_error(line: str) -> None:
    assert "time" in logread.entry(line)


def test_what_a_terminal_could_not_show_stays_escaped() -> None:
    assert logread.entry('t model="x\\u001b[2J"')["model"] == "x\\u001b[2J"
