import json

import pytest

from openclaude.explain.requests import against_profile
from openclaude.explain.targets import Target, UsageError, choose

BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def qwen() -> Target:
    return choose(profile="qwen-text", model_id=None, region=None, operation=None)


def test_a_request_is_shown_as_bedrock_would_get_it(qwen: Target) -> None:
    assert against_profile(json.dumps({**BODY, "temperature": 2}).encode(), qwen) == {
        "operation": "Converse",
        "modelId": "qwen.qwen3-coder-480b-a35b-v1:0",
        "body": {
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "inferenceConfig": {"maxTokens": 10, "temperature": 1},
        },
        "notes": ["temperature_clamped"],
    }


def test_a_request_that_cannot_be_served_is_rejected_in_the_gateways_words(qwen: Target) -> None:
    assert against_profile(json.dumps({**BODY, "mcp_servers": [{}]}).encode(), qwen) == {
        "reject": {
            "status": 400,
            "type": "invalid_request_error",
            "message": "mcp_servers: Amazon Bedrock calls no MCP servers. hint: connect them in the client",
        },
        "notes": [],
    }


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
def test_what_is_not_json_is_rejected_too(raw: bytes, qwen: Target) -> None:
    found = against_profile(raw, qwen)
    assert found["reject"]["status"] == 400
    assert found["reject"]["message"].startswith("the request body is not valid JSON: ")


def test_half_a_character_becomes_the_sign_for_a_lost_one(qwen: Target) -> None:
    raw = json.dumps({**BODY, "system": "cut \ud83d"}).encode()
    assert against_profile(raw, qwen)["body"]["system"] == [{"text": "cut \ufffd"}]


def test_claudes_own_format_is_for_claude() -> None:
    target = choose(profile="qwen-text", model_id=None, region=None, operation="InvokeModel")
    with pytest.raises(
        UsageError, match="InvokeModel takes Claude's own format, which qwen-text does not read"
    ):
        against_profile(json.dumps(BODY).encode(), target)


@pytest.mark.parametrize("stream", [True, False])
def test_claude_is_spoken_to_in_its_own_format(*, stream: bool) -> None:
    target = choose(profile="claude-invoke", model_id=None, region=None, operation=None)
    found = against_profile(json.dumps({**BODY, "stream": stream}).encode(), target)
    assert found == {
        "operation": "InvokeModelWithResponseStream" if stream else "InvokeModel",
        "modelId": "us.anthropic.claude-sonnet-4-6",
        "body": {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": "hi"}],
        },
        "notes": [],
    }


def test_the_clients_headers_say_which_betas_and_which_version() -> None:
    target = choose(profile="claude-5", model_id=None, region=None, operation=None)
    headers = (
        (b"Anthropic-Version", b"2026-10-21"),
        (b"anthropic-beta", b"context-1m-2025-08-07"),
        (b"anthropic-beta", b"made-up"),
    )
    found = against_profile(json.dumps(BODY).encode(), target, headers)
    assert found["body"]["anthropic_version"] == "2026-10-21"
    assert found["body"]["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert found["notes"] == ["beta_dropped:made-up"]
