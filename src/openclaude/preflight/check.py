"""The preflight against AWS: every step a request of a Bedrock route takes, tried once."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from openclaude import wiring
from openclaude.adapters.bedrock_converse import errors
from openclaude.config.values import RouteConfig
from openclaude.domain.http import Header
from openclaude.edge.oneshot import Answer, UnreachableError
from openclaude.launcher.awscheck import not_followed
from openclaude.preflight.access import access
from openclaude.preflight.attempts import attempts, operations
from openclaude.preflight.calling import Ask, Caller, Signer
from openclaude.preflight.lookup import MACHINE, Found, Probe, find
from openclaude.preflight.places import sts
from openclaude.preflight.steps import Step, problem_step
from openclaude.wire import jsontext

_AGREES: Final = timedelta(minutes=1)
_REFUSED: Final = timedelta(minutes=4)
"""AWS refuses from five minutes on; a clock this far off will soon be there."""
_FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded")
_IDENTITY: Final = b"Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the check works with.

    Attributes:
        caller: sends requests.
        probe: looks credentials up.
        wall: seconds since the epoch.
        env: the environment of the session that asks.
        ambient: where Linux shows the machine's maker.
    """

    caller: Caller
    probe: Probe
    wall: Callable[[], float]
    env: Mapping[str, str]
    ambient: Path = MACHINE


def check(routes: Sequence[RouteConfig], tools: Tools) -> Iterator[Step]:
    """Every step, as soon as it has been taken: the credentials of each profile, then its routes in order."""
    to_bedrock = [route for route in routes if route.to == "bedrock"]
    if not to_bedrock:
        yield Step("routes", "", "skipped", "no route goes to Bedrock: nothing of AWS is used")
    clock = False
    for profile, variable in dict.fromkeys((route.profile, route.key_variable) for route in to_bedrock):
        mine = [route for route in to_bedrock if (route.profile, route.key_variable) == (profile, variable)]
        for step in _profile_steps(profile, mine, tools):
            yield step
            if not clock and tools.caller.skew is not None:
                clock = True
                yield _clock(tools.caller.skew)


def _profile_steps(profile: str | None, routes: Sequence[RouteConfig], tools: Tools) -> Iterator[Step]:
    region = routes[0].region or ""
    now = datetime.fromtimestamp(tools.wall(), UTC)
    variable = routes[0].key_variable
    found = find(
        profile, region, env=tools.env, ask=tools.probe, now=now, ambient=tools.ambient, variable=variable
    )
    if found.signer is None:
        yield Step("credentials", "", "problem", found.seen, found.remedy)
    else:
        yield Step("credentials", "", "ok", found.seen)
        yield _identity(found, profile, routes[0], tools.caller)
    for route in routes:
        yield _region(route, tools.env)
        if found.signer is None:
            for name in ("access", *operations(route)):
                yield Step(name, route.match, "skipped", "there are no credentials to try it with")
        else:
            yield from _route_steps(route, found.signer, profile, tools.caller)


def _identity(found: Found, profile: str | None, route: RouteConfig, caller: Caller) -> Step:
    if found.signer is None or found.bearer:
        of = "Claude Platform" if route.is_platform else "Bedrock"
        return Step("identity", "", "skipped", f"a {of} API key does not tell whose it is")
    region = route.region or ""
    origin = sts(region, fips=route.fips, dualstack=route.dualstack)
    ask = Ask(origin, "sts", region, "POST", "/", (_FORM,), _IDENTITY)
    try:
        answer = caller.call(found.signer, ask)
    except UnreachableError as error:
        return Step("identity", "", "skipped", f"{error}; requests do not need it")
    if answer.status == 200:
        return Step(
            "identity", "", "ok", f"{_element(answer, 'Arn')} in account {_element(answer, 'Account')}"
        )
    name: Header = (b"x-amzn-errortype", _element(answer, "Code").encode())
    said = jsontext.dumps({"message": _element(answer, "Message")})
    place = errors.Place("GetCallerIdentity", "", region)
    return problem_step("identity", "", errors.failure(answer.status, [name], said, place), profile)


def _clock(skew: timedelta) -> Step:
    off = abs(skew)
    if off <= _AGREES:
        return Step("clock", "", "ok", "this machine's clock and AWS's agree within a minute")
    direction = "behind" if skew > timedelta() else "ahead of"
    seen = f"this machine's clock is {round(off.total_seconds() / 60)} min {direction} AWS's"
    if off < _REFUSED:
        return Step("clock", "", "ok", f"{seen}; AWS refuses signatures from 5 min on")
    remedy = "set it: `sudo timedatectl set-ntp true` on Linux, `sudo sntp -sS time.apple.com` on macOS"
    return Step("clock", "", "problem", f"{seen}; AWS refuses signatures from 5 min on", remedy)


def _region(route: RouteConfig, env: Mapping[str, str]) -> Step:
    other = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    seen = f"{route.region}, {wiring.signature(route).origin}"
    if other and other != route.region:
        seen += f" (the environment's {other} is not used)"
    home = Path(env.get("HOME", "/"))
    aside = not_followed(env, home, route.profile, fips=route.fips, dualstack=route.dualstack)
    aside += [f"{name} is not followed" for name in ("AWS_CA_BUNDLE",) if env.get(name)]
    seen = "; ".join([seen, *aside])
    return Step("region", route.match, "ok", seen)


def _route_steps(route: RouteConfig, signer: Signer, profile: str | None, caller: Caller) -> Iterator[Step]:
    yield access(route, signer, profile, caller)
    for attempt in attempts(route, signer, caller):
        if attempt.outcome is None:
            yield Step(attempt.operation, route.match, "skipped", "it would meet the same problem")
        elif isinstance(attempt.outcome, str):
            yield Step(attempt.operation, route.match, "ok", f"{route.model} {attempt.outcome}")
        else:
            yield problem_step(attempt.operation, route.match, attempt.outcome, profile)


def _element(answer: Answer, name: str) -> str:
    """The text of an XML element of STS's answer; they are never nested in one of the same name."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", answer.body.decode("utf-8", "replace"))
    return html.unescape(found[1]) if found else "?"
