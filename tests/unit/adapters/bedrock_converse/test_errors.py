"""Refusals: the right type, the right retry, and a text that helps."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.errors import Place, failure, in_stream
from openclaude.domain.errors import STATUS_OF_TYPE, ApiError

QWEN = "qwen.qwen3-coder-next"
SENT = (b"Date", b"Wed, 21 Oct 2026 07:28:00 GMT")
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
        ("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.",
         (401, "authentication_error", False), ["secret access key has to belong to the key id", "clock", "proxy"]),
        ("ResourceNotFoundException", "m", (404, "not_found_error", False), [QWEN, "us-east-1"]),
        ("ResourceNotFoundException", "This model version has reached the end of its life.", (404, "not_found_error", False),
         ["successor", "qwen.qwen3-coder-next"]),
        ("ResourceNotFoundException", "Model use case details have not been submitted for this account.",
         (404, "not_found_error", False), ["Anthropic's use-case form"]),
        ("AccessDeniedException", UNAUTHORIZED.replace("InvokeModel", "ConverseStream"), (403, "permission_error", False),
         ['"Action":"bedrock:InvokeModelWithResponseStream"']),
        ("AccessDeniedException", UNAUTHORIZED + "because no permissions boundary allows it",
         (403, "permission_error", False), ["only its owner"]),
        ("AccessDeniedException", "Access denied by a service control policy", (403, "permission_error", False),
         ["only its owner"]),
        ("AccessDeniedException", "Model access is denied due to IAM user or service role", (403, "permission_error", False), ["no model access", QWEN]),
        ("Throttling", "slow", (429, "rate_limit_error", True), ["slow"]),
        ("RequestTimeTooSkewed", "m", (401, "authentication_error", False), ["clock"]),
        ("ModelErrorException", "Input is too long for requested model.", (502, "api_error", True), ["Input is too long"]),
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
        ("ThrottlingException", "slow", b"0", "0"),
        ("ThrottlingException", "slow", b"1.2", "2"),
        ("ThrottlingException", "slow", b"-3", "5"),
        ("ThrottlingException", "slow", b"soon", "5"),
        ("ThrottlingException", "slow", b"Wed, 21 Oct 2026 07:28:07 GMT", "7"),
        ("ThrottlingException", "slow", b"Wed, 21 Oct 2026 09:28:00 GMT", "60"),
        ("ThrottlingException", "slow", b"Wed, 21 Oct 2026 07:27:00 GMT", "5"),
        ("ThrottlingException", "slow", b"Wed, 21 Oct 2026 07:27:00 -0000", "5"),
        ("ThrottlingException", "Too Many Tokens Per Day", b"7", None),
        ("ThrottlingException", "tokens per day", b"7", None),
        ("InternalServerException", "m", b"3", "3"),
        ("InternalServerException", "m", b"", None),
        ("ServiceQuotaExceededException", "m", b"3", None),
        ("ModelNotReadyException", "m", b"", "10"),
    ],
)
def test_a_wait_is_given_only_with_a_retry(name: str, text: str, given: bytes, found: str | None) -> None:
    headers = dict(refused(name, text, headers=((b"Retry-After", given), SENT)).headers())
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


def test_a_date_to_wait_for_is_seen_from_now_where_the_answer_has_no_date_of_its_own() -> None:
    headers = [
        (b"retry-after", b"Fri, 31 Dec 9998 23:59:59 GMT"),
        (b"x-amzn-errortype", b"ThrottlingException"),
    ]
    assert failure(429, headers, b"{}", Place("Converse", QWEN, "us-east-1")).retry_after == 60


@pytest.mark.parametrize(
    ("model_id", "successor"),
    [
        ("qwen.qwen3-coder-30b-a3b-v1:0", "qwen.qwen3-coder-next"),
        ("us.deepseek.r1-v1:0", "deepseek.v3.2"),
        ("arn:aws:bedrock:us-east-1::foundation-model/zai.glm-4.7", "zai.glm-5"),
        ("qwen.qwen3-coder-next", "a newer one"),
        ("other.model", "a newer one"),
    ],
)
def test_a_model_at_its_end_has_its_successor_named(model_id: str, successor: str) -> None:
    text = "This model version has reached the End of its Life."
    message = refused("ResourceNotFoundException", text, status=404, model_id=model_id).message
    assert f"use its successor, {successor}" in message


def test_a_model_that_refuses_a_long_prompt_itself_is_told_in_the_words_the_client_compacts_at() -> None:
    error = refused("ModelErrorException", "Input is too long", status=424, originalStatusCode=400)
    assert error.message == "prompt is too long: Input is too long (capability_rejected: prompt_too_long)"


def test_an_object_without_a_text_is_quoted() -> None:
    error = failure(502, [], b'{"detail": "no healthy upstream"}', Place("Converse", QWEN, "us-east-1"))
    assert error.message == 'Bedrock answered 502: {"detail": "no healthy upstream"}'


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


def test_an_exception_is_known_however_its_first_letter_is_written() -> None:
    error = in_stream("ThrottlingException", "", Place("ConverseStream", QWEN, "us-east-1"))
    assert (error.status, error.message) == (429, "Bedrock throttled the request: no text")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"message": {}, "__type": [], "code": 7}',
        b'{"message": "m", "__type": {"a": 1}, "originalStatusCode": "500", "resourceName": []}',
        b'{"Message": null, "code": "#:#"}',
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe\x00",
        b"{" * 100_000,
        b'{"message": "\\ud800"}',
    ],
)
@pytest.mark.parametrize("name", [b"", b"ModelErrorException", b"AccessDeniedException", b"\xff#\xfe:"])
def test_whatever_a_refusal_holds_it_is_an_error_that_says_whether_to_retry(raw: bytes, name: bytes) -> None:
    for status in (301, 400, 403, 404, 408, 413, 424, 429, 500, 503, 599):
        error = failure(status, [(b"x-amzn-errortype", name)], raw, Place("Converse", QWEN, "us-east-1"))
        assert error.type in STATUS_OF_TYPE
        assert error.status >= 400
        assert json.loads(error.body("req_1"))["error"]["message"]
        assert error.headers()[0][0] == b"x-should-retry"
