"""One whole session of the real client on both routes, looked at from every side.

The same session is also run without openClaude, against a plain simulated API: what the client sends and writes by
itself is then known, and the rest would be ours.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from openclaude.demo.oracle import holds
from openclaude.launcher.variables import SLOT_VARIABLES
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World
from support.hostile import process_bytes
from support.product import Home, gateway_for, make_home
from support.session import (
    ECHO,
    changed,
    client_knows,
    configure,
    digests,
    directly,
    furnish,
    plain_api,
    with_client,
)

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-story")]

TASK = ("-p", "Run your tools, ask a small sub-agent, and report.", "--model", "opus", *ECHO)
BEDROCK_HEADERS = {
    "host",
    "content-type",
    "accept",
    "accept-encoding",
    "content-length",
    "authorization",
    "x-amz-date",
    "x-amz-security-token",
}
PER_SESSION = {"host", "authorization", "content-length", "connection", "x-claude-code-session-id"}


@dataclass(frozen=True)
class Told:
    """What is left of a session: its output, what arrived where, what lay on the disk before and after."""

    home: Home
    done: subprocess.CompletedProcess[str]
    anthropic: tuple[Recorded, ...]
    bedrock: tuple[Recorded, ...]
    anthropic_wire: bytes
    bedrock_wire: bytes
    files_before: set[str]
    changed_files: set[str]
    state_before: dict[str, Any]
    state_after: dict[str, Any]
    aws: dict[str, str] = field(default_factory=dict)
    gateway_process: bytes = b""
    refusals: tuple[str, ...] = ()
    unsigned: tuple[object, ...] = ()


def users_state(home: Home) -> dict[str, Any]:
    return dict(json.loads((home.path / ".claude.json").read_text()))


def new_home(folder: Path) -> tuple[Home, Path]:
    home = make_home(folder / "home", "sk-ant-" + "oat01-" + token_hex(24))
    furnish(home)
    (home.path / ".claude.json").write_text(
        json.dumps({"hasCompletedOnboarding": True, "mcpServers": {}, "someone": "elses"})
    )
    project = folder / "project"
    project.mkdir()
    return home, project


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home, project = new_home(tmp_path_factory.mktemp("through"))
    configure(home)
    before, state = digests(home.path / ".claude"), users_state(home)
    with World(keep_raw=True) as world, gateway_for(home, world) as gateway:
        done = home.run(*TASK, env=with_client(home, world.aws_env()), cwd=project)
        log = world.log
        yield Told(
            home,
            done,
            log.requests("anthropic"),
            log.requests("bedrock"),
            b"\0".join(log.wires("anthropic")),
            b"\0".join(log.wires("bedrock")),
            set(before),
            changed(before, digests(home.path / ".claude")),
            state,
            users_state(home),
            world.aws_env(),
            process_bytes(gateway.running.pid),
            log.refusals(),
            tuple(
                refusal for row in log.requests("bedrock") if (refusal := world.bedrock.verifier.check(row))
            ),
        )


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home, project = new_home(tmp_path_factory.mktemp("direct"))
    before, state = digests(home.path / ".claude"), users_state(home)
    slots = {SLOT_VARIABLES["haiku"]: "qwen-3-coder", "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "262144"}
    with plain_api(tools_story, models={"qwen-3-coder"}) as api:
        done = directly(home, project, api.base_url, *TASK, env=slots)
        yield Told(
            home,
            done,
            tuple(row for row in api.requests() if row.json()["model"] != "qwen-3-coder"),
            tuple(row for row in api.requests() if row.json()["model"] == "qwen-3-coder"),
            b"\0".join(api.log.wires()),
            b"",
            set(before),
            changed(before, digests(home.path / ".claude")),
            state,
            users_state(home),
        )


def test_the_main_turn_uses_its_tools_and_the_answer_of_the_sub_agent(told: Told) -> None:
    assert (told.done.returncode, told.refusals) == (0, ())
    answer = told.done.stdout
    assert "claude-opus-5-5 is done" in answer
    assert "Bash returned: openclaude-main-tool, openclaude-second-tool" in answer
    agent = "openclaude-agent-report by qwen.qwen3-coder-next: the tool returned openclaude-agent-tool"
    assert agent in answer


def test_the_main_turn_makes_three_tool_round_trips_at_anthropic(told: Told) -> None:
    calls = [
        (block["name"], block["id"])
        for message in told.anthropic[-1].json()["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    results = [
        block["tool_use_id"]
        for message in told.anthropic[-1].json()["messages"]
        if message["role"] == "user" and isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]

    assert len(told.anthropic) == 4
    assert [name for name, _ in calls] == ["Bash", "Bash", "Agent"]
    assert results == [name for _, name in calls]


def test_the_sub_agent_makes_a_tool_round_trip_of_its_own_at_bedrock(told: Told) -> None:
    first, second = (row.json()["messages"] for row in told.bedrock)

    assert not any("toolResult" in block for message in first for block in message["content"])
    results = [
        block["toolResult"] for message in second for block in message["content"] if "toolResult" in block
    ]
    assert [result["content"] for result in results] == [[{"text": "openclaude-agent-tool"}]]


def test_both_routes_are_streamed(told: Told) -> None:
    assert [row.json()["stream"] for row in told.anthropic] == [True] * 4
    assert [row.path for row in told.bedrock] == [b"/model/qwen.qwen3-coder-next/converse-stream"] * 2


def test_every_request_at_anthropic_carries_the_login_and_no_other_credential(told: Told) -> None:
    login = f"Bearer {told.home.login}".encode()

    for row in told.anthropic:
        assert row.values("authorization") == (login,)
        assert not row.values("x-api-key")
        assert not [name for name, _ in row.headers if name.lower().startswith((b"x-amz", b"x-openclaude"))]
    assert holds(told.anthropic_wire, told.home.login)


def test_the_login_is_nowhere_but_at_anthropic(told: Told) -> None:
    kept = b"\0".join(path.read_bytes() for path in told.home.state_home.rglob("*") if path.is_file())
    places = {
        "bedrock": told.bedrock_wire,
        "the gateway's folder and logs": kept,
        "the gateway's environment and arguments": told.gateway_process,
        "output": told.done.stdout.encode() + told.done.stderr.encode(),
    }

    assert all(places.values())
    assert {name for name, data in places.items() if holds(data, told.home.login)} == set()
    assert {name for name, data in places.items() if b"sk-ant-" in data} == set()


def test_bedrock_gets_a_valid_signature_and_none_of_the_clients_headers(told: Told) -> None:
    for row in told.bedrock:
        names = [name.decode().lower() for name, _ in row.headers]
        assert len(names) == len(set(names))
        assert set(names) == BEDROCK_HEADERS
        assert (row.header("authorization") or b"").startswith(b"AWS4-HMAC-SHA256 Credential=")
        assert row.header("accept-encoding") == b"identity"
    assert told.unsigned == ()


def test_bedrock_gets_nothing_that_names_the_account_or_the_session(told: Told) -> None:
    request = told.anthropic[0]
    who = json.loads(request.json()["metadata"]["user_id"])
    session = (request.header("x-claude-code-session-id") or b"").decode()
    marks = [
        session,
        *(value for value in who.values() if value),
        "x-anthropic-billing-header",
        "claude-cli/",
    ]

    assert len(marks) > 3
    assert [mark for mark in marks if mark.encode() in told.bedrock_wire] == []
    assert all(mark.encode() in told.anthropic_wire for mark in marks)


def test_the_main_requests_arrive_as_the_client_sends_them_by_itself(told: Told, control: Told) -> None:
    """Names, order and values of the headers (betas, X-Stainless, versions) and the order of the body's keys."""
    assert control.done.returncode == 0
    assert len(told.anthropic) == len(control.anthropic)
    for through, direct in zip(told.anthropic, control.anthropic, strict=True):
        assert own_headers(through) == own_headers(direct)
        assert through.request_line == direct.request_line
        assert list(through.json()) == list(direct.json())
    assert any(name.startswith("X-Stainless-") for name, _ in own_headers(told.anthropic[0]))
    assert told.anthropic[0].header("anthropic-beta")


def own_headers(row: Recorded) -> list[tuple[str, str]]:
    pairs = [(name.decode(), value.decode()) for name, value in row.headers]
    return [(name, value) for name, value in pairs if name.lower() not in PER_SESSION]


def test_the_users_own_files_stay_byte_for_byte(told: Told, control: Told) -> None:
    """What is new in the folder is what the client writes without openClaude too, or a name from its program."""

    def tops(names: set[str]) -> set[str]:
        return {name.partition("/")[0] for name in names}

    assert told.changed_files & told.files_before == set()
    assert {"settings.json", ".credentials.json", "CLAUDE.md", "agents"} <= tops(told.files_before)
    assert "projects" in tops(told.changed_files)
    others = tops(told.changed_files) - tops(control.changed_files)
    assert [name for name in others if not client_knows(name)] == []


def test_the_clients_state_file_differs_only_where_the_client_keeps_its_own_books(
    told: Told, control: Told
) -> None:
    ours = changed(told.state_before, told.state_after)
    clients = changed(control.state_before, control.state_after)

    assert not ours & set(told.state_before)
    assert [name for name in ours - clients if not client_knows(name)] == []
    assert not client_knows("openclaude-writes-this")


def test_the_aws_secret_is_nowhere_and_what_aws_must_see_is_at_bedrock_only(told: Told) -> None:
    kept = b"\0".join(path.read_bytes() for path in told.home.state_home.rglob("*") if path.is_file())
    output = told.done.stdout.encode() + told.done.stderr.encode()
    elsewhere = told.anthropic_wire + kept + output

    assert not holds(elsewhere + told.bedrock_wire, told.aws["AWS_SECRET_ACCESS_KEY"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"):
        assert holds(told.bedrock_wire, told.aws[name])
        assert not holds(elsewhere, told.aws[name])


def test_nobody_has_seen_a_secret_of_the_gateway(told: Told) -> None:
    """Mutual TLS needs none on the way: the client's settings name files, and what they hold is nowhere else."""
    held = told.home.state().secrets()
    keys = [path.read_text().splitlines()[1] for path in (told.home.state_home / "tls").rglob("client.key")]
    settings = told.home.settings_given()

    assert len(keys) == 1
    assert "https://127.0.0.1:" in settings
    seen = told.anthropic_wire + told.bedrock_wire + told.gateway_process + settings.encode()
    for secret in (held.base_path, held.identity, *keys):
        assert secret not in told.done.stdout + told.done.stderr
        assert not holds(seen, secret)
