"""What a client gets for an answer of Bedrock: a whole message, an error, or the events of a stream."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openclaude.domain.errors import MALFORMED_OUTPUT, ApiError
from openclaude.domain.http import Header
from openclaude.explain.requests import Json, rejection
from openclaude.explain.targets import Target
from openclaude.wire.sse import SseDecoder

REQUEST_ID: Final = "req_explain"
"""Stands for the id the gateway gives to every request."""

_REQUEST: Final = {
    "model": "route-alias",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "hi"}],
}
"""What an answer is taken to answer, as far as nothing else is said."""


class AnswerError(ValueError):
    """The description of an answer, or of the request it answers, that makes no sense."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Bedrock sent. `streamed` says that the body is the bytes of an event stream."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    streamed: bool


def read_answer(raw: bytes) -> Answer:
    """The answer a JSON object describes: `status`, `headers`, and `body` or `stream_base64`.

    A `body` that is a string is sent as it is, null as nothing, anything else as JSON. A header may have a list of
    values.

    Raises:
        AnswerError: with what is wrong.
    """
    given = _object(raw)
    if not given.keys() & {"status", "body", "stream_base64"}:
        raise AnswerError("holds no `status`, no `body` and no `stream_base64`")
    status, headers = given.get("status", 200), given.get("headers") or {}
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise AnswerError("`status` has to be an HTTP status")
    if not isinstance(headers, dict):
        raise AnswerError("`headers` has to be an object of names and values")
    pairs = tuple(
        (str(name).encode("utf-8", "replace"), str(value).encode("utf-8", "replace"))
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    )
    if (encoded := given.get("stream_base64")) is not None:
        return Answer(status, pairs, _decoded(encoded), streamed=True)
    body = given.get("body") if given.get("body") is not None else ""
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, pairs, text.encode("utf-8", "replace"), streamed=False)


def read_request(raw: bytes) -> Json:
    """The request an answer belongs to: a Messages request, or parts of one, or `tool_name_map`.

    Raises:
        AnswerError: not a JSON object, or a `tool_name_map` that maps no names.
    """
    given = _object(raw)
    names = given.get("tool_name_map", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise AnswerError("`tool_name_map` has to be an object: name at Bedrock → name at the client")
    return given


def explained(
    answer: Answer, asked: Mapping[str, Any], target: Target, headers: Sequence[Header] = ()
) -> Json:
    """What the client gets.

    Args:
        answer: what Bedrock sent.
        asked: the request it answers, as `read_request` gives it; what it leaves open is filled in.
        target: what it is explained against.
        headers: the headers of the request it answers.

    Returns:
        `status`, `headers`, `body` and `notes`; for a stream `sse` and `notes`; `reject` and `notes` when the
        request would not have been sent at all.
    """
    streams = answer.streamed or answer.status != 200
    body = {**_REQUEST, "stream": streams, **{key: asked[key] for key in asked if key != "tool_name_map"}}
    try:
        built = target.translated(body, headers)
    except ApiError as error:
        return rejection(error)
    call = target.call(_with_state(built, asked), wants_stream=body["stream"] is True)
    try:
        if answer.status != 200:
            return _refused(call, answer)
        return _stream(call, answer) if answer.streamed else _whole(call, answer, target)
    except ApiError as error:
        return _error(error, _noted(error))


def _with_state(built: Any, asked: Mapping[str, Any]) -> Any:
    """The translation with what the request's description says of its own state."""
    names = asked.get("tool_name_map")
    # Claude's own format has no state: its names are long enough for every tool.
    if not names or not hasattr(built, "state"):
        return built
    return built._replace(state=built.state._replace(tool_names=names))


def _whole(call: Any, answer: Answer, target: Target) -> Json:
    before = len(call.notes)
    message = call.whole(answer.status, answer.headers, answer.body)
    notes = list(call.notes[before:])
    if "stream_emulated" in call.notes:
        return {"sse": _events(call.synthesize(message)), "notes": notes}
    headers = _headers(((b"x-openclaude-upstream-model", target.model_id.encode()),))
    return {"status": 200, "headers": headers, "body": json.loads(message), "notes": notes}


def _stream(call: Any, answer: Answer) -> Json:
    decoder = call.stream(answer.headers)
    text = decoder.feed(answer.body) + decoder.end()
    notes = list(decoder.notes)
    if decoder.failure is not None:
        # Nothing was sent yet: the client can have a real HTTP status.
        return _error(decoder.failure, [*notes, *_noted(decoder.failure)])
    return {"sse": _events(text), "notes": notes}


def _refused(call: Any, answer: Answer) -> Json:
    """An error, and what the gateway would have learned from it before it showed it to the client."""
    before = len(call.notes)
    amended = call.retry_without(answer.status, answer.headers, answer.body)
    learned = [] if amended is None else list(amended.notes[before:])
    error = call.failure(answer.status, answer.headers, answer.body)
    return _error(error, [*learned, *_noted(error)])


def _noted(error: ApiError) -> list[str]:
    """The notes of an error. That an answer was spoiled is what the error itself says."""
    return [code for code in error.notes if code != MALFORMED_OUTPUT]


def _error(error: ApiError, notes: list[str]) -> Json:
    return {
        "status": error.status,
        "headers": _headers(error.headers()),
        "body": json.loads(error.body(REQUEST_ID)),
        "notes": notes,
    }


def _headers(pairs: Sequence[Header]) -> dict[str, str]:
    shown = {"content-type": "application/json", "request-id": REQUEST_ID}
    return shown | {name.decode(): value.decode("latin-1") for name, value in pairs}


def _events(text: bytes) -> list[Json]:
    return [json.loads(event.data) for event in SseDecoder().feed(text)]


def _object(raw: bytes) -> Json:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise AnswerError("has to hold one JSON object")
    return value


def _decoded(encoded: Any) -> bytes:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (AttributeError, binascii.Error, ValueError):
        raise AnswerError("`stream_base64` has to be base64") from None
