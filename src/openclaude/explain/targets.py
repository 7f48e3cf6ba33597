"""What a request is explained against: a capability profile, and which dialect speaks to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from openclaude.adapters.profiles import Profile, ProfileError, named, overridden, profile_for
from openclaude.config.checks import model as model_fault
from openclaude.config.checks import region_of_model
from openclaude.domain.http import Header

DEFAULT_PROFILE: Final = "qwen-text"
DEFAULT_REGION: Final = "us-east-1"
"""The region of an explanation that names none. A route has to name its own."""
MODELS: Final = MappingProxyType(
    {
        "claude": "us.anthropic.claude-sonnet-4-6",
        "claude-3": "anthropic.claude-3-5-haiku-20241022-v1:0",
        "claude-3-7": "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        "claude-5": "us.anthropic.claude-sonnet-5-5",
        "claude-before-4-5": "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "claude-invoke": "us.anthropic.claude-sonnet-4-6",
        "claude-opus-4-7": "us.anthropic.claude-opus-4-7",
        "deepseek": "deepseek.v3.2",
        "deepseek-v3-1": "deepseek.v3-v1:0",
        "glm": "zai.glm-5",
        "glm-5-3": "us.zai.glm-5.3",
        "gpt": "us.openai.gpt-6-sol",
        "gpt-oss": "openai.gpt-oss-120b-1:0",
        "grok": "global.xai.grok-4.7",
        "kimi": "moonshotai.kimi-k2.5",
        "kimi-k3": "global.moonshotai.kimi-k3",
        "kimi-text": "moonshot.kimi-k2-thinking",
        "llama3": "us.meta.llama3-3-70b-instruct-v1:0",
        "llama4": "us.meta.llama4-maverick-17b-instruct-v1:0",
        "llama4-scout": "us.meta.llama4-scout-17b-instruct-v1:0",
        "minimax": "minimax.minimax-m2.5",
        "mistral": "mistral.devstral-2-123b",
        "mistral-large-3": "mistral.mistral-large-3-675b-instruct",
        "nova": "us.amazon.nova-2-lite-v1:0",
        "nova-1": "us.amazon.nova-pro-v1:0",
        "nova-micro": "us.amazon.nova-micro-v1:0",
        "qwen-32k-window": "qwen.qwen3-32b-v1:0",
        "qwen-8k": "qwen.qwen3-next-80b-a3b",
        "qwen-text": "qwen.qwen3-coder-480b-a35b-v1:0",
        "qwen-vl": "qwen.qwen3-vl-235b-a22b",
        "unknown": "example.model-v1:0",
        "writer": "us.writer.palmyra-x5-v1:0",
    }
)
"""The model id that stands for a profile when none is given."""


class UsageError(ValueError):
    """What was asked for does not exist or does not go together."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to speak to Bedrock.

    Attributes:
        operations: the operation for a whole answer, and the one for a stream.
        translate: as `bedrock_invoke.translate`.
        call: makes the call of a translation, as `bedrock_converse.ConverseCall`.
    """

    operations: tuple[str, str]
    translate: Callable[..., Any]
    call: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is explained against.

    Attributes:
        operation: the operation that was asked for, or None for the one the request implies.
        route: goes into the signature of unsigned reasoning; the profile's family when empty.
        geo: where inference is declared to stay, or None.
    """

    profile: Profile
    model_id: str
    region: str
    operation: str | None
    route: str = ""
    geo: str | None = None

    @property
    def dialect(self) -> Dialect:
        return _DIALECTS[_VIA_OF.get(self.operation or "", self.profile.via)]()

    def translated(self, body: Any, headers: Sequence[Header] = ()) -> Any:
        """The translation of a Messages request that is given as values, with the client's headers.

        Raises:
            ApiError: it cannot be served.
        """
        dialect, profile = self.dialect, self.profile
        if self.operation is not None and isinstance(body, dict):
            streams = self.operation == dialect.operations[1]
            body = {**body, "stream": streams}
            # Who names the stream's operation wants to see it, also for a model whose stream would be emulated.
            profile = overridden(profile, stream_tools=True) if streams else profile
        built = dialect.translate(
            body,
            profile,
            model_id=self.model_id,
            route=self.route,
            geo=self.geo,
            betas=value_of(headers, b"anthropic-beta"),
            version=value_of(headers, b"anthropic-version"),
        )
        return built if self.operation is None else built._replace(operation=self.operation)

    def call(self, built: Any, *, wants_stream: bool) -> Any:
        """The call of a translation; reads the answer."""
        return self.dialect.call(built, self.region, wants_stream=wants_stream)


def value_of(headers: Sequence[Header], name: bytes) -> bytes:
    """The values of a header that may be repeated, as one."""
    return b",".join(value for key, value in headers if key.lower() == name)


def choose(*, profile: str | None, model_id: str | None, region: str | None, operation: str | None) -> Target:
    """The target the options name; what they leave open follows from the rest.

    Raises:
        UsageError: no such profile, no such operation, or no model id.
    """
    if model_id is not None and (fault := model_fault(model_id)) is not None:
        raise UsageError(f"--model-id {fault[0]}\nhint: {fault[1]}")
    chosen = _profile(profile, model_id, operation)
    model = model_id or MODELS.get(chosen.name) or next(iter(chosen.prefixes), chosen.name)
    return checked(Target(chosen, model, region or region_of_model(model) or DEFAULT_REGION, operation))


def checked(target: Target) -> Target:
    """The target, if there is such an operation. Raises `UsageError`."""
    operation = target.operation
    if operation is not None and operation not in _VIA_OF:
        raise UsageError(f"there is no operation {operation!r}\nhint: there are {', '.join(_VIA_OF)}")
    return target


def _profile(name: str | None, model_id: str | None, operation: str | None) -> Profile:
    try:
        if name is not None:
            return named(name)
        if model_id is not None:
            return profile_for(model_id)
        return named("claude-invoke" if _VIA_OF.get(operation or "") == "invoke" else DEFAULT_PROFILE)
    except ProfileError as error:
        raise UsageError(str(error)) from None


def _converse() -> Dialect:
    from openclaude.adapters import bedrock_converse as converse  # noqa: PLC0415  only what is asked for is loaded

    def call(built: converse.Translation, region: str, *, wants_stream: bool) -> converse.ConverseCall:
        return converse.ConverseCall(built, region, converse.LearnedLimits(), wants_stream=wants_stream)

    def translate(body: Any, profile: Profile, *, version: bytes, **said: Any) -> converse.Translation:
        del version  # Converse has no versions of the Messages format
        return converse.translate(body, profile, **said)

    return Dialect(("Converse", "ConverseStream"), translate, call)


def _invoke() -> Dialect:
    from openclaude.adapters import bedrock_invoke as invoke  # noqa: PLC0415  see _converse

    def call(built: invoke.Translation, region: str, *, wants_stream: bool) -> invoke.InvokeCall:
        return invoke.InvokeCall(built, region, invoke.LearnedLimits(), wants_stream=wants_stream)

    return Dialect(("InvokeModel", "InvokeModelWithResponseStream"), invoke.translate, call)


def _messages() -> Dialect:
    from openclaude.adapters import bedrock_messages as messages  # noqa: PLC0415  see _converse
    from openclaude.adapters.bedrock_invoke import LearnedLimits, Translation  # noqa: PLC0415

    def call(built: Translation, region: str, *, wants_stream: bool) -> messages.MessagesCall:
        return messages.MessagesCall(built, region, LearnedLimits(), wants_stream=wants_stream)

    def translate(body: Any, profile: Profile, *, route: str, **said: Any) -> Translation:
        del route  # everything is signed by Claude
        return messages.translate(body, profile, **said)

    return Dialect(("CreateInference", "CreateInference"), translate, call)


_DIALECTS: Final[dict[str, Callable[[], Dialect]]] = {
    "converse": _converse,
    "invoke": _invoke,
    "messages": _messages,
}
_VIA_OF: Final = {
    "Converse": "converse",
    "ConverseStream": "converse",
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke",
}
