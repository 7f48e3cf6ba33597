"""The Converse dialect as the gateway uses it: one adapter for each route, one call for each request."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from openclaude.adapters import counting
from openclaude.adapters.bedrock_converse import (
    errors,
    learned,
    plain_answer,
    refusal,
    response,
    stream,
    synthesis,
    tools,
)
from openclaude.adapters.bedrock_converse.depth import bounded_depth, too_deep
from openclaude.adapters.bedrock_converse.estimate import Estimator
from openclaude.adapters.bedrock_converse.pieces import HELD_ONCE, Json, Notes
from openclaude.adapters.bedrock_converse.request import Builder
from openclaude.adapters.bedrock_converse.translation import Translation, sealed
from openclaude.adapters.calibration import Calibration, Sample
from openclaude.adapters.profiles import Profile
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.http import Header
from openclaude.domain.usage import Usage
from openclaude.wire import jsontext

_PATHS = {"Converse": "converse", "ConverseStream": "converse-stream"}
_ACCEPTS = {"Converse": b"application/json", "ConverseStream": b"application/vnd.amazon.eventstream"}
_LEARNED_RETRIES = 2
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""The members of a request that CountTokens takes."""


class ModelIdError(ValueError):
    """A model id that could not stand in a path."""


def require_model_id(model_id: str) -> None:
    """Refuse a model id that is empty or would change the path.

    Raises:
        ModelIdError: it is one.
    """
    if not model_id or model_id in (".", "..") or ("/" in model_id and not model_id.startswith("arn:")):
        raise ModelIdError(f"{model_id!r} is not a Bedrock model id, inference profile id or ARN")


class ConverseAdapter:
    """Speaks Converse for one route.

    Args:
        route: the route's name; goes into the signature of reasoning that the model does not sign.
        model_id: Bedrock model id, inference profile id or ARN.
        region: where requests go.
        profile: what the model can do.
        geo: the geo the route is declared to stay in, or None.
        limits: what was learned from refusals; give several adapters the same one to let them share it.
        calibration: what was learned about token estimates, in the same way.

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
        limits: learned.LearnedLimits | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        require_model_id(model_id)
        self._model_id = model_id
        self._region = region
        self._profile = profile
        self._estimator = Estimator(profile, model_id, calibration)
        self._ways = counting.Ways()
        self._limits = limits or learned.LearnedLimits()
        self._builder = Builder(profile, tools.Catalogs(profile), model_id, route, geo)

    def prepare(
        self, raw: bytes, *, betas: bytes = b"", version: bytes = b"", request_id: str = ""
    ) -> "ConverseCall":
        """The call for a client's whole request body; `version` has no place in Converse.

        Raises:
            ApiError: 400 for a body that cannot be served, 413 for one that is too large.
        """
        del version
        limits = self._limits.known(self._region, self._model_id) if self._limits.any else ()
        due = self._estimator.is_due()
        if not limits:
            try:
                plain = self._builder.build_plain(raw, betas)
                sample = self._estimator.sample(self._read(raw)) if due and plain is not None else None
            except (RecursionError, jsontext.JsonError):
                raise too_deep() from None
            if plain is not None:
                streams = plain.operation == "ConverseStream"
                call = ConverseCall(
                    plain, self._region, self._limits, wants_stream=streams, request_id=request_id
                )
                if sample is not None:
                    call.sample = sample
                return call
        body = self._read(raw)
        with bounded_depth():
            built = self._builder.build(body, betas)
            wants_stream = body.get("stream") is True
            if (answer := _local_answer(body, built, request_id)) is not None:
                return self._call(built, request_id, wants_stream=wants_stream, local_answer=answer)
            for verdict in limits:
                built = _applied(built, verdict)
            call = self._call(sealed(built), request_id, wants_stream=wants_stream)
            call.sample = self._estimator.sample(body) if due else None
            return call

    def _read(self, raw: bytes) -> Any:
        try:
            return self._builder.read(raw)
        except jsontext.JsonError as error:
            raise invalid_request(f"the request body is not valid JSON: {error}") from None

    def count_tokens(self, raw: bytes, *, betas: bytes = b"", version: bytes = b"") -> counting.TokenCount:
        """A local estimate of the prompt's tokens, which errs high; for Claude also the ways to a count by AWS.

        Raises:
            ApiError: 400 when the body is not JSON.
        """
        del version
        with bounded_depth():
            body = _parsed(raw)
            return counting.TokenCount(self._estimator.tokens(body), self._counts(body, betas))

    def _counts(self, body: Any, betas: bytes) -> list[counting.CountCall]:
        if self._profile.family != "claude" or not isinstance(body, dict):
            return []
        try:
            sent = self._builder.build({**body, "max_tokens": 1}, betas).body
        except ApiError:
            return []
        prompt = {"converse": {name: sent[name] for name in _COUNTED if name in sent}}
        ids = counting.ids_to_count(self._model_id, self._profile.base_model)
        return counting.count_calls(self._ways, ids, prompt)

    def _call(
        self, built: Translation, request_id: str, *, wants_stream: bool, local_answer: bytes | None = None
    ) -> "ConverseCall":
        call = ConverseCall(
            built, self._region, self._limits, wants_stream=wants_stream, request_id=request_id
        )
        if local_answer is not None:
            call.local_answer, call.target = local_answer, b""
        return call


class ConverseCall:
    """One request to Bedrock and the reading of its answer.

    Attributes:
        target: the raw request target, percent-encoded once: what is signed is what is sent.
        headers: every header of the request except those of its policy.
        body: the request's bytes.
        operation: "Converse" or "ConverseStream".
        model: the string the client asked for.
        notes: codes of what was degraded.
        wants_stream: whether the client wants a stream; with operation "Converse" it has to be synthesised.
        local_answer: a whole Messages answer when nothing has to be asked; `target` and `body` are then empty.
        usage: the token counts of a whole answer, once it was read.
        sample: the request's own estimate, where one was made.
        streams: whether Bedrock answers with a stream.
    """

    local_answer: bytes | None = None
    usage: Usage | None = None
    sample: Sample | None = None
    _tried: tuple[str, ...] = ()

    def __init__(
        self,
        translation: Translation,
        region: str,
        limits: learned.LearnedLimits,
        *,
        wants_stream: bool,
        request_id: str = "",
    ) -> None:
        operation, model_id, _, payload, notes, state, _, _ = translation
        self._translation = translation if len(payload) < HELD_ONCE else translation.once()
        self._state = state
        self._limits = limits
        self._request_id = request_id
        self.operation = operation
        self.streams = operation == "ConverseStream"
        self.body = payload
        self.model = state.model
        self.notes = notes
        self.wants_stream = wants_stream
        self._place, self.target, self.headers = _addressed(operation, model_id, region)

    def whole(self, status: int, headers: Sequence[Header], body: bytes) -> bytes:
        """The Messages answer for a whole Converse answer; sets `usage` and adds to `notes`.

        Raises:
            ApiError: the answer is an error, not JSON, or the model's output was malformed.
        """
        if status != 200:
            raise self.failure(status, headers, body)
        state = self._state
        identity = response.message_id(headers, self._request_id)
        plain = None if state.discard else plain_answer.message(body, state.model, identity)
        if plain is not None:
            found, self.usage = plain
            return found
        notes = Notes()
        try:
            message, self.usage = response.message(jsontext.loads(body), state, identity, notes)
            self.notes += tuple(code for code in notes.codes() if code not in self.notes)
            return jsontext.dumps(message)
        except jsontext.JsonError as error:
            text = f"Bedrock answered 200 with a body that is not JSON: {error}"
            raise ApiError(502, "api_error", text, retry=True) from None

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> ApiError:
        """The Anthropic error for an answer that is not 200, with its help text."""
        return errors.failure(status, headers, body, self._place)

    def stream(self, headers: Sequence[Header] = ()) -> stream.ConverseStreamDecoder:
        """A decoder for the answer's stream; `headers` of the answer give the message its id."""
        identity = response.message_id(headers, self._request_id)
        return stream.ConverseStreamDecoder(self._state, identity, self._place)

    def synthesize(self, message: bytes) -> bytes:
        """The server-sent events of a finished Messages answer."""
        return synthesis.synthesized(jsontext.loads(message))

    def retry_without(self, status: int, headers: Sequence[Header], body: bytes) -> "ConverseCall | None":
        """The same call without what the refusal says the model does not take; None when nothing can be learned.

        What is learned is remembered for later requests. A request is amended for two different reasons at most.
        """
        refused = refusal.read(status, headers, body)
        verdict = learned.read(refused.message) if refused.name == "ValidationException" else None
        if verdict is None or verdict.what in self._tried or len(self._tried) >= _LEARNED_RETRIES:
            return None
        sent = self._translation.values()
        amended = _applied(sent, verdict)
        if amended is sent:
            return None
        self._limits.add(self._place.region, self._place.model_id, verdict)
        call = ConverseCall(
            sealed(amended),
            self._place.region,
            self._limits,
            wants_stream=self.wants_stream,
            request_id=self._request_id,
        )
        call._tried = (*self._tried, verdict.what)
        call.sample = self.sample
        return call

    def learn(self, usage: Usage) -> None:
        """What the model reported for the request."""
        if self.sample is not None:
            self.sample.learn(usage)


class _Addressed(NamedTuple):
    """What every request of one operation to one model has in common."""

    place: errors.Place
    target: bytes
    headers: tuple[Header, ...]


@functools.lru_cache(maxsize=64)
def _addressed(operation: str, model_id: str, region: str) -> _Addressed:
    return _Addressed(
        errors.Place(operation, model_id, region),
        f"/model/{quote(model_id, safe='-_.~')}/{_PATHS[operation]}".encode("ascii"),
        (
            (b"content-type", b"application/json"),
            (b"accept", _ACCEPTS[operation]),
            (b"accept-encoding", b"identity"),
        ),
    )


def _parsed(raw: bytes) -> Any:
    try:
        return jsontext.loads(raw)
    except jsontext.JsonError as error:
        raise invalid_request(f"the request body is not valid JSON: {error}") from None


def _applied(built: Translation, verdict: learned.Verdict) -> Translation:
    """The translation under a verdict; the same object when the verdict changes nothing in it."""
    if verdict.kind == learned.EMULATE:
        if built.operation != "ConverseStream" or "toolConfig" not in built.body:
            return built
        return built._replace(operation="Converse", notes=(*built.notes, verdict.note))
    body = learned.amended(built.body, verdict)
    if body == built.body:
        return built
    return built._replace(body=body, notes=(*built.notes, verdict.note))


def _local_answer(body: Json, built: Translation, request_id: str) -> bytes | None:
    content = local_content(body, cached=built.cache_points > 0)
    if content is None:
        return None
    message = response.empty_message(built.state, response.message_id((), request_id))
    return jsontext.dumps({**message, "content": content, "stop_reason": "max_tokens"})


def local_content(body: Json, *, cached: bool) -> list[Json] | None:
    """The answer to a request that needs no model: a cache warm-up without cache, or the client's quota probe."""
    if body["max_tokens"] == 0 and not cached:
        return []
    return [{"type": "text", "text": "."}] if _is_quota_probe(body) else None


def _is_quota_probe(body: Json) -> bool:
    """The interactive client's start-up question (client sheet §3): it reads the status, not the answer."""
    messages = body["messages"]
    if body["max_tokens"] != 1 or len(messages) != 1 or body.get("system") or body.get("tools"):
        return False
    content = messages[0].get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    return bool(messages[0].get("role") == "user" and content == "quota")
