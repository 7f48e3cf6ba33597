import pytest

from openclaude.config import ConfigError, Problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        pytest.param(
            Problem("config.toml", 3, "gateway.port", "is wrong", "fix it"),
            "config.toml:3: gateway.port: is wrong\n  hint: fix it",
            id="file, line and key",
        ),
        pytest.param(
            Problem("config.toml", 3, "", "is wrong", "fix it"),
            "config.toml:3: is wrong\n  hint: fix it",
            id="no key",
        ),
        pytest.param(
            Problem("config.toml", 0, "", "is wrong", "fix it"),
            "config.toml: is wrong\n  hint: fix it",
            id="the whole file",
        ),
        pytest.param(
            Problem("environment", 0, "HOME", "is wrong", "fix it"),
            "environment: HOME: is wrong\n  hint: fix it",
            id="no file",
        ),
    ],
)
def test_a_problem_says_where_what_and_what_to_do(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_an_error_holds_every_problem_in_the_order_of_the_file() -> None:
    second = Problem("f", 2, "b", "is wrong", "fix b")
    third = Problem("f", 3, "a", "is wrong", "fix a")
    also_second = Problem("f", 2, "c", "is wrong", "fix c")
    error = ConfigError([third, second, also_second])
    assert error.problems == (second, also_second, third)
    assert str(error) == (
        "f:2: b: is wrong\n  hint: fix b\nf:2: c: is wrong\n  hint: fix c\nf:3: a: is wrong\n  hint: fix a"
    )
