"""Messages request to Converse request: a pure function of the body, the capability profile and the route's names."""

from typing import Any, Final

from openclaude.adapters.bedrock_converse import claude, plain, tools, validate
from openclaude.adapters.bedrock_converse.assembly import Assembly, Told
from openclaude.adapters.bedrock_converse.depth import bounded_depth
from openclaude.adapters.bedrock_converse.frames import Frame, Frames, Key
from openclaude.adapters.bedrock_converse.pieces import Json
from openclaude.adapters.bedrock_converse.translation import Translation, sealed
from openclaude.adapters.profiles import Profile
from openclaude.wire import jsontext

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
    {"messages": plain.Messages, "max_tokens": int}, ("tools", "system"), _IN_FRAME
)
_made: Final = tuple.__new__


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
        if not self._serves_plain or jsontext.is_in_pieces() or not plain.is_utf8(raw):
            return None  # in pieces nothing is read here, and checking the whole would be one long call
        found = _PLAIN_READER.read(raw)
        if found is None:
            return None
        (messages, limit), (tools_text, system_text), texts = found
        known = self._catalogs.found(tools_text or b"[]")
        if known is None or limit is None or limit <= 1:
            return None
        _, listed, catalog = known
        names = catalog.names.copy()
        talk = plain.translate(messages or (), names)
        if talk is None:
            return None
        kept, system = self._latest_system
        if system_text != kept:
            system = self._system(system_text)
        if system is not None and not names.renames and tools.PLACEHOLDER not in talk.called:
            key = bool(talk.called), limit, texts
            frame = self._frames.get(key, listed) or self._framed(key, listed, betas)
            if frame.rest:
                payload = b"".join([b'{"messages":', *talk.messages, *system, frame.rest])
                if len(payload) > validate.MAX_BODY:
                    validate.check_size(payload)
                operation, notes, state, _, _ = frame
                return _made(
                    Translation,
                    (operation, self._model_id, {}, payload, notes, state, 0, talk.messages),
                )
        body = self._values(limit, texts, listed)
        if system_text:
            body["system"] = jsontext.loads(system_text)
        return sealed(self._told(body, betas, Told(talk, names)))

    def _system(self, text: bytes) -> list[plain.Piece] | None:
        """As `plain.system`, and remembered: many clients say the same again and again."""
        pieces = plain.system(text)
        if len(text) < _KEPT_SYSTEM:
            self._latest_system = text, pieces
        return pieces

    def _values(self, limit: int, texts: bytes, listed: list[Any]) -> Json:
        """A request's body without its conversation and its system prompt."""
        there = zip(_IN_FRAME, texts.split(_PLAIN_READER.BETWEEN), strict=True)
        body: Json = {name: jsontext.loads(text) for name, text in there if text}
        return {**body, "max_tokens": limit, "tools": listed}

    def _told(self, body: Json, betas: bytes, told: Told) -> Translation:
        validate.check_all_but_messages(body, geo=self._geo)
        validate.check_not_a_safety_check(body, self._profile.family)
        body["messages"] = []
        request = Assembly(body, betas, self._profile, self._catalogs, self._version, told)
        return request.translation(self._model_id, self._route)

    def _framed(self, key: Key, listed: list[Any], betas: bytes) -> Frame:
        """The frame of a request; it has no `rest` where that depends on the conversation or the system prompt.

        Raises:
            ApiError: 400.
        """
        calls, limit, texts = key
        catalog = self._catalogs.read(listed)
        told = Told(plain.Conversation([], {""} if calls else set()), catalog.names.copy())
        made = self._told(self._values(limit, texts, listed), betas, told)
        offers_all = catalog.ordinary is not None and "toolConfig" in made.body
        serves = "system" not in made.body and not told.names.renames and (offers_all or not listed)
        rest = jsontext.dumps(made.body).removeprefix(b'{"messages":[]') if serves else b""
        frame = Frame(made.operation, made.notes, made.state, rest, listed)
        self._frames.keep(key, frame)
        return frame

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
        return Assembly(body, betas, self._profile, self._catalogs, self._version).translation(
            self._model_id,
            self._route,
        )
