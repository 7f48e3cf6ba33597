import json
from typing import Any

import pytest

from openclaude.config import Config, parse
from openclaude.explain.answers import Answer
from openclaude.explain.answers import explained as of_answer
from openclaude.explain.routing import explained, target_of
from openclaude.wire.http1 import MAX_BODY_BYTES

CONFIG = """
[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen"
to = "bedrock"
model = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-2-lite-v1:0"

[[routes]]
match = "vpc-*"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
endpoint_url = "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com:8443"

[[routes]]
match = "opus"
to = "bedrock"
model = "anthropic.claude-opus-5-5"
region = "us-west-2"
geo = "us"

[[routes]]
match = "mantle"
to = "bedrock"
via = "messages"
model = "anthropic.claude-opus-5-5"
region = "us-west-2"
"""
BODY = {"max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def config() -> Config:
    return parse(CONFIG, "config.toml")


def body(model: str, **more: Any) -> bytes:
    return json.dumps({"model": model, **BODY, **more}).encode()


def test_a_model_of_anthropic_keeps_its_body_and_its_headers(config: Config) -> None:
    raw = body("claude-opus-5-5")
    headers = ((b"anthropic-beta", b"a,b"), (b"Anthropic-Version", b"2024-01-01"), (b"x-other", b"1"))
    found = explained(raw, config, headers=headers)
    assert found["upstream"] == {
        "method": "POST",
        "url": "https://api.anthropic.com/v1/messages",
        "headers": {
            "host": "api.anthropic.com",
            "content-type": "application/json",
            "anthropic-beta": "a,b",
            "anthropic-version": "2024-01-01",
            "content-length": str(len(raw)),
            "authorization": "<the client's own login>",
        },
        "body": json.loads(raw),
    }
    assert (found["operation"], found["modelId"]) == ("Messages", "claude-opus-5-5")


def test_the_model_name_is_all_that_changes_on_the_way_to_anthropic(config: Config) -> None:
    raw = body("claude-opus-5-5[1m]", metadata={"x": "[1m]"})
    found = explained(raw, config)
    assert found["body"] == {**json.loads(raw), "model": "claude-opus-5-5"}
    assert found["upstream"]["headers"]["content-length"] == str(len(raw) - len("[1m]"))


def test_a_body_that_is_no_json_goes_to_anthropic_as_it_is(config: Config) -> None:
    found = explained(b'{"model":"claude-opus-5-5", oops', config)
    assert found["body"] == '{"model":"claude-opus-5-5", oops'


def test_the_header_a_login_comes_in_is_the_header_it_leaves_in(config: Config) -> None:
    found = explained(body("claude-opus-5-5"), config, headers=((b"X-Api-Key", b"never shown"),))
    assert found["upstream"]["headers"]["x-api-key"] == "<the client's own login>"
    assert "authorization" not in found["upstream"]["headers"]
    assert "never shown" not in json.dumps(found)


def test_an_arn_is_encoded_in_the_url_and_shown_plain(config: Config) -> None:
    found = explained(body("qwen"), config)
    assert found["upstream"]["url"] == (
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012"
        "%3Ainference-profile%2Feu.amazon.nova-2-lite-v1%3A0/converse"
    )
    assert found["modelId"].endswith(":inference-profile/eu.amazon.nova-2-lite-v1:0")
    assert found["credential"] == "AWS signature with keys from AWS's default chain"


def test_a_configured_endpoint_is_where_the_request_goes(config: Config) -> None:
    upstream = explained(body("vpc-1", stream=True), config)["upstream"]
    origin = "vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com:8443"
    assert upstream["url"] == f"https://{origin}/model/qwen.qwen3-coder-next/converse-stream"
    assert upstream["headers"]["host"] == origin


@pytest.mark.parametrize(
    ("model", "path", "operation"),
    [
        ("opus", "model/anthropic.claude-opus-5-5/invoke", "InvokeModel"),
        ("mantle", "anthropic/v1/messages", "Messages"),
    ],
)
def test_claude_on_bedrock_is_asked_in_its_own_format(
    model: str, path: str, operation: str, config: Config
) -> None:
    found = explained(body(model), config, headers=((b"anthropic-beta", b"made-up"),))
    assert found["upstream"]["url"].endswith(f".us-west-2.{HOSTS[model]}/{path}")
    assert (found["operation"], found["notes"]) == (operation, ["beta_dropped:made-up"])
    assert found["body"]["messages"] == BODY["messages"]


HOSTS = {"opus": "amazonaws.com", "mantle": "api.aws"}


def test_the_reason_names_the_line_and_what_did_not_match(config: Config) -> None:
    assert explained(body("vpc-1"), config)["reason"] == (
        "the first route that matches is `vpc-*` (config.toml:11); `claude-*`, `qwen` before it did not match"
    )


def test_a_question_that_needs_no_model_is_answered_here(config: Config) -> None:
    found = explained(body("vpc-1", max_tokens=0), config)
    assert found["upstream"] is None
    assert found["local_answer"]["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("raw", "status", "message"),
    [
        (b"", 400, "openClaude: the body is not valid JSON"),
        (b'{"max_tokens": 1}', 400, "openClaude: the body needs a string `model`"),
        (body("gpt-9"), 404, "openClaude: no route matches the model `gpt-9`. Routes: `claude-*`, `qwen`, `vpc-*`, `opus`, `mantle`."),
        (b'{"model":"qwen","model":"vpc-1","max_tokens":1,"messages":[{"role":"user","content":"a"}]}', 400, "openClaude: the body names two different models"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "openClaude: the request is over this gateway's 64 MB"),
    ],
    ids=["nothing", "no model", "no route", "two models", "too large"],
)  # fmt: skip
def test_what_the_gateway_would_refuse_is_rejected_in_its_words(
    raw: bytes, status: int, message: str, config: Config
) -> None:
    rejected = explained(raw, config)["reject"]
    assert rejected["status"] == status
    assert rejected["message"].startswith(message)


def test_a_rejection_by_a_route_names_the_route(config: Config) -> None:
    found = explained(body("qwen", mcp_servers=[{}]), config)
    assert (found["route"], found["reject"]["status"]) == ("qwen", 400)


def test_a_bedrock_route_stands_for_its_model_its_region_and_its_name(config: Config) -> None:
    target = target_of("vpc-1[1m]", config)
    assert target is not None
    assert (target.profile.name, target.model_id) == ("qwen-text", "qwen.qwen3-coder-next")
    assert (target.region, target.route) == ("us-west-2", "bedrock")


def test_a_route_keeps_the_place_it_is_declared_to_stay_in(config: Config) -> None:
    target = target_of("opus", config)
    assert target is not None
    assert target.translated({"model": "opus", **BODY, "inference_geo": "us"}).operation == "InvokeModel"


def test_a_messages_endpoint_streams_the_events_themselves(config: Config) -> None:
    target = target_of("mantle", config)
    assert target is not None
    event = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    answer = Answer(200, (), b"event: error\ndata: " + event + b"\n\n", streamed=True)
    found = of_answer(answer, {}, target)
    assert (found["status"], found["body"]["error"]["type"]) == (529, "overloaded_error")


@pytest.mark.parametrize("model", ["claude-opus-5-5", "gpt-9"])
def test_no_other_route_stands_for_anything(model: str, config: Config) -> None:
    assert target_of(model, config) is None


MOVING = """
[[routes]]
match = "claude-*"
to = "anthropic"
kinds = ["title"]

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
agent = true

[[routes]]
match = "qwen"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
when_unsupported = "claude-haiku-5-5"
"""
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def test_a_request_that_its_model_cannot_serve_is_shown_where_it_goes() -> None:
    raw = body("qwen", messages=[{"role": "user", "content": [PNG]}])
    found = explained(raw, parse(MOVING, "config.toml"))
    assert (found["decision"], found["kind"], found["needs"]) == ("unsupported: image", "other", "image")
    assert found["reason"] == (
        "the model that `qwen` stands for lacks what the request needs: image; as `claude-haiku-5-5` it is taken by "
        "the route `claude-*` (config.toml:7)"
    )
    assert found["credential"] == "the login the client sends"
    assert found["body"] == {**json.loads(raw), "model": "claude-haiku-5-5"}


def test_a_safety_check_is_shown_on_its_way_to_a_claude() -> None:
    found = explained(body("qwen", stop_sequences=["</severity>"]), parse(MOVING, "config.toml"))
    assert (found["decision"], found["modelId"]) == (
        "classifier: only a Claude may judge",
        "claude-haiku-5-5",
    )
    assert found["reason"] == (
        "only a Claude may judge whether an action is safe; as `claude-haiku-5-5` it is taken by the route `claude-*` "
        "(config.toml:7)"
    )


def test_a_safety_check_that_the_gateway_refuses_is_shown_as_refused() -> None:
    headers = ((b"x-claude-code-agent-id", b"a1"),)
    found = explained(
        body("qwen", stop_sequences=["</severity>"]), parse(MOVING, "config.toml"), headers=headers
    )
    assert found["reject"]["message"].startswith("openClaude does not let this model decide")


def test_what_a_model_lacks_is_shown_where_nothing_can_be_done_about_it() -> None:
    raw = body("qwen", messages=[{"role": "user", "content": [PNG]}])
    found = explained(raw, parse(MOVING, "config.toml"), headers=((b"X-Claude-Code-Agent-Id", b"a1"),))
    assert (found["decision"], found["needs"], found["notes"]) == ("match: agent", "image", ["image_omitted"])


def test_a_route_of_a_kind_is_named_with_the_kind() -> None:
    asked = {
        "tools": [],
        "stream": True,
        "output_config": {"format": {"schema": {"properties": {"title": {}}}}},
    }
    found = explained(body("claude-haiku-5-5", **asked), parse(MOVING, "config.toml"))
    assert (found["decision"], found["kind"]) == ("match: kind title", "title")
    assert found["reason"] == "the first route that matches is `claude-*` (config.toml:2)"


def test_the_fallback_of_the_route_is_shown() -> None:
    text = CONFIG.replace('to = "anthropic"', 'to = "anthropic"\nfallback = ["opus", "vpc-1"]', 1)
    config = parse(text, "config.toml")
    assert explained(body("claude-opus-5-5"), config)["fallback"] == ["opus", "vpc-1"]
    assert explained(body("vpc-1"), config)["fallback"] == []
