"""From figures to verdicts: targets, the guard, the pages. The pages in the repository are what the results say."""

import json
from pathlib import Path

import pytest

from benchmarks import bodies, flame, guard, installing, plot, report, tables, targets
from benchmarks.paths import HERE, PLOT, RECORDED, REPORT, RESULTS, BenchError
from benchmarks.results import Results, load
from benchmarks.rows import BY_KEY
from benchmarks.run import named

ROW = "http:json-2k@16"
RECORD = {ROW: 2.0}


def found(ours: list[float], nginx: list[float], row: str = ROW) -> Results:
    results = Results()
    for name, costs in (("openclaude", ours), ("nginx", nginx)):
        for cost in costs:
            results.add(row, name, {"cpu_ms": cost})
    return results


# the guard


def test_the_guard_is_content_with_what_was_recorded_and_a_little_more() -> None:
    assert guard.verdicts(found([2.0, 2.4, 9.0], [1.0, 1.0, 1.0]), RECORD) == []


def test_the_guard_fails_for_a_ratio_that_is_more_than_a_quarter_worse() -> None:
    [verdict] = guard.verdicts(found([2.6, 2.6, 1.0], [1.0, 1.0, 1.0]), RECORD)
    assert "2.60" in verdict
    assert "30% worse" in verdict


def test_the_guard_fails_for_a_row_that_was_not_delivered() -> None:
    results = found([2.0], [1.0])
    results.fail(ROW, "openclaude", "events were missing")
    assert guard.verdicts(results, RECORD) == [f"{ROW}: no ratio (events were missing)"]


def test_the_guard_fails_as_a_command_against_a_record_that_nothing_could_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "recorded.json"
    record.write_text(json.dumps({ROW: 0.001}))

    def measured(rows: list[str], **_: float) -> Results:
        assert rows == [ROW]
        return found([2.0], [1.0])

    assert guard.main(["--recorded", str(record)], measured=measured) == 1
    assert "worse" in capsys.readouterr().err
    record.write_text(json.dumps(RECORD))
    assert guard.main(["--recorded", str(record)], measured=measured) == 0


def test_the_guard_records_its_rows_in_their_own_order(tmp_path: Path) -> None:
    def measured(rows: list[str], **_: float) -> Results:
        results = Results()
        for row in reversed(rows):
            results.add(row, "openclaude", {"cpu_ms": 2.0})
            results.add(row, "nginx", {"cpu_ms": 1.0})
        return results

    record = tmp_path / "recorded.json"
    assert guard.main(["--record", "--recorded", str(record)], measured=measured) == 0
    assert list(json.loads(record.read_text()).items()) == [(row, 2.0) for row in guard.ROWS]


def test_the_record_names_rows_that_exist() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert list(recorded) == list(guard.ROWS)
    assert recorded.keys() <= BY_KEY.keys()


# ratios and targets


def test_a_ratio_compares_figures_of_the_same_moment() -> None:
    ratio = found([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]).ratio(ROW, "nginx")
    assert ratio is not None
    assert (ratio.median, ratio.least, ratio.most) == (2.0, 2.0, 3.0)


def test_a_failure_takes_back_what_was_measured_before() -> None:
    results = found([2.0, 2.0], [1.0, 1.0])
    results.fail(ROW, "openclaude", "gone")
    assert results.of(ROW, "openclaude", "cpu_ms") is None


@pytest.mark.parametrize(("cost", "met"), [(1.5, True), (1.6, False)], ids=["met", "missed"])
def test_a_target_is_met_by_the_median_only(cost: float, met: bool) -> None:
    first = targets.targets(found([cost, cost, 99.0], [1.0, 1.0, 1.0]))[0]
    assert first.met is met
    assert first.cells()[3] == ("met" if met else "**not met**")


def test_a_target_without_figures_is_neither_met_nor_missed() -> None:
    [*all_of_them] = targets.targets(Results())
    assert {target.cells()[3] for target in all_of_them} == {"not measured"}


def test_a_target_shows_what_those_reach_who_do_less() -> None:
    results = found([2.0], [1.0])
    results.add(ROW, "python-http", {"cpu_ms": 1.25})
    results.add("http:json-1m@1", "litellm", {"cpu_ms": 4.0})
    results.add("http:json-1m@1", "nginx", {"cpu_ms": 0.5})
    results.add("http:json-1m@1", "openclaude", {"cpu_ms": 1.0})
    shown = [target.cells()[4] for target in targets.targets(results)]
    assert shown[0] == "python-http 1.25"
    assert "nginx 0.125" in shown


# the pages


@pytest.fixture(scope="module")
def last() -> Results:
    return load(RESULTS)


def test_the_results_page_is_what_the_results_say(last: Results) -> None:
    assert REPORT.read_text() == report.document(last)


def test_the_plot_is_what_the_results_say(last: Results) -> None:
    assert PLOT.read_text() == plot.svg(last)


def test_the_readme_shows_what_the_results_say(last: Results) -> None:
    readme = report.README.read_text()
    assert report.summary(last) in readme
    assert report.with_summary(readme, last) == readme


def test_the_results_are_of_a_whole_run_in_which_openclaude_delivered_everything(last: Results) -> None:
    assert len(last.rows) > len(BY_KEY) / 2
    assert last.rows.keys() <= BY_KEY.keys()
    assert all("openclaude" in gateways for gateways in last.rows.values())


def test_a_gateway_that_failed_is_named_with_the_reason() -> None:
    results = found([1.0], [1.0])
    results.fail(ROW, "other", "status 500")
    results.gateways["gone"] = {"kind": "peer", "version": "", "size": None, "missing": "cannot be installed"}
    assert f"| other | {ROW} | status 500 |" in tables.failures(results)
    assert "| gone | everything | cannot be installed |" in tables.failures(results)


# bodies, names, peers


@pytest.mark.parametrize("size", ["2k", "150k", "1m"])
def test_bodies_are_of_the_clients_shape_and_always_the_same(size: str) -> None:
    body = bodies.body(size, model="m", stream=True)
    assert body == bodies.body(size, model="m", stream=True)
    request = json.loads(body)
    names = list(request)
    assert (names[0], names[-1]) == ("model", "stream")
    assert len(body) == pytest.approx(bodies.SIZES[size][0], rel=0.05)
    last = request["messages"][-1]
    assert last["role"] == "user"
    assert last["content"][-1]["text"].endswith(bodies.MARK)
    assert not body.isascii()


def test_a_row_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(BenchError, match="no row 'x'"):
        named("x", list(BY_KEY), "row")
    assert named("", ["a", "b"], "row") == ["a", "b"]
    assert named("b,a", ["a", "b", "c"], "row") == ["a", "b"]


def test_every_peer_is_pinned() -> None:
    for file in (HERE / "peers").iterdir():
        text = file.read_text()
        if file.suffix == ".json":
            assert all(version[0].isdigit() for version in json.loads(text)["dependencies"].values())
        else:
            wanted = [line for line in text.splitlines() if not line.startswith("#")]
            assert all("==" in line for line in wanted)
        assert installing.pinned(file.stem) == file


def test_system_calls_are_counted_from_straces_table() -> None:
    table = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.00    0.000100           1       100           write
 39.00    0.000064           1        40         3 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000164           1       140         3 total
"""
    assert flame.counted(table) == {"write": 100, "read": 40}
