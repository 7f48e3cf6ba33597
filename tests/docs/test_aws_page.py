"""docs/aws.md names every credential error, in the words the user sees."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openclaude.adapters.bedrock_converse import errors
from openclaude.launcher.awscheck import aws_problem

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

PROFILES = """\
[profile empty]
region = us-west-2
[profile half]
aws_access_key_id = id
[profile lost-session]
sso_session = nowhere
[profile logged-out]
sso_session = company
[sso-session company]
sso_start_url = https://company.example
[profile rootless]
role_arn = arn:aws:iam::111122223333:role/x
[profile one]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = two
[profile two]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = one
[profile misspelt]
role_arn = arn:aws:iam::111122223333:role/x
credential_source = Nowhere
[profile tokenless]
role_arn = arn:aws:iam::111122223333:role/x
web_identity_token_file = /nonexistent
[profile coded]
role_arn = arn:aws:iam::111122223333:role/x
mfa_serial = arn:aws:iam::111122223333:mfa/x
[profile login]
login_session = arn:aws:iam::111122223333:user/x
"""
CASES = [
    pytest.param("", None, {}, id="nothing set up"),
    pytest.param(PROFILES, "absent", {}, id="no such profile"),
    pytest.param(PROFILES, "empty", {}, id="a profile without credentials"),
    pytest.param(PROFILES, "half", {}, id="half a key pair in a file"),
    pytest.param(PROFILES, None, {"AWS_ACCESS_KEY_ID": "id"}, id="half a key pair in the environment"),
    pytest.param(PROFILES, "lost-session", {}, id="a missing SSO session"),
    pytest.param(PROFILES, "logged-out", {}, id="logged out"),
    pytest.param(PROFILES, "rootless", {}, id="a role without source"),
    pytest.param(PROFILES, "one", {}, id="a circle"),
    pytest.param(PROFILES, "misspelt", {}, id="an unknown credential source"),
    pytest.param(PROFILES, "tokenless", {}, id="a missing token file"),
    pytest.param(PROFILES, "coded", {}, id="a role with MFA"),
    pytest.param(PROFILES, "login", {}, id="an aws login session"),
    pytest.param("not ini", None, {}, id="a broken file"),
]


def rows(heading: str) -> list[str]:
    """The first cell of each row of the table below a heading, as text."""
    below = PAGE.partition(f"\n{heading}\n")[2]
    below = re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    cells = [line.split("|")[1].strip() for line in below.splitlines() if line.startswith("| `")]
    assert cells, heading
    return [cell.strip("`") for cell in cells]


def says(row: str, message: str) -> bool:
    """Whether a message has the words of a row; an ellipsis stands for any text."""
    return re.search(".*".join(map(re.escape, row.split("…"))), message) is not None


def problem(folder: Path, text: str, profile: str | None, env: dict[str, str]) -> str:
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(text)
    found = aws_problem(env, folder, profile, NOW, dmi=folder)
    assert found is not None
    return found


@pytest.mark.parametrize(("text", "profile", "env"), CASES)
def test_what_the_launcher_says_is_on_the_page(
    tmp_path: Path, text: str, profile: str | None, env: dict[str, str]
) -> None:
    said = problem(tmp_path, text, profile, env)
    assert any(says(row, said) for row in rows("## What is said before Claude Code starts")), said


def test_nothing_is_on_the_page_that_the_launcher_does_not_say(tmp_path: Path) -> None:
    said = []
    for number, case in enumerate(CASES):
        (tmp_path / str(number)).mkdir()
        text, profile, env = case.values
        said.append(problem(tmp_path / str(number), text, profile, env))
    for row in rows("## What is said before Claude Code starts"):
        assert any(says(row, message) for message in said), row


def templates(module: str, variable: str) -> list[str]:
    """The texts a module assigns to a variable, with an ellipsis for what is filled in."""
    tree = ast.parse((ROOT / "src" / "openclaude" / module).read_text(encoding="utf-8"))
    return [
        template(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [variable]
    ]


def template(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.JoinedStr)
    return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in value.values)


def test_every_reason_for_missing_keys_is_on_the_page_and_no_other() -> None:
    reasons = templates("edge/awskeys.py", "what")
    shown = rows("### The gateway finds no credentials (401)")
    assert reasons
    for reason in reasons:
        assert any(reason.startswith(row) for row in shown), reason
    for row in shown:
        assert any(reason.startswith(row) for reason in reasons), row


def test_every_refusal_of_bedrock_is_on_the_page_and_no_other() -> None:
    table = PAGE.partition("\n### Bedrock refuses\n")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == set(errors._HANDLERS)


@pytest.mark.parametrize("name", sorted(errors._HANDLERS))
def test_the_status_of_a_refusal_is_the_one_on_the_page(name: str) -> None:
    place = errors.Place("ConverseStream", "qwen.qwen3-coder-next", "us-west-2")
    headers = [(b"x-amzn-errortype", name.encode())]
    status = errors.failure(400, headers, b'{"message": "said by AWS"}', place).status
    statuses = [
        line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| `") and f"`{name}`" in line
    ]
    assert any(str(status) in cell for cell in statuses)
