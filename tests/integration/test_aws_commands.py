"""`openclaude aws` as a process, with credentials as users have them, against services that verify every signature."""

import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from openclaude.config import PRESETS
from openclaude.demo.oracle import holds
from openclaude.simulator.script import Answer, Ask, Fail
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World
from support.product import Home, make_home

NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true"}
NAMES = ["credentials", "identity", "clock", "region", "access", "Converse", "ConverseStream"]
ROUTE = """\
[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
"""

pytestmark = pytest.mark.xdist_group("aws-commands")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(aws_services=True) as running:
        yield running


class User:
    """A home folder, a world, and everything `openclaude aws` says in it, which must hold no secret."""

    def __init__(self, home: Home, world: World) -> None:
        self.home = home
        self.world = world
        self.secrets = [
            world.aws_env()[name]
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        ]
        world.bedrock.script = tools_story
        (home.path / ".aws").mkdir()
        self.configure(ROUTE)

    def configure(self, text: str) -> None:
        self.home.state_home.mkdir(mode=0o700, exist_ok=True)
        (self.home.state_home / "config.toml").write_text(text)

    def aws_file(self, name: str, text: str) -> None:
        (self.home.path / ".aws" / name).write_text(text)

    def ask(self, *arguments: str, env: dict[str, str] | None = None) -> CompletedProcess[str]:
        flags = [flag for entry in self.world.connect_to for flag in ("--connect-to", entry)]
        done = self.home.run(
            "aws",
            *arguments,
            *flags,
            "--ca-file",
            str(self.world.ca_file),
            env=NOWHERE if env is None else env,
        )
        for secret in self.secrets:
            assert not holds((done.stdout + done.stderr).encode(), secret)
        assert "Traceback" not in done.stderr
        return done

    def verdicts(self, done: CompletedProcess[str]) -> dict[str, str]:
        return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}


@pytest.fixture
def user(tmp_path: Path, world: World, canary: Callable[[str], str]) -> User:
    return User(make_home(tmp_path / "home", canary("sk-ant-" + "oat01-")), world)


def everything(verdict: str, names: list[str]) -> dict[str, str]:
    return dict.fromkeys(names, verdict)


def test_keys_of_the_environment_pass_every_step(user: User, world: World) -> None:
    done = user.ask("check", env=world.aws_env())
    assert (done.returncode, done.stderr) == (0, "openclaude: no problem was found\n")
    assert user.verdicts(done) == everything("ok", NAMES)


def test_every_tier_on_bedrock_passes_every_step(user: User, world: World) -> None:
    user.configure(PRESETS["all-bedrock"])
    done = user.ask("check", env=world.aws_env())
    assert (done.returncode, done.stderr) == (0, "openclaude: no problem was found\n")
    assert done.stdout.count("routes to us-east-1, us-east-2, us-west-2") == 5


def test_keys_of_a_profile_are_found_by_it(user: User, world: World) -> None:
    env = world.aws_env()
    user.aws_file(
        "credentials",
        f"[openclaude]\naws_access_key_id = {env['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {env['AWS_SECRET_ACCESS_KEY']}\naws_session_token = {env['AWS_SESSION_TOKEN']}\n",
    )
    user.configure(ROUTE + 'profile = "openclaude"\n')
    done = user.ask("check")
    assert done.returncode == 0
    assert done.stdout.startswith(
        "ok       credentials     profile `openclaude`, method shared-credentials-file, key id ends in "
        f"{env['AWS_ACCESS_KEY_ID'][-4:]}, no end is known\n"
    )


def test_the_minutes_left_of_a_programs_keys_are_told(user: User, world: World) -> None:
    env = world.aws_env()
    ends = datetime.now(UTC) + timedelta(minutes=44, seconds=30)
    document = user.home.path / "keys.json"
    document.write_text(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": env["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": env["AWS_SESSION_TOKEN"],
                "Expiration": ends.isoformat(),
            }
        )
    )
    code = f"print(open({str(document)!r}).read())"
    user.aws_file(
        "config", f"[profile dev]\ncredential_process = {shlex.join([sys.executable, '-I', '-c', code])}\n"
    )
    done = user.ask("check", "--profile", "dev")
    assert done.returncode == 0
    assert "profile `dev`, method custom-process, key id ends in" in done.stdout
    assert ", 44 min left\n" in done.stdout or ", 43 min left\n" in done.stdout


def test_an_sso_login_that_ran_out_is_named_with_the_exact_command(user: User) -> None:
    user.aws_file(
        "config",
        "[profile work]\nsso_session = company\nsso_account_id = 111122223333\nsso_role_name = dev\nregion = us-west-2\n"
        "[sso-session company]\nsso_start_url = https://company.awsapps.com/start\nsso_region = us-west-2\n",
    )
    cache = user.home.path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    name = hashlib.sha1(b"company", usedforsecurity=False).hexdigest()
    token = "sso-" + hashlib.sha256(str(cache).encode()).hexdigest()
    user.secrets.append(token)
    (cache / f"{name}.json").write_text(
        json.dumps({"accessToken": token, "expiresAt": "2020-01-01T00:00:00Z"})
    )
    user.configure(ROUTE + 'profile = "work"\n')
    done = user.ask("check")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        f"problem  credentials     AWS profile 'work' in {user.home.path}/.aws/config uses SSO and is not logged in, or "
        "no longer. remedy: aws sso login --profile work"
    )
    assert user.verdicts(done)["Converse"] == "skipped"


def test_an_sso_session_that_does_not_exist_is_named_with_its_file_and_section(user: User) -> None:
    user.aws_file("config", "[profile work]\nsso_session = gone\n")
    user.configure(ROUTE + 'profile = "work"\n')
    assert user.ask("check").stdout.splitlines()[0] == (
        f"problem  credentials     AWS profile 'work' refers to sso_session = gone, but {user.home.path}/.aws/config has "
        "no [sso-session gone]. remedy: aws configure sso --profile work"
    )


def test_a_policy_without_the_second_action_is_found_and_the_policy_printed_has_it(
    user: User, world: World
) -> None:
    arn = "arn:aws:bedrock:us-west-2::foundation-model/qwen.qwen3-coder-next"
    action = "bedrock:InvokeModelWithResponseStream"

    def script(ask: Ask) -> Answer | Fail:
        said = f"User: someone is not authorized to perform: {action} on resource: {arn}"
        return Fail(403, "AccessDeniedException", said) if ask.stream else tools_story(ask)

    world.bedrock.script = script
    done = user.ask("check", env=world.aws_env())
    assert done.returncode == 1
    assert user.verdicts(done) == {**everything("ok", NAMES), "ConverseStream": "problem"}
    printed = user.home.run("aws", "policy")
    assert printed.returncode == 0
    [statement] = json.loads(printed.stdout)["Statement"]
    assert action in statement["Action"]
    assert arn in statement["Resource"]
    assert f'allow {{"Effect":"Allow","Action":"{action}","Resource":"{arn}"}}' in done.stdout


def test_a_bedrock_api_key_passes_without_an_identity(
    user: User, world: World, canary: Callable[[str], str]
) -> None:
    key = canary("bedrock-api-key-", reaches=("bedrock", "other aws"))
    user.secrets.append(key)
    world.bedrock.api_keys = world.control.api_keys = frozenset({key})
    done = user.ask("check", env={"AWS_BEARER_TOKEN_BEDROCK": key, **NOWHERE})
    assert done.returncode == 0
    assert user.verdicts(done) == {**everything("ok", NAMES), "identity": "skipped"}
    listed = user.ask("models", "--json", env={"AWS_BEARER_TOKEN_BEDROCK": key, **NOWHERE})
    assert listed.returncode == 0
    assert json.loads(listed.stdout)["models"]


def test_the_models_a_region_lists_can_be_routed_to_and_checked(user: User, world: World) -> None:
    listed = user.ask("models", "--json", env=world.aws_env())
    ids = [name for model in json.loads(listed.stdout)["models"] for name in model["called_by"]]
    routes = [ROUTE.replace("qwen.qwen3-coder-next", name).replace("qwen-3-coder", name) for name in ids[:2]]
    user.configure("\n".join(routes))
    done = user.ask("check", env=world.aws_env())
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_server_without_a_valid_certificate_gets_nothing(user: User, tmp_path: Path) -> None:
    with World(aws_services=True) as other:
        flags = [flag for entry in other.connect_to for flag in ("--connect-to", entry)]
        done = user.home.run(
            "aws", "check", *flags, "--ca-file", str(user.world.ca_file), env=other.aws_env()
        )
        assert other.requests() == ()
    assert done.returncode == 1
    assert "presented a certificate that is not valid for it" in done.stdout
    assert user.verdicts(done)["Converse"] == "problem"
