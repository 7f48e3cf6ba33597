"""A route tried with one token, in the dialect and with the operations it really uses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from openclaude import wiring
from openclaude.config.values import RouteConfig
from openclaude.domain.errors import ApiError
from openclaude.domain.usage import Usage
from openclaude.edge.oneshot import Answer, UnreachableError
from openclaude.ports import Dialect, ProviderCall
from openclaude.preflight.calling import Ask, Caller, Signer
from openclaude.wire import jsontext

_OPERATIONS: Final = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
"""The last part of a request's path to the operation's name."""
_HOPELESS: Final = frozenset({401, 404, 502})
"""Answers to the whole request after which the streamed one cannot do better."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One operation tried.

    Attributes:
        operation: AWS's name for it, such as `ConverseStream`.
        outcome: what came of it, or the error as the client would see it; None when it was not tried.
    """

    operation: str
    outcome: str | ApiError | None


def attempts(route: RouteConfig, signer: Signer, caller: Caller) -> Iterator[Attempt]:
    """The route's operation for whole answers and the one for streams, each with one token."""
    dialect = wiring.dialect(route)
    whole = _attempt(dialect, route, signer, caller, stream=False)
    yield whole
    if isinstance(whole.outcome, ApiError) and whole.outcome.status in _HOPELESS:
        yield Attempt(_operation(_call(dialect, route, stream=True), stream=True), None)
    else:
        yield _attempt(dialect, route, signer, caller, stream=True)


def operations(route: RouteConfig) -> tuple[str, ...]:
    """The names of what `attempts` would try."""
    dialect = wiring.dialect(route)
    return tuple(_operation(_call(dialect, route, stream=stream), stream=stream) for stream in (False, True))


def _call(dialect: Dialect, route: RouteConfig, *, stream: bool) -> ProviderCall:
    message = {"role": "user", "content": "Hello"}
    body = {"model": route.match, "max_tokens": 1, "messages": [message], "stream": stream}
    return dialect.prepare(jsontext.dumps(body))


def _operation(call: ProviderCall, *, stream: bool) -> str:
    found = _OPERATIONS.get(call.target.decode("ascii").rpartition("/")[2])
    return found or ("Messages, streamed" if stream else "Messages")


def _attempt(
    dialect: Dialect, route: RouteConfig, signer: Signer, caller: Caller, *, stream: bool
) -> Attempt:
    call = _call(dialect, route, stream=stream)
    signing = wiring.signature(route)
    target = call.target.decode("ascii")
    ask = Ask(signing.origin, signing.service, signing.region, "POST", target, call.headers, call.body)
    return Attempt(_operation(call, stream=stream), _outcome(call, signer, caller, ask))


def _outcome(call: ProviderCall, signer: Signer, caller: Caller, ask: Ask) -> str | ApiError:
    try:
        answer = caller.call(signer, ask)
    except UnreachableError as error:
        remedy = f"check the network, and that Bedrock is offered in {ask.region}"
        return ApiError(502, "api_error", f"{error}. hint: {remedy}")
    if answer.status != 200:
        return call.failure(answer.status, answer.headers, answer.body)
    if call.streams:
        return _streamed(call, answer)
    try:
        call.whole(answer.status, answer.headers, answer.body)
    except ApiError as error:
        return error
    return f"answered{_tokens(call.usage)}"


def _streamed(call: ProviderCall, answer: Answer) -> str | ApiError:
    decoder = call.stream(answer.headers)
    events = decoder.feed(answer.body) + decoder.end()
    if decoder.failure is not None:
        return decoder.failure
    for block in events.split(b"\n\n"):
        name, _, data = block.partition(b"\ndata: ")
        if name == b"event: error":
            error = json.loads(data)["error"]
            return ApiError(502, error["type"], error["message"])
    return f"streamed{_tokens(decoder.usage)}"


def _tokens(usage: Usage | None) -> str:
    return f": {usage.input_tokens} tokens in, {usage.output_tokens} out" if usage else ""
