"""The Messages API on AWS: bedrock-mantle, bedrock-runtime under `/anthropic`, and Claude Platform on AWS.

The format is Claude's own and the stream is real server-sent events, so the events pass through; the request is cleaned
by the rules of InvokeModel, whose refusals these endpoints share. The first two take the same path under different
hosts; the platform takes Anthropic's own path and ids, and the name of a workspace.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from openclaude.adapters import counting
from openclaude.adapters.bedrock_converse.adapter import require_model_id
from openclaude.adapters.bedrock_converse.depth import bounded_depth
from openclaude.adapters.bedrock_converse.estimate import Estimator
from openclaude.adapters.bedrock_converse.learned import LearnedLimits
from openclaude.adapters.bedrock_invoke.adapter import ClaudeAdapter, ClaudeCall
from openclaude.adapters.bedrock_invoke.relay import Relay, error_of
from openclaude.adapters.bedrock_invoke.request import Builder, Heading, Translation, sealed
from openclaude.adapters.bedrock_invoke.surface import MESSAGES
from openclaude.adapters.calibration import Calibration
from openclaude.adapters.profiles import Profile, without_geo
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from openclaude.wire import jsontext, sse

TARGET: Final = b"/anthropic/v1/messages"
PLATFORM_TARGET: Final = b"/v1/messages"
MANTLE: Final = "mantle"
PLATFORM: Final = "platform"
_COUNTED: Final = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
"""The members of a request that `count_tokens` takes."""


class MessagesStreamDecoder(Relay):
    """One stream of server-sent events."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._events = sse.SseDecoder()

    def _read(self, data: bytes) -> None:
        try:
            events = self._events.feed(data)
        except sse.SseError as error:
            self._damaged(error)
            return
        for event in events:
            self._event(event.data)
            if self.finished:
                return


class MessagesCall(ClaudeCall):
    """One request to a Messages endpoint."""

    def stream(self, headers: Sequence[Header] = ()) -> Relay:
        del headers
        return MessagesStreamDecoder(self.model)

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> ApiError:
        """As for every Bedrock answer; an error that is in the Messages API's own form keeps its type and text."""
        said = _own_error(body)
        if said is None:
            return super().failure(status, headers, body)
        said.status = status
        return said

    def _refusal(self, status: int, headers: Sequence[Header], body: bytes) -> str:
        said = _own_error(body)
        if said is None:
            return super()._refusal(status, headers, body)
        return said.message if said.type == "invalid_request_error" else ""

    def _target(self) -> bytes:
        return TARGET

    def _accepted(self) -> tuple[Header, ...]:
        return ((b"accept", b"text/event-stream" if self.streams else b"application/json"),)


class PlatformCall(MessagesCall):
    """One request to Claude Platform on AWS."""

    def _target(self) -> bytes:
        return PLATFORM_TARGET


class MessagesAdapter(ClaudeAdapter):
    """Speaks the Messages API on AWS for one route.

    Args:
        model_id: as for `ConverseAdapter`; mantle knows models by their bare ids, so a geo prefix is left out there.
        endpoint: "mantle", "runtime" or "platform".
        workspace: the workspace on Claude Platform on AWS; None elsewhere.
        region, profile, limits: as for `ConverseAdapter`.
        geo: the geo the route is declared to stay in, or None.

    Raises:
        ModelIdError: the id is empty or would change a path.
    """

    def __init__(  # noqa: PLR0913 - what a route says, each by its name
        self,
        *,
        model_id: str,
        region: str,
        profile: Profile,
        endpoint: str = MANTLE,
        workspace: str | None = None,
        geo: str | None = None,
        limits: LearnedLimits | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        require_model_id(model_id)
        sent = known_as(model_id, endpoint)
        estimator = Estimator(profile, model_id, calibration)
        surface = MESSAGES
        if workspace is not None:
            surface = replace(MESSAGES, headers=((b"anthropic-workspace-id", workspace.encode()),))
        call = PlatformCall if endpoint == PLATFORM else MessagesCall
        super().__init__(Builder(profile, sent, geo, surface), call, (region, sent), estimator, limits)
        self._most = profile.max_output
        self._target = PLATFORM_TARGET if endpoint == PLATFORM else TARGET

    def _ways_to_count(self, built: Translation) -> list[counting.CountCall]:
        """The endpoint's own `count_tokens`, which takes what decides about the prompt and nothing of the answer."""
        if not self._ways.open(("messages",)):
            return []
        body = jsontext.dumps({name: built.body[name] for name in _COUNTED if name in built.body})
        target = self._target + b"/count_tokens"
        return [counting.CountCall(self._ways, "messages", target, body, "input_tokens", built.headers)]


def translate(
    body: object,
    profile: Profile,
    *,
    model_id: str,
    betas: bytes = b"",
    version: bytes = b"",
    geo: str | None = None,
    endpoint: str = MANTLE,
) -> Translation:
    """The Messages request for a Messages request that is given as values; as `bedrock_invoke.translate`."""
    builder = Builder(profile, known_as(model_id, endpoint), geo, MESSAGES)
    with bounded_depth():
        return sealed(builder.build(jsontext.clean(body), Heading(betas, version)))


def known_as(model_id: str, endpoint: str) -> str:
    """What an endpoint calls a model: mantle knows bare ids only and answers 404 to a geo prefix."""
    return without_geo(model_id) if endpoint == MANTLE else model_id


def _own_error(body: bytes) -> ApiError | None:
    """The error of an answer in the Messages API's form; None when it is in another."""
    try:
        parsed = jsontext.loads(body)
    except jsontext.JsonError:
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("error"), dict):
        return None
    return error_of(parsed)
