from datetime import UTC, datetime, timedelta, timezone

from openclaude.cli.quota import ask, clock, elsewhere_lines, plan_lines

NOW = datetime(2026, 11, 26, 13, 30, tzinfo=timezone(timedelta(hours=2)))


def at(hours: float) -> float:
    return (NOW + timedelta(hours=hours)).timestamp()


def row(*windows: dict[str, object], **more: object) -> dict[str, object]:
    return {"login": 1, "heard": at(-0.5), "status": "allowed", "windows": list(windows)} | more


def window(name: str, used: float | None, resets: float | None) -> dict[str, object]:
    return {"window": name, "status": "allowed", "utilization": used, "resets": resets}


def test_each_window_has_a_line_and_times_are_local() -> None:
    rows = [row(window("5h", 0.961, at(0.5)), window("7d", 0.5, at(48)))]
    assert plan_lines(rows, NOW) == [
        "5h at 96 %, resets 14:00",
        "7d at 50 %, resets Sat 28 Nov 13:30",
        "allowed said at 13:00",
    ]


def test_a_window_that_has_begun_anew_says_so() -> None:
    assert (
        plan_lines([row(window("5h", 1.0, at(-0.25)))], NOW)[0] == "5h has begun anew at 13:15, was at 100 %"
    )


def test_what_was_not_said_is_not_made_up() -> None:
    rows = [row(window("5h", None, None), status=None)]
    assert plan_lines(rows, NOW) == ["5h at unknown", "nothing said at 13:00"]


def test_several_logins_are_told_apart() -> None:
    rows = [row(window("5h", 0.1, None), login=2), row(window("5h", 0.9, None))]
    assert plan_lines(rows, NOW)[::2] == ["login 2: 5h at 10 %", "login 1: 5h at 90 %"]


def test_usage_credits_in_use_are_named() -> None:
    assert plan_lines([row(overage={"in_use": True})], NOW) == [
        "allowed said at 13:00; usage credits are in use"
    ]


def test_a_time_of_another_day_has_its_date() -> None:
    assert clock(datetime(2026, 11, 26, 11, 45, tzinfo=UTC).timestamp(), NOW) == "13:45"
    assert clock(datetime(2026, 11, 26, 22, 45, tzinfo=UTC).timestamp(), NOW) == "Fri 27 Nov 00:45"


def test_nothing_is_known_where_no_gateway_answers(tmp_path) -> None:
    assert ask(tmp_path) == {"plan": [], "elsewhere": []}


def test_what_goes_elsewhere_is_said_with_its_end_or_its_time() -> None:
    away = {"model": "m", "to": "n", "why": "5h at 96 %", "until": at(0.5)}
    fell = {"model": "m", "to": "n", "why": "overloaded", "at": at(-0.5)}
    assert elsewhere_lines([away, fell], NOW) == [
        "5h at 96 %, m goes to n until 14:00",
        "m was answered by n at 13:00 (overloaded)",
    ]
