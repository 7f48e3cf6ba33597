"""Three sessions with three profiles each on one gateway: no request is ever signed with another's keys."""

import random
import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from openclaude.demo.oracle import holds
from openclaude.demo.scene import weather
from openclaude.launcher import control
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.world import World
from support.product import Home
from support.rawhttp import Client
from support.staging import client_headers, message_body, serving

SESSIONS = ("one", "two", "three")
PROFILES = ("dev", "test", "prod")
REQUESTS = 1000
CONFIG = "\n".join(
    f'[[routes]]\nmatch = "{profile}"\nto = "bedrock"\nmodel = "qwen.qwen3-coder-next"\nregion = "us-west-2"\n'
    f'profile = "{profile}"\n'
    for profile in PROFILES
)


def test_a_thousand_interleaved_requests_of_nine_owners_have_no_crossed_signature(
    home: Home, tmp_path: Path
) -> None:
    home.state_home.mkdir(mode=0o700)
    (home.state_home / "config.toml").write_text(CONFIG)
    keys = {(session, profile): _key() for session in SESSIONS for profile in PROFILES}
    with (
        World(weather, keep_raw=True) as world,
        serving(home, world.connect_to, world.ca_file, env={"AWS_EC2_METADATA_DISABLED": "true"}) as gateway,
    ):
        for key, secret in keys.values():
            world.bedrock.verifier.keys[key] = (secret, None)  # type: ignore[index]  # a dict, as World builds it
        urls, held = {}, []
        for session in SESSIONS:
            file = tmp_path / session
            file.write_text("\n".join(_section(name, *keys[session, name]) for name in PROFILES))
            opened = control.open_session(home.state().run, {"AWS_SHARED_CREDENTIALS_FILE": str(file)})
            assert opened is not None
            urls[session] = _target(gateway, opened.name)
            held.append(opened.connection)
        owners = [random.choice(list(keys)) for _ in range(REQUESTS)]
        _ask_all(urls, owners, home.login)
        for connection in held:
            connection.close()
    signed: Counter[tuple[str, str]] = Counter()
    for row in world.bedrock.requests():
        owner = next(owner for owner in keys if f"I am {' '.join(owner)}.".encode() in (row.body or b""))
        assert f"Credential={keys[owner][0]}/".encode() in (row.header("authorization") or b"")
        signed[owner] += 1
    assert signed == Counter(owners)
    wire = b"".join(world.log.wires("bedrock"))
    assert not any(holds(wire, secret) for _, secret in keys.values())


def _target(gateway: Gateway, session: str) -> dict[str, str]:
    """What a client of the session is given."""
    pair = gateway.pairs[-1]
    return {
        "ANTHROPIC_BASE_URL": gateway.base_url_of(session),
        "NODE_EXTRA_CA_CERTS": str(pair.server_certificate),
        "CLAUDE_CODE_CLIENT_CERT": str(pair.client_certificate),
        "CLAUDE_CODE_CLIENT_KEY": str(pair.client_key),
    }


def _key() -> tuple[str, str]:
    return "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20)


def _section(profile: str, key: str, secret: str) -> str:
    return f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"


def _ask_all(urls: dict[str, dict[str, str]], owners: list[tuple[str, str]], login: str) -> None:
    """Every request, from eight threads with a connection to each session; each is answered."""
    kept = threading.local()

    def ask(owner: tuple[str, str]) -> int:
        session, profile = owner
        clients = kept.__dict__.setdefault("clients", {})
        if session not in clients:
            clients[session] = stack.enter_context(Client(urls[session]))
        body = message_body(profile, f"I am {session} {profile}.", stream=True)
        clients[session].post("/v1/messages?beta=true", client_headers(login), body)
        return int(clients[session].read().status)

    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(ask, owners))
    assert statuses == [200] * len(owners)
