import pytest

from openclaude.adapters.calibration import Calibration, Sample
from openclaude.domain.usage import Usage


def taught(*reported: int, estimated: float = 1000) -> Calibration:
    calibration = Calibration()
    for tokens in reported:
        calibration.learn(estimated, Usage(input_tokens=tokens))
    return calibration


def test_an_estimate_stands_until_something_is_learned() -> None:
    assert Calibration().corrected(1000.2) == 1001


def test_a_model_that_reports_less_brings_later_estimates_down_but_not_below_what_it_reports() -> None:
    counts = [taught(*[800] * times).corrected(1000) for times in range(20)]
    assert counts == sorted(counts, reverse=True)
    assert 800 <= counts[-1] <= 860
    assert counts[1] < 1000


def test_a_model_that_reports_more_is_believed_quickly() -> None:
    assert taught(1400).corrected(1000) >= 1200
    assert taught(*[1400] * 6).corrected(1000) >= 1400


def test_one_answer_out_of_line_moves_little() -> None:
    steady = taught(*[1000] * 10)
    before = steady.corrected(1000)
    steady.learn(1000, Usage(input_tokens=500))
    assert before - steady.corrected(1000) <= 110


@pytest.mark.parametrize(("reported", "low", "high"), [(1, 500, 560), (10**9, 1900, 2000)])
def test_a_correction_has_its_limits(reported: int, low: int, high: int) -> None:
    assert low <= taught(*[reported] * 50).corrected(1000) <= high


def test_cached_input_counts_as_input() -> None:
    calibration = Calibration()
    Sample(calibration, 1000).learn(Usage(300, 5, 500, 400))
    assert calibration.corrected(1000) == taught(1200).corrected(1000)


@pytest.mark.parametrize(("estimated", "reported"), [(100, 5000), (1000, 0)], ids=["small", "unreported"])
def test_requests_that_tell_nothing_teach_nothing(estimated: float, reported: int) -> None:
    assert taught(reported, estimated=estimated).corrected(1000) == 1000


def test_the_first_requests_are_sampled_and_then_one_in_sixteen() -> None:
    fresh = Calibration()
    assert [fresh.is_due() for _ in range(32)] == [True] * 16 + [False] * 15 + [True]
    taught_enough = taught(*[1000] * 4)
    assert sum(taught_enough.is_due() for _ in range(160)) == 10
