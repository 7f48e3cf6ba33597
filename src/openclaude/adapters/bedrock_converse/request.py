"""Messages request to Converse request: a pure function of the body, the capability profile and the route's names."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from openclaude.adapters.bedrock_converse import caching, claude, conversation, plain, schema, tools, validate
from openclaude.adapters.bedrock_converse.blocks import blocks_of, mark, note_unknown
from openclaude.adapters.bedrock_converse.frames import Frame, Frames
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.pieces import (
    HELD_ONCE,
    Json,
    Notes,
    Piece,
    Turn,
    is_blank,
    string,
    text_piece,
    ttl_of,
)
from openclaude.adapters.bedrock_converse.response import ResponseState
from openclaude.adapters.profiles import Profile
from openclaude.domain.errors import ApiError, invalid_request
from openclaude.wire import jsontext

_SCHEMA_PROMPT = (
    "Reply with one JSON value only, without code fences, that is valid under this JSON Schema:\n"
)
_MAX_STOPS = 2500
FIELDS = (
    "cache_control",
    "compaction",
    "betas",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "thread",
    "tool_choice",
    "top_k",
    "top_p",
)
"""The members of a Messages request, `tools` apart, that the translation reads. It drops the others."""
_LONG = 8 * 1024
"""Bytes from which on it is quicker to leave the tools unread."""
_KEPT_SYSTEM = 64 * 1024
"""Bytes of a system prompt that is remembered."""
_READER = jsontext.PartialReader(FIELDS, "tools")
_IN_FRAME = tuple(name for name in FIELDS if name not in ("messages", "max_tokens", "system"))
_PLAIN_READER = jsontext.TextReader(
    {"messages": plain.Messages, "max_tokens": int}, ("tools", "system", *_IN_FRAME)
)
_TOOL_BLOCKS = frozenset({"toolUse", "toolResult"})
_FIXED_SAMPLING = frozenset({"claude", "gpt"})
"""Families that refuse temperature and its like while they reason."""
_REASONING_OF_FAMILY = {"gpt-oss": "openai", "gpt": "openai", "qwen": "qwen", "nova": "nova"}


class Translation(NamedTuple):
    """A translated request.

    Attributes:
        operation: "Converse" or "ConverseStream".
        model_id: the Bedrock model id or ARN, not quoted.
        body: the request body; parts of it are shared between requests and must not be changed.
        payload: the same as bytes.
        notes: codes of what was degraded.
        state: what the translation of the answer needs to know.
        cache_points: how many cache points the body holds.
        talk: the messages as JSON text in pieces, where they were not made into values; `body` has none then.
    """

    operation: str
    model_id: str
    body: Json
    payload: bytes
    notes: tuple[str, ...]
    state: ResponseState
    cache_points: int
    talk: list[plain.Piece] | None = None

    def once(self) -> "Translation":
        """The translation without the values of a long body, which `values` reads again: its bytes are memory enough."""
        return self if len(self.payload) < HELD_ONCE else self._replace(body={}, talk=[])

    def values(self) -> "Translation":
        """The translation with a body that is whole."""
        return self if self.talk is None else self._replace(body=jsontext.loads(self.payload), talk=None)


def translate(
    body: Any,
    profile: Profile,
    *,
    model_id: str,
    route: str = "",
    betas: bytes = b"",
    geo: str | None = None,
) -> Translation:
    """The Converse request for a Messages request that is given as values.

    Args:
        body: the parsed body; it is not changed.
        profile: what the model can do.
        model_id: the model id of the route, never the client's string.
        route: the name that goes into the signature of unsigned reasoning; the family when empty.
        betas: the value of the `anthropic-beta` header.
        geo: where the route is declared to run.

    Raises:
        ApiError: 400 or 413, before anything was sent.
    """
    builder = Builder(profile, tools.Catalogs(profile), model_id, route or profile.family, geo)
    with bounded_depth():
        return sealed(builder.build(jsontext.clean(body), betas))


def sealed(built: Translation) -> Translation:
    """The translation with its bytes.

    Raises:
        ApiError: 413 when they are too many.
        JsonError: nested too deeply.
    """
    payload = jsontext.dumps(built.body)
    if built.talk is not None:
        payload = b"".join((b'{"messages":', *built.talk, payload.removeprefix(b'{"messages":[]')))
    validate.check_size(payload)
    return built._replace(payload=payload)


class bounded_depth:  # noqa: N801  it is used like a function
    """Turn "nested too deeply", wherever it comes from, into a 400."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is not None and issubclass(kind, RecursionError | jsontext.JsonError):
            raise too_deep() from None


def too_deep() -> ApiError:
    """The refusal of what nests deeper than a stack."""
    return invalid_request("the request's JSON is nested too deeply to be translated")


class Builder:
    """Translates requests of one route."""

    def __init__(
        self, profile: Profile, catalogs: tools.Catalogs, model_id: str, route: str, geo: str | None
    ) -> None:
        self._profile = profile
        self._catalogs = catalogs
        self._model_id = model_id
        self._route = route
        self._geo = geo
        self._version = (
            claude.version(profile.base_model or model_id) if profile.family == "claude" else (0, 0)
        )
        self._serves_plain = plain.serves(profile)
        self._frames = Frames()
        self._latest_system: tuple[bytes, list[plain.Piece] | None] = b"", []

    def build_plain(self, raw: bytes, betas: bytes) -> Translation | None:
        """The translation, with its bytes, of a request whose conversation is an ordinary one; None for others.

        Raises:
            ApiError: 400.
        """
        if not self._serves_plain or not plain.is_utf8(raw):
            return None
        found = _PLAIN_READER.read(raw)
        if found is None:
            return None
        (messages, limit), (tools_text, system_text, *texts) = found
        known = self._catalogs.found(tools_text or b"[]")
        if known is None or limit is None or limit <= 1:
            return None
        _, listed, catalog = known
        names = catalog.names.copy()
        talk = plain.translate(messages or (), names)
        if talk is None:
            return None
        system = self._system(system_text)
        if system is not None and not names.renames and tools.PLACEHOLDER not in talk.called:
            key = (bool(talk.called), limit, *texts)
            frame = self._frames.get(key, listed) or self._framed(key, listed, betas)
            if frame.rest:
                return self._in_frame(frame, talk, system)
        body = self._values(limit, texts, listed)
        if system_text:
            body["system"] = jsontext.loads(system_text)
        return sealed(self._told(body, betas, _Told(talk, names)))

    def _system(self, text: bytes) -> list[plain.Piece] | None:
        """As `plain.system`; many clients say the same again and again."""
        kept, pieces = self._latest_system
        if text != kept:
            pieces = plain.system(text)
            if len(text) < _KEPT_SYSTEM:
                self._latest_system = text, pieces
        return pieces

    def _values(self, limit: int, texts: Iterable[bytes], listed: list[Any]) -> Json:
        """A request's body without its conversation and its system prompt."""
        there = zip(_IN_FRAME, texts, strict=True)
        body: Json = {name: jsontext.loads(text) for name, text in there if text}
        return {**body, "max_tokens": limit, "tools": listed}

    def _told(self, body: Json, betas: bytes, told: "_Told") -> Translation:
        validate.check_all_but_messages(body, geo=self._geo)
        validate.check_not_a_safety_check(body, self._profile.family)
        body["messages"] = []
        request = _Request(body, betas, self._profile, self._catalogs, self._version, told)
        return request.translation(self._model_id, self._route)

    def _framed(self, key: tuple[Any, ...], listed: list[Any], betas: bytes) -> Frame:
        """The frame of a request; it has no `rest` where that depends on the conversation or the system prompt.

        Raises:
            ApiError: 400.
        """
        calls, limit, *texts = key
        catalog = self._catalogs.read(listed)
        told = _Told(plain.Conversation([], {""} if calls else set()), catalog.names.copy())
        made = self._told(self._values(limit, texts, listed), betas, told)
        offers_all = catalog.ordinary is not None and "toolConfig" in made.body
        serves = "system" not in made.body and not told.names.renames and (offers_all or not listed)
        rest = jsontext.dumps(made.body).removeprefix(b'{"messages":[]') if serves else b""
        frame = Frame(made.operation, made.notes, made.state, rest, listed)
        self._frames.keep(key, frame)
        return frame

    def _in_frame(self, frame: Frame, talk: plain.Conversation, system: list[plain.Piece]) -> Translation:
        payload = b"".join((b'{"messages":', *talk.messages, *system, frame.rest))
        if len(payload) > validate.MAX_BODY:
            validate.check_size(payload)
        return Translation(
            frame.operation, self._model_id, {}, payload, frame.notes, frame.state, 0, talk.messages
        )

    def read(self, raw: bytes) -> Any:
        """A client's whole request body as values, to be given to `build`; shared in parts with earlier ones.

        Raises:
            JsonError: not JSON.
        """
        found = _READER.read(raw) if len(raw) > _LONG else None
        if found is not None:
            body, tools_text = found
            if not tools_text:
                return body
            listed = self._catalogs.list_of(tools_text)
            if listed is not None:
                return {**body, "tools": listed}
        return jsontext.loads(raw)

    def build(self, raw: Any, betas: bytes = b"") -> Translation:
        """The translation without its bytes. `raw` holds no unpaired surrogates.

        Raises:
            ApiError: 400.
        """
        body = validate.check(raw, geo=self._geo)
        validate.check_not_a_safety_check(body, self._profile.family)
        return _Request(body, betas, self._profile, self._catalogs, self._version).translation(
            self._model_id,
            self._route,
        )


class _Told(NamedTuple):
    """A conversation that is translated already, and the names it was translated with."""

    talk: plain.Conversation
    names: Names


class _Request:
    """One request on its way; the methods run in the order they stand here."""

    def __init__(
        self,
        body: Json,
        betas: bytes,
        profile: Profile,
        catalogs: tools.Catalogs,
        version: claude.Version,
        told: _Told | None = None,
    ) -> None:
        self._told = told
        self._body = body
        self._betas = betas
        self._profile = profile
        self._version = version
        self._is_claude = profile.family == "claude"
        self._notes = Notes()
        self._choice = tools.read_choice(body.get("tool_choice"))
        self._history = (
            tools.History(told.talk.called) if told is not None else tools.read_history(body["messages"])
        )
        listed = body.get("tools") or []
        added = self._history.definitions
        self._catalog = catalogs.read([*listed, *added] if added else listed)
        self._names = told.names if told is not None else self._catalog.names.copy()
        self._extra: Json = {}
        self._max_tokens = max(1, min(body["max_tokens"], profile.max_output))

    def translation(self, model_id: str, route: str) -> Translation:
        system, turns = self._conversation()
        thinks = self._thinking(turns, model_id)
        offers = (
            tools.offered(self._catalog, self._history, self._choice, self._notes)
            if self._profile.tools
            else []
        )
        choice = self._tool_choice(offers, thinks=thinks)
        output = self._output(system)
        inference = self._inference(thinks=thinks)
        points = self._cache(offers, system, turns)
        placeholder = tools.PLACEHOLDER if not offers and self._has_tool_blocks(turns) else ""
        rendered = caching.rendered if points else caching.unmarked
        body: Json = {"messages": [{"role": turn.role, "content": rendered(turn.pieces)} for turn in turns]}
        if system:
            body["system"] = rendered(system)
        if offers or placeholder:
            if self._told is not None and offers is self._catalog.ordinary:
                listed = jsontext.spliced(self._catalog.text)
            else:
                listed = rendered(offers or tools.placeholder())
            body["toolConfig"] = {"tools": listed, **choice}
        body["inferenceConfig"] = inference
        self._add_rest(body, output)
        operation = self._operation(with_tools="toolConfig" in body)
        state = ResponseState(
            model=self._body["model"],
            route=route,
            tool_names=self._names.renamed(),
            stop_sequences=tuple(inference.get("stopSequences", ())),
            # Its calls are removed whether it was sent or not, except where the client has a tool of that name.
            placeholder="" if self._names.knows(tools.PLACEHOLDER) else tools.PLACEHOLDER,
            discard=self._body["max_tokens"] == 0,
        )
        talk = self._told.talk.messages if self._told is not None else None
        return Translation(operation, model_id, body, b"", self._notes.codes(), state, points, talk)

    def _has_tool_blocks(self, turns: list[Turn]) -> bool:
        if self._told is not None:
            return bool(self._told.talk.called)
        return any(turn.calls and any(piece.kind in _TOOL_BLOCKS for piece in turn.pieces) for turn in turns)

    def _operation(self, *, with_tools: bool) -> str:
        if self._body.get("stream") is not True or self._body["max_tokens"] == 0:
            return "Converse"
        if self._profile.stream_tools or not with_tools:
            return "ConverseStream"
        self._notes.add("stream_emulated")
        return "Converse"

    def _tool_choice(self, offers: list[Piece], *, thinks: bool) -> Json:
        """The `toolChoice` member of toolConfig, if there is to be one."""
        forced_auto = thinks and self._is_claude
        choice = tools.tool_choice(
            self._choice,
            offers,
            self._names,
            self._profile,
            self._notes,
            thinking=forced_auto,
        )
        if self._choice.one_at_a_time and offers and self._is_claude:
            # Converse refuses a `type` here: it has its own toolChoice.
            self._extra["tool_choice"] = {"disable_parallel_tool_use": True}
        elif self._choice.one_at_a_time and offers:
            self._notes.add("disable_parallel_dropped")
        return {} if choice is None else {"toolChoice": choice}

    def _conversation(self) -> tuple[list[Piece], list[Turn]]:
        system: list[Piece] = []
        if self._told is not None:
            self._add_system(system, self._body.get("system"))
            return system, []
        messages = self._body["messages"]
        if self._history.compacted:
            messages = conversation.after_compaction(messages)
        leading, messages = conversation.split_system(messages)
        for content in (self._body.get("system"), *leading):
            self._add_system(system, content)
        return system, conversation.turns_of(messages, self._profile, self._names, self._notes)

    def _add_system(self, system: list[Piece], content: Any) -> None:
        for block in blocks_of(content):
            text = string(block.get("text"))
            if not is_blank(text) and not text.startswith(plain.ATTRIBUTION):
                system.append(text_piece(text))
            note_unknown(block, self._notes)
            if self._profile.cache_points and (ttl := ttl_of(block)) is not None:
                mark(system, ttl)

    def _thinking(self, turns: list[Turn], model_id: str) -> bool:
        """Whether the model is going to think; on Claude the fields for it are set on the way."""
        if not self._is_claude:
            return self._reasoning()
        flags = claude.betas(self._betas, self._body.get("betas"), "converse", self._profile, self._notes)
        asked, wanted = self._body.get("thinking"), self._effort()
        field_ = claude.thinking(asked, self._version, self._max_tokens, flags, wanted, self._notes)
        if claude.is_on(field_) and _reasoning_is_missing(
            turns, strictly=field_ is not None and field_["type"] == "enabled"
        ):
            self._notes.add("thinking_disabled")
            field_ = None
        if field_ is not None:
            self._extra["thinking"] = field_
        thinks = claude.is_on(field_)
        budget_effort = claude.effort_of_budget(asked, self._version) if thinks else ""
        effort = claude.effort(
            wanted or budget_effort, self._version, self._profile.base_model or model_id, thinks=thinks
        )
        if effort is not None:
            self._extra["output_config"] = {"effort": effort}
        if flags:
            self._extra["anthropic_beta"] = flags
        return thinks

    def _effort(self) -> str:
        """The effort asked for: the last system message that names one wins over the request's own."""
        configs = [self._body.get("output_config")]
        configs += [
            message.get("output_config") for message in self._body["messages"] if message["role"] == "system"
        ]
        efforts = [string(config.get("effort")) for config in configs if isinstance(config, dict)]
        return next((effort for effort in reversed(efforts) if effort), "")

    def _reasoning(self) -> bool:
        """What the route asks of a model that is not Claude; the client's own wish is about Claude."""
        effort = self._profile.reasoning_effort
        asked = self._body.get("thinking")
        if effort is None or (isinstance(asked, dict) and asked.get("type") == "disabled"):
            return False
        match self._profile.reasoning or _REASONING_OF_FAMILY.get(self._profile.family):
            case "openai":
                self._extra["reasoning_effort"] = effort
            case "qwen":
                # There is no value between the two, and none that turns it off.
                self._extra["reasoning_config"] = "low" if effort == "low" else "high"
            case "nova":
                self._extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
            case _:
                return False
        return True

    def _output(self, system: list[Piece]) -> Json | None:
        """`outputConfig` for a JSON schema, or the schema as one more system text where that is not native."""
        config = self._body.get("output_config")
        wanted = config.get("format") if isinstance(config, dict) else None
        wanted = wanted if isinstance(wanted, dict) else self._body.get("output_format")
        if not isinstance(wanted, dict) or not isinstance(wanted.get("schema"), dict):
            return None
        if not self._profile.json_schema:
            system.append(text_piece(schema_prompt(_compact(wanted["schema"]))))
            self._notes.add("json_schema_prompted")
            return None
        definition: Json = {"schema": _compact(schema.enforced(wanted["schema"]))}
        definition |= {key: wanted[key] for key in ("name", "description") if string(wanted.get(key)).strip()}
        return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}

    def _inference(self, *, thinks: bool) -> Json:
        config: Json = {"maxTokens": self._max_tokens}
        if self._body["max_tokens"] > self._max_tokens:
            self._notes.add("max_tokens_clamped")
        self._sample(config, thinks=thinks and self._profile.family in _FIXED_SAMPLING)
        if wanted := self._body.get("stop_sequences"):
            stops = [stop for stop in wanted if stop][:_MAX_STOPS]
            if stops and self._profile.stop_sequences:
                config["stopSequences"] = stops
            elif stops:
                self._notes.add("stop_sequences_dropped")
        return config

    def _sample(self, config: Json, *, thinks: bool) -> None:
        body = self._body
        temperature, top_p, top_k = body.get("temperature"), body.get("top_p"), body.get("top_k")
        refused = thinks or (self._is_claude and not claude.takes_sampling(self._version))
        if temperature is not None and refused:
            self._notes.add("temperature_dropped")
        elif temperature is not None:
            config["temperature"] = self._clamped("temperature", temperature)
        only_one = self._is_claude and temperature is not None and claude.one_sampling_field(self._version)
        if top_p is not None and (refused or only_one):
            self._notes.add("top_p_dropped")
        elif top_p is not None:
            config["topP"] = self._clamped("top_p", top_p)
        if top_k is not None and (refused or self._profile.top_k is None):
            self._notes.add("top_k_dropped")
        elif top_k is not None and self._profile.top_k == "nova":
            self._extra["inferenceConfig"] = {"topK": top_k}
        elif top_k is not None:
            self._extra["top_k"] = top_k

    def _clamped(self, name: str, value: float) -> float:
        if 0 <= value <= 1:
            return value
        self._notes.add(f"{name}_clamped")
        return min(max(value, 0), 1)

    def _cache(self, offers: list[Piece], system: list[Piece], turns: list[Turn]) -> int:
        if not self._profile.cache_points:
            return 0
        ttl = ttl_of(self._body)
        if ttl is not None:
            caching.mark_last_user_turn(turns, ttl)
        return caching.settle(offers, system, turns, self._profile, self._notes)

    def _add_rest(self, body: Json, output: Json | None) -> None:
        if output is not None:
            body["outputConfig"] = output
        if self._extra:
            body["additionalModelRequestFields"] = self._extra
        if self._is_claude and "stopSequences" in body["inferenceConfig"]:
            # The only way to learn which sequence stopped the answer.
            body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
        if (tier := service_tier(self._body, self._profile)) is not None:
            body["serviceTier"] = {"type": tier}


def service_tier(body: Json, profile: Profile) -> str | None:
    """The tier to ask Bedrock for: the route's, or the standard one for a client that wants no other."""
    return profile.service_tier or ("default" if body.get("service_tier") == "standard_only" else None)


def schema_prompt(schema_text: str) -> str:
    """The system text that asks for JSON where the model cannot be held to it."""
    return _SCHEMA_PROMPT + schema_text


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _reasoning_is_missing(turns: list[Turn], *, strictly: bool) -> bool:
    """Whether Claude would refuse to think: the last turn with a tool call has none of its thinking left.

    With a budget Claude wants thinking before every tool call; adaptive thinking may have left it out.
    """
    for turn in reversed(turns):
        kinds = {piece.kind for piece in turn.pieces}
        if turn.role == "assistant" and "toolUse" in kinds:
            return "reasoningContent" not in kinds and (strictly or turn.lost_reasoning)
    return False
