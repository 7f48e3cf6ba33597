import pytest

from openclaude.domain.errors import ApiError
from openclaude.preflight.steps import Step, problem_of, problem_step

CASES = [
    pytest.param("openClaude: it is gone. hint: look for it", "it is gone", "look for it", id="sentence"),
    pytest.param("refused (hint: allow it)", "refused", "allow it", id="brackets"),
    pytest.param(
        "refused (no access. hint: ask)", "refused (no access)", "ask", id="in the middle of brackets"
    ),
    pytest.param(
        "refused (hint: allow it (twice))", "refused", "allow it (twice)", id="brackets in the remedy"
    ),
    pytest.param(
        "refused. hint: allow it (twice)", "refused", "allow it (twice)", id="brackets of the remedy alone"
    ),
]


@pytest.mark.parametrize(("message", "seen", "remedy"), CASES)
def test_a_message_is_cut_into_what_was_seen_and_the_remedy(message: str, seen: str, remedy: str) -> None:
    assert problem_of(ApiError(403, "permission_error", message)) == (seen, remedy)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("permission_error", "ask those who administer the account"),
        (
            "overloaded_error",
            "try again in a minute; if it stays so, `openclaude logs` shows whether sessions meet it too",
        ),
        ("invalid_request_error", "change the route in config.toml (`openclaude config path`)"),
    ],
)
def test_an_error_without_a_hint_has_a_remedy_all_the_same(kind: str, remedy: str) -> None:
    assert problem_of(ApiError(400, kind, "no.")) == ("no.", remedy)


@pytest.mark.parametrize(
    ("profile", "remedy"), [("dev", "run `aws sso login --profile dev`"), (None, "run `aws sso login`")]
)
def test_the_remedy_names_the_profile(profile: str | None, remedy: str) -> None:
    error = ApiError(401, "authentication_error", "expired (hint: run `aws sso login --profile NAME`)")
    assert problem_step("identity", "", error, profile).remedy == remedy


def test_a_missing_permission_is_said_to_be_in_the_whole_policy() -> None:
    error = ApiError(
        403, "permission_error", 'no (hint: allow {"Effect":"Allow","Action":"a","Resource":"r"})'
    )
    assert (
        problem_step("Converse", "m", error, None).remedy
        == 'allow {"Effect":"Allow","Action":"a","Resource":"r"}; `openclaude aws policy` prints the whole policy'
    )


def test_a_step_is_one_line() -> None:
    step = Step("access", "m", "problem", "not offered in x", "choose another")
    assert str(step) == "problem  access          m: not offered in x. remedy: choose another"
    assert str(Step("clock", "", "ok", "fine")) == "ok       clock           fine"
