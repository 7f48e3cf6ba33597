"""The AWS side: what the files say, and with the network what AWS says (`openclaude aws check`)."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from openclaude.config import RouteConfig
from openclaude.doctor.findings import Finding, ok, problem
from openclaude.doctor.patient import Patient
from openclaude.launcher.awscheck import aws_problem
from openclaude.preflight.lookup import seen_and_remedy
from openclaude.preflight.steps import Step

Preflight = Callable[[tuple[RouteConfig, ...]], Iterable[Step]]
"""Routes to what `preflight.check` yields for them."""


def aws(patient: Patient, preflight: Preflight | None) -> Iterator[Finding]:
    """A line for each profile; where it is plausible and the network may be used, each step of the preflight."""
    bedrock = tuple(route for route in patient.routes if route.to == "bedrock")
    if not bedrock:
        yield ok("aws", "no route goes to Bedrock: nothing of AWS is used")
        return
    plausible = [route for route in bedrock if _has_key(route, patient)]
    if plausible and preflight is None:
        yield ok("aws", f"{plausible[0].key_variable} is set for Claude Platform on AWS; AWS was not asked")
    bedrock = tuple(route for route in bedrock if route not in plausible)
    for profile in dict.fromkeys(route.profile for route in bedrock):
        now = datetime.fromtimestamp(patient.machine.now(), UTC)
        told = aws_problem(patient.env, patient.home, profile, now)
        if told is None:
            plausible += [route for route in bedrock if route.profile == profile]
            if preflight is None:
                named = f"profile {profile}" if profile else "the default chain"
                yield ok("aws", f"credentials of {named} look usable; AWS was not asked")
        else:
            yield problem("aws", *seen_and_remedy(told))
    if preflight is not None and plausible:
        yield from _steps(preflight(tuple(plausible)))


def _has_key(route: RouteConfig, patient: Patient) -> bool:
    """Whether a route to Claude Platform on AWS has its API key, which is all it needs."""
    return route.is_platform and route.profile is None and bool(patient.env.get(route.key_variable))


def _steps(steps: Iterable[Step]) -> Iterator[Finding]:
    for step in steps:
        about = f"{step.about}: " if step.about else ""
        if step.verdict == "problem":
            yield problem(f"aws {step.name}", f"{about}{step.seen}", step.remedy)
        elif step.verdict == "ok":
            yield ok(f"aws {step.name}", f"{about}{step.seen}")
