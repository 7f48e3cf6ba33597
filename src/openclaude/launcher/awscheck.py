"""A cheap look whether AWS credentials for a Bedrock route are plausibly there.

Runs before every client start, so it reads at most the two AWS configuration files and loads no AWS library. It finds
what would surely fail (nothing set up, a profile that does not exist, a reference to a missing section) and lets pass
what only AWS can judge (an expired session, a role that may not be assumed).

The order follows botocore's default chain (botocore.credentials.create_credential_resolver): a profile the route
names switches the environment's keys off; one named by `AWS_PROFILE` must exist, but the environment's keys win.
"""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_ANTHROPIC_ONLY = "or route all slots to Anthropic: openclaude config init --preset all-anthropic"
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_SERVICES = ("Ec2InstanceMetadata", "EcsContainer", "Environment")  # the values of credential_source
_RUNTIME_URLS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
_DMI = Path("/sys/class/dmi/id")


@dataclass(frozen=True, slots=True)
class _Files:
    """The two files of the AWS tools, as sections of settings; `broken` is the first one that cannot be parsed."""

    config_path: Path
    credentials_path: Path
    config: Mapping[str, Mapping[str, str]]
    credentials: Mapping[str, Mapping[str, str]]
    broken: str | None

    def profile(self, name: str) -> dict[str, str] | None:
        """Both files' settings of a profile, or None when neither file knows it."""
        heading = "default" if name == "default" and "default" in self.config else f"profile {name}"
        found = [
            section
            for section in (self.config.get(heading), self.credentials.get(name))
            if section is not None
        ]
        return {key: value for section in found for key, value in section.items()} if found else None


@dataclass(frozen=True, slots=True)
class _Look:
    """What a profile is judged by.

    Attributes:
        ambient: the machine or container offers credentials, so a profile without any is no problem.
    """

    files: _Files
    home: Path
    now: datetime
    ambient: bool


def aws_problem(
    env: Mapping[str, str],
    home: Path,
    profile: str | None,
    now: datetime,
    *,
    dmi: Path = _DMI,
) -> str | None:
    """One line that says what is missing and how to mend it, or None when credentials are plausible.

    Args:
        env: the environment the gateway will have.
        home: the user's home folder; the files are `.aws/config` and `.aws/credentials` in it unless
            `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` say otherwise.
        profile: the profile the route names, or None for AWS's default chain.
        now: with a time zone; an SSO login that has run out is told apart from one that is fresh.
        dmi: where Linux shows the machine's maker; a virtual machine of Amazon can have a role of its own.
    """
    if env.get("AWS_BEARER_TOKEN_BEDROCK") and profile is None:
        return None
    files = _read_files(env, home)
    if files.broken:
        return files.broken
    look = _Look(files, home, now, ambient=_machine_has_some(env, dmi))
    if profile is not None:
        return _profile_problem(look, profile)
    named = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE")
    if named and files.profile(named) is None:
        return _profile_problem(look, named)
    if half := _half_pair(env):
        return half
    if _environment_has_some(env):
        return None
    if named or files.profile("default") is not None:
        return _profile_problem(look, named or "default")
    return None if look.ambient else _nothing(files)


def not_followed(
    env: Mapping[str, str], home: Path, profile: str | None, *, fips: bool, dualstack: bool
) -> list[str]:
    """What this shell or the profile says of endpoints and the route does not do, each with the key that would do it.

    A variable must not decide where prompts and signatures go, so endpoints follow the configuration alone. Those who
    set one of these for AWS's own tools are told.

    Args:
        env: the session's environment.
        home: as for `aws_problem`.
        profile: the profile the route names, or None.
        fips: whether the route uses the FIPS endpoint.
        dualstack: whether it uses the dual-stack endpoint.
    """
    name = profile or env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    said = _read_files(env, home).profile(name) or {}
    found = []
    for what, used in (("fips", fips), ("dualstack", dualstack)):
        variable, key = f"AWS_USE_{what.upper()}_ENDPOINT", f"use_{what}_endpoint"
        for where, value in (
            (variable, env.get(variable, "")),
            (f"{key} of profile {name!r}", said.get(key, "")),
        ):
            if value.lower() == "true" and not used:
                found.append(f"{where} is not followed: write {what} = true on the route")
    urls = [variable for variable in _RUNTIME_URLS if env.get(variable)]
    return found + [f"{variable} is not followed: write endpoint_url on the route" for variable in urls]


def region_of_shell(env: Mapping[str, str], home: Path) -> str | None:
    """The region AWS's own tools would use here: `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's."""
    name = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    said = _read_files(env, home).profile(name) or {}
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or said.get("region") or None


def _profile_problem(look: _Look, name: str, seen: tuple[str, ...] = ()) -> str | None:
    found = look.files.profile(name)
    if found is None:
        by = f", named as source_profile by profile {seen[-1]!r}," if seen else ""
        where = f"neither {look.files.config_path} nor {look.files.credentials_path}"
        return f"AWS profile {name!r}{by} is in {where}: {_set_up(name)}"
    has_keys = "aws_access_key_id" in found or "aws_secret_access_key" in found
    if "role_arn" in found and not (seen and has_keys):  # keys of a source profile come before its role
        return _role_problem(look, name, found, seen)
    if has_keys:
        return _key_problem(look.files, name, found)
    if found.get("login_session"):
        return _login_problem(name)
    if found.get("credential_process"):
        return None
    if "sso_session" in found or "sso_start_url" in found:
        return _sso_problem(look, name, found)
    if look.ambient:
        return None
    return f"AWS profile {name!r} in {look.files.config_path} has no credentials: {_set_up(name)}"


def _key_problem(files: _Files, name: str, found: Mapping[str, str]) -> str | None:
    for key in ("aws_access_key_id", "aws_secret_access_key"):
        if not found.get(key):
            return f"AWS profile {name!r} has no {key} in {files.credentials_path}: {_set_up(name)}"
    return None


def _login_problem(name: str) -> str | None:
    """An `aws login` session is signed with a part of botocore that it does not bring itself."""
    from importlib.util import find_spec  # noqa: PLC0415 - only such profiles pay for it

    if find_spec("awscrt") is not None:
        return None
    return (
        f"AWS profile {name!r} is an `aws login` session, which botocore reads only with its crt part: "
        f'pip install "botocore[crt]" in the environment of openClaude, {_ANTHROPIC_ONLY}'
    )


def _role_problem(look: _Look, name: str, found: Mapping[str, str], seen: tuple[str, ...]) -> str | None:
    where = f"[profile {name}] in {look.files.config_path}"
    if "mfa_serial" in found:
        return (
            f"{where} has mfa_serial, and nobody is there to type the code: name a profile that gets its keys from "
            f"aws sts get-session-token or from SSO, {_ANTHROPIC_ONLY}"
        )
    if "web_identity_token_file" in found:
        return _token_file_problem(found["web_identity_token_file"], where)
    if "credential_source" in found:
        source = found["credential_source"]
        return (
            None
            if source in _SERVICES
            else f"{where}: credential_source = {source} is none of {', '.join(_SERVICES)}"
        )
    source = found.get("source_profile", "")
    if not source:
        return (
            f"{where} has role_arn but no source_profile: add source_profile = <a profile with credentials>"
        )
    if source == name and "aws_access_key_id" in found:
        return _key_problem(look.files, name, found)
    if source in {*seen, name}:
        return f"{where}: source_profile = {source} goes round in a circle: name a profile with credentials"
    return _profile_problem(look, source, (*seen, name))


def _sso_problem(look: _Look, name: str, found: Mapping[str, str]) -> str | None:
    config_path = look.files.config_path
    session = found.get("sso_session")
    if session is not None and f"sso-session {session}" not in look.files.config:
        return (
            f"AWS profile {name!r} refers to sso_session = {session}, but {config_path} has no "
            f"[sso-session {session}]: aws configure sso --profile {name}, {_ANTHROPIC_ONLY}"
        )
    if _sso_login(look, session if session is not None else found["sso_start_url"]):
        return None
    return (
        f"AWS profile {name!r} in {config_path} uses SSO and is not logged in, or no longer: "
        f"aws sso login --profile {name}"
    )


def _sso_login(look: _Look, session: str) -> bool:
    """Whether the cache holds a token for the session (or start URL) that is fresh or can be renewed.

    The file's name is the sha1 of the session's name (botocore.utils.SSOTokenLoader).
    """
    import hashlib  # noqa: PLC0415 - only profiles that use SSO pay for these two
    import json  # noqa: PLC0415

    digest = hashlib.sha1(session.encode(), usedforsecurity=False).hexdigest()
    try:
        token = json.loads((look.home / ".aws" / "sso" / "cache" / f"{digest}.json").read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(token, dict):
        return False
    renewable = "refreshToken" in token and _later(token.get("registrationExpiresAt"), look.now)
    return renewable or _later(token.get("expiresAt"), look.now)


def _later(moment: object, now: datetime) -> bool:
    try:
        # Older versions of the AWS tools wrote "2020-01-01T00:00:00UTC".
        until = datetime.fromisoformat(str(moment).replace("UTC", "Z"))
    except ValueError:
        return False
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) > now


def _token_file_problem(token_file: str, where: str) -> str | None:
    if Path(token_file).expanduser().is_file():
        return None
    return f"{where}: the web identity token file {token_file} is not there: mount it, {_ANTHROPIC_ONLY}"


def _environment_has_some(env: Mapping[str, str]) -> bool:
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        return True
    token_file = env.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    return bool(token_file and env.get("AWS_ROLE_ARN") and Path(token_file).is_file())


def _machine_has_some(env: Mapping[str, str], dmi: Path) -> bool:
    if any(env.get(name) for name in _CONTAINER):
        return True
    return env.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _on_ec2(dmi)


def _half_pair(env: Mapping[str, str]) -> str | None:
    pair = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name, other in (pair, pair[::-1]):
        if env.get(name) and not env.get(other):
            return (
                f"{name} is set in the environment but {other} is not: set both, or neither and use a profile"
            )
    return None


def _nothing(files: _Files) -> str:
    return (
        f"no AWS credentials for the Bedrock route: none in the environment, none in {files.credentials_path} "
        f'or {files.config_path}: aws configure (or aws configure --profile openclaude, and profile = "openclaude" '
        f"on the route), {_ANTHROPIC_ONLY}"
    )


def _set_up(name: str) -> str:
    return f"aws configure --profile {name}, aws sso login --profile {name}, {_ANTHROPIC_ONLY}"


def _on_ec2(dmi: Path) -> bool:
    """Amazon's machines say so: `Amazon EC2` as maker, or a Xen guest's UUID that begins with ec2."""
    for name in ("sys_vendor", "board_vendor", "product_uuid"):
        try:
            text = (dmi / name).read_text(errors="replace").lower()
        except OSError:
            continue
        if text.startswith(("amazon", "ec2")):
            return True
    return False


def _read_files(env: Mapping[str, str], home: Path) -> _Files:
    config_path = _path(env.get("AWS_CONFIG_FILE"), home / ".aws" / "config")
    credentials_path = _path(env.get("AWS_SHARED_CREDENTIALS_FILE"), home / ".aws" / "credentials")
    broken = None
    parsed: list[Mapping[str, Mapping[str, str]]] = []
    for path in (config_path, credentials_path):
        try:
            parsed.append(_parse(path))
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            reason = " ".join(str(error).split())
            broken = broken or f"{path} cannot be read: {reason}: mend the file, {_ANTHROPIC_ONLY}"
            parsed.append({})
    return _Files(config_path, credentials_path, parsed[0], parsed[1], broken)


def _path(given: str | None, default: Path) -> Path:
    return Path(given).expanduser() if given else default


def _parse(path: Path) -> dict[str, dict[str, str]]:
    # AWS's headings may quote and pad the name: [profile "my name"], [ default ].
    parser = configparser.RawConfigParser(strict=False, default_section="no default section")
    try:
        parser.read_string(path.read_text("utf-8"), source=path.name)
    except FileNotFoundError:
        return {}
    return {_heading(section): dict(parser.items(section)) for section in parser.sections()}


def _heading(section: str) -> str:
    kind, _, name = section.strip().partition(" ")
    return f"{kind} {name.strip().strip(chr(34) + chr(39))}" if name else kind
