from openclaude.cli.health import ask, lines


def row(**more: object) -> dict[str, object]:
    retries = {"spent": 0, "denied": 0, "tokens": 100.0}
    usual = {"origin": "https://b", "model": "qwen", "breaker": "closed", "failures": 0, "wait": 0.0}
    return {**usual, "retries": retries, **more}


def test_while_all_is_well_there_is_nothing_to_say() -> None:
    assert lines([row(), row(failures=2)]) == []


def test_a_provider_that_is_left_alone_says_for_how_long_and_why() -> None:
    rows = [
        row(breaker="open", failures=5, wait=7.4),
        row(breaker="half-open", failures=6, origin="https://a", model=""),
    ]
    assert lines(rows) == [
        "qwen at https://b: left alone for 7 s, after 5 failures in a row",
        "https://a: tried with one request, after 6 failures in a row",
    ]


def test_second_attempts_are_counted() -> None:
    rows = [row(retries={"spent": 3, "denied": 0}), row(retries={"spent": 3, "denied": 2})]
    assert lines(rows) == [
        "qwen at https://b: 3 second attempts",
        "qwen at https://b: 3 second attempts, 2 not made for want of budget",
    ]


def test_a_gateway_that_does_not_answer_has_none(tmp_path) -> None:
    assert ask(tmp_path) == {"health": []}
