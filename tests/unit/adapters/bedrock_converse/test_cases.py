"""The contract cases: every rule of the dialect that has an example."""

import json
from collections import Counter
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage

from openclaude.adapters.bedrock_converse import translate
from openclaude.adapters.bedrock_converse.errors import Place, failure
from openclaude.adapters.profiles import named
from openclaude.domain.errors import ApiError
from support import bedrock_frames
from support.bedrock_cases import (
    MODEL_OF_PROFILE,
    Case,
    adapter_of,
    all_cases,
    body_of,
    call_for,
    cases,
    headers_of,
    is_invoke,
    more_requests,
    name_of,
    outside_answers,
    sse_events,
)
from support.converse_check import check_request


def test_exactly_the_invoke_model_cases_are_left_out() -> None:
    left_out = Counter(case["kind"] for case in all_cases() if is_invoke(case))
    assert left_out == {"request": 4, "stream": 1}
    run = sum(len(cases(kind)) for kind in ("request", "response", "stream", "error"))
    assert run + sum(left_out.values()) == len(all_cases()) == 121


@pytest.mark.parametrize(
    "case", [case for case in cases("request") if "reject" not in case["expect"]], ids=name_of
)
def test_a_request_becomes_the_expected_converse_request(case: Case) -> None:
    profile = named(case["input"]["profile"])
    built = translate(body_of(case), profile, model_id=MODEL_OF_PROFILE[profile.name])
    got = {
        "operation": built.operation,
        "modelId": built.model_id,
        "body": json.loads(built.payload),
        "notes": list(built.notes),
    }
    assert got == case["expect"]
    check_request(built.operation, built.model_id, got["body"])


@pytest.mark.parametrize(
    "case", [case for case in cases("request") if "reject" not in case["expect"]], ids=name_of
)
def test_the_adapter_sends_what_the_translation_says(case: Case) -> None:
    call = adapter_of(case["input"]["profile"]).prepare(json.dumps(body_of(case)).encode())
    assert json.loads(call.body) == case["expect"]["body"]
    assert list(call.notes) == case["expect"]["notes"]
    assert call.operation == case["expect"]["operation"]
    path = {"Converse": "converse", "ConverseStream": "converse-stream"}[call.operation]
    quoted = case["expect"]["modelId"].replace(":", "%3A")
    assert call.target == f"/model/{quoted}/{path}".encode()


@pytest.mark.parametrize(
    "case", [case for case in cases("request") if "reject" in case["expect"]], ids=name_of
)
def test_a_request_that_cannot_be_served_is_refused_in_words(case: Case) -> None:
    want = case["expect"]["reject"]
    with pytest.raises(ApiError) as refused:
        adapter_of(case["input"]["profile"]).prepare(json.dumps(body_of(case)).encode())
    assert (refused.value.status, refused.value.type) == (want["status"], want["type"])
    assert want["message_contains"] in refused.value.message


def outcome(case: Case) -> dict[str, Any]:
    """What a request becomes, or how it is refused, in the form of a case's `expect`."""
    profile, headers = named(case["input"]["profile"]), dict(headers_of(case))
    try:
        built = translate(
            body_of(case),
            profile,
            model_id=MODEL_OF_PROFILE[profile.name],
            betas=headers.get(b"anthropic-beta", b""),
        )
    except ApiError as error:
        wanted = case["expect"].get("reject", {}).get("message_contains", "")
        part = wanted if wanted in error.message else error.message
        return {"reject": {"status": error.status, "type": error.type, "message_contains": part}}
    body = json.loads(built.payload)
    check_request(built.operation, built.model_id, body)
    return {
        "operation": built.operation,
        "modelId": built.model_id,
        "body": body,
        "notes": list(built.notes),
    }


@pytest.mark.parametrize("case", more_requests(), ids=name_of)
def test_a_rule_without_a_contract_case_holds_as_well(case: Case) -> None:
    assert outcome(case) == case["expect"]


def test_our_own_cases_have_names_of_their_own() -> None:
    names = [case["name"] for case in (*all_cases(), *more_requests(), *outside_answers())]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("case", cases("response"), ids=name_of)
def test_an_answer_becomes_the_expected_message(case: Case) -> None:
    call = call_for(case)
    before = call.notes
    raw = call.whole(case["input"]["status"], headers_of(case), json.dumps(case["input"]["body"]).encode())
    assert json.loads(raw) == case["expect"]["body"]
    assert list(call.notes[len(before) :]) == case["expect"]["notes"]
    BetaMessage.model_validate(json.loads(raw))
    assert call.usage is not None
    assert call.usage.output_tokens == case["expect"]["body"]["usage"]["output_tokens"]


@pytest.mark.parametrize("case", cases("stream"), ids=name_of)
def test_a_stream_becomes_the_expected_events(case: Case) -> None:
    decoder = call_for(case).stream(headers_of(case))
    text = decoder.feed(bedrock_frames.encoded(case["input"]["frames"])) + decoder.end()
    assert sse_events(text) == case["expect"].get("sse", [])
    assert decoder.notes == case["expect"]["notes"]
    assert (decoder.stop_reason is not None) == case["expect"]["complete"]
    if "http" in case["expect"]:
        assert decoder.failure is not None
        assert shown(decoder.failure) == case["expect"]["http"]
        assert not decoder.started
    else:
        assert decoder.failure is None


@pytest.mark.parametrize("case", cases("error"), ids=name_of)
def test_a_refusal_becomes_the_expected_error(case: Case) -> None:
    given, want = case["input"], case["expect"]
    body = given["body"].encode() if isinstance(given["body"], str) else json.dumps(given["body"]).encode()
    context = given["context"]
    place = Place(context["operation"], context["modelId"], context["region"])
    found = shown(failure(given["status"], headers_of(case), body, place))
    assert found["status"] == want["status"]
    assert found["body"]["error"]["type"] == want["body"]["error"]["type"]
    assert [part for part in want["message_contains"] if part not in found["body"]["error"]["message"]] == []
    assert want["headers"].items() <= found["headers"].items()
    assert ("retry-after" in found["headers"]) <= (found["headers"]["x-should-retry"] == "true")


def shown(error: ApiError) -> dict[str, Any]:
    """An error as the client gets it, without the request id."""
    body = json.loads(error.body("req_1"))
    del body["request_id"]
    return {
        "status": error.status,
        "headers": {k.decode(): v.decode() for k, v in error.headers()},
        "body": body,
    }
