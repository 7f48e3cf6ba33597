"""Where a deployment's requests go, in openClaude's words: to Anthropic, to Bedrock, through a second proxy, or nowhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from openclaude.domain.models import is_claude, is_pattern, normalise
from openclaude.migrate.deployments import Deployment

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_REGION_VARIABLES: Final = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
_LITELLM_S_REGION: Final = "us-west-2"
_DIALECTS: Final = frozenset({"converse", "converse_like", "invoke"})
_NO_MODELS: Final = frozenset({"agent", "agentcore", "async_invoke", "knowledgebase", "retrieval"})
_BARE_BEDROCK: Final = re.compile(
    r"(?:(?:us-gov|us|eu|apac|jp|au|ca|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|writer|zai)"
    r"\.[a-z0-9][\w.:-]*"
)
_EFFORTS: Final = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Second:
    """A second proxy on this machine, asked for `model`."""

    model: str
    address: str


@dataclass(frozen=True, slots=True)
class Login:
    """The Anthropic API with the client's login, asked for `model`."""

    model: str


@dataclass(frozen=True, slots=True)
class Bedrock:
    """Amazon Bedrock. `keys` are those of a `[[routes]]` entry; `assumed` is what the file does not say."""

    keys: Mapping[str, str]
    assumed: str = ""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A place openClaude does not go to."""

    reason: str
    hint: str = ""


Target = Second | Login | Bedrock | Nowhere


def target_of(made: Deployment, env: Mapping[str, str]) -> Target:
    """Where a deployment leads."""
    base = made.values.get("api_base") or made.values.get("base_url") or ""
    provider, model = _provider(made)
    address = _address(base)
    if base and not address:
        return Nowhere("its api_base is no address", "mend it, or take the line out")
    host = address.rpartition(":")[0] if base else ""
    if host.strip("[]") in _LOOPBACK:
        return Second(normalise(model), address)
    if provider == "anthropic":
        if host not in ("", "api.anthropic.com"):
            return Nowhere(
                f"its api_base leads to {host}, and the login goes to https://api.anthropic.com only",
                "ask for the model there without the api_base",
            )
        return Login(normalise(model))
    if provider in {"bedrock", "bedrock_converse"}:
        return _bedrock(made, model, env)
    if host:
        return Nowhere(f"it leads to {host}: openClaude speaks to the Anthropic API and Amazon Bedrock only")
    said = f'the provider "{provider}"' if provider else "a provider that cannot be told from its name"
    return Nowhere(f"{said}: openClaude speaks to the Anthropic API and Amazon Bedrock only")


def _provider(made: Deployment) -> tuple[str, str]:
    """Provider and rest, as LiteLLM reads `provider/model`; a name without provider is told by its form."""
    given = made.values.get("custom_llm_provider", "")
    first, slash, rest = made.target.partition("/")
    if given:
        return given, rest if slash and first == given else made.target
    if slash and not made.target.startswith("arn:"):
        return first, rest
    if is_claude(made.target):
        return "anthropic", made.target
    if _BARE_BEDROCK.fullmatch(made.target) or made.target.startswith("arn:aws"):
        return "bedrock", made.target
    return "", made.target


def _address(base: str) -> str:
    """`host:port` of an address, nothing else of it: it may hold a password. Empty when it is none."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else ""


def _bedrock(made: Deployment, model: str, env: Mapping[str, str]) -> Target:
    kind = model.partition("/")[0]
    if kind in _NO_MODELS:
        return Nowhere(f"bedrock/{kind} is no model that answers messages")
    rest, place = _model_id(model)
    if is_pattern(rest) or not rest:
        return Nowhere("a Bedrock route names one model, and this is a pattern", "add a route for each model")
    keys = {"model": normalise(rest)}
    region = made.values.get("aws_region_name") or place
    assumed = ""
    if not region and not rest.startswith("arn:"):
        region = next((env[name] for name in _REGION_VARIABLES if env.get(name)), _LITELLM_S_REGION)
        assumed = f"the file names no region; {region} is what LiteLLM would use here"
    if region:
        keys["region"] = region
    for key, name in (("profile", "aws_profile_name"), ("endpoint_url", "aws_bedrock_runtime_endpoint")):
        if made.values.get(name):
            keys[key] = made.values[name]
    if made.base_model and rest.startswith("arn:"):
        keys["base_model"] = made.base_model
    effort = made.values.get("reasoning_effort", "")
    if effort in _EFFORTS and "claude" not in rest + made.base_model:
        keys["reasoning"] = effort
    return Bedrock(keys, assumed)


def _model_id(model: str) -> tuple[str, str]:
    """The id behind `converse/`, a region, or the name of a family in front of an ARN; and the region."""
    start = model.find("arn:")
    if start > 0 and model[start - 1] == "/":
        return model[start:], ""
    first, slash, rest = model.partition("/")
    if slash and first in _DIALECTS:
        return _model_id(rest)
    if slash and _REGION.fullmatch(first):
        return rest, first
    return model, ""
