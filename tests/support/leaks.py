"""One day of a gateway with a secret of every kind around it, and every byte that left it anywhere.

`live` runs the product as processes between simulated providers, a proxy and a stranger, and drives every lane of
`openclaude prove` through it, with faults, refusals and clients that leave, and the user's commands beside it.
"""

import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from fakes.fake_claude import install
from openclaude.demo.conversation import Exchange, Way, converse
from openclaude.demo.oracle import Index
from openclaude.demo.scene import Scene, staged
from openclaude.launcher import control
from openclaude.launcher.daemon import other_door, session_url
from openclaude.launcher.state import open_state
from openclaude.proof.canaries import ANTHROPIC, key_id, token
from openclaude.proof.lanes import CONFIG, FAULTS, Lane, plan, script
from openclaude.proof.sink import Sink
from openclaude.simulator.replies import Framing, Reply
from openclaude.simulator.script import Answer, Ask, Fail, Text
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.product import OPENCLAUDE

MORE_CONFIG = """
[[routes]]
match = "qwen-failing"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "failing"
"""
TARGETS = {b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens"}
SINKS = (
    "anthropic", "bedrock", "platform", "other aws", "proxy", "stranger", "client", "log", "error output", "state files", "client settings",
    "stdout", "stderr", "control socket", "processes",
)  # fmt: skip
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass
class Day:
    """What happened.

    Attributes:
        canaries: every secret, by the name it has in the table.
        arrived: every byte, by sink.
        mixed_up: requests that carried somebody else's credential.
        trouble: lanes and commands that did not work.
        pid: the gateway's.
    """

    canaries: dict[str, str] = field(default_factory=dict, repr=False)
    arrived: dict[str, list[bytes]] = field(default_factory=lambda: {sink: [] for sink in SINKS}, repr=False)
    mixed_up: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    pid: int = 0

    def plant(self, name: str, value: str) -> str:
        self.canaries[name] = value
        return value

    def seen(self) -> set[tuple[str, str]]:
        """Each canary with each sink it was seen at, in any encoding."""
        index = Index(self.canaries)
        return {(name, sink) for sink in SINKS for name in index.found(b"\0".join(self.arrived[sink]))}


@dataclass
class _Actors:
    """Who takes part."""

    day: Day
    folder: Path
    world: World
    scene: Scene
    env: dict[str, str]

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, good: Sequence[int] = (0,)) -> None:
        """Run a command of the user's, and keep what it says."""
        done = subprocess.run(
            [*OPENCLAUDE, *arguments],
            env={**self.env, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        self.day.arrived["stdout"].append(done.stdout)
        self.day.arrived["stderr"].append(done.stderr)
        if done.returncode not in good:
            self.day.trouble.append(
                f"openclaude {arguments[0]}: {done.returncode}: {done.stderr.decode()[-400:]}"
            )


PARTS = ("requests", "commands")


def live(folder: Path, parts: Sequence[str] = PARTS) -> Day:
    """Live the day, or a part of it. Takes a few seconds."""
    day = Day()
    user, home = folder / "user", folder / "user" / ".openClaude"
    home.mkdir(parents=True, mode=0o700)
    config = home / "config.toml"
    config.write_text(CONFIG + MORE_CONFIG)
    config.chmod(0o600)
    with Sink() as proxy, Sink() as stranger:
        with World(_provider(day, stranger.url), keep_raw=True, aws_services=True, mantle=True) as world:
            env = _environment(day, user, folder, proxy.url, world)
            with staged(world, env, home, config=config, own_keys=False) as scene:
                _drive(_Actors(day, folder, world, scene, env), parts)
            _collect_servers(day, world)
        day.arrived["proxy"].append(proxy.received)
        day.arrived["stranger"].append(stranger.received)
    _collect_files(day, home)
    return day


def _drive(actors: _Actors, parts: Sequence[str]) -> None:
    day, scene = actors.day, actors.scene
    day.pid = scene.gateway.running.pid
    lanes = _lanes(actors)
    _own_secrets(day, scene)
    if "requests" in parts:
        for number, lane in enumerate(lanes):
            _drive_lane(actors, number, lane)
        # the other way round: what is left of one request must not get into the next
        _drive_lane(actors, 0, lanes[0], faults=False)
        plain = _plain(actors)
        _drive_lane(actors, 0, lanes[0], faults=False, by=plain)
        for way in (scene.way, plain):
            _refusals(day, way, lanes[0])
            _leavers(day, way, lanes[0])
            for number in (0, len(lanes) - 2):
                _repeats(day, way, number, lanes[number])
        _without_keys(actors, lanes[0])
    if "commands" in parts:
        _drive_lane(actors, 0, lanes[0], faults=False)
        _commands(actors)
        _control(actors)
    _processes(day)
    day.mixed_up += _mixed_up(day, actors.world, lanes)


def _provider(day: Day, stranger: str) -> Callable[[Ask], Answer | Fail | Reply]:
    """The model behind both providers; it says secrets of its own, which are for the client only."""
    usual = script(stranger)
    answer, trouble = (
        day.plant("answer", token("answer-")),
        day.plant("provider's error text", token("trouble-")),
    )
    cookie = day.plant("provider's cookie", token("cookie-"))

    def play(ask: Ask) -> Answer | Fail | Reply:
        if "[fault cookies]" in json.dumps(ask.body):
            headers = tuple(
                (name, f"x={cookie}")
                for name in (
                    "set-cookie",
                    "location",
                    "refresh",
                    "link",
                    "x-note",
                    "alt-svc",
                    "www-authenticate",
                )
            )
            return Reply(
                200, (("content-type", "application/json"), *headers), [b'{"content": []}'], Framing.LENGTH
            )
        result = usual(ask)
        if isinstance(result, Fail):
            return replace(result, message=f"{result.message} {trouble}")
        if isinstance(result, Answer) and isinstance(result.parts[0], Text):
            return replace(result, parts=(Text(f"{result.parts[0].text} {answer}"), *result.parts[1:]))
        return result

    return play


def _environment(day: Day, user: Path, folder: Path, proxy: str, world: World) -> dict[str, str]:
    """The user's shell, with a proxy and credentials in it that are none of the gateway's business."""
    stored = {
        "accessToken": day.plant("stored login", token("sk-ant-" + "oat01-")),
        "refreshToken": day.plant("refresh token", token("sk-ant-" + "ort01-")),
        "expiresAt": 4102444800000,
        "scopes": ["user:inference"],
    }
    (user / ".claude").mkdir()
    credentials = user / ".claude" / ".credentials.json"
    credentials.write_text(json.dumps({"claudeAiOauth": stored}))
    credentials.chmod(0o600)
    return {
        "HOME": str(user),
        "PATH": os.pathsep.join([str(install(folder / "bin").parent), os.environ["PATH"]]),
        "LANG": "C.UTF-8",
        "OPENCLAUDE_HOME": str(user / ".openClaude"),
        "ANTHROPIC_API_KEY": day.plant("shell's API key", token("sk-ant-" + "api03-")),
        "SECRET_OF_THE_SHELL": day.plant("shell's variable", token("shell-")),
        "FAKE_CLAUDE_RECORD": str(folder / "record.json"),
        "NO_PROXY": "",
        **dict.fromkeys(PROXIES, proxy),
        **world.aws_env(),
        # subprocess coverage, where the test run measures it
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
    }


def _lanes(actors: _Actors) -> list[Lane]:
    """The lanes of `openclaude prove`, one with a second login, and one of another shell with keys of its own."""
    day, home = actors.day, Path(actors.env["HOME"])
    planned = plan(actors.world, home, actors.scene.login)
    for canary in planned.canaries:
        day.plant(canary.name, canary.value)
    first = planned.lanes[0]
    second = day.plant("second login", token("sk-ant-" + "oat01-"))
    other = {
        "AWS_ACCESS_KEY_ID": day.plant("AWS key id, other shell", key_id()),
        "AWS_SECRET_ACCESS_KEY": day.plant("AWS secret, other shell", token()),
        "AWS_SESSION_TOKEN": day.plant("AWS token, other shell", token()),
    }
    actors.world.add_keys(
        {other["AWS_ACCESS_KEY_ID"]: (other["AWS_SECRET_ACCESS_KEY"], other["AWS_SESSION_TOKEN"])}
    )
    _failing_program(home, day.plant("words of a failing program", token("words-")))
    headers = {**first.headers, "authorization": f"Bearer {second}"}
    shell = next(lane for lane in planned.lanes if "AWS_ACCESS_KEY_ID" in lane.aws)
    return [
        *planned.lanes,
        replace(first, title="Claude by another login", headers=headers),
        replace(shell, title="Converse, keys of another shell", aws=other),
    ]


def _failing_program(home: Path, words: str) -> None:
    """A profile whose program says something on its way out."""
    command = shlex.join([sys.executable, "-I", "-S", "-c", f"import sys; sys.exit({words!r})"])
    with (home / ".aws" / "config").open("a") as file:
        file.write(f"[profile failing]\ncredential_process = {command}\n")


def _own_secrets(day: Day, scene: Scene) -> None:
    own = scene.gateway.secrets
    day.plant("gateway's path secret", own.base_path)
    day.plant("gateway's identity key", own.identity)
    day.plant("installation's secret", (scene.home / "secret").read_text().strip())
    pair = scene.gateway.pairs[-1]
    for name, path in (("gateway's TLS key", pair.server), ("client's TLS key", pair.client_key)):
        day.plant(name, path.read_text().splitlines()[1])
    session = control.open_session(scene.home / "run", {}, token=True)
    assert session is not None
    day.plant("session's token", session.token)
    session.connection.close()
    day.plant("prompt", token("prompt-"))


def question(day: Day, number: int) -> str:
    return f"What is the weather in Lyon? lane-{number}- {day.canaries['prompt']}"


@contextmanager
def _way(actors: _Actors, lane: Lane) -> Iterator[Way]:
    """How a lane's requests go: in a session of its own where it has AWS variables."""
    if not lane.aws:
        yield actors.scene.way
        return
    shell = {name: value for name, value in actors.env.items() if not name.startswith("AWS_")}
    session = control.open_session(actors.scene.home / "run", {**shell, **lane.aws})
    assert session is not None
    with session.connection:
        yield replace(actors.scene.way, base_url=session_url(actors.scene.way.base_url, session))


def _plain(actors: _Actors) -> Way:
    """The gateway's door for clients that cannot do TLS, in front of which a path is the secret."""
    scene = actors.scene
    return Way(other_door(open_state(scene.home), scene.gateway, "http", scene.gateway.secrets.base_path))


def _drive_lane(
    actors: _Actors, number: int, lane: Lane, *, faults: bool = True, by: Way | None = None
) -> None:
    day = actors.day
    asked = question(day, number)
    kinds = (*FAULTS[lane.provider], "cookies") if faults else ()
    with _way(actors, lane) if by is None else nullcontext(by) as way:
        exchanges = [
            converse(way, lane.model, lane.headers, stream=each, question=asked) for each in (False, True)
        ]
        day.trouble += [f"{lane.title}: {each.error}" for each in exchanges if each.error or not each.text]
        for kind in kinds:
            stream = kind == "broken stream"
            exchanges.append(
                converse(way, lane.model, lane.headers, stream=stream, question=f"{asked} [fault {kind}]")
            )
    day.arrived["client"] += [_seen_by_client(exchange) for exchange in exchanges]


def _seen_by_client(exchange: Exchange) -> bytes:
    return exchange.raw + exchange.error.encode()


def _raw(way: Way, data: bytes) -> bytes:
    """Say something to the gateway and hear everything it says."""
    url = urlsplit(way.base_url)
    heard = b""
    with socket.create_connection((str(url.hostname), url.port), timeout=DEADLINE) as plain:
        connection = (
            way.tls.wrap_socket(plain, server_hostname=url.hostname) if way.tls is not None else plain
        )
        with connection, suppress(OSError):
            connection.sendall(data)
            while piece := connection.recv(65536):
                heard += piece
    return heard


def _refusals(day: Day, way: Way, lane: Lane) -> None:
    """Requests that must not be let in, each with every credential on board."""
    url = urlsplit(way.base_url)
    path, host = f"{url.path}/v1/messages", url.netloc
    prompt = day.canaries["prompt"]
    good = json.dumps(
        {"model": lane.model, "max_tokens": 1, "messages": [{"role": "user", "content": prompt}]}
    )
    lines = [f"{name}: {value}" for name, value in lane.headers.items()]
    login = lane.headers["authorization"]

    def head(target: str, *more: str, body: str = good, method: str = "POST", named: str = host) -> bytes:
        own = [
            f"{method} {target} HTTP/1.1",
            f"Host: {named}",
            "Content-Type: application/json",
            "Connection: close",
        ]
        return "\r\n".join([*own, *lines, *more, f"Content-Length: {len(body)}", "", body]).encode()

    tries = [
        head("/v1/messages"),
        head(path, "Origin: https://page.example"),
        head(path, named="page.example"),
        head(f"{url.path}/v1/files"),
        head(f"{path}?key={login.split()[1]}"),
        head(path, f"Authorization: {login}"),
        head(path, f"X-Bad: {login}\x01"),
        head(path, f"x_api_key: {login}"),
        head(path, f"Expect: {login}"),
        head(path, "Content-Encoding: gzip"),
        head(path, body="not json " + prompt),
        head(path, body=json.dumps({"messages": prompt})),
        head(path, body=good.replace(lane.model, "nobody's-model")),
        head(path, body=json.dumps({"model": "qwen-session", "messages": prompt, "max_tokens": 1})),
        head(path, body=json.dumps({"model": "qwen-session", "prompt": prompt})),
        head(f"{url.path}/v1/messages/count_tokens", body=good.replace(lane.model, "qwen-session")),
        head(f"{url.path}/v1/messages/count_tokens"),
        head(f"{url.path}/s-0123456789ab/v1/messages", body=good.replace(lane.model, "qwen-session")),
        head(f"{url.path}/v1/models", body="", method="GET"),
        head(f"{url.path}/api/hello", body="", method="GET"),
        head("/.openclaude/identify?nonce=" + "0" * 32, body="", method="GET"),
        f"GARBAGE {login}\r\n\r\n".encode(),
        head(path).replace(lane.headers["authorization"].encode(), b""),
    ]  # fmt: skip
    day.arrived["client"] += [_raw(way, data) for data in tries]


def _without_keys(actors: _Actors, lane: Lane) -> None:
    """Requests of a session that has no keys, or whose program fails: nobody else's may be taken."""
    way = actors.scene.way
    base = way.base_url
    for base_url, model in (
        (f"{base}/s-0123456789ab", "qwen-session"),
        (base, "qwen-session"),
        (base, "qwen-failing"),
    ):
        exchange = converse(
            replace(way, base_url=base_url), model, lane.headers, stream=False, question="lane-nobody-"
        )
        actors.day.arrived["client"].append(_seen_by_client(exchange))
        if not exchange.error:
            actors.day.mixed_up.append(f"{model} at {base_url[-14:]}: answered without keys")


def _repeats(day: Day, way: Way, number: int, lane: Lane) -> None:
    """A client that asks the same on one connection again and again, and then for a model of somebody else's."""
    connection, url = way.connect(), urlsplit(way.base_url)
    connection.connect()
    for model, asked in (*[(lane.model, question(day, number))] * 40, ("qwen-session", "lane-nobody-")):
        message = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": asked}]}
        body = json.dumps(message).encode()
        own = {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "oauth-2025-04-20",
            **lane.headers,
        }
        lines = [f"{name}: {value}\r\n" for name, value in own.items()]
        head = f"POST {url.path}/v1/messages HTTP/1.1\r\nHost: {url.netloc}\r\n"
        length = f"Content-Length: {len(body)}\r\n\r\n"
        connection.sock.sendall("".join((head, *lines, length)).encode() + body)
        response = http.client.HTTPResponse(connection.sock, method="POST")
        response.begin()
        day.arrived["client"].append(str(response.headers).encode() + response.read())
        if (model == lane.model) != (response.status == 200):
            day.trouble.append(f"{lane.title}, repeated: {response.status} for {model}")
    connection.close()


def _leavers(day: Day, way: Way, lane: Lane) -> None:
    """Clients that leave in the middle of a request."""
    url = urlsplit(way.base_url)
    for model in (lane.model, "qwen-session"):
        connection = way.connect()
        connection.putrequest("POST", f"{url.path}/v1/messages")
        for name, value in {
            **lane.headers,
            "content-type": "application/json",
            "content-length": "9000",
        }.items():
            connection.putheader(name, value)
        connection.endheaders(json.dumps({"model": model, "system": day.canaries["prompt"]})[:-1].encode())
        connection.close()


def _processes(day: Day) -> None:
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            day.arrived["processes"].append((Path("/proc") / str(day.pid) / name).read_bytes())


def _commands(actors: _Actors) -> None:
    """The user's commands, and a client that is launched."""
    day = actors.day
    actors.run("-p", "a task")
    record = json.loads(Path(actors.env["FAKE_CLAUDE_RECORD"]).read_text())
    day.arrived["processes"].append(json.dumps(record["argv"]).encode())
    actors.run("status", "--json")
    actors.run("logs")
    actors.run("routes", "--verbose")
    actors.run("doctor", "--json", good=(0, 1))
    broken = actors.folder / "broken.toml"
    broken.write_text(
        f'[gateway]\nkey = "{day.plant("key in the configuration", token("sk-ant-" + "api03-"))}"\n' + CONFIG
    )
    actors.run("config", "check", str(broken), good=(1, 2))


def _control(actors: _Actors) -> None:
    """Everything the control socket can be asked, with this shell's variables on board."""
    aws = {name: value for name, value in actors.env.items() if name.startswith("AWS_")}
    for operation in ("status", "credentials", "session", "nonsense"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            folder = os.open(actors.scene.home / "run", os.O_RDONLY)
            connection.connect(f"/proc/self/fd/{folder}/control.sock")
            os.close(folder)
            connection.sendall(json.dumps({"op": operation, "aws": aws}).encode() + b"\n")
            actors.day.arrived["control socket"].append(connection.recv(65536))


def _mixed_up(day: Day, world: World, lanes: list[Lane]) -> list[str]:
    """Requests whose credential is not that of the lane they came from."""
    wrong = [
        f"{row.target!r} at Anthropic"
        for row in world.requests()
        if row.server == "anthropic" and row.target not in TARGETS
    ]
    for row in world.requests():
        found = [number for number in range(len(lanes)) if f"lane-{number}-".encode() in (row.body or b"")]
        if not found:
            continue
        lane = lanes[found[0]]
        shown = (row.header("authorization") or b"") + (row.header("x-api-key") or b"")
        if _expected(day, lane).encode() not in shown:
            wrong.append(f"{lane.title}: another credential at {row.server}")
    return wrong


def _expected(day: Day, lane: Lane) -> str:
    """What of a lane's own credential a provider sees."""
    if lane.provider == ANTHROPIC:
        return lane.headers.get("x-api-key") or lane.headers["authorization"]
    of_model = {"qwen-profile": "AWS key id, profile", "qwen-program": "AWS key id, program"}
    if lane.model in of_model:
        return f"Credential={day.canaries[of_model[lane.model]]}/"
    if "AWS_ACCESS_KEY_ID" in lane.aws:
        return f"Credential={lane.aws['AWS_ACCESS_KEY_ID']}/"
    return next(iter(lane.aws.values()))


def _collect_servers(day: Day, world: World) -> None:
    sinks = {"anthropic": "anthropic", "bedrock": "bedrock", "mantle": "bedrock", "platform": "platform"}
    for server in {row.server for row in world.requests()} | set(sinks):
        day.arrived[sinks.get(server, "other aws")] += world.log.wires(server)


def _collect_files(day: Day, home: Path) -> None:
    """Every file of the gateway's folder, but for those whose purpose is to hold a secret of its own."""
    for path in sorted(home.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.name in {"secret", "server.pem", "client.key"}:
            continue
        sink = "state files"
        if path.name.startswith("gateway.log"):
            sink = "log"
        elif path.name == "gateway.err":
            sink = "error output"
        elif path.name.startswith("settings"):
            sink = "client settings"
        day.arrived[sink].append(path.name.encode() + b"\0" + path.read_bytes())


@dataclass(frozen=True)
class Table:
    """Where each canary has to arrive; everywhere else it must not be seen."""

    canaries: tuple[str, ...]
    sinks: tuple[str, ...]
    required: frozenset[tuple[str, str]]


def read_table() -> Table:
    """tests/leaks/table.txt."""
    lines = (Path(__file__).resolve().parents[1] / "leaks" / "table.txt").read_text().splitlines()
    rows = [line.split("|") for line in lines if "|" in line]
    sinks = tuple(cell.strip() for cell in rows[0][1:])
    names = tuple(row[0].strip() for row in rows[1:])
    required = {
        (name, sink)
        for name, row in zip(names, rows[1:], strict=True)
        for sink, cell in zip(sinks, row[1:], strict=True)
        if cell.strip() == "yes"
    }
    return Table(names, sinks, frozenset(required))


def verdict(day: Day, table: Table, parts: Sequence[str] = PARTS) -> list[str]:
    """What is wrong with a day: empty when nothing is."""
    seen = day.seen()
    wrong = [f"LEAK: {name} at {sink}" for name, sink in sorted(seen - table.required)]
    if set(parts) == set(PARTS):
        wrong += [f"MISSING: {name} at {sink}" for name, sink in sorted(table.required - seen)]
    return [
        *wrong,
        *(f"MIXED UP: {each}" for each in day.mixed_up),
        *(f"TROUBLE: {each}" for each in day.trouble),
    ]
