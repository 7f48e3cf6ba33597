import ssl
from pathlib import Path

import pytest

from openclaude.simulator.certs import Authority, Flaw

NAME = "bedrock-runtime.us-west-2.amazonaws.com"


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """A whole TLS handshake in memory; the result is the certificate the client accepted."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = near.getpeercert()
    assert certificate
    return certificate


def test_a_client_that_trusts_the_authority_accepts_each_of_its_names() -> None:
    authority = Authority()
    server = authority.server_context(NAME, "api.anthropic.com", "127.0.0.1")
    for name in (NAME, "api.anthropic.com", "127.0.0.1"):
        certificate = handshake(server, authority.client_context(), name)
        assert certificate["subjectAltName"] == (
            ("DNS", NAME),
            ("DNS", "api.anthropic.com"),
            ("IP Address", "127.0.0.1"),
        )


def test_another_name_is_refused() -> None:
    authority = Authority()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(authority.server_context(NAME), authority.client_context(), "api.anthropic.com")


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        pytest.param(Flaw.WRONG_NAME, "Hostname mismatch", id="wrong name"),
        pytest.param(Flaw.EXPIRED, "certificate has expired", id="expired"),
        pytest.param(
            Flaw.OTHER_AUTHORITY, "certificate verify failed", id="other authority of the same name"
        ),
    ],
)
def test_a_flawed_certificate_is_refused_for_its_flaw(flaw: Flaw, reason: str) -> None:
    authority = Authority()
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(authority.server_context(NAME, flaw=flaw), authority.client_context(), NAME)


def test_the_system_trusts_no_simulator() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(Authority().server_context(NAME), ssl.create_default_context(), NAME)


def test_the_written_file_is_the_authority(tmp_path: Path) -> None:
    authority = Authority()
    path = authority.write_ca(tmp_path / "ca.pem")
    assert b"PRIVATE" not in path.read_bytes()
    client = ssl.create_default_context(cafile=str(path))
    assert handshake(authority.server_context(NAME), client, NAME)
