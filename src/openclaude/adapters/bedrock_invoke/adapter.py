"""The InvokeModel dialect as the gateway uses it: one adapter for each route, one call for each request."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from openclaude.adapters import counting
from openclaude.adapters.bedrock_converse import errors, refusal, response, synthesis
from openclaude.adapters.bedrock_converse.adapter import local_content, require_model_id
from openclaude.adapters.bedrock_converse.depth import bounded_depth
from openclaude.adapters.bedrock_converse.estimate import Estimator
from openclaude.adapters.bedrock_converse.learned import LearnedLimits, Verdict
from openclaude.adapters.bedrock_converse.pieces import Json
from openclaude.adapters.bedrock_invoke import learned
from openclaude.adapters.bedrock_invoke.relay import Relay, error_of
from openclaude.adapters.bedrock_invoke.request import Builder, Heading, Translation, sealed
from openclaude.adapters.bedrock_invoke.stream import InvokeStreamDecoder
from openclaude.adapters.calibration import Calibration, Sample
from openclaude.adapters.profiles import Profile
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.http import Header
from openclaude.domain.usage import Usage
from openclaude.wire import jsontext

_PATHS: Final = {
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke-with-response-stream",
}
_LEARNED_RETRIES: Final = 2
_NO_MESSAGE: Final = "Bedrock answered 200 with a body that is no message"


class ClaudeCall(ABC):
    """One request to Claude on AWS, whichever way, and the reading of its answer.

    Attributes: as `ports.ProviderCall`; `operation` is the operation's name in AWS's words.
    """

    target: bytes
    headers: tuple[Header, ...]

    def __init__(
        self,
        translation: Translation,
        region: str,
        limits: LearnedLimits,
        *,
        wants_stream: bool,
        local_answer: bytes | None = None,
        tried: tuple[str, ...] = (),
    ) -> None:
        self._translation = translation.once()
        self._place = errors.Place(translation.operation, translation.model_id, region)
        self._limits = limits
        self._tried = tried
        self.operation = translation.operation
        self.body = translation.payload
        self.model = translation.model
        self.notes = translation.notes
        self.wants_stream = wants_stream
        self.local_answer = local_answer
        self.usage: Usage | None = None
        self.sample: Sample | None = None
        self.target = self._target() if local_answer is None else b""
        self.headers = (
            (b"content-type", b"application/json"),
            *self._accepted(),
            (b"accept-encoding", b"identity"),
            *translation.headers,
        )

    @property
    def streams(self) -> bool:
        """Whether the answer comes as a stream."""
        return self._translation.streams

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bytes:
        """The Messages answer under the client's name for the model; sets `usage`.

        Raises:
            ApiError: the answer is an error, or no message.
        """
        if status != 200:
            raise self.failure(status, headers, body)
        try:
            message = jsontext.loads(body)
        except jsontext.JsonError as error:
            text = f"Bedrock answered 200 with a body that is not JSON: {error}"
            raise ApiError(502, "api_error", text, retry=True) from None
        if not isinstance(message, dict) or message.get("type") != "message":
            if isinstance(message, dict) and message.get("type") == "error":
                raise error_of(message)
            raise ApiError(502, "api_error", _NO_MESSAGE, retry=True)
        if not isinstance(message.get("content"), list):
            raise ApiError(502, "api_error", _NO_MESSAGE, retry=True)
        self.usage = _usage(message, headers)
        message["model"] = self.model
        if self._translation.discard:
            message |= {"content": [], "stop_reason": "max_tokens", "stop_sequence": None}
        return jsontext.dumps(message)

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> ApiError:
        """The Anthropic error for an answer that is not 200, with its help text."""
        return errors.failure(status, headers, body, self._place)

    def stream(self, headers: Sequence[Header] = ()) -> Relay:
        """A decoder for the answer's stream."""
        del headers
        return InvokeStreamDecoder(self.model, self._place)

    def synthesize(self, message: bytes) -> bytes:
        """The server-sent events of a finished Messages answer."""
        return synthesis.synthesized(jsontext.loads(message))

    def retry_without(self, status: int, headers: Sequence[Header], body: bytes) -> "ClaudeCall | None":
        """The same call without what the refusal says the model does not take; None when nothing can be learned.

        What is learned is remembered for later requests. A request is amended for two different reasons at most.
        """
        verdict = learned.read(self._refusal(status, headers, body))
        if verdict is None or verdict.what in self._tried or len(self._tried) >= _LEARNED_RETRIES:
            return None
        sent = self._translation.values()
        changed = amended(sent, verdict)
        if changed is sent:
            return None
        self._limits.add(self._place.region, self._place.model_id, verdict)
        call = type(self)(
            sealed(changed),
            self._place.region,
            self._limits,
            wants_stream=self.wants_stream,
            tried=(*self._tried, verdict.what),
        )
        call.sample = self.sample
        return call

    def learn(self, usage: Usage) -> None:
        """What the model reported for the request."""
        if self.sample is not None:
            self.sample.learn(usage)

    def _refusal(self, status: int, headers: Sequence[Header], body: bytes) -> str:
        """What was said to a request that was refused for what is in it; empty for every other failure."""
        refused = refusal.read(status, headers, body)
        return refused.message if refused.name == "ValidationException" else ""

    @abstractmethod
    def _target(self) -> bytes:
        """The raw request target, percent-encoded once: what is signed is what is sent."""

    @abstractmethod
    def _accepted(self) -> tuple[Header, ...]:
        """The headers that say what may come back."""


class InvokeCall(ClaudeCall):
    """One InvokeModel or InvokeModelWithResponseStream."""

    def _target(self) -> bytes:
        path = f"/model/{quote(self._translation.model_id, safe='-_.~')}/{_PATHS[self.operation]}"
        return path.encode("ascii")

    def _accepted(self) -> tuple[Header, ...]:
        if self.streams:
            return (
                (b"accept", b"application/vnd.amazon.eventstream"),
                (b"x-amzn-bedrock-accept", b"application/json"),
            )
        return ((b"accept", b"application/json"),)


class ClaudeAdapter(ABC):
    """Speaks Claude's own format for one route; a subclass says where.

    Args:
        builder: makes the requests.
        call: makes the calls.
        place: region and model id, for what is learned.
        estimator: estimates tokens.
        limits: what was learned from refusals; give several adapters the same one to let them share it.
    """

    def __init__(
        self,
        builder: Builder,
        call: Callable[..., ClaudeCall],
        place: tuple[str, str],
        estimator: Estimator,
        limits: LearnedLimits | None,
    ) -> None:
        self._builder = builder
        self._make_call = call
        self._region, self._model_id = place
        self._estimator = estimator
        self._limits = limits or LearnedLimits()
        self._ways = counting.Ways()

    def prepare(
        self, raw: bytes, *, betas: bytes = b"", version: bytes = b"", request_id: str = ""
    ) -> ClaudeCall:
        """The call for a client's whole request body.

        Raises:
            ApiError: 400 for a body that cannot be served, 413 for one that is too large.
        """
        body = _parsed(raw)
        with bounded_depth():
            built = self._builder.build(body, Heading(betas, version))
            if (answer := _local_answer(body, built, request_id)) is not None:
                return self._call(built, body, answer)
            call = self._call(sealed(self._as_learned(built)), body, None)
            call.sample = self._estimator.sample(body) if self._estimator.is_due() else None
            return call

    def count_tokens(self, raw: bytes, *, betas: bytes = b"", version: bytes = b"") -> counting.TokenCount:
        """A local estimate of the prompt's tokens, which errs high, and the ways to a count by AWS.

        Raises:
            ApiError: 400 when the body is not JSON.
        """
        with bounded_depth():
            body = _parsed(raw)
            return counting.TokenCount(
                self._estimator.tokens(body), self._counts(body, Heading(betas, version))
            )

    def _counts(self, body: Any, heading: Heading) -> Sequence[counting.CountCall]:
        """The ways to count a body; none for one that could not be sent either."""
        if not isinstance(body, dict):
            return ()
        try:
            built = self._builder.build({**body, "max_tokens": self._most, "stream": False}, heading)
            return self._ways_to_count(self._as_learned(built))
        except ApiError:
            return ()

    _most: int = 1
    """`max_tokens` of a body that is counted."""

    @abstractmethod
    def _ways_to_count(self, built: Translation) -> Sequence[counting.CountCall]:
        """The requests that count a translation."""

    def _as_learned(self, built: Translation) -> Translation:
        for verdict in self._limits.known(self._region, self._model_id):
            built = amended(built, verdict)
        return built

    def _call(self, built: Translation, body: Json, local_answer: bytes | None) -> ClaudeCall:
        wants_stream = body.get("stream") is True
        return self._make_call(
            built, self._region, self._limits, wants_stream=wants_stream, local_answer=local_answer
        )


class InvokeAdapter(ClaudeAdapter):
    """Speaks InvokeModel for one route. Arguments as for `ConverseAdapter`; `route` has no place in this dialect.

    Raises:
        ModelIdError: the id is empty or would change the path.
    """

    def __init__(
        self,
        *,
        route: str,
        model_id: str,
        region: str,
        profile: Profile,
        geo: str | None = None,
        limits: LearnedLimits | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        del route
        require_model_id(model_id)
        estimator = Estimator(profile, model_id, calibration)
        super().__init__(Builder(profile, model_id, geo), InvokeCall, (region, model_id), estimator, limits)
        self._ids = counting.ids_to_count(model_id, profile.base_model)

    def _ways_to_count(self, built: Translation) -> Sequence[counting.CountCall]:
        return counting.count_calls(self._ways, self._ids, counting.invoked(sealed(built).payload))


def amended(built: Translation, verdict: Verdict) -> Translation:
    """The translation under a verdict; the same object when the verdict changes nothing in it."""
    body, headers = learned.amended(built.body, verdict), built.headers
    if verdict.what == learned.BETAS:
        # The Messages endpoints take them as a header.
        headers = tuple(pair for pair in headers if pair[0] != b"anthropic-beta")
    if body == built.body and headers == built.headers:
        return built
    return built._replace(body=body, headers=headers, notes=(*built.notes, verdict.note))


def _parsed(raw: bytes) -> Any:
    try:
        return jsontext.loads(raw)
    except jsontext.JsonError as error:
        raise invalid_request(f"the request body is not valid JSON: {error}") from None


def _local_answer(body: Json, built: Translation, request_id: str) -> bytes | None:
    content = local_content(body, cached=built.cached)
    if content is None:
        return None
    state = response.ResponseState(model=built.model)
    message = response.empty_message(state, response.message_id((), request_id))
    return jsontext.dumps({**message, "content": content, "stop_reason": "max_tokens"})


def _usage(message: Json, headers: Sequence[Header]) -> Usage:
    """The counts of a message; the ones it does not hold, from the answer's headers."""
    usage = message.get("usage")
    counts = dict(usage) if isinstance(usage, dict) else {}
    for name, value in headers:
        found = _COUNT_HEADERS.get(name.lower())
        if found is not None and value.isdigit():
            counts.setdefault(found, int(value))
    names = Usage.__dataclass_fields__
    return Usage(
        **{name: count for name, count in counts.items() if name in names and isinstance(count, int)}
    )


_COUNT_HEADERS: Final = {
    b"x-amzn-bedrock-input-token-count": "input_tokens",
    b"x-amzn-bedrock-output-token-count": "output_tokens",
}
