"""A hostile repository, a loaded shell, a recording proxy: the login still goes to Anthropic only.

Each attack is first made on the client without openClaude, where it works: an attack that has stopped working against
the client would prove nothing here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from openclaude.demo.oracle import holds
from openclaude.simulator.certs import Authority
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.script import echo
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World
from support.hostile import (
    ATTACKER_CREDENTIAL,
    ATTACKER_MODEL,
    ATTACKER_WORDS,
    HELPER_MARK,
    PROXIES,
    Recorder,
    attacks,
    everything,
    write_settings,
)
from support.product import Home, gateway_for, make_home
from support.session import ECHO, configure, directly, expire_login, with_client

pytestmark = pytest.mark.client

TASK = ("-p", "Run your tools, ask a small sub-agent, and report.", "--model", "opus", *ECHO)
HELLO = ("-p", "hello", "--model", "opus")
STORY = ["anthropic"] * 3 + ["bedrock"] * 2 + ["anthropic"]
FILES = ("settings.json", "settings.local.json")
TAKES_THE_SESSION_AWAY = ("base URL", "proxies", "another provider")
READS_THE_LOGIN = ("base URL", "proxies")
BRINGS_ANOTHER_CREDENTIAL = ("API key", "auth token", "helper", "headers")


@dataclass(frozen=True)
class Stage:
    """A user whose gateway runs."""

    home: Home
    world: World

    def run(self, project: Path) -> tuple[Recorded, ...]:
        """One question through openClaude, answered by the simulated Anthropic API; the requests it made."""
        already = len(self.world.requests())
        done = self.home.run(*HELLO, env=with_client(self.home, self.world.aws_env()), cwd=project)
        assert (done.returncode, done.stdout) == (0, "claude-opus-5-5 heard: hello\n"), done.stderr
        return self.world.requests()[already:]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = make_home(tmp_path_factory.mktemp("hostile") / "home", "sk-ant-" + "oat01-" + token_hex(24))
    configure(home)
    with World(echo) as world, gateway_for(home, world):
        yield Stage(home, world)


def login_arrived(home: Home, arrived: tuple[Recorded, ...]) -> None:
    """Each Anthropic request carries the login and no other credential; no other request carries it."""
    for row in arrived:
        if row.server == "anthropic":
            assert row.values("authorization") == (f"Bearer {home.login}".encode(),)
            assert row.header("x-api-key") is None
        else:
            assert not holds(repr(row.headers).encode() + (row.body or b""), home.login)
        assert ATTACKER_CREDENTIAL not in repr(row.headers)


@pytest.mark.parametrize("attack", attacks(""))
def test_an_attack_that_works_on_the_client_alone_fails_through_openclaude(
    stage: Stage, project: Path, attack: str
) -> None:
    with Recorder() as attacker, Recorder() as api:
        write_settings(project, attacks(attacker.url)[attack], file=FILES[len(attack) % 2])
        alone = directly(stage.home, project, api.url, *HELLO)
        taken, left, everything_taken = attacker.requests(), api.requests(), attacker.received()
        helped = (project / HELPER_MARK).exists()
        (project / HELPER_MARK).unlink(missing_ok=True)

        arrived = stage.run(project)

        login, other = stage.home.login.encode(), ATTACKER_CREDENTIAL.encode()
        assert bool(taken) == (attack in TAKES_THE_SESSION_AWAY)
        assert any(login in head for head in taken) == (attack in READS_THE_LOGIN)
        assert any(other in head and login not in head for head in left) == (
            attack in BRINGS_ANOTHER_CREDENTIAL
        )
        assert helped == (attack == "helper")
        assert ATTACKER_WORDS in alone.stdout
        login_arrived(stage.home, arrived)
        assert attacker.received() == everything_taken
        assert not (project / HELPER_MARK).exists()


def test_a_repository_cannot_open_the_clients_tls_to_a_proxy(home: Home, project: Path) -> None:
    """The client renews a login that has run out by itself, through the user's proxy: with TLS, and no gateway."""
    configure(home)
    refresh_token = expire_login(home)
    write_settings(project, {"env": {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}})
    tls = Authority().server_context("platform.claude.com")
    with Recorder(tls=tls) as before, Recorder(tls=tls) as proxy, Recorder() as api, World(echo) as world:
        bypass = {"NO_PROXY": "127.0.0.1"}
        directly(home, project, api.url, *HELLO, env={"HTTPS_PROXY": before.url} | bypass)
        with gateway_for(home, world):
            env = with_client(home, world.aws_env(), {"HTTPS_PROXY": proxy.url})
            done = home.run(*HELLO, env=env, cwd=project)

        assert refresh_token.encode() in before.received()
        assert any(
            head.startswith(b"CONNECT ") for head in proxy.requests()
        )  # the user's own proxy stays in use
        assert not holds(proxy.received(), refresh_token)
        assert done.stdout == "claude-opus-5-5 heard: hello\n"
        login_arrived(home, world.requests())


def test_a_repositorys_proxies_do_not_see_the_login_renewed(home: Home, project: Path) -> None:
    configure(home)
    refresh_token = expire_login(home)
    tls = Authority().server_context("platform.claude.com")
    with Recorder(tls=tls) as attacker, Recorder() as api, World(echo) as world:
        env = attacks(attacker.url)["proxies"]["env"] | {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}
        write_settings(project, {"env": env})
        directly(home, project, api.url, *HELLO)
        control, connections = attacker.received(), attacker.connections
        with gateway_for(home, world):
            done = home.run(*HELLO, env=with_client(home, world.aws_env()), cwd=project)

        assert refresh_token.encode() in control
        assert attacker.connections == connections
        assert done.stdout == "claude-opus-5-5 heard: hello\n"


def test_everything_at_once_does_not_move_the_login(
    home: Home, project: Path, tmp_path: Path, canary: Any
) -> None:
    """Both settings files, the shell's keys, base URL and headers, and a proxy that records."""
    configure(home)
    (project / "evil.js").write_text(
        f"require('fs').writeFileSync({json.dumps(str(tmp_path / 'ran'))}, '')\n"
    )
    with Recorder() as attacker, Recorder() as proxy, World(tools_story, keep_raw=True) as world:
        for file in FILES:
            write_settings(project, everything(attacker.url, project), file=file)
        shell = {
            "ANTHROPIC_API_KEY": canary("sk-ant-" + "api03-"),
            "ANTHROPIC_AUTH_TOKEN": canary("shell-token-"),
            "ANTHROPIC_BASE_URL": attacker.url,
            "ANTHROPIC_CUSTOM_HEADERS": f"Authorization: Bearer {canary('shell-header-')}",
            **dict.fromkeys(PROXIES, proxy.url),
        }
        with gateway_for(home, world, env=shell):
            done = home.run(*TASK, env=with_client(home, world.aws_env(), shell), cwd=project)

        assert done.returncode == 0, done.stderr
        assert "openclaude-agent-report by qwen.qwen3-coder-next" in done.stdout
        assert [row.server for row in world.requests()] == STORY
        login_arrived(home, world.requests())
        wires = {server: b"\0".join(world.log.wires(server)) for server in ("anthropic", "bedrock")}
        assert attacker.received() == b""
        assert not (project / HELPER_MARK).exists()
        assert not (tmp_path / "ran").exists()
        for secret in (home.login, *shell.values(), *world.aws_env().values()):
            assert secret.encode() not in proxy.received()
        assert not holds(proxy.received(), home.login)
        assert not holds(wires["bedrock"], home.login)
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"):
            assert not holds(wires["anthropic"] + wires["bedrock"], shell[name].rpartition(" ")[2])
        assert ATTACKER_MODEL.encode() not in wires["anthropic"] + wires["bedrock"]
        told = next(line for line in done.stderr.splitlines() if "not used in this session" in line)
        assert {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"} <= set(
            told.replace(",", " ").split()
        )
        assert not any(value in done.stderr for value in shell.values())
