"""Refusals: the right type, the right retry, and a text that helps."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.errors import Place, failure, in_stream
from openclaude.domain.errors import STATUS_OF_TYPE, ApiError

QWEN = "qwen.qwen3-coder-next"
UNAUTHORIZED = (
    "User: x is not authorized to perform: bedrock:InvokeModel on resource: "
    "arn:aws:bedrock:us-west-2::foundation-model/x "
)


def refused(
    name: str,
    text: str = "m",
    *,
    status: int = 400,
    model_id: str = QWEN,
    region: str = "us-east-1",
    operation: str = "ConverseStream",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    **body: Any,
) -> ApiError:
    named = (b"X-Amzn-ErrorType", f"com.amazon#{name}:http://internal/".encode())
    raw = json.dumps({"message": text, **body}).encode()
    return failure(status, [named, *headers], raw, Place(operation, model_id, region))


@pytest.mark.parametrize(
    ("name", "text", "found", "fragments"),
    [
        ("InternalFailure", "m", (500, "api_error", True), ["Bedrock internal error: m"]),
        ("ModelStreamErrorException", "m", (502, "api_error", True), ["m"]),
        ("FTUFormNotFilled", "m", (403, "permission_error", False), ["use-case form", QWEN]),
        ("AccessDeniedException", "You don\u2019t have access to the model with the specified model ID.",
         (403, "permission_error", False), ["model access", QWEN, "us-east-1"]),
        ("AccessDeniedException", UNAUTHORIZED + "with an explicit deny in a service control policy",
         (403, "permission_error", False), ["explicit deny", "only its owner"]),
        ("AccessDeniedException", UNAUTHORIZED + "because no policy allows it", (403, "permission_error", False),
         ['"Action":"bedrock:InvokeModel"', "routes to us-west-2"]),
        ("AccessDeniedException", "Authentication failed: API Key has expired", (401, "authentication_error", False),
         ["AWS_BEARER_TOKEN_BEDROCK", "bedrock:CallWithBearerToken"]),
        ("AccessDeniedException", "no", (403, "permission_error", False), ["bedrock:InvokeModelWithResponseStream"]),
        ("InvalidClientTokenId", "m", (401, "authentication_error", False), ["AWS credentials"]),
        ("RequestExpired", "m", (401, "authentication_error", False), ["aws sso login"]),
        ("InvalidSignatureException", "Signature expired", (401, "authentication_error", False), ["clock", "proxy"]),
        ("ResourceNotFoundException", "m", (404, "not_found_error", False), [QWEN, "us-east-1"]),
        ("ResourceNotFoundException", "This model version has reached the end of its life.", (404, "not_found_error", False),
         ["successor", "qwen.qwen3-coder-next"]),
        ("ValidationException", "Input is too long for requested model.", (400, "invalid_request_error", False),
         ["prompt is too long: Input is too long for requested model. (capability_rejected: prompt_too_long)"]),
        ("ValidationException", "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
         (404, "not_found_error", False), [f"us.{QWEN} or global.{QWEN}"]),
        ("UnknownOperationException", "as it is", (400, "invalid_request_error", False), ["as it is"]),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(
    name: str, text: str, found: tuple[int, str, bool], fragments: list[str]
) -> None:
    error = refused(name, text)
    assert (error.status, error.type, error.retry) == found
    assert [part for part in fragments if part not in error.message] == []


@pytest.mark.parametrize(
    ("region", "profiles"),
    [
        ("us-gov-west-1", "us-gov.m.x or global.m.x"),
        ("eu-central-1", "eu.m.x or global.m.x"),
        ("ap-northeast-1", "jp.m.x or apac.m.x or global.m.x"),
        ("ap-northeast-2", "apac.m.x or global.m.x"),
        ("ap-southeast-2", "au.m.x or apac.m.x or global.m.x"),
        ("ca-central-1", "ca.m.x or us.m.x or global.m.x"),
        ("sa-east-1", "use global.m.x"),
    ],
)
def test_the_inference_profiles_of_the_region_are_proposed(region: str, profiles: str) -> None:
    error = refused("ValidationException", "on-demand throughput", model_id="eu.m.x", region=region)
    assert profiles in error.message


@pytest.mark.parametrize(
    ("name", "text", "given", "found"),
    [
        ("ThrottlingException", "slow", b"7", "7"),
        ("ThrottlingException", "slow", b"900", "60"),
        ("ThrottlingException", "slow", b"Wed, 21 Oct 2026 07:28:00 GMT", "5"),
        ("ThrottlingException", "tokens per day", b"7", None),
        ("InternalServerException", "m", b"3", "3"),
        ("InternalServerException", "m", b"", None),
        ("ServiceQuotaExceededException", "m", b"3", None),
        ("ModelNotReadyException", "m", b"", "10"),
    ],
)
def test_a_wait_is_given_only_with_a_retry(name: str, text: str, given: bytes, found: str | None) -> None:
    headers = dict(refused(name, text, headers=((b"retry-after", given),)).headers())
    assert headers.get(b"retry-after") == (found.encode() if found else None)
    assert (found is None) or headers[b"x-should-retry"] == b"true"


@pytest.mark.parametrize(
    ("status", "raw", "found"),
    [
        (400, b'{"Message": "m", "code": "AccessDeniedException"}', (403, "permission_error")),
        (503, b'{"message": "m"}', (529, "overloaded_error")),
        (418, b'{"message": "m"}', (400, "invalid_request_error")),
        (502, b"{}", (502, "api_error")),
        (429, b"<html>", (429, "rate_limit_error")),
        (403, b"<html>proxy</html>", (400, "invalid_request_error")),
        (504, b"", (502, "api_error")),
        (413, b"", (413, "request_too_large")),
    ],
)
def test_an_answer_without_a_name_goes_by_its_body_and_status(
    status: int, raw: bytes, found: tuple[int, str]
) -> None:
    error = failure(status, [], raw, Place("Converse", QWEN, "us-east-1"))
    assert (error.status, error.type) == found
    assert error.message


def test_a_proxy_s_page_is_quoted_short_and_on_one_line() -> None:
    page = b"<html>\n" + b"x" * 5000
    error = failure(502, [], page, Place("Converse", QWEN, "us-east-1"))
    assert error.message == "Bedrock answered 502: <html> " + "x" * 193


@pytest.mark.parametrize(
    ("original", "found"),
    [
        (404, (400, "invalid_request_error", False)),
        (503, (502, "api_error", True)),
        (None, (502, "api_error", True)),
    ],
)
def test_a_model_s_failure_goes_by_its_original_status(
    original: int | None, found: tuple[int, str, bool]
) -> None:
    error = refused("ModelErrorException", "boom", status=424, originalStatusCode=original, resourceName="r")
    assert (error.status, error.type, error.retry) == found
    assert f"boom (r answered {original})" in error.message


@pytest.mark.parametrize(
    "name",
    [
        "throttlingException",
        "serviceUnavailableException",
        "internalServerException",
        "modelStreamErrorException",
        "modelTimeoutException",
        "validationException",
        "aFutureException",
    ],
)
def test_every_exception_in_a_stream_has_a_type_of_the_anthropic_api(name: str) -> None:
    error = in_stream(name, "m", Place("ConverseStream", QWEN, "us-east-1"))
    assert error.type in STATUS_OF_TYPE
    assert error.message.endswith("m")
    assert error.retry is (name != "validationException")


def test_a_daily_limit_in_a_stream_is_not_worth_a_retry() -> None:
    error = in_stream(
        "throttlingException", "Too many tokens per day", Place("ConverseStream", QWEN, "us-east-1")
    )
    assert (error.retry, error.retry_after) == (False, None)
