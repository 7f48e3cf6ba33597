import threading

import pytest

from openclaude.simulator.recorded import Log, Recorded

ROW = Recorded("here", 0, 0, b"POST /p%2Fq?x=1 HTTP/1.1", ((b"X-One", b"a"), (b"x-oNe", b"b")), arrived=1.0)


def test_a_record_tells_method_target_path_and_repeated_headers() -> None:
    assert (ROW.method, ROW.target, ROW.path) == ("POST", b"/p%2Fq?x=1", b"/p%2Fq")
    assert ROW.values("x-one") == (b"a", b"b")
    assert ROW.header("X-ONE") == b"a"
    assert ROW.header("absent") is None


def test_a_body_that_was_not_kept_has_no_json() -> None:
    with pytest.raises(ValueError, match="request 0 at here has no stored body"):
        ROW.json()


def test_snapshots_do_not_change_when_a_request_is_amended() -> None:
    log = Log()
    place = log.add(ROW)
    before = log.requests()
    log.amend(place, body=b"{}")
    assert before[0].body is None
    assert log.requests()[0].json() == {}


def test_one_log_holds_several_servers() -> None:
    log = Log()
    log.add(ROW)
    log.received("here", 0, b"ab")
    log.received("here", 0, b"cd")
    log.received("there", 0, b"xy")
    assert log.requests("there") == ()
    assert list(log.wires("here")) == [b"abcd"]
    assert sorted(log.wires()) == [b"abcd", b"xy"]


def test_waiting_ends_when_another_thread_adds_the_request() -> None:
    log = Log()
    timer = threading.Timer(0.05, log.add, [ROW])
    timer.start()
    assert log.wait_for(lambda rows: len(rows) == 1) == (ROW,)
    timer.join()


def test_waiting_in_vain_says_what_was_seen() -> None:
    log = Log()
    log.add(ROW)
    with pytest.raises(TimeoutError, match=r"the simulator has seen \['POST /p%2Fq"):
        log.wait_for(lambda rows: len(rows) == 2, timeout=0.01)
