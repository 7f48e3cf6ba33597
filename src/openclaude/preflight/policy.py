"""The least IAM policy for the Bedrock routes of a configuration.

Actions and resources: AWS's service authorization reference for Amazon Bedrock, and the user guide's pages on
geographic and global cross-region inference (a profile needs its own ARN, the model's in the calling region, and the
model's in every region it routes to; a global one the model's ARN without a region). Converse is allowed by
InvokeModel, ConverseStream by InvokeModelWithResponseStream; neither has an action of its own name. The actions of
bedrock-mantle are those of AWS's managed policy AmazonBedrockMantleInferenceAccess; those of Claude Platform on AWS,
which are granted for a workspace, those of its user guide and of the managed policy AnthropicInferenceAccess.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openclaude.adapters.profiles import Profile, effective, without_geo
from openclaude.config.values import RouteConfig
from openclaude.domain.aws import PLATFORM
from openclaude.preflight.places import DESTINATIONS, GLOBAL, geo_of, partition

ACCOUNT: Final = "*"
"""Stands for the account's number where it is not known: an identity's policy reaches nothing of another account."""

_INVOKE: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_COUNT: Final = ("bedrock:CountTokens",)
_READ: Final = (
    "bedrock:ListFoundationModels",
    "bedrock:ListInferenceProfiles",
    "bedrock:GetInferenceProfile",
    "bedrock:GetFoundationModelAvailability",
)
_BEARER: Final = ("bedrock:CallWithBearerToken",)

_INLINE_OF_USER: Final = 2048
"""Characters without white space that all inline policies of a user may have together; a role has 10,240. IAM quotas."""

_MANTLE: Final = ("bedrock-mantle:CreateInference", "bedrock-mantle:CountTokens")
_MANTLE_BEARER: Final = ("bedrock-mantle:CallWithBearerToken",)
_PLATFORM: Final = (f"{PLATFORM}:CreateInference", f"{PLATFORM}:CountTokens")
_PLATFORM_BEARER: Final = (f"{PLATFORM}:CallWithBearerToken",)

_HIDDEN: Final = {
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
    account = account or ACCOUNT
    mine = [(route, _profile(route)) for route in routes if route.to == "bedrock"]
    runtime = [
        (route, profile)
        for route, profile in mine
        if not _is_mantle(route, profile) and not route.is_platform
    ]
    mantle = [route for route, profile in mine if _is_mantle(route, profile)]
    invoked = _unique(arn for route, _ in runtime for arn in _resources(route, account))
    counted = _unique(
        arn for route, profile in runtime if profile.family == "claude" for arn in _resources(route, account)
    )
    projects = _unique(_project(route.region or "", account) for route in mantle)
    spaces = _unique(_workspace(route, account) for route, _ in mine if route.is_platform)
    # Without routes the key is still one of Bedrock.
    bearer = [
        *(_BEARER if runtime or not (mantle or spaces) else ()),
        *(_MANTLE_BEARER if mantle else ()),
        *(_PLATFORM_BEARER if spaces else ()),
    ]
    # One statement where both have the same resources: a list of ARNs twice does not fit into a user's inline policy.
    together = counted == invoked
    statements = [
        _statement("InvokeModels", (*_INVOKE, *_COUNT) if together else _INVOKE, invoked),
        _statement("CountTokens", _COUNT, [] if together else counted),
        _statement("UseMantle", _MANTLE, projects),
        _statement("UsePlatform", _PLATFORM, spaces),
        _statement("LookModelsUp", _READ, ["*"] if read_models else []),
        _statement("UseApiKey", bearer, ["*"] if api_key else []),
    ]
    document = {"Version": "2012-10-17", "Statement": [found for found in statements if found]}
    notes = [*_notes(mine, [*invoked, *projects, *spaces]), *_too_long(document)]
    return Policy(document, tuple(_unique(notes)))


def _too_long(document: dict[str, Any]) -> Iterator[str]:
    """What does not fit where a policy is usually pasted."""
    size = len(json.dumps(document, separators=(",", ":")))
    if size > _INLINE_OF_USER:
        yield (
            f"the policy has {size:,} characters without white space and a user's inline policies hold "
            f"{_INLINE_OF_USER:,}: attach it to a role, or make it a managed policy"
        )


def _profile(route: RouteConfig) -> Profile:
    return effective(
        route.model or "", base_model=route.base_model, via=route.via, capabilities=route.capabilities
    )


def _is_mantle(route: RouteConfig, profile: Profile) -> bool:
    return profile.via == "messages" and route.endpoint == "mantle"


def _project(region: str, account: str) -> str:
    """Mantle's permissions are for projects; it has none for single models."""
    return f"arn:{partition(region)}:bedrock-mantle:{region}:{account}:project/*"


def _workspace(route: RouteConfig, account: str) -> str:
    region = route.region or ""
    return f"arn:{partition(region)}:{PLATFORM}:{region}:{account}:workspace/{route.workspace}"


def _statement(sid: str, actions: Sequence[str], resources: list[str]) -> dict[str, Any] | None:
    if not resources:
        return None
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}


def _resources(route: RouteConfig, account: str) -> Iterator[str]:
    model, region = route.model or "", route.region or ""
    aws, kind, name = partition(region), _kind(model), model
    if kind:
        yield model
        name = model.rpartition("/")[2]
        if kind == "application-inference-profile":
            name = route.base_model or ""
        elif kind != "inference-profile":
            return
    geo = geo_of(name)
    if geo is not None and not kind:
        yield f"arn:{aws}:bedrock:{region}:{account}:inference-profile/{name}"
    destinations = DESTINATIONS.get(geo or "", ())
    for place in (region, *(other for other in destinations if other != region)):
        yield f"arn:{aws}:bedrock:{place}::foundation-model/{without_geo(name)}"
    if geo == GLOBAL:
        yield f"arn:{aws}:bedrock:::foundation-model/{without_geo(name)}"


def _kind(model: str) -> str:
    """What a model's ARN is of; empty for an id."""
    return model.split(":", 5)[5].partition("/")[0] if model.startswith("arn:") else ""


def _notes(routes: Iterable[tuple[RouteConfig, Profile]], resources: Iterable[str]) -> Iterator[str]:
    if any(f":{ACCOUNT}:" in arn for arn in resources):
        yield "`*` stands for your account in ARNs of what it owns; --account writes its 12 digits instead"
    for route, profile in routes:
        model = route.model or ""
        kind = _kind(model)
        if kind in _HIDDEN:
            yield f"{model} {_HIDDEN[kind]}"
        if kind == "application-inference-profile" and geo_of(route.base_model or "") is None:
            yield (
                f"{model} is taken to stay in {route.region}; if it copies a profile of several regions, write "
                "base_model with its prefix, as in us.anthropic.claude-sonnet-5-5"
            )
        if profile.via == "messages" and route.endpoint == "runtime":
            yield (
                f"the route {route.match} uses the runtime's Messages endpoint, for which AWS names no action: the "
                "actions of InvokeModel are assumed"
            )


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
