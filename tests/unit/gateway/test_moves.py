"""Requests that leave their route because its model cannot serve them, through the real pipeline."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.credentials.policies import ANTHROPIC
from openclaude.domain.http import Endpoint
from openclaude.ports import Dialect
from support.gateway import Gateway
from support.needs_table import MODELS, PDF, PNG, TABLE, says

HAIKU = "claude-haiku-5-5"
CASES = [
    pytest.param(MODELS[model], members, need, id=f"{name}-{model}")
    for name, members, needs in TABLE
    for model, need in zip(MODELS, needs, strict=True)
]
NAMED = b'"model": "qwen-3-coder"'


def dialect(model: str) -> Dialect:
    profile = profile_for(model)
    if profile.via == "invoke":
        return InvokeAdapter(route="bedrock", model_id=model, region="us-west-2", profile=profile)
    return ConverseAdapter(route="bedrock", model_id=model, region="us-west-2", profile=profile)


def send(
    gateway: Gateway, raw: bytes, *, endpoint: Endpoint = Endpoint.MESSAGES, login: bytes | None = b"x"
) -> None:
    """A body in pieces, as it arrives."""
    exchange = gateway.begin(length=len(raw), endpoint=endpoint, login=login)
    for start in range(0, len(raw), 100_000):
        exchange.body(raw[start : start + 100_000])
    exchange.body_complete()


def body(**members: Any) -> bytes:
    return json.dumps({"model": "qwen-3-coder", "max_tokens": 64, **members}).encode()


@pytest.mark.parametrize(("model", "members", "need"), CASES)
def test_a_request_moves_for_what_its_model_lacks_and_for_nothing_else(
    model: str, members: dict[str, Any], need: str
) -> None:
    gateway = Gateway(qwen=model, adapter=dialect(model), elsewhere=HAIKU)
    raw = json.dumps({"model": "qwen-3-coder", "max_tokens": 64, **members}).encode()
    send(gateway, raw)
    if not need:
        sent = [call.authorized.origin.host for call in gateway.transport.calls]
        assert sent in ([], ["bedrock-runtime.us-west-2.amazonaws.com"])
        assert b"x-openclaude-reason" not in gateway.client.headers or not sent
        return
    (call,) = gateway.transport.calls
    assert call.authorized.origin == ANTHROPIC
    assert call.authorized.credential_kind == "client-login"
    assert raw.count(NAMED) == 1
    assert call.body == raw.replace(NAMED, b'"model": "claude-haiku-5-5"')
    assert call.authorized.request.content_length == len(call.body)
    call.answer(200, b"{}")
    assert gateway.client.headers[b"x-openclaude-reason"] == f"unsupported: {need}".encode()
    assert gateway.client.headers[b"x-openclaude-model"] == HAIKU.encode()
    assert gateway.client.headers[b"x-openclaude-route"] == b"anthropic"
    assert gateway.log.records[0].reason == f"unsupported: {need}"
    assert gateway.log.records[0].model == "qwen-3-coder"
    assert gateway.log.records[0].slot == "haiku"


def test_without_a_name_to_go_to_a_request_is_degraded_or_refused_as_ever() -> None:
    gateway = Gateway()
    send(gateway, body(messages=says(PNG)))
    assert "does not accept image input" in gateway.transport.calls[0].body.decode()
    send(gateway, body(messages=says("x"), tools=[{"type": "web_search_20250305", "name": "web_search"}]))
    assert gateway.client.status == 400
    assert gateway.client.headers[b"x-openclaude-reason"] == b"match"


def test_a_request_without_a_login_stays_where_it_can_be_answered() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    send(gateway, body(messages=says(PNG)), login=None)
    assert gateway.transport.calls[0].authorized.credential_kind != "client-login"


def test_a_conversation_with_another_models_reasoning_stays_where_it_can_be_answered() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    thinking = {"type": "thinking", "thinking": "so", "signature": "openclaude.v1.bedrock"}
    messages = [
        *says("x"),
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]},
        *says(PNG),
    ]
    for raw in (body(messages=messages), body(messages=messages).replace(b": ", b":")):
        send(gateway, raw)
        assert gateway.transport.calls[-1].authorized.credential_kind != "client-login"
    quoted = [*says({"type": "text", "text": json.dumps(thinking)}), *says(PNG)]
    send(gateway, body(messages=quoted))
    assert gateway.transport.calls[-1].authorized.credential_kind == "client-login"


def test_a_count_of_what_the_model_cannot_see_is_the_other_models() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    raw = json.dumps({"model": "qwen-3-coder", "messages": says(PDF), "tools": []}).encode()
    send(gateway, raw, endpoint=Endpoint.COUNT_TOKENS)
    (call,) = gateway.transport.calls
    assert call.authorized.request.target == b"/v1/messages/count_tokens?beta=true"
    assert call.body == raw.replace(b"qwen-3-coder", HAIKU.encode())


def test_a_count_of_what_the_model_can_see_is_answered_here() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    send(
        gateway,
        json.dumps({"model": "qwen-3-coder", "messages": says("x")}).encode(),
        endpoint=Endpoint.COUNT_TOKENS,
    )
    assert gateway.transport.calls == []
    assert gateway.client.headers[b"x-openclaude-model"] == b"qwen.qwen3-coder-next"


def test_a_moved_request_that_names_two_models_is_refused() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    raw = body(messages=says(PNG))[:-1] + b', "model": "claude-opus-5-5"}'
    send(gateway, raw)
    assert gateway.transport.calls == []
    assert gateway.error["message"] == "openClaude: the body names two different models"


def test_where_a_body_names_its_model_twice_the_name_that_counts_is_replaced() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    raw = body(messages=says(PNG), metadata={"model": "x"})[:-1] + b', "mod\\u0065l": "qwen-3-coder[1m]"}'
    send(gateway, raw)
    sent = gateway.transport.calls[0].body
    assert sent == raw.replace(b'"qwen-3-coder[1m]"', f'"{HAIKU}"'.encode())
    assert json.loads(sent)["model"] == HAIKU


def test_a_long_name_of_the_model_is_replaced_as_a_whole() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    raw = body(messages=says(PNG)).replace(b"qwen-3-coder", b" qwen-3-coder[1m] ")
    send(gateway, raw)
    assert gateway.transport.calls[0].body == body(messages=says(PNG)).replace(
        b"qwen-3-coder", HAIKU.encode()
    )


def test_a_request_whose_model_comes_last_moves_as_well() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    raw = json.dumps({"max_tokens": 9, "messages": says(PNG), "model": "qwen-3-coder"}).encode()
    send(gateway, raw)
    assert gateway.transport.calls[0].body == raw.replace(b"qwen-3-coder", HAIKU.encode())


def test_the_client_may_leave_before_the_body_is_whole() -> None:
    gateway = Gateway(elsewhere=HAIKU)
    exchange = gateway.begin(length=1000)
    exchange.body(body(messages=says(PNG))[:80])
    exchange.client_full()
    exchange.client_drained()
    exchange.client_left()
    assert gateway.transport.calls == []
    assert [record.outcome for record in gateway.log.records] == ["client_left"]


def test_an_answer_of_bedrock_says_who_gave_it() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", max_tokens=1, messages=[{"role": "user", "content": "quota"}])
    assert gateway.client.headers[b"x-openclaude-route"] == b"local"
    assert gateway.client.headers[b"x-openclaude-reason"] == b"no model needed"
    gateway.ask("nobody")
    assert gateway.client.headers[b"x-openclaude-reason"] == b"no route"
    assert b"x-openclaude-route" not in gateway.client.headers


def test_a_models_name_cannot_write_headers() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-\r\nx-evil: 1\u2028é" + "x" * 400)
    assert call is not None
    call.answer(200, b"{}")
    said = gateway.client.headers[b"x-openclaude-model"]
    assert said.startswith(b"claude-??x-evil: 1??xx")
    assert len(said) == 256
