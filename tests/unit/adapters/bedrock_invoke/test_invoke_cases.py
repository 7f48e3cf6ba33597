"""The contract cases of InvokeModel, and the contract's refusals as this dialect reports them."""

import json

import pytest

from openclaude.adapters.bedrock_invoke import InvokeAdapter, LearnedLimits, translate
from openclaude.adapters.profiles import named
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from openclaude.simulator.claude_rules import body_problems
from support import claude_calls
from support.bedrock_cases import Case, all_cases, body_of, is_invoke, name_of, sse_events

REQUESTS = [case for case in all_cases() if is_invoke(case) and case["kind"] == "request"]
STREAMS = [case for case in all_cases() if is_invoke(case) and case["kind"] == "stream"]
SERVED = [case for case in REQUESTS if "reject" not in case["expect"]]
REJECTED = [case for case in REQUESTS if "reject" in case["expect"]]


def betas(case: Case) -> bytes:
    return str(case["input"].get("headers", {}).get("anthropic-beta", "")).encode()


def adapter() -> InvokeAdapter:
    return InvokeAdapter(
        route="bedrock", model_id=claude_calls.SONNET, region="us-east-1", profile=named("claude-invoke")
    )


def test_every_case_of_invoke_model_is_run_here() -> None:
    assert (len(SERVED), len(REJECTED), len(STREAMS)) == (3, 1, 1)
    assert sum(is_invoke(case) for case in all_cases()) == 5


@pytest.mark.parametrize("case", SERVED, ids=name_of)
def test_a_request_becomes_the_expected_invoke_model_request(case: Case) -> None:
    built = translate(body_of(case), named("claude-invoke"), model_id=claude_calls.SONNET, betas=betas(case))
    call = adapter().prepare(json.dumps(body_of(case)).encode(), betas=betas(case))
    want = case["expect"]
    assert (built.operation, built.model_id, list(built.notes)) == (
        want["operation"],
        want["modelId"],
        want["notes"],
    )
    assert json.loads(built.payload) == want["body"] == json.loads(call.body)
    assert call.target == want["path"].encode()
    assert body_problems(built.model_id, want["body"], enveloped=False) == []


@pytest.mark.parametrize("case", REJECTED, ids=name_of)
def test_a_request_that_cannot_be_served_is_refused_in_words(case: Case) -> None:
    want = case["expect"]["reject"]
    with pytest.raises(ApiError) as refused:
        adapter().prepare(json.dumps(body_of(case)).encode())
    assert (refused.value.status, refused.value.type) == (want["status"], want["type"])
    assert want["message_contains"] in refused.value.message


@pytest.mark.parametrize("case", STREAMS, ids=name_of)
def test_a_stream_passes_as_expected(case: Case) -> None:
    call = adapter().prepare(
        json.dumps({**claude_calls.asked(), "model": "route-alias", "stream": True}).encode()
    )
    headers: list[Header] = [(b"x-amzn-requestid", b"5f0c1d2e")]
    decoder = call.stream(headers)
    text = (
        decoder.feed(claude_calls.chunks(*[frame["chunk"] for frame in case["input"]["frames"]]))
        + decoder.end()
    )
    assert sse_events(text) == case["expect"]["sse"]
    assert decoder.notes == case["expect"]["notes"]
    assert (decoder.stop_reason is not None) == case["expect"]["complete"]


@pytest.mark.parametrize("case", [case for case in all_cases() if case["kind"] == "error"], ids=name_of)
def test_a_refusal_becomes_the_expected_error_in_this_dialect_too(case: Case) -> None:
    given, want = case["input"], case["expect"]
    body = given["body"].encode() if isinstance(given["body"], str) else json.dumps(given["body"]).encode()
    built = translate(claude_calls.asked(), named("claude-invoke"), model_id=claude_calls.SONNET)
    made = adapter().prepare(json.dumps(claude_calls.asked()).encode())
    call = type(made)(built, given["context"]["region"], LearnedLimits(), wants_stream=False)
    found = call.failure(
        given["status"], [(k.encode(), v.encode()) for k, v in given["headers"].items()], body
    )
    assert (found.status, found.type) == (want["status"], want["body"]["error"]["type"])
    assert found.retry is (want["headers"]["x-should-retry"] == "true")
