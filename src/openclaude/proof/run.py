"""Drives every lane, then looks for every canary in every byte that arrived anywhere."""

import http.client
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from openclaude import __version__
from openclaude.demo import client as real_client
from openclaude.demo.conversation import QUESTION, Exchange, converse
from openclaude.demo.report import Cell, cells, credential_kind, files
from openclaude.demo.scene import Scene, staged, temporary_home
from openclaude.launcher import control
from openclaude.launcher.daemon import session_url
from openclaude.proof.canaries import (
    ANTHROPIC,
    AWS,
    BEDROCK,
    CLIENT,
    FILES,
    PLATFORM,
    PROCESSES,
    STRANGER,
    Canary,
    required,
    token,
    values,
)
from openclaude.proof.lanes import CONFIG, FAULTS, Lane, plan, script
from openclaude.proof.sink import Sink
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LaneResult:
    """What a lane did.

    Attributes:
        whole: what became of the question answered in one piece; empty when it was answered.
        streamed: as `whole`, for the streamed one.
        events: events of the streamed answer.
        faults: how many faults of the provider came back as errors, and how many were tried.
        answered_by: the server that got the requests.
        credential: the kinds of credentials it saw.
    """

    title: str
    model: str
    whole: str
    streamed: str
    events: int
    faults: tuple[int, int]
    answered_by: str
    credential: str

    @property
    def good(self) -> bool:
        return not self.whole and not self.streamed and self.faults[0] == self.faults[1]


@dataclass(slots=True)
class Proof:
    """The result. `client` is what the real Claude Code did, or why it was not run."""

    lanes: list[LaneResult]
    cells: list[Cell]
    canaries: list[Canary]
    client: str
    client_good: bool
    requests: int
    searched: int
    seconds: float
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: str = __version__
    system: str = field(
        default_factory=lambda: (
            f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
    )

    @property
    def leaks(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.seen and not cell.expected]

    @property
    def missing(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.expected and not cell.seen]

    @property
    def good(self) -> bool:
        lanes = all(lane.good for lane in self.lanes)
        return lanes and self.client_good and not self.leaks and not self.missing


@dataclass(slots=True)
class _Evidence:
    """Every byte, by destination."""

    by: dict[str, list[bytes]] = field(default_factory=dict)
    requests: int = 0

    def add(self, destination: str, pieces: Iterable[bytes]) -> None:
        self.by.setdefault(destination, []).extend(pieces)

    def of_world(self, world: World) -> None:
        servers = {row.server for row in world.requests()} | {"anthropic", "bedrock", "mantle", "platform"}
        for server in sorted(servers):
            name = {"anthropic": ANTHROPIC, "bedrock": BEDROCK, "mantle": BEDROCK, "platform": PLATFORM}.get(
                server, AWS
            )
            self.add(name, world.log.wires(server))
        self.requests += len(world.requests())


def prove(env: Mapping[str, str], say: Say, *, with_client: bool) -> Proof:
    """The whole experiment, on this machine alone.

    Args:
        env: the user's environment, for PATH and the like.
        say: told what is being done.
        with_client: whether an installed Claude Code is driven as well.

    Raises:
        Trouble: the gateway does not start.
    """
    began = time.monotonic()
    evidence = _Evidence()
    with Sink() as sink:
        poisoned = {**_without_aws(env), **dict.fromkeys(_PROXIES, sink.url), "NO_PROXY": "", "no_proxy": ""}
        lanes, canaries = _drive_lanes(poisoned, sink, evidence, say)
        told, good = "not run", True
        if with_client:
            told, good, more = _drive_client(poisoned, evidence, say)
            canaries += more
        evidence.add(STRANGER, [sink.received])
    say(f"looking for {len(canaries)} credentials in every byte that arrived anywhere")
    seen_by = {name: b"\0".join(evidence.by.get(name, [])) for name in _order()}
    found = cells(values(canaries), seen_by, required(canaries))
    searched = sum(map(len, seen_by.values()))
    return Proof(lanes, found, canaries, told, good, evidence.requests, searched, time.monotonic() - began)


def _order() -> tuple[str, ...]:
    return (ANTHROPIC, BEDROCK, PLATFORM, AWS, STRANGER, CLIENT, FILES, PROCESSES)


def _drive_lanes(
    env: Mapping[str, str], sink: Sink, evidence: _Evidence, say: Say
) -> tuple[list[LaneResult], list[Canary]]:
    with (
        temporary_home() as home,
        World(script(sink.url), keep_raw=True, aws_services=True, mantle=True) as world,
    ):
        user, folder = home / "user", home / "gateway"
        user.mkdir(mode=0o700)
        folder.mkdir(mode=0o700)
        config = folder / "config.toml"
        config.write_text(CONFIG)
        told = {**env, "HOME": str(user)}
        with staged(world, told, folder, config=config, own_keys=False) as scene:
            planned = plan(world, user, scene.login)
            results = []
            for lane in planned.lanes:
                say(f"{lane.title}: whole, streamed, and {len(FAULTS[lane.provider])} faults")
                results.append(_drive(lane, scene, told, evidence))
            say("requests that must not be let in")
            evidence.add(CLIENT, _refused(scene, planned.lanes[0]))
            evidence.add(PROCESSES, _processes(scene.gateway.running.pid))
        evidence.add(FILES, [files(folder)])
        evidence.of_world(world)
        return results, [*planned.canaries, *_own(scene)]


def _drive(lane: Lane, scene: Scene, env: Mapping[str, str], evidence: _Evidence) -> LaneResult:
    before = len(scene.world.requests())
    way, session = scene.way, None
    if lane.aws:
        session = control.open_session(scene.home / "run", {**env, **lane.aws})
        if session is not None:
            way = replace(way, base_url=session_url(way.base_url, session))
    exchanges = [converse(way, lane.model, lane.headers, stream=stream) for stream in (False, True)]
    faults = FAULTS[lane.provider]
    for fault in faults:
        stream = fault == "broken stream"
        question = f"{QUESTION} [fault {fault}]"
        exchanges.append(converse(way, lane.model, lane.headers, stream=stream, question=question))
    if session is not None:
        session.connection.close()
    evidence.add(CLIENT, [exchange.raw for exchange in exchanges])
    arrived = scene.world.requests()[before:]
    whole, streamed, *failed = exchanges
    return LaneResult(
        lane.title,
        lane.model,
        _outcome(whole),
        _outcome(streamed),
        streamed.events,
        (sum(bool(exchange.error) for exchange in failed), len(faults)),
        _servers(arrived),
        ", ".join(sorted({credential_kind(row) for row in arrived})),
    )


def _outcome(exchange: Exchange) -> str:
    """Empty when the question was answered, with the tool."""
    if exchange.error:
        return exchange.error
    return "" if exchange.tool_calls == 1 and exchange.text else "no answer"


def _servers(rows: Iterable[Recorded]) -> str:
    names = {"mantle": "bedrock's Messages endpoint", "platform": "Claude Platform on AWS"}
    return ", ".join(sorted({names.get(row.server, row.server) for row in rows})) or "nobody"


def _refused(scene: Scene, lane: Lane) -> list[bytes]:
    """Ask in ways that must be refused, with every credential on board; the answers."""
    body = b'{"model": "nobody", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}'
    tries: list[tuple[str, str, Mapping[str, str]]] = [
        ("POST", "/v1/messages", {}),
        ("POST", "/elsewhere/v1/messages", {}),
        ("POST", "/v1/messages", {"Origin": "https://page.example"}),
        ("POST", "/v1/messages", {"Host": "page.example"}),
        ("POST", "/v1/files", {}),
        ("GET", "/v1/models", {}),
    ]
    answers = []
    for method, path, headers in tries:
        connection = scene.way.connect()
        try:
            connection.request(
                method, path, body, {"content-type": "application/json", **lane.headers, **headers}
            )
            response = connection.getresponse()
            answers.append(str(response.getheaders()).encode() + response.read())
        except (OSError, http.client.HTTPException) as error:
            answers.append(str(error).encode())
        finally:
            connection.close()
    return answers


def _processes(pid: int) -> list[bytes]:
    """What other programs can read of the gateway's processes, its children too; nothing where the system does not tell."""
    told = []
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            told.append((Path("/proc") / str(pid) / name).read_bytes())
    with suppress(OSError):
        children = (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()
        told += [text for child in children for text in _processes(int(child))]
    return told


def _own(scene: Scene) -> list[Canary]:
    """The installation's own secrets."""
    own = scene.gateway.secrets
    pair = scene.gateway.pairs[-1]
    return [
        Canary("gateway's private key", "made for its certificate", "", _private(pair.server)),
        Canary("client's private key", "made for its certificate", "", _private(pair.client_key)),
        Canary("gateway's path secret", "made by the gateway's launcher", "", own.base_path),
        Canary("gateway's identity key", "made by the gateway's launcher", "", own.identity),
    ]


def _private(path: Path) -> str:
    """Text of a private key that is in no certificate: in PKCS 8, P-256's secret number ends 20 bytes into the second line."""
    return path.read_text().splitlines()[2][:24]


def _drive_client(env: Mapping[str, str], evidence: _Evidence, say: Say) -> tuple[str, bool, list[Canary]]:
    """The real Claude Code with a stored login, tools and a sub-agent on the haiku slot."""
    say("the installed Claude Code: tools, and a sub-agent on the haiku slot")
    refresh = token("sk-ant-" + "ort01-")
    proxies = {name: env[name] for name in _PROXIES}
    with temporary_home() as home, World(tools_story, keep_raw=True) as world:
        (home / "gateway").mkdir(mode=0o700)
        with staged(world, env, home / "gateway", own_keys=False) as scene:
            answer = real_client.drive(env, scene, home, refresh=refresh, more=proxies)
        evidence.add(CLIENT, [answer.encode()])
        evidence.add(FILES, [files(home / "gateway")])
        evidence.of_world(world)
        servers = {row.server for row in world.requests()}
        count = len(world.requests())
    good = servers == {"anthropic", "bedrock"} and tools_story.agent_marker in answer
    told = f"{count} requests, answered by {' and '.join(sorted(servers)) or 'nobody'}"
    canaries = [
        Canary("Claude Code's login", "stored in the invented user's ~/.claude", ANTHROPIC, scene.login),
        Canary("Claude Code's refresh token", "stored in the invented user's ~/.claude", "", refresh),
    ]
    return told if good else f"{told}; its last words: {answer[-300:]}", good, canaries


def _without_aws(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith("AWS_")}
