"""What the transport does with a connection; faults over real sockets are in tests/integration."""

import asyncio
import ssl

import pytest

from openclaude.credentials.policies import Passthrough
from openclaude.credentials.sealed import AuthorizedRequest, ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin, SafeHeaders, UpstreamRequest
from openclaude.edge.connection import WRITE_HIGH, Call, UpstreamConnection
from openclaude.edge.dial import DialMap
from openclaude.edge.egress import EgressWall, head_bytes
from openclaude.edge.upstream import (
    Pool,
    UpstreamTransport,
)

pytestmark = pytest.mark.anyio
REQUEST = UpstreamRequest(b"POST", b"/v1/messages?beta=true", SafeHeaders([(b"X-App", b"cli")]), 5)


class Witness:
    """A receiver that keeps the failures it is told of."""

    def __init__(self) -> None:
        self.failures: list[ApiError] = []
        self.pressure: list[str] = []

    def head(self, status, headers, length) -> None:
        """Not reached in these tests."""

    def data(self, data) -> None:
        """Not reached in these tests."""

    def complete(self) -> None:
        """Not reached in these tests."""

    def upstream_full(self) -> None:
        self.pressure.append("full")

    def upstream_drained(self) -> None:
        self.pressure.append("drained")

    def failed(self, error: ApiError) -> None:
        self.failures.append(error)


def ignore(error: BaseException) -> None:
    """Nothing is reported in these tests."""


async def test_a_connection_that_was_closed_before_its_first_use_fails_its_call_once() -> None:
    pool = Pool(Origin("api.anthropic.com"), DialMap(), ssl.create_default_context(), ignore)
    witness = Witness()
    call = Call(witness, 5)
    pool._hand_over(UpstreamConnection(pool), call)
    assert [(error.status, error.type, error.retry) for error in witness.failures] == [
        (502, "api_error", True)
    ]
    assert (
        "https://api.anthropic.com closed the connection as soon as it was open"
        in witness.failures[0].message
    )


class Sink(asyncio.Transport):
    """A transport that takes everything at once."""

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        """It never fills."""

    def is_closing(self) -> bool:
        return False

    def write(self, data) -> None:
        """It is gone."""


async def test_a_client_that_uploads_while_the_provider_is_dialled_is_held_back() -> None:
    pool = Pool(Origin("api.anthropic.com"), DialMap(), ssl.create_default_context(), ignore)
    witness = Witness()
    call = Call(witness, 10 * WRITE_HIGH)
    for _ in range(4):
        call.write(b"x" * (WRITE_HIGH // 4))
    assert witness.pressure == []
    call.write(b"x")
    assert witness.pressure == ["full"]
    connection = UpstreamConnection(pool)
    connection.connection_made(Sink())
    pool._hand_over(connection, call)
    assert witness.pressure == ["full", "drained"]


async def test_a_head_is_built_from_empty_with_the_credential_last(canary) -> None:
    login = canary().encode()
    authorized = Passthrough().authorize(REQUEST, ClientCredential([(b"authorization", b"Bearer " + login)]))
    assert head_bytes(authorized) == (
        b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: api.anthropic.com\r\nX-App: cli\r\nContent-Length: 5\r\n"
        b"authorization: Bearer " + login + b"\r\n\r\n"
    )


async def test_nothing_is_ever_sent_in_the_clear() -> None:
    wall = EgressWall((), stopped=lambda *_: None)
    transport = UpstreamTransport(tls=ssl.create_default_context, dial=DialMap(), report=ignore, wall=wall)
    plain = AuthorizedRequest(Origin("127.0.0.1", 80, "http"), REQUEST, "route-key", b"")
    with pytest.raises(ValueError, match="it is not https"):
        transport.send(plain, (), Witness())
