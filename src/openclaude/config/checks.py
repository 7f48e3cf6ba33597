"""Whether one value is right. Each check takes a value of the right type and returns None or what is wrong."""

import re
from collections.abc import Callable
from typing import Final

from openclaude.domain.kinds import Kind
from openclaude.domain.models import is_pattern, normalise

Fault = tuple[str, str]
"""What is wrong, and what to do. Neither text may hold a value that can be a secret."""

_REGION_NAME: Final = r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}"
_REGION: Final = re.compile(_REGION_NAME)
_WORKSPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,2048}")
# The kinds Converse serves (Bedrock API model, ConversationalModelId); imported models are not among them.
_MODEL_ARN: Final = re.compile(
    rf"arn:aws(?:-[a-z]+)*:bedrock:(?P<region>{_REGION_NAME}):(?:\d{{12}})?:"
    r"(?P<kind>foundation-model|inference-profile|application-inference-profile|provisioned-model"
    r"|custom-model-deployment|prompt|prompt-router|default-prompt-router)/(?P<name>[A-Za-z0-9_.:-]+)"
)
_GEO: Final = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|in|global)\.[a-z0-9-]+\.")
_BETA: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,79}")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter, so no form of an IP address is a host.
_ENDPOINT: Final = re.compile(
    rf"https://(?P<host>(?:{_LABEL}\.)*(?=[a-z]){_LABEL})(?::(?P<port>\d{{1,5}}))?", re.IGNORECASE
)
_ENDPOINT_REGION: Final = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_ANTHROPIC_HOST: Final = re.compile(r"(?:^|\.)(?:anthropic\.com|claude\.ai|claude\.com)$")


def shown(value: str) -> str:
    """The value for a message: quoted, what a terminal cannot print escaped, cut to a readable length."""
    cut = value if len(value) <= 80 else f"{value[:77]}..."
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut) + '"'


def port(value: int) -> Fault | None:
    if 1 <= value <= 65535:
        return None
    return "must be between 1 and 65535", "leave the line out to use port 4000"


def linger(value: int) -> Fault | None:
    if 0 <= value <= 31_536_000:
        return None
    return "must be between 0 and 31536000 seconds", "0 keeps the gateway until `openclaude stop`"


def name(value: str) -> Fault | None:
    """A model name as a client sends it: exact, one line."""
    if is_pattern(value):
        return (
            f"must be one model's name, but {shown(value)} is a pattern",
            "patterns belong in match, under [[routes]]",
        )
    return _printable_name(value)


def pattern(value: str) -> Fault | None:
    """A model name or a glob."""
    if is_pattern(value) and normalise(value) != value.strip():
        return (
            f"can match nothing: {shown(value)} ends in [1m], which is removed before routes are looked up",
            "leave [1m] out; the route then takes the model with and without it",
        )
    return _printable_name(value)


def model(value: str) -> Fault | None:
    """A Bedrock model id, inference profile id, or ARN of a kind that Converse serves."""
    used = normalise(value)
    if not used:
        return "must not be blank", 'write a Bedrock model id, for example "qwen.qwen3-coder-next"'
    arn = _MODEL_ARN.fullmatch(used)
    if not (arn or _MODEL_ID.fullmatch(used)) or not (arn["name"] if arn else used).strip("."):
        return f"is not a Bedrock model id: {shown(value)}", _model_hint(used)
    return None


def region(value: str) -> Fault | None:
    if _REGION.fullmatch(value):
        return None
    return f"is not an AWS region: {shown(value)}", 'write it as in "us-west-2"'


def profile(value: str) -> Fault | None:
    if value.strip() and value.isprintable():
        return None
    return (
        f"is not the name of an AWS profile: {shown(value)}",
        "`aws configure list-profiles` shows the names",
    )


def workspace(value: str) -> Fault | None:
    if _WORKSPACE.fullmatch(value):
        return None
    return (
        "is not the id of a workspace",
        'write it as the console of Claude Platform on AWS shows it: "wrkspc_…"',
    )


def endpoint_url(value: str) -> Fault | None:
    """`https://host[:port]`. The value is never repeated: it may hold a password."""
    found = _ENDPOINT.fullmatch(value)
    if not found:
        return (
            "must be https://host or https://host:port, without user, path, query or trailing slash",
            'for example "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"',
        )
    if found["port"] and not 1 <= int(found["port"]) <= 65535:
        return "has a port that is not between 1 and 65535", "leave the port out to use 443"
    if _ANTHROPIC_HOST.search(found["host"].lower()):
        return "sends AWS credentials to Anthropic", "name a Bedrock runtime endpoint, or leave the line out"
    return None


def choice(*allowed: str) -> Callable[[str], Fault | None]:
    """A check that the value is one of `allowed`."""

    def check(value: str) -> Fault | None:
        if value in allowed:
            return None
        named = ", ".join(name or '"" for none' for name in allowed)
        return f"is unknown: {shown(value)}", f"write one of: {named}"

    return check


def some(*allowed: str) -> Callable[[list[object]], Fault | None]:
    """A check that every element of a list is one of `allowed`."""

    def check(value: list[object]) -> Fault | None:
        if all(item in allowed for item in value):
            return None
        wanted = ", ".join(f'"{name}"' for name in allowed)
        return "has an element that is unknown here", f"write none, some or all of: {wanted}"

    return check


def kinds(value: list[object]) -> Fault | None:
    """Kinds of requests, one at least."""
    if not value:
        return "is empty, so the route would take nothing", "name a kind, or leave the line out"
    return some(*(kind.value for kind in Kind))(value)


def betas(value: list[object]) -> Fault | None:
    if all(isinstance(item, str) and _BETA.fullmatch(item) for item in value):
        return None
    return "has an element that is no anthropic-beta value", 'write them as in "context-1m-2025-08-07"'


def tokens(value: int) -> Fault | None:
    if 1 <= value <= 100_000_000:
        return None
    return "must be between 1 and 100000000", "it is a number of tokens"


def anything(_: object) -> Fault | None:
    """For a value of which the type says everything."""
    return None


def base_model(value: str) -> Fault | None:
    """The id of a model, as the capability profiles know it."""
    used = normalise(value)
    if _MODEL_ID.fullmatch(used) and used.strip("."):
        return None
    return (
        f"is not the id of a Bedrock model: {shown(value)}",
        'write the id of the model behind the ARN, as in "us.anthropic.claude-sonnet-5-5"',
    )


def hides_its_model(value: str) -> bool:
    """Whether a model's ARN does not say which model it is."""
    arn = _MODEL_ARN.fullmatch(value)
    return arn is not None and arn["kind"] == "application-inference-profile"


def geo_of_model(value: str) -> str | None:
    """The geo prefix of an inference profile's id; None when there is none."""
    arn = _MODEL_ARN.fullmatch(value)
    found = _GEO.match(arn["name"] if arn else value)
    return found[1] if found else None


def region_of_model(value: str) -> str | None:
    """The region in a model's ARN; None when the model is not an ARN."""
    arn = _MODEL_ARN.fullmatch(value)
    return arn["region"] if arn else None


def region_of_endpoint(value: str) -> str | None:
    """The region in the name of a Bedrock runtime endpoint; None when the name does not tell."""
    found = _ENDPOINT_REGION.search(value.removeprefix("https://"))
    return found[1] if found else None


def _printable_name(value: str) -> Fault | None:
    used = normalise(value)
    if not used:
        return f"must name a model, but {shown(value)} is blank", 'for example "qwen-3-coder"'
    if not used.isprintable():
        return f"has characters that no model name has: {shown(value)}", "write the name in plain characters"
    return None


def _model_hint(used: str) -> str:
    if "imported-model" in used:
        return "Converse does not serve imported models; choose another one"
    if "/" in used and not used.startswith("arn:"):
        return "a slash belongs in an ARN only; write the id alone or the whole ARN"
    return "write a model id, an inference profile id or an ARN as the Bedrock console shows it"
