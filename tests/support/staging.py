"""A gateway process between simulated providers, and the check that no credential crossed over.

A `Stage` is one gateway with both simulators. Every test on it adds its own play: what the simulated model does when a
request names that play. So one stage serves any number of tests, and `crossings` looks at all of them.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openclaude.demo.oracle import holds
from openclaude.launcher import daemon
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Reply
from openclaude.simulator.script import Answer, Ask, Fail, Script, echo
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.product import Home, make_home
from support.rawhttp import Client, Header, Response
from support.witness import WITNESS

OPUS = "claude-opus-5-5"
QWEN = "qwen-3-coder"
PLAY_HEADER = b"x-claude-code-play"
ROUTES = {"anthropic": OPUS, "bedrock": QWEN}
"""Route name to a model it takes."""


class Plays:
    """A script made of scripts: the request says which by a header (Anthropic route only) or its first user text."""

    def __init__(self) -> None:
        self._plays: dict[str, Script] = {}

    def add(self, play: Script) -> str:
        name = f"play-{secrets.token_hex(6)}"
        self._plays[name] = play
        return name

    def __call__(self, ask: Ask) -> Answer | Fail | Reply:
        texts = [text for turn in ask.turns for text in turn.texts[:1] if turn.role == "user"]
        name = ask.headers.get(PLAY_HEADER.decode()) or (texts[0].partition(" ")[0] if texts else "")
        return self._plays.get(name, echo)(ask)


@dataclass
class Stage:
    """One gateway between both simulators.

    Attributes:
        client_saw: every byte of every answer that `ask` and `receive` got.
        extra: further secrets, by the name they have in a report.
    """

    home: Home
    world: World
    gateway: Gateway
    plays: Plays
    prompt: str = field(default_factory=lambda: "prompt-" + secrets.token_hex(16))
    client_saw: bytearray = field(default_factory=bytearray)
    extra: dict[str, str] = field(default_factory=dict)

    def headers(self, *more: Header) -> list[Header]:
        """A client's headers, with its login."""
        return [*client_headers(self.home.login), *more]

    def body(self, route: str, play: Script, *, stream: bool, **more: Any) -> bytes:
        """A request for the route's model that makes the simulated model do `play`."""
        return message_body(ROUTES[route], f"{self.plays.add(play)} {self.prompt}", stream=stream, **more)

    def ask(self, body: bytes, *more: Header, target: str = "/v1/messages?beta=true") -> Response:
        with Client(self.gateway) as client:
            client.post(target, self.headers(*more), body)
            return self.receive(client)

    def receive(self, client: Client) -> Response:
        response = client.read()
        self.client_saw += repr(response.headers).encode() + response.body
        return response

    def play(self, route: str, play: Script, *, stream: bool) -> Response:
        """One request that makes the simulated model do `play`."""
        return self.ask(self.body(route, play, stream=stream))

    def reload(self) -> None:
        """Have the gateway forget what it has learned of its providers, breakers and budgets included."""
        self.home.reload()

    def requests(self, body: bytes) -> tuple[Recorded, ...]:
        """The requests the simulators got for a body made by `body`, on either route."""
        name = json.loads(body)["messages"][0]["content"].partition(" ")[0].encode()
        return tuple(row for row in self.world.requests() if row.body is not None and name in row.body)

    def secrets(self) -> dict[str, tuple[str, frozenset[str]]]:
        """Every secret in play, and the destinations it may reach."""
        aws = self.world.aws_env()
        nowhere: frozenset[str] = frozenset()
        held = self.gateway.secrets
        return {
            "login": (self.home.login, frozenset({"anthropic"})),
            "AWS secret key": (aws["AWS_SECRET_ACCESS_KEY"], nowhere),
            "AWS session token": (aws["AWS_SESSION_TOKEN"], frozenset({"bedrock"})),
            "AWS access key id": (aws["AWS_ACCESS_KEY_ID"], frozenset({"bedrock"})),
            "gateway path secret": (held.base_path, nowhere),
            "gateway identity secret": (held.identity, nowhere),
            "installation secret": ((self.home.state_home / "secret").read_text().strip(), nowhere),
            "prompt": (self.prompt, frozenset({"anthropic", "bedrock", "client"})),
            **{name: (value, nowhere) for name, value in self.extra.items()},
        }

    def destinations(self) -> dict[str, bytes]:
        """Everything that arrived anywhere, and every file the gateway wrote."""
        return {
            "anthropic": self._arrived("anthropic"),
            "bedrock": self._arrived("bedrock"),
            "client": bytes(self.client_saw),
            "files": _files(self.home.state_home),
        }

    def _arrived(self, server: str) -> bytes:
        """The raw connections, and the heads of requests where raw connections are not kept."""
        heads = [row.request_line + repr(row.headers).encode() for row in self.world.log.requests(server)]
        return b"\0".join([*self.world.log.wires(server), *heads])


def crossings(stage: Stage) -> list[str]:
    """Every secret seen where it must not be, in any encoding: `SECRET at DESTINATION`."""
    destinations = stage.destinations()
    return [
        f"{name} at {destination}"
        for name, (value, allowed) in stage.secrets().items()
        for destination, data in destinations.items()
        if destination not in allowed and holds(data, value)
    ]


@contextmanager
def staged(
    folder: Path, *, keep_raw: bool = True, env: Mapping[str, str] | None = None, config: str = ""
) -> Iterator[Stage]:
    """A running stage. At its end no credential may have crossed over."""
    home = make_home(folder, "sk-ant-" + "oat01-" + secrets.token_urlsafe(48))
    if config:
        home.state_home.mkdir(mode=0o700)
        (home.state_home / "config.toml").write_text(config)
    plays = Plays()
    with World(plays, keep_raw=keep_raw) as world:
        variables = world.aws_env() if env is None else env
        with serving(home, world.connect_to, world.ca_file, env=variables) as gateway:
            stage = Stage(home, world, gateway, plays)
            yield stage
        assert crossings(stage) == []


@contextmanager
def serving(
    home: Home, connect_to: Sequence[str], ca_file: Path, *, env: Mapping[str, str], port: int = 0
) -> Iterator[Gateway]:
    """A gateway process that finds providers where `connect_to` says, with the AWS variables `env`; stopped at the end."""
    state = home.state()
    config = state.home / "config.toml"
    flags = [flag for entry in connect_to for flag in ("--connect-to", entry)]
    daemon.spawn(
        state,
        port=port,
        config=config if config.exists() else None,
        env=home.env,
        aws=env,
        flags=[*flags, "--ca-file", str(ca_file)],
    )
    try:
        gateway = daemon.find(state, state.secrets())
        assert gateway is not None
        WITNESS.aws(env)
        WITNESS.process(gateway.running.pid)
        yield gateway
    finally:
        daemon.stop(state, seconds=DEADLINE)


def client_headers(login: str) -> list[Header]:
    """What the real client sends with its stored login, in its order and case."""
    return [
        (b"Accept", b"application/json"),
        (b"Authorization", b"Bearer " + login.encode()),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"claude-cli/2.1.330 (external, sdk-cli)"),
        (b"X-Claude-Code-Session-Id", b"1f6a1a2e-6d0c-4c65-9a52-6e0a3c2f1b77"),
        (b"X-Stainless-Arch", b"x64"),
        (b"X-Stainless-Lang", b"js"),
        (b"X-Stainless-Retry-Count", b"0"),
        (b"anthropic-beta", b"claude-code-20250219,oauth-2025-04-20,context-1m-2025-08-07"),
        (b"anthropic-dangerous-direct-browser-access", b"true"),
        (b"anthropic-version", b"2023-06-01"),
        (b"x-app", b"cli"),
        (b"accept-encoding", b"gzip, br"),
    ]


def message_body(model: str, text: str, *, stream: bool, **more: Any) -> bytes:
    """A Messages request of one user text."""
    messages = [{"role": "user", "content": text}]
    request = {"model": model, "max_tokens": 256, "messages": messages, "stream": stream, **more}
    return json.dumps(request).encode()


def _files(home: Path) -> bytes:
    """Every file of the state folder but those whose purpose is to hold a secret."""
    kept = ("secret", "settings")
    paths = [path for path in sorted(home.rglob("*")) if path.is_file() and not path.name.startswith(kept)]
    return b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths)
