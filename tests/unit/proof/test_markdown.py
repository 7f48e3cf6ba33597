import re
from dataclasses import replace

import pytest

from openclaude.demo.report import Cell, cells
from openclaude.proof.canaries import ANTHROPIC, BEDROCK, DESTINATIONS, FILES, Canary, required, token, values
from openclaude.proof.live import LiveProof, TierResult
from openclaude.proof.markdown import document, live_document
from openclaude.proof.run import LaneResult, Proof

CANARIES = [
    Canary("plan login", "sent by the client", ANTHROPIC, token("sk-")),
    Canary("AWS secret", "the shell's environment"),
]
LANE = LaneResult("Claude by plan login", "claude-opus-5-5", "", "", 17, (5, 5), "anthropic", "plan login")


def proof(*found: Cell, lane: LaneResult = LANE) -> Proof:
    rows = [
        Cell(canary.name, place, seen=canary.goes_to == place, expected=canary.goes_to == place)
        for canary in CANARIES
        for place in DESTINATIONS
    ]
    kept = [
        row
        for row in rows
        if (row.credential, row.destination) not in {(cell.credential, cell.destination) for cell in found}
    ]
    return Proof(
        [lane], [*kept, *found], CANARIES, "not run", client_good=True, requests=3, searched=4000, seconds=2.5
    )


def test_a_good_proof_says_so_and_explains_every_word_it_uses() -> None:
    made = proof()
    text = document(made)
    assert made.good
    assert "**Passed.** 2 credentials, 8 destinations" in text
    assert "| plan login | arrived | - | - | - | - | - | - | - |" in text
    assert (
        "| Claude by plan login | anthropic | plan login | answered | answered, 17 events | 5 of 5 |" in text
    )
    for name in [*DESTINATIONS, *(canary.name for canary in CANARIES)]:
        assert re.search(rf"^\| {re.escape(name)} \|", text, re.MULTILINE), name
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (proof(Cell("plan login", BEDROCK, seen=True, expected=False)), "| plan login | arrived | LEAKED |"),
        (proof(Cell("AWS secret", FILES, seen=True, expected=False)), "LEAKED"),
        (proof(Cell("plan login", ANTHROPIC, seen=False, expected=True)), "MISSING"),
        (proof(lane=replace(LANE, streamed="HTTP 500: broken | pipe")), "HTTP 500: broken / pipe"),
        (proof(lane=replace(LANE, faults=(4, 5))), "4 of 5"),
    ],
    ids=[
        "a leak",
        "a secret in a file",
        "a credential that did not arrive",
        "a way that fails",
        "a fault without an error",
    ],
)
def test_whatever_is_wrong_makes_the_proof_fail(made: Proof, said: str) -> None:
    assert not made.good
    text = document(made)
    assert "**Not passed.**" in text
    assert said.replace("| plan login | arrived | LEAKED |", "LEAKED") in text


def test_a_credential_is_found_where_it_may_not_be_and_missed_where_it_has_to_be() -> None:
    secret = token("sk-")
    canary = Canary("x", "somewhere", ANTHROPIC, secret)
    found = cells(
        values([canary]), {ANTHROPIC: b"", BEDROCK: f"a {secret[-20:-4]} b".encode()}, required([canary])
    )
    assert [cell.text for cell in found] == ["MISSING", "LEAKED"]


def test_a_canary_does_not_show_itself() -> None:
    canary = Canary("x", "somewhere", value=token())
    assert canary.value not in repr(canary)


def test_the_live_report_names_who_answered() -> None:
    tier = TierResult(
        "haiku",
        "qwen-3-coder",
        "bedrock",
        "qwen.qwen3-coder-next",
        "aws signature (env)",
        streamed=True,
        first_byte="0.420",
    )
    text = live_document(LiveProof([tier]))
    assert (
        "| haiku | qwen-3-coder | bedrock | qwen.qwen3-coder-next | aws signature (env) | yes | 0.420 s | ok |"
        in text
    )
    assert "**Passed.**" in text
    assert "**Not passed.**" in live_document(LiveProof([replace(tier, problem="HTTP 403")]))
