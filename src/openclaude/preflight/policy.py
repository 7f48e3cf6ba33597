"""The least IAM policy for the Bedrock routes of a configuration.

Actions and resources: AWS's service authorization reference for Amazon Bedrock, and the user guide's pages on
geographic and global cross-region inference (a profile needs its own ARN, the model's in the calling region, and the
model's in every region it routes to; a global one the model's ARN without a region). Converse is allowed by
InvokeModel, ConverseStream by InvokeModelWithResponseStream; neither has an action of its own name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openclaude.adapters.profiles import profile_for, without_geo
from openclaude.config.values import RouteConfig
from openclaude.preflight.places import DESTINATIONS, GLOBAL, geo_of, partition

ACCOUNT: Final = "ACCOUNT"
"""Stands for the account's number where it is not known."""

_INVOKE: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_COUNT: Final = ("bedrock:CountTokens",)
_READ: Final = (
    "bedrock:ListFoundationModels",
    "bedrock:ListInferenceProfiles",
    "bedrock:GetInferenceProfile",
    "bedrock:GetFoundationModelAvailability",
)
_BEARER: Final = ("bedrock:CallWithBearerToken",)

_HIDDEN: Final = {
    "application-inference-profile": (
        "hides its model: add the model's ARN in every region it routes to (`aws bedrock get-inference-profile "
        "--inference-profile-identifier ARN` lists them)"
    ),
    "prompt-router": "chooses between models: add the ARNs of those it can choose",
    "default-prompt-router": "chooses between models: add the ARNs of those it can choose",
    "prompt": "names its model: add bedrock:RenderPrompt on the prompt and both actions on the model's ARN",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document, and what its reader still has to know, a line each. Without routes there is no statement."""

    document: dict[str, Any]
    notes: tuple[str, ...]


def policy(
    routes: Sequence[RouteConfig],
    *,
    account: str | None = None,
    read_models: bool = False,
    api_key: bool = False,
) -> Policy:
    """The policy for `routes`, of which those to Bedrock count. The same routes always give the same text.

    Args:
        routes: in the order of the configuration, which is the order of the resources.
        account: the account's 12 digits, for the ARNs that have it.
        read_models: whether looking models up (`openclaude aws models`, `check`) is allowed as well.
        api_key: whether a Bedrock API key is used instead of signatures.
    """
    to_bedrock = [route for route in routes if route.to == "bedrock"]
    invoked = _unique(arn for route in to_bedrock for arn in _resources(route, account or ACCOUNT))
    counted = _unique(
        arn
        for route in to_bedrock
        if profile_for(route.model or "").family == "claude"
        for arn in _resources(route, account or ACCOUNT)
    )
    statements = [
        _statement("InvokeModels", _INVOKE, invoked),
        _statement("CountTokens", _COUNT, counted),
        _statement("LookModelsUp", _READ, ["*"] if read_models else []),
        _statement("UseApiKey", _BEARER, ["*"] if api_key else []),
    ]
    document = {"Version": "2012-10-17", "Statement": [found for found in statements if found]}
    return Policy(document, tuple(_unique(_notes(to_bedrock, invoked))))


def _statement(sid: str, actions: Sequence[str], resources: list[str]) -> dict[str, Any] | None:
    if not resources:
        return None
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}


def _resources(route: RouteConfig, account: str) -> Iterator[str]:
    model, region = route.model or "", route.region or ""
    name = model
    if model.startswith("arn:"):
        yield model
        kind, _, name = model.split(":", 5)[5].partition("/")
        if kind != "inference-profile":
            return
    geo = geo_of(name)
    aws = partition(region)
    if geo is not None and not model.startswith("arn:"):
        yield f"arn:{aws}:bedrock:{region}:{account}:inference-profile/{name}"
    destinations = DESTINATIONS.get(geo or "", ())
    for place in (region, *(other for other in destinations if other != region)):
        yield f"arn:{aws}:bedrock:{place}::foundation-model/{without_geo(name)}"
    if geo == GLOBAL:
        yield f"arn:{aws}:bedrock:::foundation-model/{without_geo(name)}"


def _notes(routes: Iterable[RouteConfig], resources: Iterable[str]) -> Iterator[str]:
    if any(f":{ACCOUNT}:" in arn for arn in resources):
        yield f"replace {ACCOUNT} by the 12 digits of your account, or give them with --account"
    for route in routes:
        model = route.model or ""
        kind = model.split(":", 5)[5].partition("/")[0] if model.startswith("arn:") else ""
        if kind in _HIDDEN:
            yield f"{model} {_HIDDEN[kind]}"


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
