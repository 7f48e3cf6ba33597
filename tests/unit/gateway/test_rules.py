"""Routes that are chosen by agent and kind, and the safety check that only a Claude may answer."""

import json
from typing import Any

import pytest

from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.domain.errors import ApiError
from openclaude.domain.kinds import Kind
from openclaude.domain.routes import Condition, RouteTable
from openclaude.gateway.deciding import Decider, Facts, Watched
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import PassthroughRoute, Route, SignedRoute
from support.gateway import QWEN, Gateway, watched
from support.needs_table import BASH, TEXT, recorded, says

AGENT = ((b"X-Claude-Code-Agent-Id", b"a0"),)
CLASSIFIER = {"max_tokens": 64, "messages": says(TEXT), "stop_sequences": ["</severity>"]}
CLAUDE_ON_BEDROCK = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def qwen(gateway: Gateway) -> SignedRoute:
    adapter = ConverseAdapter(route="bedrock", model_id=QWEN, region="us-west-2", profile=profile_for(QWEN))
    return SignedRoute(
        "bedrock", SignFor(region="us-west-2"), adapter, gateway.keys, QWEN, None, watched(QWEN)
    )


def ruled(*rules: Condition) -> Gateway:
    """A gateway in which Qwen takes what fulfils one of the rules, and Anthropic the rest."""
    gateway = Gateway()
    anthropic = PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())
    entries: list[tuple[str, Route]] = [("claude-*", qwen(gateway)) for _ in rules]
    table = RouteTable([*entries, ("claude-*", anthropic)], dict(enumerate(rules)))
    gateway.pipeline = Pipeline(table, gateway.services, [], {})
    return gateway


def send(gateway: Gateway, members: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...] = ()) -> str:
    """Where a request went: the host of the last call, or nothing."""
    raw = json.dumps({"model": "claude-haiku-5-5", **members}).encode()
    exchange = gateway.begin(length=len(raw), headers=headers)
    before = len(gateway.transport.calls)
    exchange.body(raw[:100])
    exchange.body(raw[100:])
    exchange.body_complete()
    calls = gateway.transport.calls[before:]
    return calls[0].authorized.origin.host.partition(".")[0] if calls else ""


def test_sub_agents_can_have_a_route_of_their_own() -> None:
    gateway = ruled(Condition(agent=True))
    asked = {"max_tokens": 64, "messages": says(TEXT), "tools": [BASH]}
    assert send(gateway, asked) == "api"
    assert send(gateway, asked, AGENT) == "bedrock-runtime"
    gateway.transport.calls[-1].answer(400, b"{}")
    assert gateway.client.headers[b"x-openclaude-reason"] == b"match: agent"


def test_a_rule_for_agents_does_not_wait_for_the_body() -> None:
    gateway = ruled(Condition(agent=True))
    exchange = gateway.begin(length=1000)
    exchange.body(b'{"model":"claude-haiku-5-5","max_tokens":')
    assert gateway.transport.calls[0].body == b'{"model":"claude-haiku-5-5","max_tokens":'


def test_kinds_can_have_a_route_of_their_own_and_wait_for_the_body() -> None:
    gateway = ruled(Condition(kinds=frozenset({Kind.TITLE, Kind.WEBFETCH_SUMMARY})))
    assert send(gateway, recorded("title_qwen")) == "bedrock-runtime"
    assert send(gateway, recorded("webfetch_qwen")) == "bedrock-runtime"
    assert send(gateway, recorded("main_opus_first")) == "api"
    raw = json.dumps({"model": "claude-haiku-5-5", **recorded("main_opus_first")}).encode()
    assert gateway.transport.calls[-1].body == raw
    exchange = gateway.begin(length=1000)
    exchange.body(raw[:500])
    assert len(gateway.transport.calls) == 3


def test_the_first_rule_that_holds_wins() -> None:
    gateway = ruled(Condition(agent=False, kinds=frozenset({Kind.COMPACTION})), Condition(agent=True))
    assert send(gateway, recorded("compact_opus")) == "bedrock-runtime"
    assert send(gateway, recorded("compact_opus"), AGENT) == "bedrock-runtime"
    gateway.transport.calls[-1].answer(400, b"{}")
    assert gateway.client.headers[b"x-openclaude-reason"] == b"match: agent"
    assert send(gateway, recorded("main_opus_first")) == "api"


def test_a_name_that_no_rule_takes_gets_a_404() -> None:
    gateway = Gateway(conditions={1: Condition(agent=True)})
    assert gateway.ask("qwen-3-coder") is None
    assert gateway.client.status == 404


@pytest.mark.parametrize(
    ("elsewhere", "kinds"),
    [("claude-opus-5-5", None), ("", frozenset({Kind.CLASSIFIER}))],
    ids=["beside when_unsupported", "by a rule"],
)
def test_a_safety_check_goes_to_a_claude_and_the_reason_says_so(
    elsewhere: str, kinds: frozenset[Kind] | None
) -> None:
    gateway = Gateway(elsewhere=elsewhere, conditions={1: Condition(kinds=kinds)})
    call = gateway.ask("qwen-3-coder", **CLASSIFIER)
    assert call is not None
    assert call.authorized.credential_kind == "client-login"
    assert json.loads(call.body)["model"] == (elsewhere or "claude-sonnet-5")
    call.answer(200, b"{}")
    assert gateway.client.headers[b"x-openclaude-reason"] == b"classifier: only a Claude may judge"


def test_a_safety_check_that_a_claude_was_asked_stays_there() -> None:
    gateway = Gateway(elsewhere="claude-opus-5-5")
    call = gateway.ask("claude-sonnet-5", **CLASSIFIER)
    assert call is not None
    call.answer(200, b"{}")
    assert gateway.client.headers[b"x-openclaude-reason"] == b"match"


def test_a_safety_check_without_any_claude_is_refused_in_one_sentence() -> None:
    gateway = Gateway()
    other = SignedRoute(
        "bedrock",
        SignFor(region="us-west-2"),
        qwen(gateway).adapter,
        gateway.keys,
        QWEN,
        None,
        watched(QWEN, "second"),
    )
    gateway.pipeline = Pipeline(
        RouteTable([("first", other), ("second", qwen(gateway))]), gateway.services, [], {}
    )
    assert gateway.ask("first", **CLASSIFIER) is None
    assert gateway.client.status == 400
    assert gateway.error["message"].startswith(
        "openClaude does not let this model decide whether an action is safe"
    )


def test_a_safety_check_on_a_route_that_names_no_other_is_refused() -> None:
    gateway = Gateway()
    assert gateway.ask("qwen-3-coder", **CLASSIFIER) is None
    assert gateway.client.status == 400


def decider(entries: list[tuple[str, str]], watches: dict[str, Watched]) -> Decider[str]:
    return Decider(RouteTable(entries), watches.__getitem__)


IMAGE = json.dumps({"messages": says({"type": "image", "source": {}}), "tools": [BASH]}).encode()
SAFE = json.dumps({"messages": says(TEXT), "tools": [BASH], "safeguards": [{"type": "x"}]}).encode()


def test_a_request_goes_on_until_a_model_serves_it() -> None:
    chain = {
        "a": watched(QWEN, "b"),
        "b": watched("zai.glm-5", "c"),
        "c": watched(CLAUDE_ON_BEDROCK),
    }
    found = decider([("a", "a"), ("b", "b"), ("c", "c")], chain).decide("a", IMAGE, Facts())
    assert found is not None
    assert (found.decision.route, found.decision.name, found.need) == ("c", "c", "image")
    assert (found.decision.reason, found.decision.moved, found.kind) == (
        "unsupported: image",
        True,
        Kind.MAIN,
    )


def test_a_chain_that_ends_without_such_a_model_ends_at_its_last_route() -> None:
    chain = {"a": watched(QWEN, "b"), "b": watched("zai.glm-5")}
    found = decider([("a", "a"), ("b", "b")], chain).decide("a", IMAGE, Facts())
    assert found is not None
    assert found.decision.route == "b"


def test_a_circle_that_rules_make_is_left_after_one_round() -> None:
    chain = {"a": watched(QWEN, "b"), "b": watched("zai.glm-5", "a")}
    found = decider([("a", "a"), ("b", "b")], chain).decide("a", IMAGE, Facts())
    assert found is not None
    assert found.decision.route == "b"


@pytest.mark.parametrize("wanted", [True, False])
def test_the_check_of_auto_mode_moves_a_request_only_where_that_is_wanted(wanted: bool) -> None:
    watches = {"a": watched(QWEN, "b", safeguards=wanted), "b": Watched()}
    found = decider([("a", "a"), ("b", "b")], watches).decide("a", SAFE, Facts())
    assert found is not None
    assert found.decision.reason == ("unsupported: safeguards" if wanted else "match")


def test_a_count_is_of_no_kind_and_no_safety_check() -> None:
    raw = json.dumps(CLASSIFIER).encode()
    found = decider([("a", "a")], {"a": watched(QWEN)}).decide("a", raw, Facts(counts=True))
    assert found is not None
    assert found.kind is Kind.OTHER


def test_a_claude_on_bedrock_may_judge_as_well() -> None:
    raw = json.dumps(CLASSIFIER).encode()
    watches = {
        "qwen": watched(QWEN, "other"),
        "other": watched("zai.glm-5"),
        "mine": watched(CLAUDE_ON_BEDROCK),
    }
    table = [("qwen", "qwen"), ("other", "other"), ("mine", "mine")]
    found = decider(table, watches).decide("qwen", raw, Facts(login=False))
    assert found is not None
    assert (found.decision.route, found.decision.moved) == ("mine", True)
    del watches["mine"]
    with pytest.raises(ApiError, match="does not let this model decide"):
        decider(table[:2], watches).decide("qwen", raw, Facts())
