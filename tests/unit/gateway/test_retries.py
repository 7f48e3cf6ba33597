"""What may be repeated, what it costs, and how long the client waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.errors import MALFORMED_OUTPUT, ApiError
from openclaude.domain.http import SafeHeaders
from openclaude.gateway import retries
from openclaude.gateway.retries import ALWAYS, SHARE, TOKENS, Budget, Fault

AGAIN = {"retry": True}


@pytest.mark.parametrize(
    ("status", "error", "fault"),
    [
        (429, ApiError(429, "rate_limit_error", "", **AGAIN), Fault.THROTTLED),
        (400, ApiError(429, "rate_limit_error", "", **AGAIN), Fault.THROTTLED),
        (429, ApiError(429, "rate_limit_error", "per day"), None),
        (429, ApiError(529, "overloaded_error", "not ready", **AGAIN), Fault.TRANSIENT),
        (503, ApiError(529, "overloaded_error", "", **AGAIN), Fault.TRANSIENT),
        (500, ApiError(500, "api_error", "", **AGAIN), Fault.TRANSIENT),
        (502, ApiError(502, "api_error", "", **AGAIN), Fault.TRANSIENT),
        (504, ApiError(502, "api_error", "", **AGAIN), Fault.LOST),
        (408, ApiError(504, "timeout_error", "", **AGAIN), Fault.LOST),
        (424, ApiError(502, "api_error", "the model failed", **AGAIN), None),
        (307, ApiError(502, "api_error", "a redirect", **AGAIN), None),
        (400, ApiError(400, "invalid_request_error", ""), None),
        (403, ApiError(403, "permission_error", ""), None),
    ],
)
def test_only_a_provider_that_did_not_begin_is_asked_again(
    status: int, error: ApiError, fault: Fault | None
) -> None:
    assert retries.refused(status, error) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ApiError(429, "rate_limit_error", "", **AGAIN), Fault.THROTTLED),
        (ApiError(429, "rate_limit_error", "per day"), None),
        (ApiError(529, "overloaded_error", "", **AGAIN), Fault.TRANSIENT),
        (ApiError(500, "api_error", "", **AGAIN), Fault.TRANSIENT),
        (ApiError(502, "api_error", "damaged", **AGAIN), None),
        (ApiError(502, "api_error", "", retry=True, notes=(MALFORMED_OUTPUT,)), Fault.GARBLED),
        (ApiError(504, "timeout_error", "", **AGAIN), Fault.LOST),
        (ApiError(400, "invalid_request_error", ""), None),
    ],
)
def test_a_first_frame_that_is_an_error_says_whether_the_model_had_begun(
    error: ApiError, fault: Fault | None
) -> None:
    assert retries.framed(error) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ApiError(502, "api_error", "refused", retry=True, unsent=True), Fault.TRANSIENT),
        (ApiError(502, "api_error", "reset", retry=True), Fault.LOST),
        (ApiError(504, "timeout_error", "no connection in 10 s", retry=True, unsent=True), Fault.LOST),
        (ApiError(502, "api_error", "stopped by the wall", retry=False, unsent=True), Fault.OURS),
        (ApiError(529, "overloaded_error", "no descriptor is left", retry=True, unsent=True), Fault.OURS),
    ],
)
def test_a_connection_is_tried_again_only_if_the_request_has_not_left(error: ApiError, fault: Fault) -> None:
    assert retries.unconnected(error) is fault


@given(st.sampled_from(Fault), st.floats(0, retries.PATIENT), st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_provider_asks_nor_longer_than_two_seconds(
    fault: Fault, stated: float, chance: float
) -> None:
    delay = fault.delay(stated, chance)
    assert stated <= delay <= max(stated, fault.value[1]) <= retries.PATIENT


def test_the_jitter_is_full() -> None:
    assert (Fault.THROTTLED.delay(0, 0.0), Fault.THROTTLED.delay(0, 1.0)) == (0.0, 2.0)
    assert (Fault.TRANSIENT.delay(0, 0.0), Fault.TRANSIENT.delay(0, 1.0)) == (0.0, 0.5)
    assert Fault.THROTTLED.delay(1, 0.5) == 1.5


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"600", 600.0),
        (b"300", 300.0),
        (b"0", 1.0),
        (b"99999", 3600.0),
        (b"9" * 30, 600.0),
        (b"-5", 600.0),
        (b"1.5", 600.0),
        (b"", 600.0),
        ("٣".encode(), 600.0),
        (None, 600.0),
    ],
)
def test_the_client_says_how_long_it_waits_within_bounds(said: bytes | None, seconds: float) -> None:
    headers = SafeHeaders([] if said is None else [(b"X-Stainless-Timeout", said)])
    assert retries.patience(headers) == seconds


@pytest.mark.parametrize(("fault", "times"), [(Fault.THROTTLED, 20), (Fault.TRANSIENT, 7)])
def test_a_budget_pays_for_so_many_repetitions_in_a_row(fault: Fault, times: int) -> None:
    budget = Budget()
    taken = 0
    while budget.take(fault.price):
        budget.repeating -= 1
        taken += 1
    assert (taken, budget.spent, budget.denied) == (times, times, 1)


def test_successes_fill_the_budget_up_and_not_further() -> None:
    budget = Budget()
    budget.take(14)
    for _ in range(13):
        budget.earn()
    assert budget.tokens == TOKENS - 1
    budget.earn()
    budget.earn()
    assert budget.tokens == TOKENS


@pytest.mark.parametrize(("in_flight", "at_once"), [(1, 2), (10, 2), (15, 3), (100, 20)])
def test_a_fifth_of_the_requests_under_way_may_be_repetitions_but_two_in_any_case(
    in_flight: int, at_once: int
) -> None:
    budget = Budget(in_flight=in_flight)
    while budget.take(1):
        pass
    assert budget.repeating == at_once


@given(st.lists(st.sampled_from(["throttled", "transient", "success", "over"])), st.integers(0, 40))
def test_a_budget_is_never_overdrawn(steps: list[str], in_flight: int) -> None:
    budget = Budget(in_flight=in_flight)
    for step in steps:
        match step:
            case "success":
                budget.earn()
            case "over":
                budget.repeating = max(0, budget.repeating - 1)
            case _:
                before = budget.tokens
                price = Fault[step.upper()].price
                paid = budget.take(price)
                assert budget.tokens == (before - price if paid else before)
        assert 0 <= budget.tokens <= TOKENS
        assert budget.repeating <= max(ALWAYS, SHARE * in_flight + 1)
