"""The leak oracle: a day of the whole product, and every secret looked for in every byte that left it anywhere."""

import pytest

from support.leaks import SINKS, Day, live, read_table, verdict


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return live(tmp_path_factory.mktemp("day"))


def test_every_secret_arrives_where_it_has_to_and_nowhere_else(day: Day) -> None:
    assert verdict(day, read_table()) == []


def test_the_table_knows_every_secret_and_every_place(day: Day) -> None:
    table = read_table()
    assert sorted(table.canaries) == sorted(day.canaries)
    assert table.sinks == SINKS
    assert len(table.canaries) >= 16
    assert len(table.sinks) >= 14


def test_there_were_bytes_to_look_into_at_every_place_that_can_have_any(day: Day) -> None:
    silent = {"proxy", "stranger", "other aws", "error output"}
    assert {sink for sink in SINKS if not b"".join(day.arrived[sink])} <= silent


def test_a_leak_at_any_place_would_be_noticed(day: Day) -> None:
    table = read_table()
    for sink in SINKS:
        before = day.arrived[sink]
        day.arrived[sink] = [*before, b"x=" + day.canaries["AWS secret, unused"].encode()[3:20]]
        assert verdict(day, table) == [f"LEAK: AWS secret, unused at {sink}"]
        day.arrived[sink] = before


def test_a_secret_that_does_not_arrive_would_be_noticed(day: Day) -> None:
    before = day.arrived["client"]
    day.arrived["client"] = []
    missing = verdict(day, read_table())
    day.arrived["client"] = before
    assert missing == ["MISSING: answer at client", "MISSING: provider's error text at client"]
