"""The body of a Converse request, put together from what is translated elsewhere: conversation, tools, options, caching."""

from typing import Any, NamedTuple

from openclaude.adapters.bedrock_converse import caching, claude, conversation, plain, tools
from openclaude.adapters.bedrock_converse.blocks import blocks_of, mark, note_unknown
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.options import Options, service_tier
from openclaude.adapters.bedrock_converse.pieces import (
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
from openclaude.adapters.bedrock_converse.translation import Translation
from openclaude.adapters.profiles import Profile
from openclaude.wire import jsontext

_TOOL_BLOCKS = frozenset({"toolUse", "toolResult"})


class Told(NamedTuple):
    """A conversation that is translated already, and the names it was translated with."""

    talk: plain.Conversation
    names: Names


class Assembly:
    """One request on its way; the methods run in the order they stand here."""

    def __init__(
        self,
        body: Json,
        betas: bytes,
        profile: Profile,
        catalogs: tools.Catalogs,
        version: claude.Version,
        told: Told | None = None,
    ) -> None:
        self._told = told
        self._body = body
        self._profile = profile
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
        self._options = Options(body, betas, profile, version, self._notes)

    def translation(self, model_id: str, route: str) -> Translation:
        """The translation without its bytes; to be asked for once.

        Raises:
            ApiError: 400.
        """
        system, turns = self._conversation()
        thinks = self._options.thinking(turns, model_id)
        offers = (
            tools.offered(self._catalog, self._history, self._choice, self._notes)
            if self._profile.tools
            else []
        )
        choice = self._tool_choice(offers, thinks=thinks)
        output = self._options.output(system)
        inference = self._options.inference(thinks=thinks)
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
            self._options.extra["tool_choice"] = {"disable_parallel_tool_use": True}
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
        if self._options.extra:
            body["additionalModelRequestFields"] = self._options.extra
        if self._is_claude and "stopSequences" in body["inferenceConfig"]:
            # The only way to learn which sequence stopped the answer.
            body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
        if (tier := service_tier(self._body, self._profile)) is not None:
            body["serviceTier"] = {"type": tier}
