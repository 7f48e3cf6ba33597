import pytest

from openclaude.domain.kinds import Kind
from openclaude.domain.routes import Condition, RouteTable

TABLE = RouteTable([("claude-haiku-4-5", "special"), ("claude-*", "anthropic"), ("qwen-3-coder", "bedrock")])


def test_the_first_pattern_that_matches_wins() -> None:
    decision = TABLE.decide("claude-haiku-4-5")
    assert decision is not None
    assert decision.route == "special"


def test_a_suffix_is_removed_for_routing_and_the_decision_says_so() -> None:
    decision = TABLE.decide(" claude-opus-5-5[1m][1M] ")
    assert decision is not None
    assert (decision.route, decision.name, decision.renamed) == ("anthropic", "claude-opus-5-5", True)


def test_a_name_that_needs_no_change_is_not_renamed() -> None:
    decision = TABLE.decide("qwen-3-coder")
    assert decision is not None
    assert not decision.renamed


def test_a_model_without_a_route_gets_none_every_time() -> None:
    assert TABLE.decide("gpt-6") is None
    assert TABLE.decide("gpt-6") is None


def test_remembered_names_stay_bounded() -> None:
    for number in range(3000):
        assert TABLE.decide(f"claude-{number}") is not None
    assert len(TABLE._known) <= 1024


RULES = RouteTable(
    [("claude-*", "titles"), ("claude-*", "agents"), ("*-5", "rest"), ("qwen", "compactions")],
    {
        0: Condition(kinds=frozenset({Kind.TITLE, Kind.QUOTA_PROBE})),
        1: Condition(agent=True),
        3: Condition(agent=False, kinds=frozenset({Kind.COMPACTION})),
    },
)


@pytest.mark.parametrize(
    ("name", "agent", "kind", "expected"),
    [
        ("claude-5", False, Kind.TITLE, ("titles", "match: kind title")),
        ("claude-5", True, Kind.TITLE, ("titles", "match: kind title")),
        ("claude-5", True, Kind.SUBAGENT, ("agents", "match: agent")),
        ("claude-5", False, Kind.MAIN, ("rest", "match")),
        ("gpt-5", False, Kind.TITLE, ("rest", "match")),
        ("claude-4", False, Kind.MAIN, None),
        ("qwen", False, Kind.COMPACTION, ("compactions", "match: no agent, kind compaction")),
        ("qwen", True, Kind.COMPACTION, None),
    ],
)
def test_the_first_route_whose_conditions_hold_wins(
    name: str, agent: bool, kind: Kind, expected: tuple[str, str] | None
) -> None:
    decision = RULES.decide(name, agent=agent, kind=kind)
    assert (decision and (decision.route, decision.reason)) == expected


@pytest.mark.parametrize(
    ("name", "agent", "waits"),
    [
        ("claude-5", False, True),
        ("gpt-5", False, False),
        ("qwen", True, False),
        ("qwen", False, True),
        ("x", False, False),
    ],
)
def test_the_kind_is_asked_for_only_where_it_has_a_say(name: str, agent: bool, waits: bool) -> None:
    assert RULES.waits_for_kind(name, agent=agent) is waits
    assert RULES.conditional
    assert not TABLE.conditional
    assert not TABLE.waits_for_kind("claude-5", agent=agent)


def test_an_agents_route_that_comes_first_needs_no_kind() -> None:
    table = RouteTable(
        [("x", 1), ("x", 2), ("x", 3)], {0: Condition(agent=True), 1: Condition(kinds=frozenset({Kind.MAIN}))}
    )
    assert not table.waits_for_kind("x", agent=True)
    assert table.waits_for_kind("x", agent=False)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (Condition(), Condition(agent=True), True),
        (Condition(agent=True), Condition(), False),
        (Condition(agent=True), Condition(agent=False), False),
        (Condition(kinds=frozenset(Kind)), Condition(kinds=frozenset({Kind.MAIN})), True),
        (Condition(kinds=frozenset({Kind.MAIN})), Condition(), False),
    ],
)
def test_a_condition_covers_those_that_ask_for_more(
    wide: Condition, narrow: Condition, covered: bool
) -> None:
    assert wide.covers(narrow) is covered
