"""TLS as `edge/secure` speaks it, against the ssl module's own `SSLObject` on the other side."""

import asyncio
import itertools
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from openclaude.edge.secure import RECORD, SecureTransport
from openclaude.edge.tls import client_context
from support.patience import DEADLINE

pytestmark = pytest.mark.anyio
LONG = bytes(range(256)) * 700
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Wire(asyncio.Transport):
    """The socket's transport: what is written to it waits for the test."""

    def __init__(self) -> None:
        super().__init__({"socket": "a socket"})
        self.written: list[bytes] = []
        self.calls = 0
        self.did: list[str] = []
        self.limits: tuple[int | None, int | None] | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.calls += 1
        self.written += map(bytes, list_of_data)

    def taken(self) -> bytes:
        data = b"".join(self.written)
        self.written.clear()
        return data

    def is_closing(self) -> bool:
        return "close" in self.did or "abort" in self.did

    def write_eof(self) -> None:
        self.did.append("write_eof")

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")

    def pause_reading(self) -> None:
        self.did.append("pause_reading")

    def resume_reading(self) -> None:
        self.did.append("resume_reading")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = high, low

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))


class Application(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.read = b""
        self.reads = 0
        self.lost: list[Exception | None] = []
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        self.read += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.lost.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def contexts(version: ssl.TLSVersion, *, mutual: bool = False) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().issue_cert("provider.example").configure_cert(server)
    for each in server, client:
        authority().configure_trust(each)
        each.maximum_version = version
    if mutual:
        server.verify_mode = ssl.CERT_REQUIRED
    return server, client


class Scene:
    """A transport under test with its application, and the peer on the other end of its wire."""

    def __init__(
        self,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        *,
        dials: bool = True,
        mutual: bool = False,
        name: str = "provider.example",
        seconds: float = DEADLINE,
    ) -> None:
        server, client = contexts(version, mutual=mutual)
        self.application = Application()
        self.ready = asyncio.get_running_loop().create_future() if dials else None
        self.secure = SecureTransport(
            client if dials else server,
            self.application,
            name=name if dials else None,
            seconds=seconds,
            ready=self.ready,
        )
        self.wire = Wire()
        self.to_peer, self.from_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = (server if dials else client).wrap_bio(
            self.to_peer, self.from_peer, server_side=dials, server_hostname=None if dials else name
        )
        self.secure.connection_made(self.wire)

    def shake(self) -> "Scene":
        """The handshake, as far as it goes. The server's tickets are read with it."""
        for _ in range(4):
            with suppress(ssl.SSLError):  # also what the transport under test tells it to be wrong
                self.peer.do_handshake()
            self.exchange()
        return self

    def exchange(self) -> None:
        """Carry what both have said to the other."""
        if said := self.from_peer.read():
            self.secure.data_received(said)
        self.to_peer.write(self.wire.taken())

    def heard(self) -> bytes:
        """What the peer can decrypt by now; raises what it makes of the rest."""
        self.to_peer.write(self.wire.taken())
        found = b""
        try:
            while data := self.peer.read(RECORD):
                found += data
        except ssl.SSLWantReadError:
            pass
        return found

    def says(self, data: bytes, cuts: Iterable[int] = ()) -> None:
        """Have the peer send something, cut after so many bytes of what TLS makes of it."""
        view = memoryview(data)
        while view:
            view = view[self.peer.write(view) :]
        sent = self.from_peer.read()
        edges = [0, *sorted(cut % len(sent) for cut in cuts), len(sent)]
        for start, end in itertools.pairwise(edges):
            if start < end:
                self.secure.data_received(sent[start:end])

    def peer_ends(self) -> bytes:
        """The peer's close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.peer.unwrap()
        return self.from_peer.read()


@pytest.fixture
async def scene() -> Scene:
    return Scene().shake()


@given(
    st.sampled_from(VERSIONS),
    st.booleans(),
    st.sampled_from([b"x", b"event", LONG[:RECORD], LONG[: RECORD + 1], LONG]),
    st.lists(st.integers(0, 200_000), max_size=6),
)
def test_every_byte_arrives_whatever_the_cuts(
    version: ssl.TLSVersion, dials: bool, data: bytes, cuts: list[int]
) -> None:
    async def both_ways() -> None:
        scene = Scene(version, dials=dials).shake()
        scene.says(data, cuts)
        scene.says(b"and more")
        scene.secure.write(data)
        scene.secure.writelines([b"and", b" ", b"more"])
        scene.secure.writelines([b"and more", data])
        assert scene.application.read == data + b"and more"
        assert scene.heard() == data + b"and more" + b"and more" + data

    asyncio.run(both_ways())


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_application_hears_nothing_before_the_handshake_and_then_what_came_with_it(
    version: ssl.TLSVersion,
) -> None:
    scene = Scene(version, dials=False)
    last = b""
    while not scene.application.told:
        try:
            scene.peer.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            scene.peer.write(b"early") if version is ssl.TLSVersion.TLSv1_3 else None
        last = scene.from_peer.read()
        assert scene.application.told == []
        scene.secure.data_received(last)
        scene.to_peer.write(scene.wire.taken())
    assert scene.application.told == ["made"]
    assert scene.application.transport is scene.secure
    assert scene.application.read == (b"early" if version is ssl.TLSVersion.TLSv1_3 else b"")


async def test_who_dials_waits_for_the_handshake() -> None:
    scene = Scene()
    assert scene.ready is not None
    assert not scene.ready.done()
    scene.shake()
    assert scene.ready.result() is None


async def test_a_long_read_is_handed_over_in_one_piece(scene: Scene) -> None:
    scene.says(LONG)
    assert scene.application.read == LONG
    assert scene.application.reads == 1


async def test_records_do_not_pile_up_in_openssls_buffers(scene: Scene) -> None:
    data = LONG * 10
    sizes: list[int] = []
    bios = scene.secure._incoming, scene.secure._outgoing
    view = memoryview(data)
    while view:
        view = view[scene.peer.write(view) :]
    sent = scene.from_peer.read()
    for start in range(0, len(sent), 256 * 1024):
        scene.secure.data_received(sent[start : start + 256 * 1024])
        sizes.append(max(bio.pending for bio in bios))
    scene.secure.write(data)
    sizes.append(max(bio.pending for bio in bios))
    assert scene.application.read == data
    assert max(sizes) <= RECORD + 256
    assert max(map(len, scene.wire.written)) <= RECORD + 256


async def test_the_records_of_one_write_leave_by_one_call_of_the_system(scene: Scene) -> None:
    before = scene.wire.calls
    scene.secure.write(LONG)
    assert scene.wire.calls == before + 1
    assert len(scene.wire.written) > 1
    assert scene.heard() == LONG


async def test_a_client_without_a_certificate_is_told_so_and_never_met() -> None:
    scene = Scene(dials=False, mutual=True).shake()
    assert scene.application.told == []
    assert scene.wire.did == ["close"]
    with pytest.raises(ssl.SSLError, match="certificate required"):
        scene.heard()
    scene.secure.connection_lost(None)
    assert scene.application.told == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_certificate_for_another_name_ends_the_dial(version: ssl.TLSVersion) -> None:
    scene = Scene(version, name="other.example").shake()
    scene.secure.connection_lost(None)
    assert scene.application.told == []
    assert scene.ready is not None
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await scene.ready


async def test_what_is_not_tls_ends_the_dial() -> None:
    scene = Scene()
    scene.secure.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert scene.wire.did == ["close"]
    scene.secure.connection_lost(None)
    assert scene.ready is not None
    with pytest.raises(ssl.SSLError, match=r"wrong version number|record"):
        await scene.ready


@pytest.mark.parametrize("cause", [None, BrokenPipeError("gone")])
async def test_a_connection_that_ends_in_the_handshake_ends_the_dial(cause: Exception | None) -> None:
    scene = Scene()
    assert not scene.secure.eof_received()
    scene.secure.connection_lost(cause)
    assert scene.ready is not None
    with pytest.raises(BrokenPipeError if cause else ConnectionResetError):
        await scene.ready
    assert scene.application.told == []


async def test_a_handshake_that_takes_too_long_is_given_up_and_one_that_is_done_is_not() -> None:
    late, done = Scene(seconds=0.05), Scene(seconds=0.05).shake()
    async with asyncio.timeout(DEADLINE):
        while not late.wire.did:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert late.wire.did == ["abort"]
    assert done.wire.did == []


async def test_the_peers_orderly_end_is_told_after_its_data_and_answered(scene: Scene) -> None:
    scene.peer.write(b"the end")
    scene.secure.data_received(scene.from_peer.read() + scene.peer_ends())
    assert scene.application.read == b"the end"
    assert scene.application.told == ["made", "eof"]
    assert scene.wire.did == ["close"]
    with pytest.raises(ssl.SSLZeroReturnError):
        scene.heard()
    scene.secure.connection_lost(None)
    assert scene.application.told == ["made", "eof", "lost"]


async def test_an_orderly_end_that_comes_alone_is_told(scene: Scene) -> None:
    scene.secure.data_received(scene.peer_ends())
    assert scene.application.told == ["made", "eof"]


async def test_an_end_without_close_notify_is_only_a_loss(scene: Scene) -> None:
    scene.says(b"and then")
    assert not scene.secure.eof_received()
    scene.secure.connection_lost(None)
    assert scene.application.told == ["made", "lost"]
    assert scene.application.lost == [None]


@pytest.mark.parametrize("behind", [b"", LONG])
async def test_an_altered_record_ends_the_connection_and_nothing_of_it_is_handed_over(
    scene: Scene, behind: bytes
) -> None:
    scene.peer.write(b"genuine")
    scene.secure.data_received(scene.from_peer.read())
    scene.peer.write(b"forged")
    record = bytearray(scene.from_peer.read())
    record[-1] ^= 1
    scene.secure.data_received(bytes(record) + behind)
    scene.secure.connection_lost(None)
    assert scene.application.read == b"genuine"
    assert isinstance(scene.application.lost[0], ssl.SSLError)
    with pytest.raises(ssl.SSLError, match="bad record mac"):
        scene.heard()


async def test_nothing_is_written_after_the_end(scene: Scene) -> None:
    scene.secure.write_eof()
    scene.heard()
    scene.secure.write(b"too late")
    scene.secure.close()
    scene.secure.write(b"too late")
    assert scene.wire.written == []
    scene.secure.connection_lost(None)
    scene.secure.write(b"too late")
    scene.secure.close()
    scene.secure.abort()
    assert scene.wire.did == ["write_eof", "close"]
    assert scene.wire.written == []


async def test_after_the_end_of_what_is_written_reading_goes_on(scene: Scene) -> None:
    scene.secure.write(b"last words")
    assert scene.secure.can_write_eof()
    scene.secure.write_eof()
    scene.secure.write_eof()
    assert scene.wire.did == ["write_eof"]
    assert not scene.secure.is_closing()
    scene.says(b"still here")
    scene.says(LONG)
    assert scene.application.read == b"still here" + LONG
    assert scene.heard() == b"last words"


@pytest.mark.parametrize("with_data", [False, True])
async def test_the_peers_end_after_our_own_is_an_end_and_no_error(scene: Scene, with_data: bool) -> None:
    scene.secure.write_eof()
    if with_data:
        for start in range(0, len(LONG), RECORD):
            scene.peer.write(LONG[start : start + RECORD])
    scene.secure.data_received(scene.from_peer.read() + scene.peer_ends())
    scene.secure.connection_lost(None)
    assert scene.application.read == (LONG if with_data else b"")
    assert scene.application.told == ["made", "eof", "lost"]
    assert scene.application.lost == [None]


async def test_closing_says_so_behind_what_was_written(scene: Scene) -> None:
    scene.secure.write(LONG)
    scene.secure.close()
    scene.secure.close()
    assert scene.secure.is_closing()
    assert scene.heard() == LONG
    scene.peer.unwrap()
    assert scene.wire.did == ["close"]


async def test_closing_before_the_handshake_is_done_cuts_the_connection() -> None:
    scene = Scene()
    scene.secure.close()
    assert scene.wire.did == ["abort"]
    assert scene.secure.is_closing()


async def test_a_cut_says_nothing(scene: Scene) -> None:
    scene.secure.abort()
    assert (scene.wire.did, scene.wire.written) == (["abort"], [])


async def test_a_head_and_a_long_body_make_full_records(scene: Scene) -> None:
    scene.secure.writelines([b"head", memoryview(LONG)])
    apart, scene.wire.written = list(scene.wire.written), []
    scene.secure.write(b"head" + LONG)
    assert [len(record) for record in apart] == [len(record) for record in scene.wire.written]


@pytest.mark.parametrize("end", ["close", "write_eof", "abort"])
async def test_nothing_follows_the_end_however_it_is_written(scene: Scene, end: str) -> None:
    getattr(scene.secure, end)()
    said = list(scene.wire.written)
    scene.secure.writelines([b"head", LONG])
    scene.secure.writelines([b"head", b"body"])
    assert scene.wire.written == said


async def test_empty_data_makes_no_record(scene: Scene) -> None:
    scene.secure.write(b"")
    scene.secure.writelines([])
    assert scene.wire.written == []


async def test_pausing_limits_and_the_socket_are_the_wires(scene: Scene) -> None:
    secure = scene.secure
    secure.pause_reading()
    secure.resume_reading()
    secure.set_write_buffer_limits(high=7)
    secure.pause_writing()
    secure.resume_writing()
    secure.write(b"x")
    assert scene.wire.did == ["pause_reading", "resume_reading"]
    assert scene.wire.limits == (7, None)
    assert scene.application.told == ["made", "pause", "resume"]
    assert secure.get_write_buffer_size() == len(scene.wire.written[0]) > 1
    assert secure.get_extra_info("socket") == "a socket"
    assert secure.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert secure.get_extra_info("sslcontext") is contexts(ssl.TLSVersion.TLSv1_3, mutual=False)[1]
    assert secure.get_extra_info("nothing", 5) == 5


async def test_the_application_does_not_hear_of_a_full_wire_before_it_is_there() -> None:
    scene = Scene()
    scene.secure.pause_writing()
    scene.secure.resume_writing()
    assert scene.application.told == []


async def test_what_is_asked_after_the_loss_is_answered(scene: Scene) -> None:
    secure = scene.secure
    secure.connection_lost(None)
    secure.pause_reading()
    secure.resume_reading()
    secure.set_write_buffer_limits()
    secure.write_eof()
    assert secure.is_closing()
    assert secure.get_write_buffer_size() == 0
    assert secure.get_extra_info("socket") is None


def test_providers_cannot_ask_for_another_handshake() -> None:
    assert client_context().options & ssl.OP_NO_RENEGOTIATION
