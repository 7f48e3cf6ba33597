import pytest

from openclaude.config import ConfigError, Problem
from openclaude.config.lines import KeyPath
from openclaude.config.report import Report, dotted


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(("gateway", "port"), "gateway.port", id="table and key"),
        pytest.param(("routes", 0, "region"), "routes[0].region", id="an entry of an array"),
        pytest.param(("a b", 'c"\n'), '"a b"."c"\\u000a"', id="keys that need quotes stay on one line"),
        pytest.param(("k" * 81,), '"' + "k" * 77 + '..."', id="an endless key is cut"),
    ],
)
def test_a_path_is_written_as_a_person_writes_it(path: KeyPath, text: str) -> None:
    assert dotted(path) == text


def test_a_missing_key_stands_in_the_line_of_the_nearest_table_around_it() -> None:
    report = Report("f", {("routes",): 2, ("routes", 0): 3})
    assert report.line(("routes", 0, "match")) == 3
    assert report.line(("routes", 1, "match")) == 2
    assert report.line(("slots", "haiku")) == 0


def test_a_report_raises_with_all_that_was_added() -> None:
    report = Report("f", {("a",): 1})
    report.add(("a",), ("is wrong", "fix it"))
    report.add(("b",), ("is missing", "write it"))
    with pytest.raises(ConfigError) as caught:
        report.close()
    assert caught.value.problems == (
        Problem("f", 0, "b", "is missing", "write it"),
        Problem("f", 1, "a", "is wrong", "fix it"),
    )


def test_an_empty_report_raises_nothing() -> None:
    Report("f", {}).close()
