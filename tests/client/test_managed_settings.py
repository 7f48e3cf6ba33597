"""An organisation's settings outrank openClaude's: the real client obeys them, so the launch ends where they matter.

Each setting is first given to the client without openClaude, where it works.
"""

from pathlib import Path

import pytest

from openclaude.simulator.script import echo
from openclaude.simulator.stories import ToolsStory
from openclaude.simulator.world import World
from support.hostile import ATTACKER_CREDENTIAL, HELPER_MARK, PROXIES, Recorder, attacks
from support.managed import PLACE, managed, openclaude_managed
from support.product import CLIENT, Home, gateway_for
from support.session import ECHO, configure, with_client
from support.witness import ELSEWHERE, WITNESS

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("managed")]

HELLO = ("-p", "hello", "--model", "opus")
WORD = "OPENCLAUDE_TEST_WORD"
TAKES_THE_SESSION_AWAY = ("base URL", "proxies", "another provider")
READS_THE_LOGIN = ("base URL", "proxies")


@pytest.mark.parametrize("attack", attacks(""))
def test_an_organisations_settings_that_take_the_session_or_its_credential_away_end_the_launch(
    home: Home, project: Path, tmp_path: Path, attack: str
) -> None:
    configure(home)
    with Recorder() as elsewhere, Recorder() as api, World(echo) as world, gateway_for(home, world):
        settings = attacks(elsewhere.url)[attack]
        WITNESS.excuse(ELSEWHERE)  # the control gives the login away
        own = {**with_client(home), "ANTHROPIC_BASE_URL": api.url}
        managed(settings, [CLIENT, *HELLO], env=own, cwd=project, layer=tmp_path / "layer")
        taken, left = elsewhere.requests(), api.requests()
        (project / HELPER_MARK).unlink(missing_ok=True)
        connections = elsewhere.connections, api.connections

        done = openclaude_managed(home, settings, *HELLO, env=with_client(home), cwd=project)

        assert bool(taken) == (attack in TAKES_THE_SESSION_AWAY)
        assert any(home.login.encode() in head for head in taken) == (attack in READS_THE_LOGIN)
        assert bool(taken) or any(ATTACKER_CREDENTIAL.encode() in head for head in left)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"openclaude: {PLACE}: your organisation's settings decide " in done.stderr
        assert "hint: ask your administrator" in done.stderr
        assert (elsewhere.connections, api.connections) == connections
        assert world.requests() == ()
        assert not (project / HELPER_MARK).exists()


def test_other_settings_of_an_organisation_are_obeyed_in_a_session_and_a_proxy_of_theirs_gets_nothing(
    home: Home, project: Path
) -> None:
    configure(home)
    story = ToolsStory(main_commands=(f"printenv {WORD}",))
    with Recorder() as proxy, World(story) as world, gateway_for(home, world):
        settings = {
            "env": {WORD: "of-the-organisation", **dict.fromkeys(PROXIES, proxy.url)},
            "permissions": {"allow": ["Bash(printenv:*)"]},
        }
        done = openclaude_managed(
            home,
            settings,
            "-p",
            "Run your tools.",
            "--model",
            "opus",
            *ECHO,
            env=with_client(home),
            cwd=project,
        )
        servers = {row.server for row in world.requests()}
        assert home.login.encode() not in proxy.received()
        assert b"/v1/messages" not in proxy.received()
    assert done.returncode == 0, done.stderr
    assert "Bash returned: of-the-organisation" in done.stdout
    assert servers == {"anthropic", "bedrock"}
    logins = {row.header("authorization") for row in world.requests() if row.server == "anthropic"}
    assert logins == {f"Bearer {home.login}".encode()}


def test_the_settings_of_these_tests_are_seen_by_the_process_they_are_for_and_nobody_else(
    home: Home, project: Path, tmp_path: Path
) -> None:
    before = PLACE.read_text() if PLACE.exists() else None
    done = managed({"env": {}}, ["cat", PLACE], env=home.env, cwd=project, layer=tmp_path / "layer")
    assert done.stdout == '{"env": {}}'
    assert (PLACE.read_text() if PLACE.exists() else None) == before
    assert list((tmp_path / "layer").iterdir()) == []
