from openclaude.domain.routes import RouteTable

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
