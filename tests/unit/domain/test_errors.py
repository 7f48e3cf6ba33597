import json

from openclaude.domain.errors import ApiError, invalid_request, upstream_unreachable


def test_an_error_has_the_shape_of_the_anthropic_api() -> None:
    body = json.loads(invalid_request("no").body("req_1"))
    assert body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no"},
        "request_id": "req_1",
    }


def test_an_error_says_whether_to_try_again_and_when() -> None:
    error = ApiError(429, "rate_limit_error", "slow down", retry=True, retry_after=5)
    assert error.headers() == [(b"x-should-retry", b"true"), (b"retry-after", b"5")]
    assert invalid_request("x").headers() == [(b"x-should-retry", b"false")]
    assert ApiError(500, "api_error", "x", retry=None).headers() == []


def test_a_message_with_a_lone_surrogate_still_becomes_json() -> None:
    assert json.loads(upstream_unreachable("bad \ud800").body("r"))["error"]["message"] == "bad ?"
