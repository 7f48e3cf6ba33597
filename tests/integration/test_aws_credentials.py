"""Where the Bedrock route's keys come from, and what its user is told when they do not come."""

import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.script import Fail
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World
from support.anthropic_errors import assert_explained
from support.product import Home, make_home
from support.rawhttp import Response, ask
from support.staging import OPUS, QWEN, client_headers, message_body, serving

CONFIG = """\
[slots]
haiku = "qwen-3-coder"

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
"""
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true"}
"""No keys, and no waiting for an instance's metadata service."""

pytestmark = pytest.mark.xdist_group("aws-credentials")


@dataclass
class Key:
    """One set of temporary credentials, known to a world."""

    id: str
    secret: str
    token: str

    def document(self) -> str:
        """What a credential process prints."""
        return json.dumps(
            {
                "Version": 1,
                "AccessKeyId": self.id,
                "SecretAccessKey": self.secret,
                "SessionToken": self.token,
                "Expiration": "2099-01-01T00:00:00Z",
            }
        )


@dataclass
class Account:
    """A user's home, with `~/.aws` as the test writes it, and the simulated providers."""

    home: Home
    world: World

    def key(self) -> Key:
        """A new key that the simulated Bedrock accepts."""
        made = Key("ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(40))
        verifier = self.world.bedrock.verifier
        verifier.keys[made.id] = (made.secret, made.token)  # type: ignore[index]  # a dict, as World builds it
        return made

    def aws_config(self, text: str) -> None:
        folder = self.home.path / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(text)

    def credential_process(self, *keys: Key) -> str:
        """A program that prints the first key on its first run, the second on its second, and so on."""
        folder = self.home.path / "issued"
        folder.mkdir()
        for number, key in enumerate(keys):
            (folder / f"{number}.json").write_text(key.document())
        program = folder / "issue.py"
        program.write_text(
            "import pathlib\n"
            f"folder = pathlib.Path({str(folder)!r})\n"
            "first = min(folder.glob('*.json'))\n"
            "print(first.read_text())\n"
            "first.unlink()\n"
        )
        return shlex.join([sys.executable, "-I", "-S", str(program)])

    @contextmanager
    def gateway(self, *, profile: str = "", env: Mapping[str, str] = NOWHERE) -> Iterator[Gateway]:
        self.home.state_home.mkdir(mode=0o700, exist_ok=True)
        config = CONFIG + (f'profile = "{profile}"\n' if profile else "")
        (self.home.state_home / "config.toml").write_text(config)
        with serving(self.home, self.world.connect_to, self.world.ca_file, env=env) as gateway:
            yield gateway

    def ask(self, gateway: Gateway, model: str = QWEN, *, stream: bool = False) -> Response:
        body = message_body(model, "a question", stream=stream)
        return ask(gateway, client_headers(self.home.login), body)

    def signers(self) -> list[str]:
        """The access key ids that requests to Bedrock were signed with, in order."""
        lines = [row.header("authorization") or b"" for row in self.world.bedrock.requests()]
        return [line.decode().partition("Credential=")[2].partition("/")[0] for line in lines]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    home = make_home(tmp_path / "home", "sk-ant-" + "oat01-" + secrets.token_hex(24))
    with World(keep_raw=True) as world:
        yield Account(home, world)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_keys_that_have_expired_are_renewed_once_and_the_request_succeeds(
    account: Account, stream: bool
) -> None:
    old, new = account.key(), account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(old, new)}\n")
    account.world.bedrock.verifier.expired.add(old.id)
    with account.gateway(profile="dev") as gateway:
        response = account.ask(gateway, stream=stream)
        assert (response.status, response.whole) == (200, True)
        assert account.signers() == [old.id, new.id]
        assert account.ask(gateway).status == 200
        assert account.signers() == [old.id, new.id, new.id]


def test_keys_that_stay_expired_are_tried_twice_and_then_explained(account: Account) -> None:
    first, second = account.key(), account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(first, second)}\n")
    account.world.bedrock.verifier.expired.update({first.id, second.id})
    with account.gateway(profile="dev") as gateway:
        text = assert_explained(account.ask(gateway), 401)
        assert "have expired" in text
        assert "hint: renew them; for an SSO profile `aws sso login --profile dev`" in text
        assert account.signers() == [first.id, second.id]
        assert_explained(account.ask(gateway), 401)  # read anew a moment ago: once in 30 s is enough
        assert account.signers() == [first.id, second.id, second.id]


def test_a_hundred_requests_at_once_with_expired_keys_cause_one_renewal(account: Account) -> None:
    old, new = account.key(), account.key()
    # The program has two sets of keys: a third run would fail.
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(old, new)}\n")
    with account.gateway(profile="dev") as gateway, ThreadPoolExecutor(50) as threads:
        assert account.ask(gateway).status == 200
        account.world.bedrock.verifier.expired.add(old.id)
        statuses = list(threads.map(lambda _: account.ask(gateway).status, range(100)))
    assert statuses == [200] * 100
    assert account.signers().count(new.id) == 100


def test_keys_that_are_revoked_in_mid_session_are_replaced_without_a_restart(account: Account) -> None:
    old, new = account.key(), account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(old, new)}\n")
    with account.gateway(profile="dev") as gateway:
        assert account.ask(gateway).status == 200
        del account.world.bedrock.verifier.keys[old.id]  # type: ignore[attr-defined]  # a dict, as World builds it
        assert account.ask(gateway).status == 200
    assert account.signers() == [old.id, old.id, new.id]


def test_a_clock_that_is_off_is_corrected_once_and_the_session_goes_on(account: Account) -> None:
    key = account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(key)}\n")
    ahead = timedelta(minutes=20)
    bedrock = account.world.bedrock
    bedrock.script = lambda ask: Fail(
        400, "ValidationException", "a refusal with a date", headers=(("date", _date(ahead)),)
    )
    with account.gateway(profile="dev") as gateway:
        # Answers of the simulated server have this machine's date; this one has that of AWS's clock.
        assert account.ask(gateway).status == 400
        bedrock.verifier = replace(bedrock.verifier, clock=lambda: datetime.now(UTC) + ahead)
        bedrock.script = tools_story
        assert account.ask(gateway).status == 200


def _date(ahead: timedelta) -> str:
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)


def test_a_credential_process_runs_once_for_many_requests(account: Account) -> None:
    key = account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(key)}\n")
    with account.gateway(profile="dev") as gateway:
        assert [account.ask(gateway).status for _ in range(4)] == [200] * 4


def test_a_credential_process_that_fails_is_named_without_what_it_printed(account: Account) -> None:
    printed = secrets.token_hex(20)
    account.aws_config(
        f"[profile dev]\ncredential_process = sh -c 'echo {printed}; echo {printed} >&2; exit 3'\n"
    )
    with account.gateway(profile="dev") as gateway:
        response = account.ask(gateway)
        text = assert_explained(response, 401)
        assert "profile `dev`" in text
        assert "custom-process failed; what it said is not shown here" in text
        assert "aws sts get-caller-identity --profile dev" in text
    log = account.home.state().log_file.read_bytes()
    assert not holds(response.body + log, printed)


def test_no_credentials_at_all_is_a_401_with_the_remedies_and_opus_goes_on(account: Account) -> None:
    with account.gateway() as gateway:
        text = assert_explained(account.ask(gateway), 401)
        assert "no AWS credentials were found with the default credential chain" in text
        assert "hint: run `aws configure` or `aws sso login`" in text
        assert "openclaude config init --preset all-anthropic" in text
        assert account.world.bedrock.requests() == ()
        assert account.ask(gateway, OPUS).status == 200


def test_credentials_that_appear_later_are_found_without_a_restart(account: Account) -> None:
    key = account.key()
    with account.gateway() as gateway:
        assert account.ask(gateway).status == 401
        folder = account.home.path / ".aws"
        folder.mkdir()
        (folder / "credentials").write_text(
            f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"
            f"aws_session_token = {key.token}\n"
        )
        assert account.ask(gateway).status == 200
    assert account.signers() == [key.id]


def test_a_profile_that_does_not_exist_is_named(account: Account) -> None:
    account.aws_config("[profile other]\nregion = us-west-2\n")
    with account.gateway(profile="missing") as gateway:
        text = assert_explained(account.ask(gateway), 401)
    assert "the AWS profile `missing` does not exist" in text
    assert "hint: run `aws configure --profile missing`, or change `profile` in config.toml" in text


@pytest.mark.parametrize("form", ["session", "legacy"])
def test_an_sso_profile_without_a_login_says_which_command_logs_in(account: Account, form: str) -> None:
    start = "sso_start_url = https://sso.invalid/start\nsso_region = us-west-2\n"
    account.aws_config(
        "[profile work]\nsso_account_id = 123456789012\nsso_role_name = Developer\n"
        + (f"sso_session = corp\n[sso-session corp]\n{start}" if form == "session" else start)
    )
    with account.gateway(profile="work") as gateway:
        text = assert_explained(account.ask(gateway), 401)
    assert "the AWS SSO login of profile `work` is missing or has expired" in text
    assert "hint: run `aws sso login --profile work`" in text


def test_a_key_that_aws_does_not_know_is_a_401_that_says_how_to_look(account: Account) -> None:
    stranger = {
        **NOWHERE,
        "AWS_ACCESS_KEY_ID": "AKIA" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
    }
    with account.gateway(env=stranger) as gateway:
        text = assert_explained(account.ask(gateway), 401)
    assert "aws sts get-caller-identity" in text
    assert not holds(text.encode(), stranger["AWS_SECRET_ACCESS_KEY"])


def test_keys_in_the_environment_are_not_used_when_the_route_names_a_profile(account: Account) -> None:
    profile, environment = account.key(), account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(profile)}\n")
    env = {
        **NOWHERE,
        "AWS_ACCESS_KEY_ID": environment.id,
        "AWS_SECRET_ACCESS_KEY": environment.secret,
        "AWS_SESSION_TOKEN": environment.token,
    }
    with account.gateway(profile="dev", env=env) as gateway:
        assert account.ask(gateway).status == 200
    assert account.signers() == [profile.id]


def test_an_endpoint_of_ones_own_is_in_the_log_and_no_variable_is(account: Account) -> None:
    account.home.state_home.mkdir(mode=0o700)
    own = "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"
    (account.home.state_home / "config.toml").write_text(f'{CONFIG}endpoint_url = "{own}"\n')
    env = {**NOWHERE, "AWS_ENDPOINT_URL": "https://evil.invalid"}
    with serving(account.home, account.world.connect_to, account.world.ca_file, env=env):
        log = account.home.state().log_file.read_text()
    assert f"event=endpoint route=qwen-3-coder origin={own}\n" in log
    assert "evil" not in log


def test_no_secret_of_an_account_reaches_the_client_the_log_or_anthropic(account: Account) -> None:
    old, new = account.key(), account.key()
    account.aws_config(f"[profile dev]\ncredential_process = {account.credential_process(old, new)}\n")
    account.world.bedrock.verifier.expired.add(old.id)
    with account.gateway(profile="dev") as gateway:
        answers = [account.ask(gateway, model) for model in (QWEN, OPUS)]
    seen = b"".join(repr(answer.headers).encode() + answer.body for answer in answers)
    files = b"".join(
        path.read_bytes()
        for path in account.home.state_home.rglob("*")
        if path.is_file() and os.access(path, os.R_OK)
    )
    anthropic = b"".join(account.world.log.wires("anthropic"))
    bedrock = b"".join(account.world.log.wires("bedrock"))
    for key in (old, new):
        for secret in (key.id, key.secret, key.token):
            assert not holds(seen + files + anthropic, secret)
        assert not holds(bedrock, key.secret)
    assert not holds(seen + files + bedrock, account.home.login)
