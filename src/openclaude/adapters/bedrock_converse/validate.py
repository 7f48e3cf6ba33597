"""What is refused before anything is translated: types the Anthropic API refuses, and promises nobody could keep.

A request is only refused where going on would be a lie about safety, residency or state. Content of the history
never is a reason: the client sends it again with every later turn.
"""

from typing import Any

from openclaude.adapters.bedrock_converse.pieces import Json, string
from openclaude.domain.errors import ApiError, invalid_request

MAX_BODY = 25_000_000
"""Bytes of a request (the service model's limit for InvokeModel; Converse states none of its own)."""

_TYPES: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("temperature", "a number", (int, float)),
    ("top_p", "a number", (int, float)),
    ("top_k", "an integer", (int,)),
    ("tools", "a list", (list,)),
    ("system", "a string or a list of blocks", (str, list)),
    ("stop_sequences", "a list of strings", (list,)),
)
_ROLES = ("user", "assistant", "system")
_CLASSIFIER_STOP = "</severity>"


def check(body: Any, *, geo: str | None) -> Json:
    """The body as an object whose known fields have the right types.

    Raises:
        ApiError: 400, with the field's name.
    """
    if not isinstance(body, dict):
        raise invalid_request("Input should be an object")
    _check_types(body)
    _check_messages(body.get("messages"))
    _check_promises(body, geo)
    return body


def check_all_but_messages(body: Json, *, geo: str | None) -> None:
    """The same for a body whose messages were read with their types.

    Raises:
        ApiError: 400, with the field's name.
    """
    _check_types(body)
    _check_promises(body, geo)


def _check_types(body: Json) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid_request("model: Input should be a non-empty string")
    limit = body.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise invalid_request("max_tokens: Input should be a non-negative integer")
    for name, wanted, types in _TYPES:
        value = body.get(name)
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            raise invalid_request(f"{name}: Input should be {wanted}")
    stops = body.get("stop_sequences")
    if stops and not all(isinstance(item, str) for item in stops):
        raise invalid_request("stop_sequences: Input should be a list of strings")
    if not isinstance(body.get("stream"), bool | None):
        raise invalid_request("stream: Input should be a boolean")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid_request("messages: Input should be a list with at least one message")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise invalid_request(f"messages.{index}: Input should be an object")
        if message.get("role") not in _ROLES:
            raise invalid_request(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")


def _check_promises(body: Json, geo: str | None) -> None:
    if body.get("mcp_servers"):
        raise invalid_request(
            "mcp_servers: Amazon Bedrock calls no MCP servers. hint: connect them in the client"
        )
    wanted = body.get("inference_geo")
    if wanted is not None and wanted != geo:
        raise invalid_request(
            "inference_geo: this route does not keep inference in the place asked for; its geo is "
            f"{f'{geo!r}' if geo else 'not declared'}. hint: choose a model id with that geo prefix and write geo on the "
            "route",
        )
    thread = body.get("thread")
    if isinstance(thread, dict) and thread.get("type") == "continue":
        raise invalid_request("thread: Amazon Bedrock keeps no threads. hint: send the whole conversation")
    if body.get("compaction") is not None:
        raise invalid_request(
            "compaction: this route cannot compact on the server. hint: let the client summarise"
        )


def check_not_a_safety_check(body: Json, family: str) -> None:
    """Refuse the client's own safety classifier: no other model may give the verdict it asks Claude for.

    The client falls back to its session model when its classifier fails (client sheet §5); the request has no
    tools and stops at a tag of the verdict.

    Raises:
        ApiError: 400.
    """
    stops = body.get("stop_sequences")
    if (
        stops
        and family != "claude"
        and not body.get("tools")
        and any(_CLASSIFIER_STOP in string(stop) for stop in stops)
    ):
        raise invalid_request(
            "openClaude does not let this model decide whether an action is safe: the check is made for Claude. "
            "hint: start the client with `--permission-mode default` or `acceptEdits`",
        )


def check_size(payload: bytes) -> None:
    """Refuse a translated body that Bedrock would not read.

    Raises:
        ApiError: 413.
    """
    if len(payload) > MAX_BODY:
        raise ApiError(
            413,
            "request_too_large",
            f"the request is {len(payload):,} bytes; Amazon Bedrock takes at most {MAX_BODY:,} (25 MB). "
            "hint: compact the conversation or attach less",
        )
