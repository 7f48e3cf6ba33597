"""How sensitive the leak oracle is: 66 seeded leaks. A few are tried here, all of them by `make mutants`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from mutants import SOURCE, MutantError, Workshop, applied  # noqa: E402  found by the line above

from support.seeded import MUTANTS, WALL_OFF  # noqa: E402  as above

SAMPLE = (
    "all x- headers go to Anthropic",
    "the login goes to Bedrock",
    "all sessions share their keys",
    "a 404 shows the request's headers",
    "the login is logged in base64",
    "the control socket tells the secret path",
    "the gateway inherits AWS variables",
)


def test_there_are_66_different_mistakes() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) == 66


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mistake_can_be_made_in_the_source_as_it_is(mutant) -> None:
    texts: dict[str, str] = {}
    for edit in (WALL_OFF, *mutant.edits):
        texts[edit[0]] = applied(texts.get(edit[0]) or (SOURCE / edit[0]).read_text(), edit)
    for file, text in texts.items():
        compile(text, file, "exec")
        assert text != (SOURCE / file).read_text()


def test_an_edit_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(MutantError, match="2 times"):
        applied("a a", ("file", "a", "b"))
    with pytest.raises(MutantError, match="0 times"):
        applied("a a", ("file", "c", "b"))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.mark.parametrize("name", SAMPLE)
def test_the_oracle_notices(name: str, workshop: Workshop) -> None:
    (mutant,) = [each for each in MUTANTS if each.name == name]
    result = workshop.run(mutant, (WALL_OFF, *mutant.edits))
    assert result.leaked, result.noticed


def test_the_command_says_what_noticed_each_leak() -> None:
    done = subprocess.run(
        [sys.executable, "tools/mutants.py", "-j", "2", "status prints the base URL"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "status prints the base URL: LEAK: gateway's path secret at stdout" in done.stdout
    assert done.stdout.splitlines()[-1] == "1/1 seeded leaks noticed, 0 false alarms"
