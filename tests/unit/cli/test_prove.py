from dataclasses import replace

import pytest

from openclaude.cli.prove import _complaint
from openclaude.demo.report import Cell
from openclaude.proof.run import LaneResult, Proof

LANE = LaneResult("Claude by plan login", "claude-opus-5-5", "", "", 17, (5, 5), "anthropic", "plan login")
LEAK = Cell("plan login", "Bedrock", seen=True, expected=False)
MISSED = Cell("plan login", "Anthropic", seen=False, expected=True)


def proof(*cells: Cell, lane: LaneResult = LANE, client_good: bool = True) -> Proof:
    return Proof(
        [lane], list(cells), [], "its last words: no", client_good, requests=1, searched=1, seconds=1.0
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (proof(LEAK, MISSED), "plan login was seen at: Bedrock\nhint: do not use this build"),
        (
            proof(MISSED),
            "no credential leaked, but a way through the gateway does not work: plan login did not arrive",
        ),
        (
            proof(lane=replace(LANE, whole="HTTP 500")),
            "does not work: Claude by plan login\nhint: openclaude demo",
        ),
        (
            proof(client_good=False),
            "but Claude Code did not do its part: its last words: no\nhint: see whether",
        ),
    ],
    ids=["a leak before all", "a credential that did not arrive", "a way that fails", "the client"],
)
def test_the_worst_is_said_with_what_to_do(made: Proof, said: str) -> None:
    assert not made.good
    assert said in _complaint(made)
