import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from openclaude.launcher import certificates
from openclaude.launcher.certificates import LIFE_SECONDS, MARGIN_SECONDS, RENEW_SECONDS
from openclaude.launcher.files import StateError
from openclaude.launcher.state import State, open_state
from support.patience import DEADLINE

DAY = 24 * 3600


class Calendar:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "home")


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_both_are_leaves_that_can_sign_nothing_and_serve_one_purpose_each(state: State) -> None:
    (pair,) = certificates.ensure(state)
    server, client = loaded(pair.server_certificate), loaded(pair.client_certificate)
    purposes = ((server, ExtendedKeyUsageOID.SERVER_AUTH), (client, ExtendedKeyUsageOID.CLIENT_AUTH))
    for certificate, purpose in purposes:
        assert certificate.issuer == certificate.subject
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (constraints.critical, constraints.value.ca) == (True, False)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.key_cert_sign, usage.crl_sign) == (False, False)
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_pair_lasts_ninety_days_and_its_folder_says_until_when(state: State, calendar: Calendar) -> None:
    (pair,) = certificates.ensure(state, calendar)
    assert pair.ends == int(calendar.now) + 90 * DAY == int(pair.folder.name)
    for path in (pair.server_certificate, pair.client_certificate):
        assert loaded(path).not_valid_after_utc.timestamp() == pair.ends


def test_every_file_is_private(state: State) -> None:
    (pair,) = certificates.ensure(state)
    certificates.bundle(state, [pair], "")
    for path in (state.home / "tls", *(state.home / "tls").rglob("*")):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_pair_is_kept_for_sixty_days_and_then_gets_a_successor(state: State, calendar: Calendar) -> None:
    made: list[int] = []
    (first,) = certificates.ensure(state, calendar, made=lambda: made.append(1))
    calendar.now += LIFE_SECONDS - RENEW_SECONDS - 1
    assert certificates.ensure(state, calendar, made=lambda: made.append(2)) == (first,)
    calendar.now += 2
    older, newer = certificates.ensure(state, calendar, made=lambda: made.append(3))
    assert older == first
    assert newer.ends == int(calendar.now) + LIFE_SECONDS
    assert made == [1, 3]
    calendar.now = first.ends - MARGIN_SECONDS
    assert certificates.pairs(state, calendar) == (newer,)


def test_what_has_ended_is_removed_when_the_next_pair_is_made(state: State, calendar: Calendar) -> None:
    (first,) = certificates.ensure(state, calendar)
    trusted = certificates.bundle(state, [first], "")
    os.utime(trusted, (calendar.now, calendar.now))
    calendar.now += LIFE_SECONDS + 1
    (second,) = certificates.ensure(state, calendar)
    assert sorted((state.home / "tls").iterdir()) == [second.folder]


def test_half_a_pair_is_none(state: State, calendar: Calendar) -> None:
    (pair,) = certificates.ensure(state, calendar)
    pair.client_key.unlink()
    assert certificates.pairs(state, calendar) == ()
    calendar.now += 1
    (again,) = certificates.ensure(state, calendar)
    assert again.folder != pair.folder


def test_many_processes_at_once_make_one_pair(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from openclaude.launcher import certificates, state\n"
        "print(certificates.ensure(state.open_state(Path(sys.argv[1])))[-1].folder)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({process.communicate(timeout=DEADLINE)[0] for process in running}) == 1


@pytest.mark.parametrize("found", [True, False], ids=["found", "made"])
def test_a_pair_leaves_no_cryptography_in_the_process(state: State, found: bool) -> None:
    if found:
        certificates.ensure(state)
    program = (
        "import sys; from pathlib import Path; from openclaude.launcher import certificates, state\n"
        "assert certificates.ensure(state.open_state(Path(sys.argv[1])))\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(state.home)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_process_that_makes_a_pair_tells_it_and_writes_no_file(
    tmp_path: Path,
) -> None:
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-P", "-m", "openclaude.launcher.leaves", "1000", "2000"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, env=env)
    made = json.loads(done.stdout)
    for side in ("server", "client"):
        assert made[f"{side} certificate"].startswith("-----BEGIN CERTIFICATE-----")
        assert "KEY-----" in made[f"{side} key"]
    assert not list(tmp_path.iterdir())


def test_a_pair_that_cannot_be_made_is_told_with_its_cause_and_leaves_none(state: State) -> None:
    before = sys.executable
    sys.executable = "/bin/false"
    try:
        with pytest.raises(StateError, match="no certificates could be made for it"):
            certificates.ensure(state)
    finally:
        sys.executable = before
    assert certificates.pairs(state) == ()
    assert certificates.ensure(state)


@pytest.mark.parametrize("name", ["server.pem", "server.crt", "client.crt", "client.key"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "readable by others"])
def test_a_stranger_in_a_files_place_is_refused_and_left_alone(
    state: State, tmp_path: Path, name: str, kind: str
) -> None:
    (pair,) = certificates.ensure(state)
    path, target = pair.folder / name, tmp_path / "target"
    target.write_bytes(path.read_bytes())
    if kind == "readable by others":
        path.chmod(0o644)
    else:
        path.unlink()
        {
            "link": lambda: path.symlink_to(target),
            "pipe": lambda: os.mkfifo(path, 0o600),
            "folder": path.mkdir,
        }[kind]()
    before = path.lstat()
    with pytest.raises(StateError, match=name.replace(".", r"\.")):
        certificates.ensure(state)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert target.exists()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_that_is_none_is_refused(state: State, tmp_path: Path, kind: str) -> None:
    path, elsewhere = state.home / "tls", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        path.symlink_to(elsewhere)
    else:
        path.write_bytes(b"precious")
    with pytest.raises(StateError, match="is a symbolic link" if kind == "link" else "is not a folder"):
        certificates.ensure(state)
    assert list(elsewhere.iterdir()) == []


def test_the_users_own_authorities_come_first_and_stay_as_they_are(state: State, tmp_path: Path) -> None:
    pairs = certificates.ensure(state)
    own = tmp_path / "own.pem"
    own.write_text("-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----")
    trusted = certificates.bundle(state, pairs, str(own))
    assert trusted.read_text() == own.read_text() + "\n" + pairs[0].server_certificate.read_text()
    assert certificates.bundle(state, pairs, str(own)) == trusted
    assert certificates.bundle(state, pairs, "") != trusted


def test_a_session_inside_a_session_repeats_nothing(state: State, tmp_path: Path) -> None:
    pairs = certificates.ensure(state)
    own = tmp_path / "own.pem"
    own.write_text("own\n")
    outer = certificates.bundle(state, pairs, str(own))
    assert certificates.bundle(state, pairs, str(outer)) == outer


def test_an_unreadable_bundle_of_the_users_is_an_error(state: State, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        certificates.bundle(state, certificates.ensure(state), str(tmp_path / "none.pem"))


def test_the_bundle_is_not_written_through_a_link(state: State, tmp_path: Path) -> None:
    pairs = certificates.ensure(state)
    path, target = certificates.bundle(state, pairs, ""), tmp_path / "target"
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(StateError, match="symbolic link"):
        certificates.bundle(state, pairs, "")
    assert not target.exists()
