"""Which credentials a route would use, found as the gateway finds them: by botocore, in a process of its own."""

import configparser
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from openclaude.credentials.sealed import AwsKeys
from openclaude.domain.aws import BEARER
from openclaude.edge.awskeys import Lookups, explained
from openclaude.launcher.awscheck import aws_problem
from openclaude.preflight.calling import BearerSigner, KeySigner, Signer
from openclaude.preflight.steps import problem_of

Probe = Callable[[Mapping[str, str], Mapping[str, Any]], dict[str, Any]]
"""Environment and question (`profile`, `region`) to what `edge.awsprobe` answers. Raises OSError and ValueError."""

MACHINE: Final = Path("/sys/class/dmi/id")
"""Where Linux shows the machine's maker: one of Amazon's can have a role."""

_FALL_BACK: Final = ", or route all slots to Anthropic: openclaude config init --preset all-anthropic"


@dataclass(frozen=True, slots=True)
class Found:
    """Credentials, or why there are none.

    Attributes:
        signer: authorises requests; None when there are no credentials.
        seen: how they were found, or what is missing; never a key.
        remedy: what to do when they are missing.
        bearer: they are an API key, which only its own service takes.
    """

    signer: Signer | None
    seen: str
    remedy: str = ""
    bearer: bool = False


def probe(env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
    """Ask botocore in a process of its own, which has `env` for its environment."""
    return Lookups().ask(env, question)


def find_now(profile: str | None, region: str, env: Mapping[str, str]) -> Found:
    """The credentials of a route, looked up on this machine and at this time."""
    return find(profile, region, env=env, ask=probe, now=datetime.now(UTC), ambient=MACHINE)


def find(
    profile: str | None,
    region: str,
    *,
    env: Mapping[str, str],
    ask: Probe,
    now: datetime,
    ambient: Path,
    variable: str = BEARER,
) -> Found:
    """The credentials of a route with this profile and region.

    Args:
        profile: the profile the route names, or None for AWS's default chain.
        region: the route's region.
        env: the environment of the session that asks.
        ask: runs the look-up; `probe` outside tests.
        now: an aware time; what the credentials have left is counted from it.
        ambient: where Linux shows the machine's maker.
        variable: where the environment may have an API key for the route.
    """
    if profile is None and env.get(variable):
        of = "Bedrock" if variable == BEARER else "Claude Platform"
        return Found(BearerSigner(env), f"the {of} API key in {variable}", bearer=True)
    where = f"profile `{profile}`" if profile else _default_chain(env)
    try:
        found = ask(env, {"profile": profile, "region": region})
    except (OSError, ValueError) as error:
        found = {"error": type(error).__name__, "detail": str(error)[:200]}
    home = Path(env.get("HOME", "~")).expanduser()
    if "error" in found:
        seen, remedy = _why_not(found, profile, env, home, now, ambient)
        return Found(None, seen, remedy)
    keys = AwsKeys(
        access_key=found["access_key"],
        secret_key=found["secret_key"],
        token=found["token"],
        source=found["method"],
    )
    ends = found["expires"]
    left = _left(ends - now.timestamp()) if ends is not None else "no end is known"
    seen = f"{where}, method {found['method']}, key id ends in {found['access_key'][-4:]}, {left}"
    login = sso_end(env, home, profile) if found["method"].startswith("sso") else None
    if login is not None:
        seen += f"; SSO login: {_left((login - now).total_seconds())}"
    return Found(KeySigner(keys), seen)


def sso_end(env: Mapping[str, str], home: Path, profile: str | None) -> datetime | None:
    """When the SSO login of a profile ends; None when the files do not tell.

    The AWS CLI keeps it in `~/.aws/sso/cache`, in a file named after the sha1 of the session's name or start URL
    (botocore.utils.SSOTokenLoader).
    """
    name = profile or env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(Path(env.get("AWS_CONFIG_FILE") or home / ".aws" / "config").expanduser(), "utf-8")
        section = name if name == "default" and parser.has_section(name) else f"profile {name}"
        key = parser.get(section, "sso_session", fallback=None) or parser.get(section, "sso_start_url")
        digest = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        cached = json.loads((home / ".aws" / "sso" / "cache" / f"{digest}.json").read_bytes())
        ends = datetime.fromisoformat(str(cached["expiresAt"]).replace("UTC", "Z"))
    except (configparser.Error, OSError, ValueError, KeyError, TypeError):
        return None
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)


def _default_chain(env: Mapping[str, str]) -> str:
    named = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE")
    return f"AWS's default chain (AWS_PROFILE={named})" if named else "AWS's default chain"


def _why_not(
    found: Mapping[str, Any],
    profile: str | None,
    env: Mapping[str, str],
    home: Path,
    now: datetime,
    ambient: Path,
) -> tuple[str, str]:
    """What the files say is wrong, which names file and section; else botocore's reason."""
    at_hand = aws_problem(env, home, profile, now, dmi=ambient)
    if at_hand is not None:
        return seen_and_remedy(at_hand)
    return problem_of(explained(found["error"], found["detail"], profile))


def seen_and_remedy(line: str) -> tuple[str, str]:
    """What `launcher.awscheck.aws_problem` says, in its two parts; that Bedrock can be done without is left out."""
    seen, _, remedy = line.removesuffix(_FALL_BACK).rpartition(": ")
    return seen, remedy


def _left(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 0:
        return "ended"
    if minutes < 120:
        return f"{minutes} min left"
    hours = minutes // 60
    return f"{hours} h left" if hours < 72 else f"{hours // 24} days left"
