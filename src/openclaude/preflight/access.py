"""Whether the account has access to a route's model, as AWS's control plane tells it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from openclaude.adapters.bedrock_converse import errors
from openclaude.config.values import RouteConfig
from openclaude.edge.oneshot import Answer, UnreachableError
from openclaude.preflight.calling import Ask, Caller, Signer
from openclaude.preflight.places import control_plane, geo_of
from openclaude.preflight.steps import Step, Verdict, problem_step
from openclaude.wire import jsontext

_READ_MODELS: Final = (
    "none is needed for requests; `openclaude aws policy --read-models` prints what allows the look-up"
)


def access(route: RouteConfig, signer: Signer, profile: str | None, caller: Caller) -> Step:
    """What AWS's control plane says of a route's model: whether this account may use it here, or where it routes to.

    It is a look-up that requests do not need: credentials that may not ask are no problem.
    """
    model, region = route.model or "", route.region or ""
    if route.is_platform:
        return Step("access", route.match, "skipped", "it is no model of Bedrock; the attempts below tell")
    kind = model.split(":", 5)[5].partition("/")[0] if model.startswith("arn:") else ""
    if geo_of(model) or kind in ("inference-profile", "application-inference-profile"):
        operation, path, read = "GetInferenceProfile", "inference-profiles", _profile_access
    elif kind in ("", "foundation-model"):
        operation, path, read = (
            "GetFoundationModelAvailability",
            "foundation-model-availability",
            _model_access,
        )
    else:
        return Step(
            "access", route.match, "skipped", f"AWS cannot be asked about a {kind}; the attempts below tell"
        )
    asked = model.rpartition("/")[2] if kind == "foundation-model" else model
    target = f"/{path}/{quote(asked, safe='-_.~')}"
    try:
        origin = control_plane(region, fips=route.fips, dualstack=route.dualstack)
        answer = caller.call(signer, Ask(origin, "bedrock", region, "GET", target))
    except UnreachableError as error:
        return Step("access", route.match, "skipped", f"{error}; the attempts below tell")
    if answer.status == 200:
        verdict, seen, remedy = read(_object(answer), region)
        return Step("access", route.match, verdict, f"{model}: {seen}", remedy)
    refusal = errors.failure(
        answer.status, answer.headers, answer.body, errors.Place(operation, model, region)
    )
    if refusal.type == "permission_error":
        seen = f"these credentials may not ask (bedrock:{operation}); the attempts below tell"
        return Step("access", route.match, "skipped", seen, _READ_MODELS)
    return problem_step("access", route.match, refusal, profile)


def _profile_access(found: Mapping[str, Any], region: str) -> tuple[Verdict, str, str]:
    del region
    arns = [str(entry.get("modelArn", "")) for entry in found.get("models", [])]
    regions = sorted({arn.split(":")[3] or "any region" for arn in arns if arn.count(":") > 3})
    return "ok", f"inference profile, {found.get('status')}, routes to {', '.join(regions)}", ""


def _model_access(found: Mapping[str, Any], region: str) -> tuple[Verdict, str, str]:
    agreement = found.get("agreementAvailability", {})
    if found.get("regionAvailability") != "AVAILABLE":
        remedy = "choose another region, or an inference profile: `openclaude aws models` lists what there is"
        return "problem", f"not offered in {region}", remedy
    status = agreement.get("status")
    if status not in ("AVAILABLE", None):
        words = {"PENDING": "is pending", "NOT_AVAILABLE": "has not been accepted"}.get(status, "failed")
        remedy = f"open the model in the Bedrock console of {region}, see to the agreement, and wait for it"
        return "problem", f"the account's agreement for it {words}", remedy
    if (
        found.get("authorizationStatus") != "AUTHORIZED"
        or found.get("entitlementAvailability") != "AVAILABLE"
    ):
        remedy = f"ask for access to the model in the Bedrock console of {region}"
        return "problem", "the account has no access to it", remedy
    return "ok", f"the account has access to it in {region}", ""


def _object(answer: Answer) -> dict[str, Any]:
    try:
        found = jsontext.loads(answer.body)
    except jsontext.JsonError:
        return {}
    return found if isinstance(found, dict) else {}
