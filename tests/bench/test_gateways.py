"""The benchmark counts what a gateway delivered, and nothing else: a relay is added as the page says, and then spoilt."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.gateways import GATEWAYS, gateway
from benchmarks.kinds import Mode, Place, Program
from benchmarks.paths import BenchError
from benchmarks.processes import Session, wait_until_it_listens
from benchmarks.programs import Upstream
from benchmarks.results import OURS, Results
from benchmarks.rows import BY_KEY
from benchmarks.run import Bench
from benchmarks.running import UndeliveredError, direct

RELAY = Path(__file__).parents[1] / "fakes" / "relay.py"
JSON = BY_KEY["http:json-2k@1"]
STREAM = replace(BY_KEY["http:paced-150k@1"], events=5, pace=100)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def add() -> Iterator[Callable[..., None]]:
    """Adds the gateway `relay`, whose program puts a word in another's place; it is taken out again at the end."""

    def added(old: str = "", new: str = "") -> None:
        @gateway("relay", exact=True)
        def relay(place: Place) -> Program:
            return Program(
                [sys.executable, str(RELAY), str(place.port), str(place.upstream_port), old, new],
            )

    yield added
    GATEWAYS.pop("relay", None)


def measured(upstream: Upstream, name: str, mode: Mode = "http") -> Results:
    """Both kinds of rows, as short as they can be."""
    bench = Bench(upstream, repetitions=2, seconds=0.05)
    rows = [replace(JSON, mode=mode), replace(STREAM, mode=mode)]
    bench.mode(mode, bench.introduce([GATEWAYS[name]]), rows, memory=False)
    return bench.results


def test_a_gateway_is_added_by_one_function(upstream: Upstream, add: Callable[..., None]) -> None:
    add()
    results = measured(upstream, "relay")
    assert results.failures == {}
    for row in (JSON, STREAM):
        cost, direct = results.of(row.key, "relay", "cpu_ms"), results.of(row.key, "direct", "per_second")
        assert cost is not None
        assert cost.least > 0
        assert direct is not None


def test_a_gateway_that_loses_an_event_gets_no_figure(upstream: Upstream, add: Callable[..., None]) -> None:
    add('"text":"T', '"text":"U')
    results = measured(upstream, "relay")
    assert "events of the stream arrived" in results.failures[STREAM.key]["relay"]
    assert results.of(STREAM.key, "relay", "cpu_ms") is None
    assert results.of(JSON.key, "relay", "cpu_ms") is not None


def test_a_gateway_that_changes_a_body_gets_no_figure(upstream: Upstream, add: Callable[..., None]) -> None:
    add("coding assistant", "coding_assistant")
    results = measured(upstream, "relay")
    assert {row: by_name["relay"] for row, by_name in results.failures.items()} == dict.fromkeys(
        (JSON.key, STREAM.key), "the body was changed on its way"
    )


def test_a_gateway_that_changes_the_answer_gets_no_figure(
    upstream: Upstream, add: Callable[..., None]
) -> None:
    add("the end of the answer.", "the end of an answer..")
    results = measured(upstream, "relay")
    assert "the answer is not whole" in results.failures[JSON.key]["relay"]


ALL_WELL = {"whole": 9, "bad": 0, "unfinished": 0, "short_of_events": 0, "trouble": ""}
ALL_SEEN = {"requests": 9, "same": 9, "marked": 9}


@pytest.mark.parametrize(
    ("result", "seen", "said"),
    [
        ({"bad": 1, "trouble": "refused"}, {}, "1 failed"),
        ({"unfinished": 2}, {}, "2 unfinished"),
        ({"whole": 0}, {}, "0 whole answers"),
        ({"short_of_events": 3}, {}, "missing or doubled in 3 of 9 streams"),
        ({}, {"requests": 8}, "the provider saw 8 requests"),
        ({}, {"marked": 7}, "only 7 of 9 bodies"),
        ({}, {"same": 6}, "only 6 of 9 bodies"),
    ],
    ids=["failed", "unfinished", "nothing", "events", "requests", "conversation", "bytes"],
)
def test_what_goes_wrong_under_load_is_noticed(
    upstream: Upstream, result: dict[str, int | str], seen: dict[str, int], said: str
) -> None:
    running = direct(upstream, "http")
    measure.check(running, JSON, ALL_WELL, ALL_SEEN)
    with pytest.raises(UndeliveredError, match=said):
        measure.check(running, JSON, ALL_WELL | result, ALL_SEEN | seen)


def test_a_listener_that_was_there_before_is_not_measured(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        idle = [sys.executable, "-c", "import time; time.sleep(60)"]
        session = Session(idle, dict(os.environ), tmp_path)
        try:
            with pytest.raises(BenchError, match="held by a process that is not part of it"):
                wait_until_it_listens(session, squatter.getsockname()[1], name="idle")
        finally:
            session.stop()
    assert not session.alive


@pytest.mark.parametrize("mode", ["http", "mutual"])
def test_the_production_gateway_delivers_in_the_benchmark(upstream: Upstream, mode: Mode) -> None:
    results = measured(upstream, OURS, mode)
    assert results.failures == {}
    assert results.of(replace(STREAM, mode=mode).key, OURS, "cpu_ms") is not None
