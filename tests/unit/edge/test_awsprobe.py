"""Every kind of credentials AWS has, found by the real look-up in a process of its own."""

import hashlib
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.aws_services import CredentialServices, serving
from openclaude.edge.awskeys import Lookups, explained

ROLE = "arn:aws:iam::111122223333:role/dev"
MFA = "arn:aws:iam::111122223333:mfa/me"


@dataclass
class Shell:
    """A home with `~/.aws`, the services that hand credentials out, and an environment."""

    home: Path
    services: CredentialServices
    env: dict[str, str]

    def config(self, text: str) -> None:
        services = "".join(
            f"{name} =\n  endpoint_url = {self.services.url}\n" for name in ("sts", "sso", "sso_oidc")
        )
        (self.home / ".aws" / "config").write_text(f"{text}\n[services fakes]\n{services}")

    def credentials(self, profile: str, key: str) -> None:
        (self.home / ".aws" / "credentials").write_text(
            f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secrets.token_hex(20)}\n"
        )

    def sso_login(self, ends: timedelta) -> str:
        """A cached login; returns its token."""
        cache = self.home / ".aws" / "sso" / "cache"
        cache.mkdir(parents=True)
        name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
        token = secrets.token_hex(20)
        until = (datetime.now(UTC) + ends).strftime("%Y-%m-%dT%H:%M:%SZ")
        (cache / f"{name}.json").write_text(json.dumps({"accessToken": token, "expiresAt": until}))
        return token

    def look_up(self, profile: str | None = None, **env: str) -> dict[str, Any]:
        return Lookups().ask({**self.env, **env}, {"profile": profile, "region": "us-west-2"})

    def found(self, profile: str | None = None, **env: str) -> str:
        """The method that gave the services' own keys."""
        answer = self.look_up(profile, **env)
        keys = (self.services.key, self.services.secret, self.services.token)
        assert (answer["access_key"], answer["secret_key"], answer["token"]) == keys
        assert 3000 < answer["expires"] - time.time() < 3700
        return str(answer["method"])

    def refused(self, profile: str | None = None, **env: str) -> str:
        """The text a user gets when there are no credentials; it holds no secret."""
        answer = self.look_up(profile, **env)
        error = explained(answer["error"], answer["detail"], profile)
        assert (error.status, error.retry) == (401, False)
        assert self.services.secret not in error.message
        return error.message


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / ".aws").mkdir()
    made = CredentialServices(
        "ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(30)
    )
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
    with serving(made) as services:
        yield Shell(tmp_path, services, env)


def test_static_keys_of_a_named_profile(shell: Shell) -> None:
    shell.credentials("work", "AKSTATIC")
    answer = shell.look_up("work")
    assert (answer["access_key"], answer["token"], answer["expires"]) == ("AKSTATIC", None, None)
    assert answer["method"] == "shared-credentials-file"


def test_keys_of_the_environment(shell: Shell) -> None:
    answer = shell.look_up(AWS_ACCESS_KEY_ID="AKENV", AWS_SECRET_ACCESS_KEY="s", AWS_SESSION_TOKEN="t")
    assert (answer["access_key"], answer["token"], answer["method"]) == ("AKENV", "t", "env")


def test_a_named_profile_switches_keys_of_the_environment_off(shell: Shell) -> None:
    shell.credentials("work", "AKSTATIC")
    answer = shell.look_up("work", AWS_ACCESS_KEY_ID="AKENV", AWS_SECRET_ACCESS_KEY="s")
    assert answer["access_key"] == "AKSTATIC"


def sso_profile(shell: Shell) -> None:
    shell.config(
        "[profile work]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = dev\nservices = fakes\n"
        "[sso-session corp]\nsso_start_url = https://corp.invalid/start\nsso_region = us-west-2\n"
    )


def test_an_sso_session_with_a_fresh_login(shell: Shell) -> None:
    sso_profile(shell)
    token = shell.sso_login(timedelta(hours=2))
    assert shell.found("work") == "sso"
    [asked] = shell.services.asked
    assert asked.headers["x-amz-sso_bearer_token"] == token
    assert asked.path == "/federation/credentials?role_name=dev&account_id=111122223333"


@pytest.mark.parametrize("ends", [timedelta(hours=-1), None], ids=["run out", "never logged in"])
def test_an_sso_session_without_a_login_is_told_the_exact_command(
    shell: Shell, ends: timedelta | None
) -> None:
    sso_profile(shell)
    if ends is not None:
        shell.sso_login(ends)
    text = shell.refused("work")
    assert "hint: run `aws sso login --profile work`; the next request uses it without a restart" in text
    assert shell.services.asked == []


def test_an_sso_login_that_aws_has_ended_is_told_the_exact_command(shell: Shell) -> None:
    sso_profile(shell)
    token = shell.sso_login(timedelta(hours=2))
    shell.services.refusal = (
        401,
        '{"__type": "UnauthorizedException", "message": "Session token not found"}',
    )
    text = shell.refused("work")
    assert "hint: run `aws sso login --profile work`" in text
    assert token not in text


def test_a_role_assumed_with_the_keys_of_another_profile(shell: Shell) -> None:
    shell.credentials("base", "AKBASE")
    shell.config(
        f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\nservices = fakes\nrole_session_name = mine\n"
        "[profile base]\n"
    )
    assert shell.found("work") == "assume-role"
    [asked] = shell.services.asked
    assert (asked.form["Action"], asked.form["RoleArn"], asked.form["RoleSessionName"]) == (
        "AssumeRole",
        ROLE,
        "mine",
    )
    assert "Credential=AKBASE/" in asked.headers["authorization"]


def test_a_role_assumed_with_the_keys_of_the_environment(shell: Shell) -> None:
    shell.config(f"[profile work]\nrole_arn = {ROLE}\ncredential_source = Environment\nservices = fakes\n")
    assert shell.found("work", AWS_ACCESS_KEY_ID="AKENV", AWS_SECRET_ACCESS_KEY="s") == "assume-role"
    assert "Credential=AKENV/" in shell.services.asked[0].headers["authorization"]


def test_a_role_that_may_not_be_assumed_is_told_with_awss_reason(shell: Shell) -> None:
    shell.credentials("base", "AKBASE")
    shell.config(
        f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\nservices = fakes\n[profile base]\n"
    )
    denied = f"User: me is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    shell.services.refusal = (
        403,
        f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{denied}</Message></Error></ErrorResponse>",
    )
    text = shell.refused("work")
    assert denied in text
    assert "hint: check ~/.aws/config" in text


def test_a_role_with_an_mfa_device_is_refused_and_nobody_is_asked(shell: Shell) -> None:
    shell.credentials("base", "AKBASE")
    shell.config(
        f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = {MFA}\nservices = fakes\n"
        "[profile base]\n"
    )
    text = shell.refused("work")
    assert "the role of profile `work` wants a code of an MFA device, and nobody is there to type it" in text
    assert "hint: take keys from `aws sts get-session-token` or SSO" in text
    assert shell.services.asked == []


def test_a_program(shell: Shell) -> None:
    document = {
        "Version": 1,
        "AccessKeyId": shell.services.key,
        "SecretAccessKey": shell.services.secret,
        "SessionToken": shell.services.token,
        "Expiration": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    (shell.home / "keys.json").write_text(json.dumps(document))
    command = shlex.join([sys.executable, "-c", f"print(open({str(shell.home / 'keys.json')!r}).read())"])
    shell.config(f"[profile work]\ncredential_process = {command}\n")
    assert shell.found("work") == "custom-process"


def test_a_web_identity(shell: Shell) -> None:
    token_file = shell.home / "token"
    token_file.write_text("the-web-identity")
    shell.config("[default]\nservices = fakes\n")
    env = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file)}
    assert shell.found(**env) == "assume-role-with-web-identity"
    [asked] = shell.services.asked
    assert (asked.form["Action"], asked.form["WebIdentityToken"]) == (
        "AssumeRoleWithWebIdentity",
        "the-web-identity",
    )


def test_a_container_with_the_token_in_a_file(shell: Shell) -> None:
    shell.services.container_token = secrets.token_hex(20)
    token_file = shell.home / "token"
    token_file.write_text(shell.services.container_token)
    env = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{shell.services.url}/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
    }
    assert shell.found(**env) == "container-role"


def test_an_instance_by_the_second_version_of_its_metadata_service(shell: Shell) -> None:
    env = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": shell.services.url}
    assert shell.found(**env) == "iam-role"
    assert [asked.method for asked in shell.services.asked] == ["PUT", "GET", "GET"]


def test_a_metadata_service_that_does_not_answer_is_asked_once_each_way(shell: Shell) -> None:
    shell.services.silent = True
    env = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": shell.services.url}
    assert "no AWS credentials were found" in shell.refused(**env)
    methods = [asked.method for asked in shell.services.asked]
    assert methods.count("PUT") == 1
    assert len(methods) <= 2


def test_an_aws_login_session_names_what_is_missing(shell: Shell) -> None:
    shell.config("[profile work]\nlogin_session = arn:aws:iam::111122223333:user/me\n")
    text = shell.refused("work")
    assert 'hint: run `pip install "botocore[crt]"`' in text


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSO"])
def test_a_variable_cannot_send_the_sso_token_to_a_stranger(shell: Shell, name: str) -> None:
    (shell.home / ".aws" / "config").write_text(
        "[profile work]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = dev\n"
        "[sso-session corp]\nsso_start_url = https://corp.invalid/start\nsso_region = nowhere-1\n"
    )
    shell.sso_login(timedelta(hours=2))
    assert "error" in shell.look_up("work", **{name: shell.services.url})
    assert shell.services.asked == []
