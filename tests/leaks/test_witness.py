"""The leak oracle over every test notices what it should, and excuses what it was told to."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaude.simulator.recorded import Log, Recorded
from support.witness import ANTHROPIC, BEDROCK, CLIENT, ELSEWHERE, FILES, OUTPUT, WITNESS, Witness

SECRET = "made-up-" + "Zk39vQhT7mB2xW8nLr4cYd6pJs1aGe"


@pytest.fixture
def witness() -> Iterator[Witness]:
    made = Witness()
    with made.watching():
        made.begin()
        yield made


def test_a_secret_that_arrives_where_it_may_is_no_leak(witness: Witness) -> None:
    witness.plant(SECRET, (ANTHROPIC,))
    witness.saw(ANTHROPIC, f"Authorization: Bearer {SECRET}")
    assert witness.end() == []


@pytest.mark.parametrize("sink", [ANTHROPIC, BEDROCK, CLIENT, ELSEWHERE, OUTPUT])
@pytest.mark.parametrize(
    "form",
    [str.encode, lambda text: base64.b64encode(text.encode()), lambda text: text[10:24].encode()],
    ids=["raw", "base64", "a part"],
)
def test_a_secret_anywhere_else_is_one(witness: Witness, sink: str, form) -> None:
    witness.plant(SECRET)
    witness.saw(sink, b"x=" + form(SECRET))
    (said,) = witness.end()
    assert said.endswith(f"was seen at {sink}")
    assert SECRET not in said


def test_what_a_simulator_got_is_looked_at_once_and_its_next_request_again(witness: Witness) -> None:
    witness.plant(SECRET)
    log = Log()
    log.add(Recorded("bedrock", 0, 0, b"POST / HTTP/1.1", ((b"x", SECRET.encode()),), arrived=0.0))
    assert len(witness.end()) == 1
    witness.begin()
    witness.plant(SECRET)
    assert witness.end() == []
    witness.begin()
    witness.plant(SECRET)
    log.add(Recorded("bedrock", 1, 0, b"POST /" + SECRET.encode(), (), arrived=0.0))
    assert len(witness.end()) == 1


def test_files_of_the_product_are_looked_into_but_for_those_that_hold_a_secret_on_purpose(
    witness: Witness, tmp_path: Path
) -> None:
    witness.plant(SECRET)
    witness.home(tmp_path)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "settings.json").write_text(SECRET)
    assert witness.end() == []
    witness.begin()
    witness.plant(SECRET)
    (tmp_path / "gateway.log").write_text(SECRET)
    (said,) = witness.end()
    assert said.endswith(f"was seen at {FILES}")


def test_a_place_can_be_excused_for_one_test(witness: Witness) -> None:
    witness.plant(SECRET)
    witness.excuse(ELSEWHERE)
    witness.saw(ELSEWHERE, SECRET)
    assert witness.end() == []
    witness.begin()
    witness.plant(SECRET)
    witness.saw(ELSEWHERE, SECRET)
    assert len(witness.end()) == 1


def test_a_secret_of_the_session_is_looked_for_in_every_test(witness: Witness) -> None:
    witness.end()
    witness.plant(SECRET)
    witness.begin()
    witness.saw(CLIENT, SECRET)
    assert len(witness.end()) == 1


def test_this_very_test_is_watched_too(canary) -> None:
    canary()
    assert WITNESS.in_test
    assert WITNESS._secrets
