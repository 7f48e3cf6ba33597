from hypothesis import given
from hypothesis import strategies as st

from openclaude.wire.identity import NONCE, proof, verify


def test_a_proof_is_accepted_for_its_own_nonce_and_port() -> None:
    assert verify("key", "a" * 32, 4000, proof("key", "a" * 32, 4000))


def test_a_proof_for_another_port_is_refused_so_that_it_cannot_be_relayed() -> None:
    assert not verify("key", "a" * 32, 4000, proof("key", "a" * 32, 4001))


def test_a_proof_for_another_nonce_or_key_is_refused() -> None:
    assert not verify("key", "a" * 32, 4000, proof("key", "b" * 32, 4000))
    assert not verify("key", "a" * 32, 4000, proof("other", "a" * 32, 4000))


@given(st.text())
def test_no_other_text_is_a_proof(claimed: str) -> None:
    assert not verify("key", "a" * 32, 4000, claimed)


def test_a_nonce_is_32_hex_digits() -> None:
    assert NONCE.fullmatch("0123456789abcdef" * 2)
    assert not NONCE.fullmatch("0123456789ABCDEF" * 2)
    assert not NONCE.fullmatch("0" * 31)
