"""Messages request to the request Claude on Bedrock takes: a pure function of the body, the profile and the headers.

The body is the Messages body, so nothing is translated: what Bedrock does not know is left behind, what a model of
this version refuses is changed to what it takes, and the rest passes as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from openclaude.adapters.bedrock_converse import claude, conversation, validate
from openclaude.adapters.bedrock_converse.blocks import blocks_of
from openclaude.adapters.bedrock_converse.depth import bounded_depth
from openclaude.adapters.bedrock_converse.options import schema_prompt, service_tier
from openclaude.adapters.bedrock_converse.pieces import HELD_ONCE, Json, Notes, objects, string
from openclaude.adapters.bedrock_converse.plain import ATTRIBUTION
from openclaude.adapters.bedrock_converse.tools import read_choice, read_history
from openclaude.adapters.bedrock_invoke.blocks import Known
from openclaude.adapters.bedrock_invoke.history import Turn, reasoning_is_missing, turns_of
from openclaude.adapters.bedrock_invoke.surface import INVOKE, Surface
from openclaude.adapters.bedrock_invoke.tidy import with_cache_control
from openclaude.adapters.bedrock_invoke.tools import offer, tool_choice
from openclaude.adapters.profiles import Profile
from openclaude.domain.http import Header
from openclaude.wire import jsontext

VERSION: Final = "bedrock-2023-05-31"
NEW_VERSION: Final = "2026-10-21"
OLD_VERSION: Final = b"2023-06-01"
"""What Claude Code sends; VERSION is Bedrock's name for it."""
COMPACT: Final = "compact-2026-01-12"
MANAGEMENT: Final = "context-management-2025-06-27"

_NEW_VERSION_SINCE: Final = (4, 7)
_NO_PREFILL_SINCE: Final = (4, 6)
_EDITS: Final = {"compact_20260112": COMPACT, "clear_tool_uses_20250919": MANAGEMENT}
"""The context edits Bedrock knows, and the betas they need."""


class Translation(NamedTuple):
    """A request for Claude on Bedrock.

    Attributes:
        operation: "InvokeModel", "InvokeModelWithResponseStream", or "CreateInference" of the Messages endpoints.
        model_id: the Bedrock model id or ARN, not quoted.
        body: the request body; parts of it are the client's own.
        payload: the same as bytes.
        notes: codes of what was degraded.
        model: the string the client asked for.
        headers: headers the request needs beside those of its dialect.
        streams: whether the answer comes as a stream.
        discard: the client wanted the prompt cached and no answer.
        cached: whether anything in the body is marked for the prompt cache.
    """

    operation: str
    model_id: str
    body: Json
    payload: bytes
    notes: tuple[str, ...]
    model: str
    headers: tuple[Header, ...] = ()
    streams: bool = False
    discard: bool = False
    cached: bool = False

    def once(self) -> "Translation":
        """The translation without the values of a long body, which `values` reads again: its bytes are memory enough."""
        return self if len(self.payload) < HELD_ONCE else self._replace(body={})

    def values(self) -> "Translation":
        """The translation with its body's values."""
        return self if self.body else self._replace(body=jsontext.loads(self.payload))


@dataclass(frozen=True, slots=True)
class Heading:
    """The client's headers that say how its body is meant: `anthropic-beta` and `anthropic-version`."""

    betas: bytes = b""
    version: bytes = b""


def translate(
    body: Any,
    profile: Profile,
    *,
    model_id: str,
    route: str = "",
    betas: bytes = b"",
    version: bytes = b"",
    geo: str | None = None,
) -> Translation:
    """The InvokeModel request for a Messages request that is given as values.

    Args:
        body: the parsed body; it is not changed.
        profile: what the model can do.
        model_id: the model id of the route, never the client's string.
        route: the route's name; here nothing depends on it.
        betas: the value of the `anthropic-beta` header.
        version: the value of the `anthropic-version` header.
        geo: where the route is declared to run.

    Raises:
        ApiError: 400 or 413, before anything was sent.
    """
    del route
    with bounded_depth():
        return sealed(Builder(profile, model_id, geo).build(jsontext.clean(body), Heading(betas, version)))


def sealed(built: Translation) -> Translation:
    """The translation with its bytes.

    Raises:
        ApiError: 413 when they are too many.
        JsonError: nested too deeply.
    """
    payload = jsontext.dumps(built.body)
    validate.check_size(payload)
    return built._replace(payload=payload)


class Builder:
    """Makes the requests of one route."""

    def __init__(self, profile: Profile, model_id: str, geo: str | None, surface: Surface = INVOKE) -> None:
        self._profile = profile
        self._model_id = model_id
        self._geo = geo
        self._surface = surface
        self._version = claude.version(profile.base_model or model_id)

    def build(self, raw: Any, heading: Heading) -> Translation:
        """The translation without its bytes. `raw` holds no unpaired surrogates.

        Raises:
            ApiError: 400.
        """
        body = validate.check(raw, geo=self._geo)
        return _Request(body, heading, self._profile, self._version, self._surface).translation(
            self._model_id
        )


class _Request:
    """One request on its way; the methods run in the order they stand here."""

    def __init__(
        self, body: Json, heading: Heading, profile: Profile, version: claude.Version, surface: Surface
    ) -> None:
        self._body = body
        self._heading = heading
        self._profile = profile
        self._version = version
        self._surface = surface
        self._notes = Notes()
        self._flag_notes = Notes()
        self._flags = set(
            claude.betas(heading.betas, _body_betas(body), surface.dialect, profile, self._flag_notes)
        )
        self._max_tokens = max(1, min(body["max_tokens"], profile.max_output))
        self._sent: Json = {}

    def translation(self, model_id: str) -> Translation:
        body, sent, profile = self._body, self._sent, self._profile
        choice = read_choice(body.get("tool_choice"))
        found = offer(body.get("tools") or [], read_history(body["messages"]), choice, profile, self._surface)
        self._flags |= found.betas
        edits = self._edits()
        known = Known(
            profile, found.names(), found.server_tools(), COMPACT in self._flags, self._speaks_new_version()
        )
        turns = self._conversation(known)
        for code in self._flag_notes.codes():
            self._notes.add(code)
        thinks = self._thinking(turns, model_id)
        for code in found.codes:
            self._notes.add(code)
        if found.tools:
            sent["tools"] = found.tools
        self._set(
            "tool_choice", tool_choice(body.get("tool_choice"), choice, found, self._notes, thinking=thinks)
        )
        self._format()
        self._sample(thinks=thinks)
        self._rest(edits)
        prewarm = body["max_tokens"] == 0
        streams = body.get("stream") is True and not prewarm
        if streams and found.tools and not profile.stream_tools:
            self._notes.add("stream_emulated")
            streams = False
        return Translation(
            self._surface.stream if streams else self._surface.whole,
            model_id,
            self._enveloped(model_id, streams=streams),
            b"",
            self._notes.codes(),
            body["model"],
            headers=self._headers(),
            streams=streams,
            discard=prewarm,
            cached=_is_cached(sent),
        )

    def _set(self, name: str, value: Any) -> None:
        if value is not None:
            self._sent[name] = value

    def _edits(self) -> list[Json]:
        """The edits of `context_management` that exist on Bedrock; the betas they need are announced."""
        management = self._body.get("context_management")
        edits = objects(management.get("edits")) if isinstance(management, dict) else []
        kept = [edit for edit in edits if string(edit.get("type")) in _EDITS]
        self._flags |= {_EDITS[edit["type"]] for edit in kept}
        return kept

    def _conversation(self, known: Known) -> list[Turn]:
        leading, messages = conversation.split_system(self._body["messages"])
        self._system(leading)
        may_end = self._profile.trailing_assistant or self._version < _NO_PREFILL_SINCE
        turns = turns_of(messages, known, self._notes, may_end_with_assistant=may_end)
        self._sent["messages"] = [turn.message() for turn in turns]
        return turns

    def _system(self, leading: list[Any]) -> None:
        own = self._body.get("system")
        if isinstance(own, str) and not leading:
            if own.strip() and not own.startswith(ATTRIBUTION):
                self._sent["system"] = own
            return
        shown = []
        for block in [block for content in (own, *leading) for block in blocks_of(content)]:
            text = string(block.get("text"))
            if text.strip() and not text.startswith(ATTRIBUTION):
                plain = {"type": "text", "text": text}
                if "cache_control" in block:
                    plain["cache_control"] = block["cache_control"]
                shown.append(with_cache_control(plain, ttl=self._profile.cache_ttl_1h))
        if shown:
            self._sent["system"] = shown

    def _thinking(self, turns: list[Turn], model_id: str) -> bool:
        """Set `thinking` and the effort; whether the model is going to think."""
        asked, wanted = self._body.get("thinking"), self._effort()
        flags = sorted(self._flags)
        value = claude.thinking(asked, self._version, self._max_tokens, flags, wanted, self._notes)
        if claude.is_on(value) and reasoning_is_missing(
            turns, strictly=value is not None and value["type"] == "enabled"
        ):
            self._notes.add("thinking_disabled")
            value = None
        self._set("thinking", value)
        thinks = claude.is_on(value)
        of_budget = claude.effort_of_budget(asked, self._version) if thinks else ""
        known_as = self._profile.base_model or model_id
        # The cap on an effort without thinking belongs to Converse's own field.
        effort = claude.effort(wanted or of_budget, self._version, known_as, thinks=True)
        if effort is not None:
            self._sent["output_config"] = {"effort": effort}
        return thinks

    def _effort(self) -> str:
        """The effort asked for; a system message that names one wins, unless the model reads those itself."""
        configs = [self._body.get("output_config")]
        if not self._profile.mid_conversation_system:
            said = [message for message in self._body["messages"] if message["role"] == "system"]
            configs += [message.get("output_config") for message in said]
        efforts = [string(config.get("effort")) for config in configs if isinstance(config, dict)]
        return next((effort for effort in reversed(efforts) if effort), "")

    def _format(self) -> None:
        """Structured output: native, or the schema as one more system text."""
        config = self._body.get("output_config")
        wanted = config.get("format") if isinstance(config, dict) else None
        wanted = wanted if isinstance(wanted, dict) else self._body.get("output_format")
        if not isinstance(wanted, dict):
            return
        if self._profile.json_schema:
            self._sent["output_config"] = {**self._sent.get("output_config", {}), "format": wanted}
        elif isinstance(wanted.get("schema"), dict):
            self._sent["system"] = with_prompt(self._sent.get("system"), wanted["schema"])
            self._notes.add("json_schema_prompted")

    def _sample(self, *, thinks: bool) -> None:
        refused = thinks or not claude.takes_sampling(self._version)
        temperature, top_p, top_k = (self._body.get(key) for key in ("temperature", "top_p", "top_k"))
        if temperature is not None and refused:
            self._notes.add("temperature_dropped")
        elif temperature is not None:
            self._sent["temperature"] = self._clamped("temperature", temperature)
        only_one = temperature is not None and claude.one_sampling_field(self._version)
        if top_p is not None and (refused or only_one):
            self._notes.add("top_p_dropped")
        elif top_p is not None:
            self._sent["top_p"] = self._clamped("top_p", top_p)
        if top_k is not None and (refused or self._profile.top_k is None):
            self._notes.add("top_k_dropped")
        elif top_k is not None:
            self._sent["top_k"] = top_k

    def _clamped(self, name: str, value: float) -> float:
        if 0 <= value <= 1:
            return value
        self._notes.add(f"{name}_clamped")
        return min(max(value, 0), 1)

    def _rest(self, edits: list[Json]) -> None:
        body, sent = self._body, self._sent
        sent["max_tokens"] = self._max_tokens
        if body["max_tokens"] > self._max_tokens:
            self._notes.add("max_tokens_clamped")
        stops = [stop for stop in body.get("stop_sequences") or () if stop.strip()]
        if stops and self._profile.stop_sequences:
            sent["stop_sequences"] = stops
        elif stops:
            self._notes.add("stop_sequences_dropped")
        if isinstance(body.get("metadata"), dict):
            sent["metadata"] = body["metadata"]
        if edits:
            sent["context_management"] = {"edits": edits}

    def _enveloped(self, model_id: str, *, streams: bool) -> Json:
        if self._surface is not INVOKE:
            return {"model": model_id, **self._sent, **({"stream": True} if streams else {})}
        version = NEW_VERSION if self._speaks_new_version() else VERSION
        body: Json = {"anthropic_version": version, **self._sent}
        if self._flags:
            body["anthropic_beta"] = sorted(self._flags)
        return body

    def _speaks_new_version(self) -> bool:
        """Whether the request is in the newer version of the format.

        It takes away sampling, assistant documents and citations of the user's, and AWS knows it for new models only.
        """
        is_new = self._heading.version.strip() == NEW_VERSION.encode()
        return is_new and self._version >= _NEW_VERSION_SINCE

    def _headers(self) -> tuple[Header, ...]:
        if self._surface is INVOKE:
            tier = service_tier(self._body, self._profile)
            return ((b"x-amzn-bedrock-service-tier", tier.encode()),) if tier is not None else ()
        asked = self._heading.version.strip()
        is_refused = asked == NEW_VERSION.encode() and not self._speaks_new_version()
        version = OLD_VERSION if is_refused or not asked else asked
        flags = ",".join(sorted(self._flags)).encode()
        announced = ((b"anthropic-beta", flags),) if flags else ()
        return ((b"anthropic-version", version), *announced, *self._surface.headers)


def _body_betas(body: Json) -> list[Any]:
    """The betas in a body: the SDK's `betas`, and `anthropic_beta` of a client that was written for Bedrock."""
    lists = (body.get("betas"), body.get("anthropic_beta"))
    return [name for names in lists if isinstance(names, list) for name in names]


def with_prompt(system: Any, schema: Any) -> list[Json]:
    """The system blocks with a text that asks for JSON under a schema."""
    text = schema_prompt(jsontext.dumps(schema).decode())
    return [*blocks_of(system), {"type": "text", "text": text}]


def _is_cached(sent: Mapping[str, Any]) -> bool:
    blocks = [*objects(sent.get("tools")), *objects(sent.get("system"))]
    for message in sent["messages"]:
        blocks += objects(message["content"])
    return any("cache_control" in block for block in blocks)
