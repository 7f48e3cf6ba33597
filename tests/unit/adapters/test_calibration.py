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


def test_what_is_likely_has_no_margin() -> None:
    assert Calibration().likely(1050) == pytest.approx(1000)
    assert taught(*[800] * 200).likely(1000) == pytest.approx(800, rel=0.01)
    assert taught(*[800] * 200).corrected(1000) == pytest.approx(840, rel=0.01)


def test_a_model_that_reports_less_brings_later_estimates_down_but_not_below_what_it_reports() -> None:
    counts = [taught(*[8000] * times, estimated=10_000).corrected(10_000) for times in range(20)]
    assert counts[0] == 10_000
    assert counts[1:] == sorted(counts[1:], reverse=True)
    assert 8400 <= counts[-1] <= counts[1] <= 8700


def test_a_model_that_reports_more_is_believed_quickly() -> None:
    assert taught(1400).corrected(1000) >= 1300
    assert taught(*[1400] * 20).corrected(1000) >= 1400


def test_one_answer_out_of_line_moves_little() -> None:
    steady = taught(*[10_000] * 10, estimated=10_000)
    before = steady.corrected(1000)
    steady.learn(10_000, Usage(input_tokens=5000))
    assert before - steady.corrected(1000) <= 100


@pytest.mark.parametrize(("reported", "low", "high"), [(1, 500, 560), (10**9, 1900, 2000)])
def test_a_correction_has_its_limits(reported: int, low: int, high: int) -> None:
    assert low <= taught(*[reported] * 50).corrected(1000) <= high


def test_cached_input_counts_as_input() -> None:
    calibration = Calibration()
    Sample(calibration, 1000).learn(Usage(300, 5, 500, 400))
    assert calibration.corrected(1000) == taught(1200).corrected(1000)


def test_a_small_request_tells_little_and_an_unreported_one_nothing() -> None:
    assert taught(500, estimated=5).corrected(1000) <= 1070
    assert taught(0).corrected(1000) == 1000


def test_the_first_requests_are_sampled_and_then_one_in_many() -> None:
    fresh = Calibration()
    assert [fresh.is_due() for _ in range(64)] == [True] * 16 + [False] * 47 + [True]
    taught_enough = taught(*[1000] * 4)
    assert sum(taught_enough.is_due() for _ in range(640)) == 10
