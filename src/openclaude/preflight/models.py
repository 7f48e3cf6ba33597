"""The models of a region, each with what openClaude would make of it."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from openclaude.adapters.bedrock_converse import errors
from openclaude.adapters.profiles import Profile, profile_for
from openclaude.edge.oneshot import Answer
from openclaude.preflight.calling import Ask, Caller, Signer
from openclaude.preflight.places import control_plane
from openclaude.wire import jsontext

_MOST_PAGES: Final = 50
"""AWS lists up to 1,000 inference profiles a page."""


@dataclass(frozen=True, slots=True)
class Model:
    """A foundation model that answers with text.

    Attributes:
        id: what AWS calls it.
        provider: who made it.
        streams: whether AWS streams its answers.
        on_demand: whether its id can be called as it is.
        profiles: ids of the inference profiles that route to it.
        active: whether AWS has not announced its end.
        ends: the day support ends (ISO), where AWS names one.
        capabilities: the profile a route to it would get.
        price: USD per million tokens, in and out; None where unknown.
    """

    id: str
    provider: str
    streams: bool
    on_demand: bool
    profiles: tuple[str, ...]
    active: bool
    ends: str | None
    capabilities: Profile
    price: tuple[float, float] | None

    @property
    def called_by(self) -> tuple[str, ...]:
        """The ids a route can name."""
        return ((self.id,) if self.on_demand else ()) + self.profiles


def models(
    caller: Caller, signer: Signer, region: str, *, fips: bool = False, dualstack: bool = False
) -> tuple[list[Model], int]:
    """The region's models that answer with text, sorted by id, and how many others there are.

    `fips` and `dualstack` choose the control plane's endpoint.

    Raises:
        ApiError: AWS refuses to list them.
        UnreachableError: it does not answer.
    """
    origin = control_plane(region, fips=fips, dualstack=dualstack)
    get = partial(_get, caller, signer, Ask(origin, "bedrock", region, "GET", "/"))
    summaries = get("ListFoundationModels", "/foundation-models").get("modelSummaries", [])
    profiles = _profiles(get)
    texts = [entry for entry in summaries if "TEXT" in entry.get("outputModalities", [])]
    found = [_model(entry, profiles) for entry in texts]
    return sorted(found, key=lambda model: model.id), len(summaries) - len(texts)


@cache
def prices() -> tuple[Mapping[str, tuple[float, float]], str]:
    """Model id without geo to USD per million tokens in and out, and the month they were looked up."""
    table = tomllib.loads(files(__package__).joinpath("prices.toml").read_text("utf-8"))
    return {name: (row[0], row[1]) for name, row in table["price"].items()}, table["checked"]


def _profiles(get: Callable[[str, str], dict[str, Any]]) -> dict[str, list[str]]:
    """Model id to the ids of the profiles that AWS has defined for it."""
    by_model: dict[str, list[str]] = {}
    token = ""
    for _ in range(_MOST_PAGES):
        more = f"&nextToken={quote(token, safe='-_.~')}" if token else ""
        target = f"/inference-profiles?maxResults=1000{more}&type=SYSTEM_DEFINED"
        page = get("ListInferenceProfiles", target)
        for entry in page.get("inferenceProfileSummaries", []):
            arns = [routed.get("modelArn", "") for routed in entry.get("models", [])]
            for model in dict.fromkeys(arn.rpartition("/")[2] for arn in arns):
                by_model.setdefault(model, []).append(entry["inferenceProfileId"])
        token = page.get("nextToken") or ""
        if not token:
            break
    return by_model


def _model(entry: Mapping[str, Any], profiles: Mapping[str, list[str]]) -> Model:
    name = entry["modelId"]
    lifecycle = entry.get("modelLifecycle", {})
    ends = lifecycle.get("endOfLifeTime")
    return Model(
        id=name,
        provider=entry.get("providerName", ""),
        streams=bool(entry.get("responseStreamingSupported")),
        on_demand="ON_DEMAND" in entry.get("inferenceTypesSupported", []),
        profiles=tuple(profiles.get(name, ())),
        active=lifecycle.get("status", "ACTIVE") == "ACTIVE",
        ends=str(ends)[:10] if ends else None,
        capabilities=profile_for(name),
        price=prices()[0].get(name),
    )


def _get(caller: Caller, signer: Signer, service: Ask, operation: str, target: str) -> dict[str, Any]:
    answer: Answer = caller.call(signer, replace(service, target=target))
    if answer.status != 200:
        place = errors.Place(operation, "", service.region)
        raise errors.failure(answer.status, answer.headers, answer.body, place)
    found = jsontext.loads(answer.body)
    return found if isinstance(found, dict) else {}
