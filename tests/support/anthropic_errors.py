"""What every error answer of the gateway has to be."""

from support.rawhttp import Response


def assert_explained(response: Response, *statuses: int) -> str:
    """An error in the Anthropic form, whole, with the headers a client acts on; the result is its text."""
    assert response.status in statuses, response.body
    assert response.whole
    assert response.get("content-type") == "application/json"
    assert response.get("location") is None
    assert response.get("x-should-retry") in {"true", "false"}
    answer = response.json()
    assert set(answer) == {"type", "error", "request_id"}
    assert answer["type"] == "error"
    assert answer["request_id"] == response.get("request-id")
    assert set(answer["error"]) == {"type", "message"}
    text = str(answer["error"]["message"])
    assert text
    return text
