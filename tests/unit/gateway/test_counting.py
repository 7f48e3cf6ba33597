import base64
import json
from collections.abc import Sequence

import pytest

from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.bedrock_messages import MessagesAdapter
from openclaude.adapters.profiles import effective, profile_for
from openclaude.credentials.sealed import RouteKey
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Endpoint, Header, Origin
from openclaude.gateway.counting import PATIENCE
from openclaude.ports import Dialect
from support.gateway import Gateway

SONNET = "us.anthropic.claude-sonnet-4-6"
BASE, PROFILE = (
    b"/model/anthropic.claude-sonnet-4-6/count-tokens",
    b"/model/us.anthropic.claude-sonnet-4-6/count-tokens",
)
REFUSED = json.dumps({"message": "The provided model doesn't support counting tokens."}).encode()
VALIDATION: Sequence[Header] = ((b"x-amzn-errortype", b"ValidationException"),)


def invoking(model_id: str = SONNET) -> Gateway:
    adapter = InvokeAdapter(
        route="bedrock", model_id=model_id, region="us-west-2", profile=profile_for(model_id)
    )
    return Gateway(adapter=adapter)


def speaking_messages() -> Dialect:
    profile = effective(SONNET, via="messages")
    return MessagesAdapter(model_id=SONNET, region="us-west-2", profile=profile)


def ask(gateway: Gateway, **extra):
    return gateway.ask("qwen-3-coder", endpoint=Endpoint.COUNT_TOKENS, **extra)


def counted(gateway: Gateway) -> tuple[int, bool]:
    """The count the client got, and whether it is an estimate."""
    assert gateway.client.status == 200
    assert gateway.client.events == ["start", "end"]
    is_estimate = gateway.client.headers.get(b"x-openclaude-token-count") == b"estimate"
    return int(json.loads(gateway.client.body)["input_tokens"]), is_estimate


def test_a_model_that_nobody_counts_for_is_estimated_at_once() -> None:
    gateway = Gateway()
    assert ask(gateway) is None
    assert counted(gateway)[1]
    assert gateway.clock.pending == 0


def test_claude_is_counted_by_its_base_id_with_the_body_it_would_be_invoked_with() -> None:
    gateway = invoking()
    call = ask(gateway, stream=True, system="be brief", metadata={"user_id": "u"})
    assert call is not None
    assert call.authorized.request.target == BASE
    sent = json.loads(call.body)
    invoked = json.loads(base64.b64decode(sent["input"]["invokeModel"]["body"]))
    assert invoked == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1,
        "system": "be brief",
        "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"user_id": "u"},
    }
    call.answer(200, b'{"inputTokens":11}')
    assert counted(gateway) == (11, False)
    assert gateway.log.records[0].credential.startswith("aws signature")


def test_a_body_of_the_count_endpoint_needs_no_max_tokens() -> None:
    gateway = invoking()
    raw = b'{"model":"qwen-3-coder","messages":[{"role":"user","content":"hi"}]}'
    exchange = gateway.begin(length=len(raw), endpoint=Endpoint.COUNT_TOKENS)
    exchange.body(raw)
    exchange.body_complete()
    gateway.transport.calls[0].answer(200, b'{"inputTokens":8}')
    assert counted(gateway) == (8, False)


def test_the_profile_id_is_tried_after_the_base_id_and_what_works_is_remembered() -> None:
    gateway = invoking()
    ask(gateway)
    gateway.transport.calls[0].answer(400, REFUSED, VALIDATION)
    assert gateway.transport.calls[1].authorized.request.target == PROFILE
    gateway.transport.calls[1].answer(200, b'{"inputTokens":12}')
    assert counted(gateway) == (12, False)
    again = ask(gateway)
    assert again is not None
    assert again.authorized.request.target == PROFILE


def test_a_model_that_is_refused_under_both_ids_is_estimated_and_not_asked_again() -> None:
    gateway = invoking()
    ask(gateway)
    for place in (0, 1):
        gateway.transport.calls[place].answer(400, REFUSED, VALIDATION)
    assert counted(gateway)[1]
    assert ask(gateway) is None
    assert counted(gateway)[1]


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_no_refusal_reaches_the_client(status: int) -> None:
    gateway = invoking()
    ask(gateway)
    for call in gateway.transport.calls:
        call.answer(status, b'{"message":"Something about the prompt."}', [(b"x-amzn-errortype", b"X")])
    assert counted(gateway)[1]
    assert gateway.clock.pending == 0


def test_a_refusal_that_says_nothing_about_counting_is_not_remembered() -> None:
    gateway = invoking()
    ask(gateway)
    for call in gateway.transport.calls:
        call.answer(400, b'{"message":"messages.0: something"}', VALIDATION)
    again = ask(gateway)
    assert again is not None
    assert again.authorized.request.target == BASE


def test_a_busy_service_is_asked_once() -> None:
    gateway = invoking()
    ask(gateway)
    gateway.transport.calls[0].answer(429, b'{"message":"Too many"}')
    assert len(gateway.transport.calls) == 1


@pytest.mark.parametrize(
    "body", [b"no json", b"[]", b"{}", b'{"inputTokens":"many"}', b'{"inputTokens":true}']
)
def test_an_answer_without_a_count_is_no_count(body: bytes) -> None:
    gateway = invoking()
    ask(gateway)
    gateway.transport.calls[0].answer(200, body)
    assert counted(gateway)[1]


def test_a_service_that_cannot_be_reached_or_stays_silent_ends_in_the_estimate() -> None:
    gateway = invoking()
    call = ask(gateway)
    assert call is not None
    call.fail(upstream_unreachable("gone"))
    assert counted(gateway)[1]
    silent = ask(gateway)
    assert silent is not None
    gateway.clock.advance(PATIENCE)
    assert counted(gateway)[1]
    assert silent.events == ["cancelled"]


def test_missing_credentials_end_in_the_estimate() -> None:
    gateway = invoking()
    gateway.keys.result = ApiError(401, "authentication_error", "openClaude: no keys")
    assert ask(gateway) is None
    assert counted(gateway)[1]


def test_credentials_that_take_too_long_are_not_waited_for() -> None:
    gateway = invoking()
    gateway.keys.slow = True
    ask(gateway)
    gateway.clock.advance(PATIENCE)
    assert counted(gateway)[1]
    gateway.keys.waiting[0](gateway.keys.result)
    assert gateway.transport.calls == []


def test_an_api_key_counts_too() -> None:
    gateway = invoking()
    gateway.keys.result = RouteKey(Origin("bedrock-runtime.us-west-2.amazonaws.com"), "key")
    call = ask(gateway)
    assert call is not None
    assert call.authorized.credential_kind == "route-key"


def test_a_client_that_leaves_ends_the_count() -> None:
    gateway = invoking()
    call = ask(gateway)
    assert call is not None
    gateway.exchange.client_left()
    assert call.events == ["cancelled"]
    assert gateway.log.records[0].outcome == "client_left"
    assert gateway.clock.pending == 0


def test_what_could_not_be_sent_either_is_estimated() -> None:
    gateway = invoking()
    assert ask(gateway, mcp_servers=[{"name": "x"}]) is None
    assert counted(gateway)[1]


def test_only_a_body_that_is_not_json_is_a_400() -> None:
    gateway = invoking()
    raw = b'{"model":"qwen-3-coder",'
    exchange = gateway.begin(length=len(raw), endpoint=Endpoint.COUNT_TOKENS)
    exchange.body(raw)
    exchange.body_complete()
    assert gateway.client.status == 400


def test_the_messages_endpoint_counts_for_itself() -> None:
    gateway = Gateway(adapter=speaking_messages())
    thinking = {"type": "enabled", "budget_tokens": 8000}
    call = ask(gateway, stream=True, thinking=thinking, temperature=1, stop_sequences=["x"])
    assert call is not None
    assert call.authorized.request.target == b"/anthropic/v1/messages/count_tokens"
    assert call.authorized.request.headers.get(b"anthropic-version") == b"2023-06-01"
    assert json.loads(call.body) == {
        "model": "anthropic.claude-sonnet-4-6",
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": thinking,
    }
    call.answer(200, b'{"input_tokens":9}')
    assert counted(gateway) == (9, False)
    refused = ask(gateway)
    assert refused is not None
    refused.answer(404, b'{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}')
    assert counted(gateway)[1]
    assert ask(gateway) is None


def test_claude_through_converse_is_counted_as_it_would_be_conversed_with() -> None:
    profile = effective(SONNET, via="converse")
    adapter = ConverseAdapter(route="bedrock", model_id=SONNET, region="us-west-2", profile=profile)
    gateway = Gateway(adapter=adapter)
    call = ask(gateway, system="be brief", top_k=5)
    assert call is not None
    assert call.authorized.request.target == BASE
    prompt = json.loads(call.body)["input"]["converse"]
    assert prompt["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert set(prompt) == {"messages", "system", "additionalModelRequestFields"}


@pytest.mark.parametrize(
    ("model_id", "base_model", "targets"),
    [
        ("anthropic.claude-opus-5-5", None, ["anthropic.claude-opus-5-5"]),
        (
            "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.anthropic.claude-opus-5-5",
            None,
            [
                "anthropic.claude-opus-5-5",
                "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-opus-5-5",
            ],
        ),
        (
            "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc123",
            "us.anthropic.claude-opus-5-5",
            [
                "anthropic.claude-opus-5-5",
                "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fabc123",
            ],
        ),
    ],
    ids=["base-id", "profile-arn", "application-profile"],
)
def test_the_base_id_is_found_behind_every_form_of_a_model_id(model_id, base_model, targets) -> None:
    profile = effective(model_id, base_model=base_model)
    adapter = InvokeAdapter(route="bedrock", model_id=model_id, region="us-west-2", profile=profile)
    plan = adapter.count_tokens(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    assert [call.target.decode() for call in plan.calls] == [
        f"/model/{name}/count-tokens" for name in targets
    ]
