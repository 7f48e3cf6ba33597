"""Earlier versions of the client, in the company a user may keep: the login is only ever at the Anthropic API."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import trustme

from openclaude.demo.oracle import holds
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.stories import ToolsStory
from openclaude.simulator.world import World
from support.hostile import (
    ATTACKER_CREDENTIAL,
    ATTACKER_WORDS,
    PROXIES,
    Recorder,
    attacks,
    everything,
    free_port,
    write_settings,
)
from support.managed import managed, openclaude_managed
from support.product import EARLIER, Home, gateway_for, make_home
from support.session import configure, directly, with_client
from support.witness import ELSEWHERE, WITNESS

pytestmark = pytest.mark.client

TASK = ("-p", "Run your tools, ask a small sub-agent, and report.", "--model", "opus")
TOOLS = ("--allowedTools", "Bash(echo:*)", "Bash(openclaude restart)")
HELLO = ("-p", "hello", "--model", "opus")
STORY = ["anthropic"] * 3 + ["bedrock"] * 2 + ["anthropic"]


@dataclass(frozen=True)
class Stage:
    """A user of one version of the client whose gateway runs; the model restarts it in the middle of each session."""

    version: str
    client: Path
    home: Home
    world: World

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        env = with_client(self.home, self.world.aws_env(), more, client=self.client)
        return env | {"PATH": os.pathsep.join([env["PATH"], str(Path(sys.executable).parent)])}

    def works(
        self, project: Path, *arguments: str, env: Mapping[str, str] | None = None, login: str = ""
    ) -> str:
        """Do the whole task through openClaude; the login must arrive as it should. The result is what was said."""
        already, before = len(self.world.requests()), self.home.running()
        done = self.home.run(*TASK, *arguments, *TOOLS, env=self.environment(env or {}), cwd=project)
        assert done.returncode == 0, done.stderr
        assert "openclaude-agent-report by qwen.qwen3-coder-next" in done.stdout
        after = self.home.running()
        assert before is not None
        assert after is not None
        assert (before.port, before.pid) == (after.port, after.pid)
        assert before.worker != after.worker
        arrived = self.world.requests()[already:]
        assert [row.server for row in arrived] == STORY
        for row in arrived:
            only_the_login(row, login or self.home.login)
            assert row.server == "bedrock" or f"claude-cli/{self.version} ".encode() in (
                row.header("user-agent") or b""
            )
        return done.stderr


def only_the_login(row: Recorded, login: str) -> None:
    """An Anthropic request carries the login and no other credential; no other request carries it."""
    if row.server == "anthropic":
        assert row.values("authorization") == (f"Bearer {login}".encode(),)
        assert row.header("x-api-key") is None
    else:
        assert not holds(repr(row.headers).encode() + (row.body or b""), login)
    assert ATTACKER_CREDENTIAL not in repr(row.headers)


@pytest.fixture(scope="module", params=EARLIER)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    version = str(request.param)
    client = EARLIER[version]
    if not client.exists():
        pytest.fail(
            f"Claude Code {version} is not at {client}: run `make clients` (it needs npm), then the tests again"
        )
    home = make_home(tmp_path_factory.mktemp("earlier") / "home", "sk-ant-" + "oat01-" + token_hex(24))
    port = (
        free_port()
    )  # restart keeps the port, and with it the simulators' addresses, only where it is the configured one
    configure(home, port=port)
    story = ToolsStory(main_commands=("echo openclaude-main-tool", "openclaude restart"))
    with World(story, keep_raw=True) as world, gateway_for(home, world, port=port):
        yield Stage(version, client, home, world)


def test_the_whole_task_is_done_with_the_stored_login_and_a_restart_on_the_way(
    stage: Stage, project: Path
) -> None:
    stage.works(project)


def test_a_login_in_the_environment_goes_to_anthropic_only(stage: Stage, project: Path, canary: Any) -> None:
    login = canary("sk-ant-" + "oat01-")
    stage.works(project, env={"CLAUDE_CODE_OAUTH_TOKEN": login}, login=login)


def test_a_hostile_repository_gets_nothing(stage: Stage, project: Path) -> None:
    with Recorder() as attacker, Recorder() as api:
        write_settings(project, attacks(attacker.url)["base URL"])
        alone = directly(stage.home, project, api.url, *HELLO, client=stage.client)
        assert ATTACKER_WORDS in alone.stdout
        assert stage.home.login.encode() in attacker.received()
        connections = attacker.connections
        (project / "evil.js").write_text("require('fs').writeFileSync('evil-ran', '')\n")
        for file in ("settings.json", "settings.local.json"):
            write_settings(project, everything(attacker.url, project), file=file)

        stage.works(project)

        assert attacker.connections == connections
        assert {path.name for path in project.iterdir()} == {".claude", "evil.js"}


def test_proxies_of_the_shell_without_exceptions_see_neither_login_nor_prompt(
    stage: Stage, project: Path
) -> None:
    with Recorder() as proxy:
        stage.works(project, env=dict.fromkeys(PROXIES, proxy.url))
        assert b"/v1/messages" not in proxy.received()
        assert not holds(proxy.received(), stage.home.login)


@pytest.mark.parametrize("certificate", [False, True], ids=["authorities", "authorities and a certificate"])
def test_a_companys_authorities_and_client_certificate_stay(
    stage: Stage, project: Path, tmp_path: Path, *, certificate: bool
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("user@example.invalid")
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    issued.private_key_pem.write_to_path(tmp_path / "user.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "user.crt")
    own = {"NODE_EXTRA_CA_CERTS": str(tmp_path / "company.pem")}
    if certificate:
        own["CLAUDE_CODE_CLIENT_CERT"] = str(tmp_path / "user.crt")
        own["CLAUDE_CODE_CLIENT_KEY"] = str(tmp_path / "user.key")
    said = stage.works(project, env=own)
    given = json.loads(stage.home.settings_given())["env"]
    assert (tmp_path / "company.pem").read_text().strip() in Path(given["NODE_EXTRA_CA_CERTS"]).read_text()
    assert ("CLAUDE_CODE_CLIENT_CERT is yours and stays" in said) == certificate
    assert (given["CLAUDE_CODE_CLIENT_CERT"] == own.get("CLAUDE_CODE_CLIENT_CERT")) == certificate


def test_settings_and_headers_of_the_users_own_do_not_move_the_login(
    stage: Stage, project: Path, canary: Any
) -> None:
    headers = f"Authorization: Bearer {canary('shell-header-')}\nX-Team: heron"
    with Recorder() as elsewhere:
        own = {"env": {"ANTHROPIC_BASE_URL": elsewhere.url, "ANTHROPIC_API_KEY": ATTACKER_CREDENTIAL}}
        said = stage.works(project, "--settings", json.dumps(own), env={"ANTHROPIC_CUSTOM_HEADERS": headers})
        assert "not used in this session: " in said
        assert "env.ANTHROPIC_BASE_URL" in said
        assert elsewhere.connections == 0
    assert json.loads(stage.home.settings_given())["env"]["ANTHROPIC_CUSTOM_HEADERS"] == "X-Team: heron"


def test_an_organisations_base_url_which_the_client_obeys_ends_the_launch(
    stage: Stage, project: Path, tmp_path: Path
) -> None:
    with Recorder() as elsewhere, Recorder() as api:
        WITNESS.excuse(ELSEWHERE)  # the control gives the login away
        settings = attacks(elsewhere.url)["base URL"]
        env = {**stage.environment({}), "ANTHROPIC_BASE_URL": api.url}
        managed(settings, [stage.client, *HELLO], env=env, cwd=project, layer=tmp_path / "layer")
        assert stage.home.login.encode() in elsewhere.received()
        connections, already = elsewhere.connections, len(stage.world.requests())

        done = openclaude_managed(stage.home, settings, *HELLO, env=stage.environment({}), cwd=project)

        assert "your organisation's settings decide env.ANTHROPIC_BASE_URL" in done.stderr
        assert (done.returncode, done.stdout) == (1, "")
        assert (elsewhere.connections, len(stage.world.requests())) == (connections, already)
