import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openclaude.demo.oracle import holds
from openclaude.preflight.lookup import Found, find, sso_end
from support.preflight import NOWHERE

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = "https://company.awsapps.com/start"


def keys(
    canary: Callable[[str], str], *, method: str = "env", left: timedelta | None = None
) -> dict[str, Any]:
    return {
        "access_key": "ASIAINVENTED0WXYZ",
        "secret_key": canary("secret"),
        "token": canary("token"),
        "expires": None if left is None else (NOW + left).timestamp(),
        "method": method,
    }


def looked_up(
    answer: dict[str, Any] | Exception,
    home: Path,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Found:
    def ask(env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
        assert question == {"profile": profile, "region": "us-west-2"}
        if isinstance(answer, Exception):
            raise answer
        return answer

    variables = {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **(env or {})}
    return find(profile, "us-west-2", env=variables, ask=ask, now=NOW, ambient=NOWHERE)


def sso_home(home: Path, cached: str | None) -> Path:
    (home / ".aws" / "sso" / "cache").mkdir(parents=True)
    (home / ".aws" / "config").write_text(
        f"[profile dev]\nsso_session = company\n[profile old]\nsso_start_url = {START}\n[sso-session company]\n"
        f"sso_start_url = {START}\nsso_region = us-west-2\n"
    )
    for name in ("company", START):
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        if cached is not None:
            (home / ".aws" / "sso" / "cache" / f"{digest}.json").write_text(cached)
    return home


LEFT = [
    pytest.param(None, "no end is known", id="unknown"),
    pytest.param(timedelta(minutes=47, seconds=5), "47 min left", id="minutes"),
    pytest.param(timedelta(minutes=-3), "ended", id="ended"),
    pytest.param(timedelta(hours=5, minutes=59), "5 h left", id="hours"),
    pytest.param(timedelta(days=30), "30 days left", id="days"),
]


@pytest.mark.parametrize(("left", "words"), LEFT)
def test_keys_are_described_by_their_source_their_last_letters_and_what_is_left_of_them(
    left: timedelta | None, words: str, canary: Callable[[str], str], tmp_path: Path
) -> None:
    answer = keys(canary, left=left)
    found = looked_up(answer, tmp_path)
    assert found.seen == f"AWS's default chain, method env, key id ends in WXYZ, {words}"
    assert found.signer is not None
    for secret in ("secret_key", "token"):
        assert not holds(f"{found} {found.signer!r}".encode(), answer[secret])


def test_the_profile_is_named_and_so_is_the_one_of_the_environment(
    canary: Callable[[str], str], tmp_path: Path
) -> None:
    answer = keys(canary, method="shared-credentials-file")
    told = "method shared-credentials-file, key id ends in WXYZ, no end is known"
    assert looked_up(answer, tmp_path, "dev").seen == f"profile `dev`, {told}"
    env = {"AWS_PROFILE": "work"}
    assert looked_up(answer, tmp_path, env=env).seen == f"AWS's default chain (AWS_PROFILE=work), {told}"


def test_the_end_of_the_sso_login_is_told_beside_the_end_of_its_keys(
    canary: Callable[[str], str], tmp_path: Path
) -> None:
    home = sso_home(tmp_path, json.dumps({"expiresAt": "2026-11-22T15:30:00Z"}))
    found = looked_up(keys(canary, method="sso", left=timedelta(minutes=50)), home, "dev")
    assert found.seen == "profile `dev`, method sso, key id ends in WXYZ, 50 min left; SSO login: 3 h left"


@pytest.mark.parametrize("profile", ["dev", "old"], ids=["a session", "a start URL"])
@pytest.mark.parametrize("moment", ["2026-11-22T13:00:00Z", "2026-11-22T13:00:00UTC", "2026-11-22T13:00:00"])
def test_every_form_of_a_cached_sso_login_tells_its_end(profile: str, moment: str, tmp_path: Path) -> None:
    home = sso_home(tmp_path, json.dumps({"expiresAt": moment}))
    assert sso_end({}, home, profile) == NOW + timedelta(hours=1)


@pytest.mark.parametrize("cached", [None, "", "[]", "{}", '{"expiresAt": "soon"}'])
def test_an_unreadable_sso_cache_tells_no_end(cached: str | None, tmp_path: Path) -> None:
    assert sso_end({}, sso_home(tmp_path, cached), "dev") is None


def test_a_profile_without_sso_has_no_end_of_a_login(tmp_path: Path) -> None:
    assert sso_end({"AWS_PROFILE": "none"}, sso_home(tmp_path, "{}"), None) is None


def test_a_bedrock_api_key_is_used_when_the_route_names_no_profile(
    canary: Callable[[str], str], tmp_path: Path
) -> None:
    key = canary("bedrock-api-key-")
    found = looked_up(ValueError("not asked"), tmp_path, env={"AWS_BEARER_TOKEN_BEDROCK": key})
    assert found.bearer
    assert found.seen == "the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK"
    assert not holds(f"{found} {found.signer!r}".encode(), key)


def test_what_the_files_show_to_be_missing_is_told_with_its_file_and_remedy(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile dev]\nsso_session = gone\n")
    found = looked_up({"error": "InvalidConfigError", "detail": "…"}, tmp_path, "dev")
    assert found == Found(
        None,
        f"AWS profile 'dev' refers to sso_session = gone, but {tmp_path}/.aws/config has no [sso-session gone]",
        "aws configure sso --profile dev",
    )


REASONS = [
    pytest.param(
        {"error": "UnauthorizedSSOTokenError", "detail": "…"},
        "the AWS SSO login of profile `dev` is missing or has expired (UnauthorizedSSOTokenError)",
        "run `aws sso login --profile dev`; the next request uses it without a restart",
        id="sso",
    ),
    pytest.param(
        OSError(8, "Exec format error"),
        "AWS credentials could not be read with profile `dev` (OSError: [Errno 8] Exec format error)",
        "check ~/.aws/config and ~/.aws/credentials, then `aws sts get-caller-identity --profile dev`",
        id="the look-up itself",
    ),
]


@pytest.mark.parametrize(("answer", "seen", "remedy"), REASONS)
def test_what_the_files_do_not_show_is_told_in_botocores_terms(
    answer: dict[str, Any] | Exception, seen: str, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile dev]\ncredential_process = program\n")
    assert looked_up(answer, tmp_path, "dev") == Found(None, seen, remedy)
