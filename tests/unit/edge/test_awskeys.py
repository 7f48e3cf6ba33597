"""Real botocore in its own process, real files; and the rules of sharing and renewing with a made-up look-up."""

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openclaude.credentials import _vault
from openclaude.credentials.sealed import AwsKeys, RouteKey, _KeyMaterial
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin
from openclaude.edge.awskeys import ANEW, KeyStore, RouteKeys
from openclaude.edge.sessions import Sessions
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio
ORIGIN = Origin("bedrock-runtime.us-west-2.amazonaws.com")


def material(keys: object) -> tuple[str, str, str | None]:
    assert isinstance(keys, AwsKeys), keys
    found = _vault.get(keys, _KeyMaterial)
    return found.access_key, found.secret_key, found.token


class Machine:
    """One gateway's key store over an empty ~/.aws."""

    def __init__(self, folder: Path, probe: Any = None, own: dict[str, str] | None = None) -> None:
        self.folder = folder
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_CONFIG_FILE": str(folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.now = 1_000_000.0
        self.sessions = Sessions(base=base, own=own or {})
        self.store = KeyStore(self.sessions, wall=lambda: self.now, probe=probe)
        self._routes: dict[str | None, RouteKeys] = {}

    def route(self, profile: str | None) -> RouteKeys:
        """One for each profile, as a gateway has them."""
        if profile not in self._routes:
            self._routes[profile] = self.store.for_route(profile=profile, region="us-west-2", origin=ORIGIN)
        return self._routes[profile]

    async def fetch(self, session: str = "", profile: str | None = None) -> object:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.route(profile).fetch(session, done.set_result)
        return await asyncio.wait_for(done, DEADLINE)

    async def renew(self, stale: object, session: str = "", profile: str | None = None) -> object:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.route(profile).renew(session, stale, done.set_result)
        return await asyncio.wait_for(done, DEADLINE)


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_keys_of_a_profile_are_found(machine: Machine, canary) -> None:
    key, secret = canary("AK"), canary()
    text = f"[work]\naws_access_key_id={key}\naws_secret_access_key={secret}\n"
    (machine.folder / "credentials").write_text(text)
    assert material(await machine.fetch(profile="work")) == (key, secret, None)


async def test_each_session_signs_with_its_own_keys(machine: Machine, canary) -> None:
    sessions = {
        name: machine.sessions.register({"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": canary()})
        for name in ("AKONE", "AKTWO", "AKTHREE")
    }
    for _ in range(2):
        for name, session in sessions.items():
            assert material(await machine.fetch(session))[0] == name


async def test_what_a_route_remembers_of_a_session_ends_with_the_session(machine: Machine, canary) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "AKONE", "AWS_SECRET_ACCESS_KEY": canary()}
    first = machine.sessions.register(variables)
    other = machine.sessions.register({**variables, "AWS_ACCESS_KEY_ID": "AKTWO"})
    found = [await machine.fetch(name) for name in (first, other, first, other, first)]
    assert [material(keys)[0] for keys in found] == ["AKONE", "AKTWO", "AKONE", "AKTWO", "AKONE"]
    assert found[0] is found[4]
    machine.sessions.forget(first)
    error = await machine.fetch(first)
    assert isinstance(error, ApiError)
    assert "not known here" in error.message
    assert material(await machine.fetch(other))[0] == "AKTWO"
    machine.sessions.register(variables)
    assert await machine.fetch(first) is found[0]


async def test_a_bedrock_key_of_the_session_comes_before_the_chain_and_after_a_routes_profile(
    machine: Machine, canary
) -> None:
    session = machine.sessions.register({"AWS_BEARER_TOKEN_BEDROCK": canary()})
    (machine.folder / "credentials").write_text("[work]\naws_access_key_id=AK\naws_secret_access_key=s\n")
    found = await machine.fetch(session)
    assert isinstance(found, RouteKey)
    assert found.origin == ORIGIN
    assert material(await machine.fetch(session, "work"))[0] == "AK"


def write_process(folder: Path) -> None:
    """A credential_process whose keys say how often it ran."""
    (folder / "process.py").write_text(
        "import pathlib\n"
        f"path = pathlib.Path({str(folder / 'runs')!r})\n"
        "runs = int(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text(str(runs))\n"
        """print('{"Version": 1, "AccessKeyId": "AK%d", "SecretAccessKey": "s"}' % runs)\n""",
    )
    (folder / "config").write_text(
        f"[profile work]\ncredential_process = {sys.executable} {folder / 'process.py'}\n"
    )


async def test_a_credential_process_runs_once_for_many_and_again_on_renewal(machine: Machine) -> None:
    write_process(machine.folder)
    results = await asyncio.gather(*(machine.fetch(profile="work") for _ in range(100)))
    assert len(set(map(id, results))) == 1
    assert material(results[0])[0] == "AK1"
    renewed = await asyncio.gather(*(machine.renew(results[0], profile="work") for _ in range(100)))
    assert {material(keys)[0] for keys in renewed} == {"AK2"}
    assert (machine.folder / "runs").read_text() == "2"


async def test_a_late_complaint_about_old_keys_gets_the_new_ones_without_a_look_up(machine: Machine) -> None:
    write_process(machine.folder)
    old = await machine.fetch(profile="work")
    new = await machine.renew(old, profile="work")
    assert await machine.renew(old, profile="work") is new
    assert (machine.folder / "runs").read_text() == "2"


async def test_changed_files_are_read_on_renewal(machine: Machine) -> None:
    file = machine.folder / "credentials"
    file.write_text("[default]\naws_access_key_id=AKOLD\naws_secret_access_key=s\n")
    old = await machine.fetch()
    file.write_text("[default]\naws_access_key_id=AKNEW\naws_secret_access_key=s\n")
    assert material(await machine.renew(old))[0] == "AKNEW"


async def test_after_a_failure_keys_that_appear_are_found(machine: Machine) -> None:
    assert isinstance(await machine.fetch(), ApiError)
    (machine.folder / "credentials").write_text("[default]\naws_access_key_id=AK\naws_secret_access_key=s\n")
    assert material(await machine.fetch())[0] == "AK"


@pytest.mark.parametrize(
    ("profile", "config", "said"),
    [
        pytest.param(None, "", ["no AWS credentials were found", "aws configure"], id="nothing at all"),
        pytest.param(
            "gone", "", ["profile `gone` does not exist", "aws configure --profile gone"], id="no profile"
        ),
        pytest.param(
            "sso",
            "[profile sso]\nsso_session=corp\nsso_account_id=123456789012\nsso_role_name=r\n"
            "[sso-session corp]\nsso_start_url=https://corp.awsapps.com/start\nsso_region=us-west-2\n",
            ["SSO login", "aws sso login --profile sso"],
            id="no SSO login",
        ),
        pytest.param(
            "broken",
            "[profile broken]\nsso_session=gone\nsso_account_id=123456789012\nsso_role_name=r\n",
            ["broken", "hint: "],
            id="an SSO session that is not there",
        ),
        pytest.param(
            "process",
            "[profile process]\ncredential_process = /bin/false\n",
            ["could not be read with profile `process`", "CredentialRetrievalError"],
            id="a process that fails",
        ),
    ],
)
async def test_without_keys_the_answer_says_what_to_do(machine: Machine, profile, config, said) -> None:
    (machine.folder / "config").write_text(config)
    found = await machine.fetch(profile=profile)
    assert isinstance(found, ApiError)
    assert (found.status, found.type, found.retry) == (401, "authentication_error", False)
    for fragment in said:
        assert fragment in found.message


STRANGER = "0123456789ab"


async def test_a_session_the_gateway_does_not_know_is_told_to_start_again(machine: Machine) -> None:
    found = await machine.fetch(STRANGER)
    assert isinstance(found, ApiError)
    assert (found.status, found.type, found.retry) == (401, "authentication_error", False)
    assert "the AWS environment of this session is not known here" in found.message
    assert "start this session again with `openclaude`" in found.message


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "AKOWN", "AWS_SECRET_ACCESS_KEY": "s"}, id="the gateway's own keys"
        ),
        pytest.param({"AWS_BEARER_TOKEN_BEDROCK": "key"}, id="the gateway's own API key"),
        pytest.param({}, id="the default profile of the user"),
    ],
)
async def test_a_session_the_gateway_does_not_know_gets_no_keys_that_another_would_get(
    tmp_path: Path, own: dict[str, str]
) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=AKDEFAULT\naws_secret_access_key=s\n")
    machine = Machine(tmp_path, own=own)
    assert isinstance(await machine.fetch(), AwsKeys | RouteKey)
    assert isinstance(await machine.fetch(STRANGER), ApiError)


async def test_a_session_that_ends_while_its_keys_are_refused_gets_no_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path, own={"AWS_ACCESS_KEY_ID": "AKOWN", "AWS_SECRET_ACCESS_KEY": "s"})
    session = machine.sessions.register({"AWS_ACCESS_KEY_ID": "AKSESSION", "AWS_SECRET_ACCESS_KEY": "s"})
    stale = await machine.fetch(session)
    assert material(stale)[0] == "AKSESSION"
    machine.sessions.forget(session)
    found = await machine.renew(stale, session)
    assert isinstance(found, ApiError)
    assert "start this session again" in found.message


async def test_a_profile_that_the_configuration_names_pays_for_a_session_nobody_knows_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id=AKTEAM\naws_secret_access_key=s\n")
    machine = Machine(tmp_path, own={"AWS_ACCESS_KEY_ID": "AKOWN", "AWS_SECRET_ACCESS_KEY": "s"})
    assert material(await machine.fetch(STRANGER, profile="team"))[0] == "AKTEAM"
    missing = await machine.fetch(STRANGER, profile="gone")
    assert isinstance(missing, ApiError)
    assert "the AWS profile `gone` does not exist. hint: start this session again" in missing.message


class Probe:
    """A look-up that counts, waits for a signal, and answers what it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.expires: float | None = None
        self.error: Exception | None = None
        self.same = False

    async def __call__(self, env: Any, question: Any) -> dict[str, Any]:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {
            "access_key": "AK" if self.same else f"AK{number}",
            "secret_key": "s",
            "token": None,
            "expires": self.expires,
            "method": "made-up",
        }


async def test_keys_near_their_end_serve_on_while_new_ones_are_fetched(tmp_path: Path) -> None:
    probe = Probe()
    machine = Machine(tmp_path, probe)
    probe.expires = machine.now + 3600
    assert material(await machine.fetch())[0] == "AK1"
    machine.now += 3600 - 800
    probe.gate.clear()
    results = await asyncio.gather(*(machine.fetch() for _ in range(50)))
    assert {material(keys)[0] for keys in results} == {"AK1"}
    probe.expires = machine.now + 3600
    probe.gate.set()
    async with asyncio.timeout(DEADLINE):
        while material(await machine.fetch())[0] == "AK1":
            await asyncio.sleep(0)
    assert material(await machine.fetch())[0] == "AK2"
    assert probe.asked == 2


async def test_refused_keys_are_read_anew_once_in_thirty_seconds_however_many_requests_meet_the_refusal(
    tmp_path: Path,
) -> None:
    probe = Probe()
    machine = Machine(tmp_path, probe)
    first = await machine.fetch()
    renewed = await asyncio.gather(*(machine.renew(first) for _ in range(100)))
    assert {material(keys)[0] for keys in renewed} == {"AK2"}
    assert [await machine.renew(renewed[0]) for _ in range(100)] == [None] * 100
    assert probe.asked == 2
    machine.now += ANEW - 1
    assert await machine.renew(renewed[0]) is None
    machine.now += 1
    assert material(await machine.renew(renewed[0]))[0] == "AK3"


async def test_a_look_up_that_finds_the_refused_keys_again_has_nothing_newer(machine: Machine) -> None:
    (machine.folder / "credentials").write_text("[default]\naws_access_key_id=AK\naws_secret_access_key=s\n")
    refused = await machine.fetch()
    assert await machine.renew(refused) is None
    assert await machine.fetch() is refused


async def test_after_a_renewal_that_failed_the_next_request_looks_again_at_once(tmp_path: Path) -> None:
    probe = Probe()
    machine = Machine(tmp_path, probe)
    refused = await machine.fetch()
    probe.error = ValueError("no SSO login")
    assert isinstance(await machine.renew(refused), ApiError)
    probe.error = None
    assert material(await machine.fetch())[0] == "AK3"


async def test_a_request_that_waits_for_keys_gets_those_a_renewal_finds_again(tmp_path: Path) -> None:
    probe = Probe()
    probe.same = True
    machine = Machine(tmp_path, probe)
    probe.expires = machine.now + 900
    refused = await machine.fetch()
    machine.now += 880
    probe.expires = machine.now + 900
    probe.gate.clear()
    both = asyncio.gather(machine.renew(refused), machine.fetch())
    await asyncio.sleep(0)
    probe.gate.set()
    renewed, fetched = await both
    assert renewed is None
    assert material(fetched)[0] == "AK"
    assert probe.asked == 2


async def test_a_refused_bedrock_key_is_not_followed_by_another_credential(machine: Machine, canary) -> None:
    (machine.folder / "credentials").write_text("[default]\naws_access_key_id=AK\naws_secret_access_key=s\n")
    session = machine.sessions.register({"AWS_BEARER_TOKEN_BEDROCK": canary()})
    key = await machine.fetch(session)
    assert isinstance(key, RouteKey)
    assert await machine.renew(key, session) is None


async def test_no_variable_can_send_the_look_up_elsewhere(tmp_path: Path) -> None:
    process = tmp_path / "process.py"
    process.write_text(
        "import json, os\n"
        "seen = '+'.join(sorted(name for name in os.environ if name.startswith('AWS_')))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': seen, 'SecretAccessKey': 's'}))\n"
    )
    machine = Machine(tmp_path)
    (tmp_path / "config").write_text(f"[profile work]\ncredential_process = {sys.executable} {process}\n")
    traps = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_CA_BUNDLE")
    session = machine.sessions.register(dict.fromkeys((*traps, "AWS_REGION"), "https://evil.invalid"))
    seen = material(await machine.fetch(session, "work"))[0].split("+")
    assert "AWS_REGION" in seen
    assert not set(seen) & set(traps)


async def test_keys_past_their_end_are_never_used(tmp_path: Path) -> None:
    probe = Probe()
    machine = Machine(tmp_path, probe)
    probe.expires = machine.now + 900
    await machine.fetch()
    machine.now += 880
    results = await asyncio.gather(*(machine.fetch() for _ in range(100)))
    assert {material(keys)[0] for keys in results} == {"AK2"}
    assert probe.asked == 2


@pytest.mark.parametrize(
    "error", [TimeoutError(), OSError("no process"), ValueError("no JSON")], ids=["late", "os", "json"]
)
async def test_a_look_up_that_breaks_is_told_and_tried_again(error: Exception, tmp_path: Path) -> None:
    probe = Probe()
    machine = Machine(tmp_path, probe)
    probe.error = error
    assert isinstance(await machine.fetch(), ApiError)
    probe.error = None
    assert material(await machine.fetch())[0] == "AK2"


async def test_a_look_up_waits_apart_from_the_event_loop(machine: Machine) -> None:
    """The keys are in a pipe that only this loop fills: a look-up that held the loop would never get them.

    What it does on the loop's own thread is counted in CPU time, which other load on the machine cannot change; the least
    of three, since the first one loads modules.
    """
    pipe = machine.folder / "keys"
    os.mkfifo(pipe)
    (machine.folder / "config").write_text(f"[profile work]\ncredential_process = cat {pipe}\n")
    least = float("inf")
    keys: object = None
    for name in ("AK1", "AK2", "AK3"):
        answer = b'{"Version": 1, "AccessKeyId": "%b", "SecretAccessKey": "s"}' % name.encode()
        work, filled = 0.0, False
        machine.now += ANEW
        asked = machine.fetch(profile="work") if keys is None else machine.renew(keys, profile="work")
        done = asyncio.ensure_future(asked)
        while not done.done():
            worked = time.thread_time()
            await asyncio.sleep(0)
            work = max(work, time.thread_time() - worked)
            if not filled:
                with suppress(OSError):  # nobody has opened it yet
                    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                    filled = os.write(writer, answer) > 0
                    os.close(writer)
        assert filled
        keys = done.result()
        assert material(keys)[0] == name
        least = min(least, work)
    assert least < 0.020


async def test_the_platform_s_key_is_for_the_platform_and_bedrock_s_for_bedrock(
    machine: Machine, canary
) -> None:
    bedrock, platform = canary(), canary()
    session = machine.sessions.register(
        {
            "AWS_BEARER_TOKEN_BEDROCK": bedrock,
            "ANTHROPIC_AWS_API_KEY": platform,
            "ANTHROPIC_API_KEY": canary(),
        }
    )
    origin = Origin("aws-external-anthropic.us-west-2.api.aws")
    found: list[object] = []
    machine.store.for_route(
        profile=None, region="us-west-2", origin=origin, variable="ANTHROPIC_AWS_API_KEY"
    ).fetch(session, found.append)
    (key,) = found
    assert isinstance(key, RouteKey)
    assert key.origin == origin
    assert _vault.get(key, bytes) == b"X-Api-Key: %b\r\n" % platform.encode()
    other = await machine.fetch(session)
    assert isinstance(other, RouteKey)
    assert _vault.get(other, bytes) == b"Authorization: Bearer %b\r\n" % bedrock.encode()
    assert "ANTHROPIC_API_KEY" not in machine.sessions.environment(session)


async def test_a_look_up_does_not_get_the_platform_s_key(machine: Machine, canary) -> None:
    program = machine.folder / "program"
    program.write_text('#!/bin/sh\nenv > "$HOME/seen"\necho {}\n')
    program.chmod(0o700)
    (machine.folder / "config").write_text(f"[profile work]\ncredential_process = {program}\n")
    session = machine.sessions.register({"ANTHROPIC_AWS_API_KEY": canary()})
    await machine.fetch(session, profile="work")
    seen = (machine.folder / "seen").read_text()
    assert "HOME=" in seen
    assert "ANTHROPIC" not in seen
