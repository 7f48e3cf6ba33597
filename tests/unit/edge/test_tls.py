import os
import ssl
from pathlib import Path

import pytest
import trustme

from openclaude.edge.tls import client_context, trust_file, trusting


def test_the_context_verifies_chain_and_name_with_a_modern_protocol() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_ca_file_takes_the_place_of_the_systems_roots(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    assert client_context(file).cert_store_stats()["x509_ca"] == 1


def test_no_environment_variable_changes_whom_the_gateway_trusts(tmp_path: Path) -> None:
    own = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(own)
    keylog = tmp_path / "keys"
    names = {
        "SSL_CERT_FILE": own,
        "SSL_CERT_DIR": tmp_path,
        "SSLKEYLOGFILE": keylog,
        "REQUESTS_CA_BUNDLE": own,
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(value) for name, value in names.items()})
    try:
        assert trust_file() != own
        context = client_context()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    assert context.cert_store_stats()["x509_ca"] > 20
    assert context.keylog_filename is None
    assert not keylog.exists()


def test_a_missing_ca_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        client_context(tmp_path / "none.pem")


def test_a_named_file_is_read_at_once_and_the_systems_roots_once_when_needed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        trusting(tmp_path / "none.pem")
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    named = trusting(file)
    file.unlink()
    assert named().cert_store_stats()["x509_ca"] == 1
    roots = trusting(None)
    assert roots() is roots()
