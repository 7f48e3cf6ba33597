"""Mutual TLS as the listener speaks it: who is let in, who is not, and that nothing of a stranger reaches a handler."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.handler import RecordingHandler
from openclaude.edge import sockets
from openclaude.edge.doors import HTTP, MUTUAL, TLS, Doors, Keys
from openclaude.edge.tls import SWITCH_SECONDS, Loopback
from openclaude.launcher import certificates
from openclaude.launcher.certificates import Pair
from openclaude.launcher.control import client_context, proves_itself
from openclaude.launcher.leaves import issue
from openclaude.launcher.state import State, open_state
from support.patience import DEADLINE
from support.trust import trusting

pytestmark = pytest.mark.anyio
SECRET = b"s" * 40
TOKEN = b"t" * 40


class Served:
    """All three doors of a gateway around a handler that records."""

    def __init__(self, state: State, *, age: float = 0) -> None:
        self.state = state
        self.now = time.time() - age
        self.handler = RecordingHandler()
        self.reported: list[BaseException] = []
        self.sockets = {
            MUTUAL: sockets.bind(0),
            TLS: sockets.bind(0, listen=False),
            HTTP: sockets.bind(0, listen=False),
        }
        self.tls = Loopback(self.pairs, lambda: self.now)
        keys = Keys(SECRET, "identity", {TOKEN})
        self.arrived = 0
        self.doors = Doors(
            self.sockets, self.tls, keys, self.handler, self.reported.append, arrived=self.count
        )

    def count(self) -> None:
        self.arrived += 1

    def pairs(self) -> tuple[Pair, ...]:
        return certificates.ensure(self.state, lambda: self.now)

    def port(self, door: str) -> int:
        return int(self.sockets[door].getsockname()[1])

    async def ask(
        self, door: str, context: ssl.SSLContext | None, path: bytes = b"/v1/messages", body: bytes = b"hi"
    ) -> int:
        """The status of one request."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port(door), ssl=context, server_hostname="127.0.0.1" if context else None
        )
        head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (path, self.port(door), len(body)) + body)
        try:
            async with asyncio.timeout(DEADLINE):
                line = await reader.readline()
        finally:
            writer.close()
        if not line:
            raise ConnectionError("closed without an answer")
        return int(line.split(b" ")[1])


@contextlib.asynccontextmanager
async def serving(folder: Path, *, age: float = 0) -> AsyncIterator[Served]:
    """A gateway whose certificates were made `age` seconds ago."""
    served = Served(open_state(folder / "home"), age=age)
    await served.doors.start()
    try:
        yield served
    finally:
        await served.doors.stop(grace=0)


def mutual(served: Served, pair: Pair | None = None) -> ssl.SSLContext:
    return client_context([pair] if pair is not None else served.pairs())


async def test_a_client_with_our_certificate_is_served_without_a_secret(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert await served.ask(MUTUAL, mutual(served)) == 200
        assert await served.ask(MUTUAL, mutual(served), b"/s-0123456789ab/v1/messages") == 200
        assert [exchange.request.session for exchange in served.handler.exchanges] == ["", "0123456789ab"]
        assert await served.ask(MUTUAL, mutual(served), b"/%b/v1/messages" % SECRET) == 404
        assert await served.ask(MUTUAL, mutual(served), b"/.openclaude/identify") == 404


async def test_each_connection_is_told_of_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.ask(MUTUAL, mutual(served))
        await served.ask(MUTUAL, mutual(served))
        assert served.arrived == 2


def strangers(served: Served, folder: Path) -> dict[str, ssl.SSLContext]:
    (pair,) = served.pairs()
    ours = pair.server_certificate.read_text()
    now = int(served.now)
    for name, leaf in {
        "another": issue("openClaude client", now, now + 9999, server=False),
        "old": issue("openClaude client", now - 9999, now - 4000, server=False),
    }.items():
        (folder / f"{name}.crt").write_bytes(leaf.certificate)
        (folder / f"{name}.key").write_bytes(leaf.key)
    return {
        "no certificate": trusting(ours),
        "another installation's": trusting(ours, str(folder / "another.crt"), str(folder / "another.key")),
        "an old one": trusting(ours, str(folder / "old.crt"), str(folder / "old.key")),
        "the gateway's own": trusting(ours, str(pair.server)),
        "signed by our client": trusting(ours, *signed_by_client(pair, folder)),
    }


def signed_by_client(pair: Pair, folder: Path) -> tuple[str, str]:
    """A certificate that our client's key has signed, with the whole chain: what a leaf must not be able to do."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    parent = x509.load_pem_x509_certificate(pair.client_certificate.read_bytes())
    signer = load_pem_private_key(pair.client_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "child")]))
        .issuer_name(parent.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(parent.not_valid_before_utc)
        .not_valid_after(parent.not_valid_after_utc)
        .sign(signer, SHA256())
    )
    chain = made.public_bytes(Encoding.PEM) + pair.client_certificate.read_bytes()
    (folder / "child.crt").write_bytes(chain)
    (folder / "child.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(folder / "child.crt"), str(folder / "child.key")


@pytest.mark.parametrize(
    "who",
    ["no certificate", "another installation's", "an old one", "the gateway's own", "signed by our client"],
)
async def test_nothing_of_a_client_without_our_certificate_reaches_a_handler(
    tmp_path: Path, who: str
) -> None:
    async with serving(tmp_path) as served:
        context = strangers(served, tmp_path)[who]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.ask(MUTUAL, context, b"/%b/v1/messages" % SECRET)
        assert served.handler.exchanges == []
        assert await served.ask(MUTUAL, mutual(served)) == 200
        assert served.reported == []


async def test_plain_http_on_the_tls_port_gets_no_http_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises((ConnectionError, ValueError, IndexError)):
            await served.ask(MUTUAL, None)
        assert served.handler.exchanges == []


async def test_older_versions_of_tls_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        context = mutual(served)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.ask(MUTUAL, context)
        assert served.handler.exchanges == []


async def test_another_gateway_certificate_with_the_same_names_is_refused_by_its_clients(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "one") as served, serving(tmp_path / "two") as other:
        with pytest.raises(ssl.SSLCertVerificationError):
            await other.ask(MUTUAL, mutual(served))
        assert other.handler.exchanges == []
        assert await asyncio.to_thread(proves_itself, served.port(MUTUAL), served.pairs())
        assert not await asyncio.to_thread(proves_itself, other.port(MUTUAL), served.pairs())
        assert not await asyncio.to_thread(proves_itself, served.port(MUTUAL), ())


@pytest.mark.parametrize("door", [TLS, HTTP])
async def test_a_door_nobody_asked_for_refuses_connections(tmp_path: Path, door: str) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", served.port(door))
        assert served.doors.open(door) == served.doors.open(door) == served.port(door)
        context = trusting(served.pairs()[0].server_certificate.read_text()) if door == TLS else None
        for segment, expected in ((SECRET, 200), (TOKEN, 200), (b"x" * 40, 401), (b"", 401)):
            assert await served.ask(door, context, b"/%b/v1/messages" % segment) == expected
        assert len(served.handler.exchanges) == 2
        assert served.doors.open("window") is None


async def test_a_refusal_arrives_though_the_client_is_still_sending(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", served.port(MUTUAL), ssl=mutual(served), server_hostname="127.0.0.1"
        )
        head = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9000000\r\n\r\n"
        writer.write(head % served.port(MUTUAL) + b"x" * 3_000_000)
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert answer.endswith(b"}")
        writer.close()


async def test_an_idle_connection_costs_little_memory(tmp_path: Path) -> None:
    """uvloop reserves a buffer for each connection, but the system backs it with memory only where it is used."""
    async with serving(tmp_path) as served:
        context = mutual(served)
        await served.ask(MUTUAL, context)
        before = resident()
        kept = [
            await asyncio.open_connection(
                "127.0.0.1", served.port(MUTUAL), ssl=context, server_hostname="127.0.0.1"
            )
            for _ in range(50)
        ]
        grown = resident() - before
        for _, writer in kept:
            writer.close()
        assert grown < 50 * 400  # both ends are in this process


def resident() -> int:
    """KiB of memory of this process; 0 where the system does not tell (macOS)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024 if statm.exists() else 0


async def test_the_older_certificate_is_shown_while_it_lasts_and_then_the_newer(tmp_path: Path) -> None:
    async with serving(tmp_path, age=certificates.LIFE_SECONDS - certificates.RENEW_SECONDS) as served:
        (first,) = served.pairs()
        early = mutual(served, first)
        served.now = time.time() + 1
        both = served.pairs()
        served.doors.refresh()
        late = client_context(both)  # a new session: it trusts both, and shows the newer client certificate
        for context in (early, late):
            assert await served.ask(MUTUAL, context) == 200
        assert shown(served, late) == first.server_certificate.read_text()
        served.now = first.ends - SWITCH_SECONDS + 1
        served.doors.refresh()
        assert shown(served, late) == both[1].server_certificate.read_text()
        assert await served.ask(MUTUAL, late) == 200


def shown(served: Served, context: ssl.SSLContext) -> str:
    """The certificate the gateway shows now."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    server = served.tls.mutual.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(4):
        for end, read, write in ((client, outgoing, server_in), (server, server_out, incoming)):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            write.write(read.read())
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


async def test_every_door_is_on_the_loopback_address_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for door in (TLS, HTTP):
            served.doors.open(door)
        assert {made.getsockname()[0] for made in served.sockets.values()} == {"127.0.0.1"}
        assert {made.family for made in served.sockets.values()} == {socket.AF_INET}


async def test_doors_that_are_shut_before_they_start_let_nobody_in(tmp_path: Path) -> None:
    """A worker may be told to go while it starts."""
    served = Served(open_state(tmp_path / "home"))
    served.doors.shut(grace=0)
    await served.doors.start()
    assert served.doors.open(HTTP) is None
    assert {each.fileno() for each in served.sockets.values()} == {-1}
    await served.doors.stop(grace=0)
