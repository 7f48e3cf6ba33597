import pytest

from openclaude.domain.http import Endpoint
from openclaude.gateway import plan
from openclaude.gateway.plan import PlanQuota, Wall, governs
from support.gateway import Gateway

NOW = 1_800_000_000.0
HOUR = 3600.0
OPUS, SONNET, FABLE = "claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-2"


def headers(**fields: object) -> list[tuple[bytes, bytes]]:
    """Headers of a plan; `h5_reset=1` is `anthropic-ratelimit-unified-5h-reset: 1`."""
    named = {
        name.replace("h5_", "5h-").replace("d7_", "7d-").replace("__", "-"): value
        for name, value in fields.items()
    }
    return [
        (b"Anthropic-RateLimit-Unified-" + name.encode(), str(value).encode())
        for name, value in named.items()
    ]


def heard(*answers: tuple[str, list[tuple[bytes, bytes]]], now: float = NOW) -> PlanQuota:
    quota = PlanQuota()
    for model, said in answers:
        hear(quota, 1, model, said, now)
    return quota


def hear(quota: PlanQuota, login: int, model: str, said: list[tuple[bytes, bytes]], now: float) -> None:
    named = {name.lower(): value for name, value in said}
    quota.hear(login, model, said, now, status=named.get(plan.STATUS, b"allowed"))


def refusal(claim: str, until: float = NOW + HOUR) -> list[tuple[bytes, bytes]]:
    return [
        (plan.PREFIX + b"status", b"rejected"),
        (plan.PREFIX + b"reset", str(int(until)).encode()),
        (plan.PREFIX + b"representative-claim", claim.encode()),
    ]


USUAL = headers(
    status="allowed",
    h5_status="allowed_warning",
    h5_utilization="0.96",
    h5_reset=int(NOW + HOUR),
    d7_status="allowed",
    d7_utilization="0.5",
    d7_reset=int(NOW + 50 * HOUR),
)


def test_the_windows_are_kept_as_the_answer_names_them() -> None:
    (row,) = heard((OPUS, USUAL)).shown(NOW)
    assert (row["login"], row["heard"], row["status"]) == (1, NOW, "allowed")
    assert row["windows"] == [
        {"window": "5h", "status": "allowed_warning", "utilization": 0.96, "resets": NOW + HOUR},
        {"window": "7d", "status": "allowed", "utilization": 0.5, "resets": NOW + 50 * HOUR},
    ]


def test_a_window_of_a_name_nobody_knows_is_shown_and_stops_nothing() -> None:
    said = [
        (plan.PREFIX + b"7d_new-utilization", b"1"),
        (plan.PREFIX + b"7d_new-reset", str(int(NOW + HOUR)).encode()),
    ]
    quota = heard((OPUS, said))
    assert [window["window"] for window in quota.shown(NOW)[0]["windows"]] == ["7d_new"]
    assert quota.wall(1, OPUS, 0.95, NOW) is None


@pytest.mark.parametrize("bad", ["", "nan", "inf", "-1", "1e9", "five", "0.9.6", "\xff"], ids=repr)
def test_a_number_that_makes_no_sense_counts_as_not_said(bad: str) -> None:
    said = [
        (plan.PREFIX + b"5h-utilization", bad.encode("latin-1")),
        (plan.PREFIX + b"5h-reset", bad.encode("latin-1")),
        (plan.PREFIX + b"5h-status", bad.encode("latin-1")),
        (plan.PREFIX + b"7d-utilization", b"0.1"),
    ]
    quota = heard((OPUS, said))
    assert [window["window"] for window in quota.shown(NOW)[0]["windows"]] == ["7d"]
    assert quota.wall(1, OPUS, 0.5, NOW) is None


def test_a_reset_in_another_century_stops_nothing() -> None:
    quota = heard((OPUS, headers(h5_utilization="1", h5_reset=4102444800)))
    assert quota.shown(NOW)[0]["windows"][0]["resets"] is None
    assert quota.wall(1, OPUS, 0.95, NOW) is None


@pytest.mark.parametrize(
    ("spill_at", "now", "full"),
    [
        (0.95, NOW, True),
        (0.96, NOW, True),
        (0.97, NOW, False),
        (None, NOW, False),
        (0.95, NOW + HOUR - 1, True),
        (0.95, NOW + HOUR, False),
    ],
)
def test_a_window_is_full_from_its_threshold_to_its_reset(
    spill_at: float | None, now: float, full: bool
) -> None:
    wall = heard((OPUS, USUAL)).wall(1, OPUS, spill_at, now)
    assert wall == (Wall("5h", 0.96, NOW + HOUR) if full else None)


def test_the_reason_that_lasts_longest_is_given() -> None:
    wall = heard((OPUS, USUAL)).wall(1, OPUS, 0.5, NOW)
    assert wall == Wall("7d", 0.5, NOW + 50 * HOUR)


@pytest.mark.parametrize(
    ("window", "stopped"),
    [
        ("5h", {OPUS, SONNET, FABLE}),
        ("7d", {OPUS, SONNET, FABLE}),
        ("7d_opus", {OPUS}),
        ("7d_sonnet", {SONNET}),
        ("7d_oi", {FABLE}),
        ("7d_oauth_apps", set()),
        ("overage", set()),
        ("7d_", set()),
    ],
)
def test_a_window_stops_the_models_it_is_about(window: str, stopped: set[str]) -> None:
    assert {model for model in (OPUS, SONNET, FABLE) if governs(window, model)} == stopped


@pytest.mark.parametrize(
    ("claim", "stopped"),
    [
        ("five_hour", {OPUS, SONNET, FABLE}),
        ("seven_day", {OPUS, SONNET, FABLE}),
        ("seven_day_opus", {OPUS}),
        ("seven_day_sonnet", {SONNET}),
        ("seven_day_overage_included", {FABLE}),
        ("never_heard_of", {OPUS}),
        ("", {OPUS}),
    ],
)
def test_a_refusal_is_remembered_until_its_reset_for_the_models_it_is_about(
    claim: str, stopped: set[str]
) -> None:
    quota = heard((OPUS, refusal(claim)))
    models = (OPUS, SONNET, FABLE)
    assert {model for model in models if quota.wall(1, model, None, NOW + HOUR - 1)} == stopped
    assert not any(quota.wall(1, model, None, NOW + HOUR) for model in models)


def test_a_refusal_without_an_end_or_with_one_far_away_is_not_remembered() -> None:
    for until in (NOW - 1, NOW + 9 * 24 * HOUR, 4102444800):
        assert heard((OPUS, refusal("five_hour", until))).wall(1, OPUS, None, NOW) is None


def test_an_answer_of_the_plan_ends_what_stood_against_its_model() -> None:
    allowed = headers(status="allowed")
    assert heard((OPUS, refusal("five_hour")), (SONNET, allowed)).wall(1, OPUS, None, NOW) is None
    assert heard((OPUS, refusal("seven_day_opus")), (SONNET, allowed)).wall(1, OPUS, None, NOW) is not None


def test_a_tiers_window_is_kept_while_other_models_answer() -> None:
    tier = [
        (plan.PREFIX + b"7d_opus-utilization", b"0.97"),
        (plan.PREFIX + b"7d_opus-reset", str(int(NOW + HOUR)).encode()),
    ]
    quota = heard((OPUS, [*USUAL, *tier]), (SONNET, headers(status="allowed", h5_utilization="0.1")))
    assert quota.wall(1, OPUS, 0.95, NOW) == Wall("7d_opus", 0.97, NOW + HOUR)
    assert quota.shown(NOW)[0]["windows"][0]["utilization"] == 0.1


def test_one_login_knows_nothing_of_another() -> None:
    quota = heard((OPUS, refusal("five_hour")))
    assert quota.wall(2, OPUS, 0.1, NOW) is None


def test_the_login_heard_of_last_comes_first_and_the_oldest_gives_way() -> None:
    quota = PlanQuota()
    for number in range(plan.MOST_LOGINS):
        hear(quota, 100 + number, OPUS, USUAL, NOW + number)
    hear(quota, 100, OPUS, USUAL, NOW + 20)
    hear(quota, 99, OPUS, USUAL, NOW + 21)
    assert [row["login"] for row in quota.shown(NOW + 30)] == [9, 1, *range(plan.MOST_LOGINS, 2, -1)]


def test_a_login_nobody_has_used_for_a_week_is_not_shown() -> None:
    assert heard((OPUS, USUAL)).shown(NOW + plan.LONGEST_WALL + 1) == []


def test_a_provider_cannot_fill_the_memory() -> None:
    many = [(plan.PREFIX + f"w{number}-utilization".encode(), b"0." + b"1" * 5000) for number in range(1000)]
    quota = PlanQuota()
    hear(quota, 1, OPUS, many, NOW)
    assert sum(map(len, plan._texts(quota._logins[1]).values())) < 10_000
    for number in range(100):
        hear(quota, 1, f"claude-{number}", USUAL, NOW)
    assert len(quota._logins[1].answers) <= 6
    assert len(quota.shown(NOW)[0]["windows"]) <= 64


def test_what_a_word_may_not_hold_is_not_shown() -> None:
    said = [
        (plan.PREFIX + b"status", b"\x1b[31mallowed"),
        (plan.PREFIX + b"representative-claim", b"<script>"),
        (plan.PREFIX + b"overage-disabled-reason", b"out_of_credits"),
    ]
    (row,) = heard((OPUS, said)).shown(NOW)
    assert (row["status"], row["claim"]) == (None, None)
    assert row["overage"]["disabled_reason"] == "out_of_credits"


def test_the_gateway_hears_every_answer_of_the_anthropic_route() -> None:
    gateway = Gateway()
    call = gateway.ask(OPUS)
    assert call is not None
    call.answer(200, b"{}", headers(status="allowed", h5_utilization="0.25"))
    now = gateway.clock.now().timestamp()
    assert gateway.services.quota.shown(now)[0]["windows"][0]["utilization"] == 0.25


def test_a_count_of_tokens_says_nothing_of_a_plan() -> None:
    gateway = Gateway()
    call = gateway.ask(OPUS, endpoint=Endpoint.COUNT_TOKENS)
    assert call is not None
    call.answer(200, b"{}", headers(status="allowed", h5_utilization="0.25"))
    assert gateway.services.quota.shown(gateway.clock.now().timestamp()) == []


def test_an_answer_without_the_headers_of_a_plan_tells_nothing() -> None:
    gateway = Gateway()
    call = gateway.ask(OPUS)
    assert call is not None
    call.answer(200, b"{}", [(b"anthropic-ratelimit-requests-remaining", b"5")])
    assert gateway.services.quota.shown(gateway.clock.now().timestamp()) == []
