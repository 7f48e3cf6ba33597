"""What becomes of a request under a capability profile."""

import json
from collections.abc import Sequence
from typing import Any

from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.http import Header
from openclaude.explain.targets import Target, UsageError
from openclaude.wire import jsontext

Json = dict[str, Any]


def against_profile(raw: bytes, target: Target, headers: Sequence[Header] = ()) -> Json:
    """`operation`, `modelId`, `body` and `notes` of the upstream request, or `reject` and `notes`.

    Args:
        raw: a Messages request body.
        target: what it is explained against.
        headers: what the client sends; `anthropic-beta` and `anthropic-version` matter.

    Raises:
        UsageError: the target is Claude's own format, for a model that is not Claude.
    """
    if target.dialect.operations[0] == "InvokeModel" and target.profile.family != "claude":
        raise UsageError(
            f"{target.operation} takes Claude's own format, which {target.profile.name} does not read\n"
            "hint: --operation Converse or ConverseStream"
        )
    try:
        built = target.translated(parsed(raw), headers)
    except ApiError as error:
        return rejection(error)
    return {
        "operation": built.operation,
        "modelId": built.model_id,
        "body": json.loads(built.payload),
        "notes": list(built.notes),
    }


def parsed(raw: bytes) -> Any:
    """The value of a request body. Raises the `ApiError` the gateway answers when it is not JSON."""
    try:
        return jsontext.loads(raw)
    except jsontext.JsonError as error:
        raise invalid_request(f"the request body is not valid JSON: {error}") from None


def rejection(error: ApiError) -> Json:
    """A request that is refused before anything is sent."""
    refused = {"status": error.status, "type": error.type, "message": error.message}
    return {"reject": refused, "notes": list(error.notes)}
