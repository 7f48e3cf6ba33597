"""Providers that cannot be reached, cannot be trusted, or do not speak HTTP: on both routes, one attempt, one clear error."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.certs import Flaw
from openclaude.simulator.world import World
from support.anthropic_errors import assert_explained
from support.product import Home, make_home
from support.rawhttp import Client, Response
from support.rawupstream import Behaviour, Peer, RawUpstream
from support.staging import ROUTES, client_headers, message_body, serving

ORIGINS = {
    "anthropic": "https://api.anthropic.com",
    "bedrock": "https://bedrock-runtime.us-west-2.amazonaws.com",
}
AWS = {
    "AWS_ACCESS_KEY_ID": "ASIA" + secrets.token_hex(8).upper(),
    "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
    "AWS_SESSION_TOKEN": secrets.token_urlsafe(60),
    "AWS_EC2_METADATA_DISABLED": "true",
}

pytestmark = pytest.mark.xdist_group("unreachable")


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@dataclass
class Site:
    """A gateway of one home, and what its client saw."""

    home: Home
    gateway: Gateway
    seen: bytearray = field(default_factory=bytearray)

    def ask(self, route: str, *, stream: bool) -> Response:
        body = message_body(ROUTES[route], "a question", stream=stream)
        with Client(self.gateway) as client:
            client.post("/v1/messages?beta=true", client_headers(self.home.login), body)
            response = client.read()
        self.seen += repr(response.headers).encode() + response.body
        return response

    def assert_no_credential_was_shown(self) -> None:
        log = (self.home.state_home / "logs" / "gateway.log").read_bytes()
        held = self.gateway.secrets
        for secret in (self.home.login, *list(AWS.values())[:3], held.base_path, held.identity):
            assert not holds(bytes(self.seen) + log, secret)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that nothing listens on. It is held, or a test next door could be given it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@dataclass
class Untrusted:
    site: Site
    world: World
    says: str


SAYS = {
    None: "cannot be reached (connection refused)",
    Flaw.WRONG_NAME: "presented a certificate that is not valid for it (Hostname mismatch",
    Flaw.EXPIRED: "presented a certificate that is not valid for it (certificate has expired)",
    Flaw.OTHER_AUTHORITY: "presented a certificate that is not valid for it (unable to get local issuer certificate)",
}


@pytest.fixture(scope="module", params=list(SAYS), ids=lambda flaw: flaw.value if flaw else "refused")
def untrusted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Untrusted]:
    flaw: Flaw | None = request.param
    home = make_home(
        tmp_path_factory.mktemp("untrusted") / "home", "sk-ant-" + "oat01-" + secrets.token_hex(24)
    )
    with World(anthropic_flaw=flaw, bedrock_flaw=flaw, keep_raw=True) as world, closed_port() as dead:
        connect_to = [
            entry if flaw else f"{entry.partition('=')[0]}=127.0.0.1:{dead}" for entry in world.connect_to
        ]
        with serving(home, connect_to, world.ca_file, env=AWS) as gateway:
            site = Site(home, gateway)
            yield Untrusted(site, world, SAYS[flaw])
            site.assert_no_credential_was_shown()


def test_a_provider_that_cannot_be_reached_or_trusted_gets_nothing_and_is_named(
    untrusted: Untrusted, route: str, stream: bool
) -> None:
    response = untrusted.site.ask(route, stream=stream)
    text = assert_explained(response, 502)
    assert f"{ORIGINS[route]} {untrusted.says}" in text
    assert "hint:" in text
    assert response.get("x-should-retry") == "true"
    assert untrusted.world.requests() == ()
    assert b"".join(untrusted.world.log.wires()) == b""


# Below HTTP ---------------------------------------------------------------------------------------------------------


@dataclass
class Raw:
    site: Site
    upstream: RawUpstream


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    folder: Path = tmp_path_factory.mktemp("raw")
    home = make_home(folder / "home", "sk-ant-" + "oat01-" + secrets.token_hex(24))
    with (
        RawUpstream(folder) as upstream,
        serving(home, upstream.connect_to, upstream.ca_file, env=AWS) as gateway,
    ):
        site = Site(home, gateway)
        yield Raw(site, upstream)
        site.assert_no_credential_was_shown()


def answering(data: bytes) -> Behaviour:
    """Read the request, write these bytes, close."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(data)
        peer.close()

    return behave


def ending(how: str) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_request()
        getattr(peer, how)()

    return behave


def at_once(how: str) -> Behaviour:
    """End the connection as soon as TLS is up, whatever of the request is on its way."""

    def behave(peer: Peer) -> None:
        getattr(peer, how)()

    return behave


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BELOW_HTTP: dict[str, Behaviour] = {
    "reset-before-the-first-byte": ending("reset"),
    "clean-end-before-the-first-byte": ending("close"),
    "dropped-before-the-first-byte": ending("drop"),
    "reset-before-the-request-is-read": at_once("reset"),
    "closed-before-the-request-is-read": at_once("close"),
    "half-a-status-line": answering(b"HTTP/1.1 20"),
    "half-a-head": answering(b"HTTP/1.1 200 OK\r\ncontent-type: appl"),
    "another-protocol": answering(b"220 mail.invalid ESMTP ready\r\n"),
    "http-2": answering(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "huge-head": answering(
        OK + b"x-pad: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 4000 + b"content-length: 0\r\n\r\n"
    ),
    "one-huge-header": answering(OK + b"x-pad: " + b"a" * 200_000 + b"\r\ncontent-length: 0\r\n\r\n"),
    "endless-head": answering(OK + b"x-pad: " + b"a" * 2_000_000),
    "two-lengths": answering(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}}"),
    "length-and-chunks": answering(
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    "length-that-is-no-number": answering(OK + b"content-length: two\r\n\r\n{}"),
    "negative-length": answering(OK + b"content-length: -2\r\n\r\n{}"),
    "nul-in-a-header": answering(OK + b"request-id: a\0b\r\ncontent-length: 2\r\n\r\n{}"),
    "bare-carriage-return-in-a-header": answering(
        OK + b"request-id: a\rset-cookie: b\r\ncontent-length: 2\r\n\r\n{}"
    ),
    "folded-header": answering(OK + b"request-id: a\r\n b\r\ncontent-length: 2\r\n\r\n{}"),
    "switching-protocols": answering(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"),
    "only-an-interim-answer": answering(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "status-out-of-range": answering(b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
    "status-below-range": answering(b"HTTP/1.1 042 Odd\r\ncontent-length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("fault", BELOW_HTTP)
def test_what_is_not_an_http_answer_becomes_one_error_after_one_attempt(
    raw: Raw, route: str, fault: str
) -> None:
    raw.site.home.reload()  # a provider that fails five times in a row is left alone
    raw.upstream.behaviour = BELOW_HTTP[fault]
    before = raw.upstream.connections
    text = assert_explained(raw.site.ask(route, stream=True), 502)
    assert text.startswith("openClaude: ")
    assert ORIGINS[route] in text
    assert "hint:" in text
    # One that ends as soon as it is open may be gone before anything was sent: then Bedrock is tried once more.
    least_sent = "before-the-request-is-read" in fault and route == "bedrock"
    assert raw.upstream.connections - before in ({1, 2} if least_sent else {1})


@pytest.mark.parametrize(("how", "whole"), [("close", True), ("drop", False)])
def test_an_answer_that_ends_with_its_connection_is_whole_only_if_tls_says_so(
    raw: Raw, route: str, how: str, whole: bool
) -> None:
    text = b'{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","usage":{}}'

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK + b"\r\n" + text)
        getattr(peer, how)()

    raw.site.home.reload()
    raw.upstream.behaviour = behave
    response = raw.site.ask(route, stream=False)
    if route == "anthropic":
        assert (response.status, response.whole) == (200, whole)
        assert text.startswith(response.body)
    else:
        assert response.status == (200 if whole else 502)


def test_a_kept_connection_that_its_provider_closed_is_not_used_again(raw: Raw, route: str) -> None:
    def once(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        peer.close()

    raw.site.home.reload()
    raw.upstream.behaviour = once
    for _ in range(4):
        assert raw.site.ask(route, stream=False).status == 404


def test_nothing_that_was_tried_disturbed_the_gateway(raw: Raw) -> None:
    running = raw.site.home.running()
    assert running is not None
    assert running.in_flight == 0
    log = (raw.site.home.state_home / "logs" / "gateway.log").read_text()
    assert "event=internal-error" not in log
