"""What a request asks of the model beside its words: reasoning, sampling, limits, the form and the tier of the answer."""

import json
from typing import Any

from openclaude.adapters.bedrock_converse import claude, schema
from openclaude.adapters.bedrock_converse.pieces import Json, Notes, Piece, Turn, string, text_piece
from openclaude.adapters.profiles import Profile

_SCHEMA_PROMPT = (
    "Reply with one JSON value only, without code fences, that is valid under this JSON Schema:\n"
)
_MAX_STOPS = 2500
_FIXED_SAMPLING = frozenset({"claude", "gpt"})
"""Families that refuse temperature and its like while they reason."""
_REASONING_OF_FAMILY = {"gpt-oss": "openai", "gpt": "openai", "qwen": "qwen", "nova": "nova"}


class Options:
    """The options of one request; the methods run in the order they stand here.

    Attributes:
        extra: what Converse has no member for, as `additionalModelRequestFields`; filled on the way.
    """

    def __init__(
        self, body: Json, betas: bytes, profile: Profile, version: claude.Version, notes: Notes
    ) -> None:
        self.extra: Json = {}
        self._body = body
        self._betas = betas
        self._profile = profile
        self._version = version
        self._is_claude = profile.family == "claude"
        self._notes = notes
        self._max_tokens = max(1, min(body["max_tokens"], profile.max_output))

    def thinking(self, turns: list[Turn], model_id: str) -> bool:
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
            self.extra["thinking"] = field_
        thinks = claude.is_on(field_)
        budget_effort = claude.effort_of_budget(asked, self._version) if thinks else ""
        effort = claude.effort(
            wanted or budget_effort, self._version, self._profile.base_model or model_id, thinks=thinks
        )
        if effort is not None:
            self.extra["output_config"] = {"effort": effort}
        if flags:
            self.extra["anthropic_beta"] = flags
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
                self.extra["reasoning_effort"] = effort
            case "qwen":
                # There is no value between the two, and none that turns it off.
                self.extra["reasoning_config"] = "low" if effort == "low" else "high"
            case "nova":
                self.extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
            case _:
                return False
        return True

    def output(self, system: list[Piece]) -> Json | None:
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

    def inference(self, *, thinks: bool) -> Json:
        """`inferenceConfig`: the limit of the answer, the sampling and the stop sequences."""
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
            self.extra["inferenceConfig"] = {"topK": top_k}
        elif top_k is not None:
            self.extra["top_k"] = top_k

    def _clamped(self, name: str, value: float) -> float:
        if 0 <= value <= 1:
            return value
        self._notes.add(f"{name}_clamped")
        return min(max(value, 0), 1)


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
