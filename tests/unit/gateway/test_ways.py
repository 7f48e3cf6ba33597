"""What is remembered of a model's name, and what is not."""

import pytest

from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.credentials.policies import Passthrough
from openclaude.domain.kinds import Kind
from openclaude.domain.routes import Condition, RouteTable
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import Fallback, PassthroughRoute
from support.gateway import Gateway

OPUS = "claude-opus-5-5"
NO_AGENT = {0: Condition(agent=False)}


def test_what_a_name_decides_is_found_out_once() -> None:
    ways = Gateway().pipeline.routing.ways
    assert ways[OPUS] is ways[OPUS]
    assert ways[OPUS].decision is not None
    assert (ways[OPUS].slot, ways[OPUS].final) == ("opus", True)


def test_each_way_to_write_a_name_is_known_apart() -> None:
    ways = Gateway().pipeline.routing.ways
    plain, long_context = ways[OPUS], ways[f"{OPUS}[1m]"]
    assert plain.relay is not None
    assert long_context.relay is None, "its body has to be changed"
    assert long_context.decision is not None
    assert long_context.decision.name == OPUS
    assert long_context.slot == "opus"


def test_a_translated_model_has_a_short_way_where_nothing_else_has_a_say() -> None:
    signed = Gateway().pipeline.routing.ways["qwen-3-coder"].signed
    assert signed is not None
    assert (signed.route.name, signed.model, signed.reason) == ("bedrock", "qwen-3-coder", "match")
    assert Gateway().pipeline.routing.ways[OPUS].signed is None
    assert Gateway(elsewhere=OPUS).pipeline.routing.ways["qwen-3-coder"].signed is None


def test_sub_agents_have_ways_of_their_own() -> None:
    routing = Gateway(conditions=NO_AGENT).pipeline.routing
    assert routing.conditional
    assert routing.ways[OPUS].decision is not None
    assert routing.of_agents[OPUS].decision is None


def test_a_name_whose_kind_has_a_say_decides_nothing() -> None:
    way = Gateway(conditions={0: Condition(kinds=frozenset({Kind.TITLE}))}).pipeline.routing.ways[OPUS]
    assert (way.decision, way.final, way.relay) == (None, False, None)


def test_names_that_nobody_uses_twice_fill_no_memory() -> None:
    ways = Gateway().pipeline.routing.ways
    for number in range(3000):
        assert ways[f"claude-{number}"].relay is not None
        assert ways[f"gpt-{number}"].decision is None
    assert len(ways) == 1024
    others = Gateway().pipeline.routing.ways
    assert others["claude-" + "x" * 300].shown == "claude-" + "x" * 193
    assert len(others) == 0


@pytest.mark.parametrize("model", [OPUS, "claude-" + "x" * 300])
def test_the_answer_and_the_log_name_a_model_as_ever_the_second_time(model: str) -> None:
    gateway = Gateway()
    told = []
    for _ in range(2):
        call = gateway.ask(model)
        assert call is not None
        call.receiver.head(200, [], 2)
        call.receiver.data(b"{}")
        call.receiver.complete()
        record = gateway.log.records[-1]
        told.append(
            (
                gateway.client.headers,
                record.model,
                record.upstream_model,
                record.slot,
                record.route,
                record.reason,
            )
        )
    assert told[0] == told[1]
    assert told[0][1:3] == (model[:200], model)


def test_a_route_with_a_fallback_has_no_short_way() -> None:
    gateway = Gateway()
    route = PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter(), Fallback(("other",)))
    pipeline = Pipeline(RouteTable([("claude-*", route)]), gateway.services, [], {})
    assert pipeline.routing.ways[OPUS].relay is None


def test_a_new_configuration_knows_nothing_of_the_old_one() -> None:
    gateway = Gateway()
    assert gateway.ask(OPUS) is not None
    gateway.pipeline = Pipeline(RouteTable([]), gateway.services, [], {})
    assert gateway.ask(OPUS) is None
    assert gateway.client.status == 404
