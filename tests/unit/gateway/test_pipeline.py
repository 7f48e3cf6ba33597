import json

import pytest

from openclaude.credentials.policies import ANTHROPIC, SignFor
from openclaude.credentials.sealed import RouteKey
from openclaude.domain.http import Endpoint
from support.gateway import Gateway


def test_a_claude_model_goes_to_anthropic_with_the_clients_login() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    assert call.authorized.origin == ANTHROPIC
    assert call.authorized.request.target == b"/v1/messages?beta=true"
    assert call.authorized.request.content_length == len(call.body)


def test_the_haiku_slot_goes_to_bedrock_with_a_signature() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    assert call.authorized.origin.host == "bedrock-runtime.us-west-2.amazonaws.com"
    assert call.authorized.request.target == b"/model/qwen.qwen3-coder-next/converse"


def test_a_bedrock_key_goes_to_the_origin_it_was_read_for() -> None:
    gateway = Gateway()
    gateway.keys.result = RouteKey(SignFor(region="us-west-2").origin, "invented")
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    assert call.authorized.credential_kind == "route-key"
    assert call.authorized.origin.host == "bedrock-runtime.us-west-2.amazonaws.com"


def test_the_session_of_a_request_decides_whose_keys_sign() -> None:
    gateway = Gateway()
    gateway.ask("qwen-3-coder", session="0123456789ab")
    gateway.ask("qwen-3-coder")
    assert gateway.keys.sessions == ["0123456789ab", ""]


def test_a_model_without_a_route_gets_a_404_that_names_the_routes() -> None:
    gateway = Gateway()
    assert gateway.ask("gpt-6") is None
    assert gateway.client.status == 404
    assert gateway.error["type"] == "not_found_error"
    assert gateway.error["message"].startswith(
        "openClaude: no route matches the model `gpt-6`. Routes: `claude-*`, `qwen-3-coder`. hint: ",
    )


@pytest.mark.parametrize("suffix", ["[1m]", "[1M]", "[1m][1m]", " [1m] "])
def test_a_long_context_suffix_never_reaches_a_provider(suffix: str) -> None:
    gateway = Gateway()
    for model in ("claude-opus-5-5", "qwen-3-coder"):
        call = gateway.ask(model + suffix)
        assert call is not None
        assert b"1m" not in call.body.lower() + call.authorized.request.target.lower()
        assert call.authorized.request.content_length == len(call.body)
        assert gateway.log.records == []


def test_a_renamed_body_differs_in_the_name_and_nowhere_else() -> None:
    gateway = Gateway()
    raw = b' {"model" : "claude-opus-5-5[1m]","x": [ 1 ],"messages":[]}'
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw[:25])
    exchange.body(raw[25:50])
    exchange.body(raw[50:])
    exchange.body_complete()
    assert gateway.transport.calls[0].body == raw.replace(b"[1m]", b"")
    assert gateway.transport.calls[0].authorized.request.content_length == len(raw) - 4


def test_a_body_is_forwarded_while_it_arrives_once_its_model_is_known() -> None:
    gateway = Gateway()
    exchange = gateway.begin(length=1000)
    exchange.body(b'{"mod')
    assert gateway.transport.calls == []
    exchange.body(b'el":"claude-opus-5-5",')
    assert gateway.transport.calls[0].body == b'{"model":"claude-opus-5-5",'
    exchange.body(b"more")
    assert gateway.transport.calls[0].pieces[-1] == b"more"


def test_a_body_whose_model_comes_last_is_forwarded_whole() -> None:
    gateway = Gateway()
    raw = b'{"messages":[{"model":"qwen-3-coder"}],"model":"claude-opus-5-5"}'
    exchange = gateway.begin(length=len(raw))
    for byte in raw:
        exchange.body(bytes([byte]))
    exchange.body_complete()
    assert gateway.transport.calls[0].body == raw


def test_a_body_of_unknown_length_is_sent_with_its_length() -> None:
    gateway = Gateway()
    raw = b'{"model":"claude-opus-5-5"}'
    exchange = gateway.begin(length=None)
    exchange.body(raw[:10])
    exchange.body(raw[10:])
    assert gateway.transport.calls == []
    exchange.body_complete()
    assert gateway.transport.calls[0].body == raw
    assert gateway.transport.calls[0].authorized.request.content_length == len(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"model":7}'], ids=["empty", "cut off", "array", "number"]
)
def test_a_body_without_a_model_is_a_400(raw: bytes) -> None:
    gateway = Gateway()
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    assert gateway.client.status == 400
    assert gateway.transport.calls == []


def test_a_body_that_names_two_models_is_refused_on_the_bedrock_route() -> None:
    gateway = Gateway()
    raw = (
        b'{"model":"qwen-3-coder","max_tokens":5,"messages":[{"role":"user","content":"a"}],"model":"other"}'
    )
    exchange = gateway.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    assert gateway.client.status == 400
    assert "two different models" in gateway.error["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"claude-opus-5-5","messages":[]}',
        b'{"model":"claude-opus-5-5[1m]","messages":[]}',
        b'{"messages":[],"model":"claude-opus-5-5"}',
        b'{"model":"qwen-3-coder","max_tokens":5,"messages":[{"role":"user","content":"a"}]}',
        b'{"model":"qwen-3-coder[1m]","max_tokens":5,"messages":[{"role":"user","content":"a"}]}',
        b'{"model":"gpt-6","messages":[]}',
        b'{"model":7}',
        b"[",
    ],
    ids=["relayed", "renamed", "model last", "signed", "signed renamed", "unrouted", "number", "cut off"],
)
def test_a_body_that_is_there_with_its_head_fares_as_one_that_comes_later(raw: bytes) -> None:
    def played(gateway: Gateway) -> list[object]:
        calls = [(call.body, call.authorized.request) for call in gateway.transport.calls]
        sent = [(body, request.target, request.content_length) for body, request in calls]
        said = [(record.status, record.model, record.bytes_in) for record in gateway.log.records]
        return [sent, gateway.client.events, gateway.client.status, said, gateway.services.bodies.kept]

    later, at_once = Gateway(), Gateway()
    exchange = later.begin(length=len(raw))
    exchange.body(raw)
    exchange.body_complete()
    at_once.begin(length=len(raw)).whole(b"POST\r\n\r\n" + raw, 8)
    assert played(at_once) == played(later)


def test_a_body_for_which_there_is_no_room_is_refused_once_when_it_comes_with_its_head() -> None:
    gateway = Gateway()
    gateway.services.bodies.most = 10
    raw = b'{"messages":[],"model":"qwen-3-coder"}'
    gateway.begin(length=len(raw)).whole(b"\r\n" + raw, 2)
    assert gateway.client.events == ["start", "end"]
    assert gateway.client.status == 529
    assert gateway.transport.calls == []


def test_what_arrives_after_a_refusal_is_ignored() -> None:
    gateway = Gateway()
    exchange = gateway.begin(length=1000)
    exchange.body(b'{"model":"gpt-6",')
    assert gateway.client.events == ["start", "end"]
    exchange.body(b"more")
    exchange.client_full()
    exchange.client_drained()
    exchange.body_complete()
    exchange.client_left()
    assert gateway.client.events == ["start", "end"]
    assert len(gateway.log.records) == 1


def test_the_list_of_models_is_answered_from_here() -> None:
    gateway = Gateway()
    exchange = gateway.begin(endpoint=Endpoint.MODELS, query=b"?limit=1000", length=0)
    exchange.body_complete()
    listed = json.loads(gateway.client.body)
    assert [entry["id"] for entry in listed["data"]] == ["qwen-3-coder"]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (
        "qwen-3-coder",
        "qwen-3-coder",
        False,
    )


def test_a_greeting_is_answered_from_here_and_a_client_that_leaves_is_logged() -> None:
    gateway = Gateway()
    gateway.begin(endpoint=Endpoint.HELLO, query=b"", length=0).body_complete()
    assert gateway.client.status == 200
    gateway.begin(endpoint=Endpoint.HELLO, query=b"", length=0).client_left()
    assert [record.outcome for record in gateway.log.records] == ["complete", "client_left"]


def test_the_log_knows_slot_model_route_and_sizes() -> None:
    gateway = Gateway()
    call = gateway.ask("qwen-3-coder")
    assert call is not None
    gateway.clock.advance(0.5)
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }
    call.answer(200, json.dumps(answer).encode(), [(b"x-amzn-RequestId", b"abc-1")])
    record = gateway.log.records[0]
    assert (record.slot, record.model, record.route) == ("haiku", "qwen-3-coder", "bedrock")
    assert (record.upstream_model, record.upstream_request_id) == ("qwen.qwen3-coder-next", "abc-1")
    assert (record.status, record.outcome, record.first_byte, record.total) == (200, "complete", 0.5, 0.5)
    assert (record.input_tokens, record.output_tokens, record.bytes_out) == (7, 3, len(gateway.client.body))
    assert record.credential == "aws signature (fake)"


@pytest.mark.parametrize(
    ("model", "slot"),
    [
        ("claude-opus-5-5", "opus"),
        ("claude-sonnet-5", "sonnet"),
        ("claude-haiku-4-5", "haiku"),
        ("claude-x", ""),
    ],
)
def test_a_claude_name_tells_its_slot(model: str, slot: str) -> None:
    assert Gateway().pipeline.routing.slot_of(model) == slot


def test_requests_under_way_and_served_are_counted() -> None:
    gateway = Gateway()
    first, second = gateway.ask("claude-opus-5-5"), gateway.ask("claude-opus-5-5")
    assert (gateway.services.in_flight, gateway.services.served) == (2, 0)
    assert first is not None
    assert second is not None
    first.answer(200, b"{}")
    assert (gateway.services.in_flight, gateway.services.served) == (1, 1)
    second.answer(200, b"{}")
    assert (gateway.services.in_flight, gateway.services.served) == (0, 2)
