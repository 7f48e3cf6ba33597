import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.credentials.fingerprints import LEAST, MOST, PREFIX, WINDOW, Fingerprints, Known, names_a_key
from openclaude.domain.http import Origin

ALPHABET = string.ascii_letters + string.digits + "+/-_"
text_secrets = st.integers(LEAST, 900).map(
    lambda n: "".join(secrets.choice(ALPHABET) for _ in range(n)).encode()
)


def never(_: Known) -> bool:
    return False


def stray(known: Fingerprints, text: bytes) -> str:
    found = known.stray(text, never)
    return "" if found is None else found.kind


@given(text_secrets, st.binary(max_size=40), st.binary(max_size=40))
def test_a_secret_is_found_at_every_place_of_a_text(secret: bytes, before: bytes, after: bytes) -> None:
    known = Fingerprints()
    known.remember(secret, "kind")
    assert stray(known, before + secret + after) == "kind"


@given(st.binary(max_size=2000))
def test_a_text_without_a_secret_holds_none(text: bytes) -> None:
    known = Fingerprints()
    known.remember(secrets.token_urlsafe(40).encode(), "kind")
    assert stray(known, text) == ""


def test_what_many_secrets_begin_with_is_not_one() -> None:
    known = Fingerprints()
    prefix = b"sk-ant-" + b"oat01-abc"
    assert len(prefix) == PREFIX
    known.remember(prefix + secrets.token_hex(20).encode(), "kind")
    assert stray(known, b"x" * 5 + prefix + b"something else") == ""


def test_the_stretch_that_is_looked_for_is_found_alone() -> None:
    known, secret = Fingerprints(), secrets.token_hex(100).encode()
    known.remember(secret, "kind")
    assert stray(known, b"leak=" + secret[-LEAST:]) == "kind"


def test_no_part_of_a_secret_is_kept() -> None:
    known, secret = Fingerprints(), secrets.token_hex(30).encode()
    known.remember(secret, "kind")
    kept = repr((vars(known), [(entry.kind, entry.bound, entry.pieces) for entry in known._known.values()]))
    assert not any(secret[at : at + 10].decode() in kept for at in range(len(secret) - 10))
    assert secret.decode() not in repr(known)


def test_two_processes_have_different_fingerprints_of_one_secret() -> None:
    secret = secrets.token_hex(30).encode()
    one, two = Fingerprints(), Fingerprints()
    one.remember(secret, "kind")
    two.remember(secret, "kind")
    assert set(one._known).isdisjoint(two._known)


def test_what_is_at_home_is_no_stray() -> None:
    known, here, there = Fingerprints(), secrets.token_hex(30).encode(), secrets.token_hex(30).encode()
    known.remember(here, "at home")
    known.remember(there, "elsewhere")
    found = known.stray(here + b" " + there, lambda secret: secret.kind == "at home")
    assert found is not None
    assert found.kind == "elsewhere"


def test_a_secret_met_again_is_remembered_once_with_all_its_origins() -> None:
    known, secret = Fingerprints(), secrets.token_hex(30).encode()
    for host in ("a.example", "b.example"):
        known.remember(secret, "kind", (Origin(host),))
    assert len(known) == 1
    found = known.stray(secret, never)
    assert found is not None
    assert found.bound == {Origin("a.example"), Origin("b.example")}


def test_the_oldest_secret_gives_way_and_leaves_nothing_behind() -> None:
    known, oldest = Fingerprints(), secrets.token_hex(30).encode()
    known.remember(oldest, "oldest")
    for _ in range(MOST):
        known.remember(secrets.token_hex(6).encode(), "other")
    assert len(known) == MOST
    assert stray(known, oldest) == ""
    assert sum(map(len, known._pieces.values())) == MOST


@pytest.mark.parametrize("length", range(WINDOW))
def test_what_is_too_short_to_be_a_secret_is_none(length: int) -> None:
    known = Fingerprints()
    known.remember(b"x" * length, "kind")
    assert len(known) == 0


def test_a_key_id_is_recognised_whoever_it_belongs_to() -> None:
    assert names_a_key(b"x=AK" + b"IA" + b"ABCDEFGH23456723;")
    assert names_a_key(b"AS" + b"IA" + b"ABCDEFGH23456723")
    assert not names_a_key(b"AK" + b"IAabcdefgh23456723")
