"""The agreement itself: renegotiation, mistakes, and the code that people compare."""

from __future__ import annotations

from hashlib import sha256
from importlib import import_module
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.ratchet import sntrup761
from simplex_trio.ratchet.errors import (
    KEMMismatch,
    KEMSupportMissing,
    MalformedMessage,
    VersionNotSpoken,
)
from simplex_trio.ratchet.kem import KEM, Encapsulation, KEMKeyPair
from simplex_trio.ratchet.sntrup761 import available_kems, load_kem
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import RATCHET_VERSIONS, DHKeyPair
from simplex_trio.ratchet.x3dh import (
    X3DHPrivateKeys,
    agree_as_initiator,
    agree_as_joiner,
    keys_hash,
    security_code,
)
from simplex_trio.wire.duplex.x3dh_keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_KEY_SIZE,
    KEMProposal,
)
from tests.ratchet.pairs import Side, kem_pair, x3dh_keys
from tests.ratchet.support import REAL

every_kem = pytest.mark.parametrize("kem", available_kems(), ids=lambda kem: kem.NAME)


def test_the_security_code_is_that_of_the_apps() -> None:
    assert security_code(sha256(b"abcd").digest()) == (
        "61889 38426 63934 09576 96390 79389 84124 85253 63658 69469 70853 37788 95900 68296 "
        "20156 25"
    )


def test_an_offer_names_a_range_and_the_answer_a_version() -> None:
    own = x3dh_keys(kem_pair())
    offer = own.offer(RATCHET_VERSIONS)
    assert offer.kem == KEMProposal(kem_pair().public_key)
    assert offer.at_version(3) == own.public(3)
    assert x3dh_keys().offer(RATCHET_VERSIONS).kem is None


def test_both_sides_of_a_renegotiation_may_propose() -> None:
    one, two = x3dh_keys(kem_pair(0)), x3dh_keys(kem_pair(1))
    if keys_hash(one.public(3)) > keys_hash(two.public(3)):
        one, two = two, one
    initiator = Side(initiator_ratchet(one, two.public(3), REAL, kem_supported=True))
    joiner = Side(joiner_ratchet(two, one.public(3), DHKeyPair.generate()))
    assert not joiner.ratchet.kem_sending
    assert initiator.ratchet.security_hash == joiner.ratchet.security_hash
    initiator.receive(joiner.send())
    joiner.receive(initiator.send())
    assert joiner.ratchet.kem_receiving


def test_a_kem_key_is_accepted_only_where_there_is_one() -> None:
    proposal = x3dh_keys(kem_pair(0))
    own = x3dh_keys(kem_pair(1))
    assert own.accepting(x3dh_keys().public(3), REAL) is own
    assert own.accepting(proposal.public(2), REAL) is own
    assert x3dh_keys().accepting(proposal.public(3), REAL).encapsulation is None
    with pytest.raises(KEMMismatch):
        agree_as_joiner(own.accepting(proposal.public(3), REAL), x3dh_keys().public(3))


def test_an_accepted_key_has_to_have_been_proposed() -> None:
    own = x3dh_keys(kem_pair(0))
    answer = x3dh_keys(kem_pair(1)).accepting(own.public(3), REAL).public(3)
    for keys, kem in ((evolve(own, kem=None), REAL), (own, None)):
        with pytest.raises(KEMMismatch):
            agree_as_initiator(keys, answer, kem)


def test_version_2_has_no_kem() -> None:
    own = x3dh_keys(kem_pair(0))
    answer = x3dh_keys(kem_pair(1)).accepting(own.public(3), REAL)
    assert agree_as_initiator(own, answer.public(2), None).accepted is None
    assert agree_as_joiner(answer, own.public(2)).accepted is None
    assert not joiner_ratchet(answer, own.public(2), DHKeyPair.generate()).kem_supported


@pytest.mark.parametrize("which", ["first", "second"])
def test_degenerate_keys(which: str) -> None:
    changes: dict[str, Any] = {which: X448PublicKey(bytes(56))}
    peer = evolve(x3dh_keys().public(3), **changes)
    with pytest.raises(MalformedMessage):
        agree_as_initiator(x3dh_keys(), peer, None)
    with pytest.raises(MalformedMessage):
        joiner_ratchet(x3dh_keys(), peer, DHKeyPair.generate())


@pytest.mark.parametrize(
    ("version", "highest"), [(0, 3), (1, 3), (4, 3), (0xFFFF, 3), (3, 2)], ids=str
)
def test_keys_in_a_version_that_is_not_spoken(version: int, highest: int) -> None:
    own, peer = x3dh_keys(), evolve(x3dh_keys().public(3), version=version)
    with pytest.raises(VersionNotSpoken):
        initiator_ratchet(own, peer, None, kem_supported=False, max_version=highest)
    with pytest.raises(VersionNotSpoken):
        joiner_ratchet(own, peer, DHKeyPair.generate(), max_version=highest)


def test_an_accepted_key_without_one_to_go_on_with_is_not_read() -> None:
    keys = X3DHPrivateKeys(
        DHKeyPair.generate(),
        DHKeyPair.generate(),
        None,
        Encapsulation(bytes(KEM_CIPHERTEXT_SIZE), bytes(32)),
    )
    with pytest.raises(DecodeError):
        X3DHPrivateKeys.decode(keys.encode())


# --- the KEM ------------------------------------------------------------------------------------


@every_kem
@pytest.mark.parametrize("difference", [-1, 1])
def test_wrong_sizes_do_not_reach_the_library(kem: KEM, difference: int) -> None:
    with pytest.raises(DecodeError):
        kem.encapsulate(bytes(KEM_PUBLIC_KEY_SIZE + difference))
    with pytest.raises(DecodeError):
        kem.decapsulate(kem_pair(), bytes(KEM_CIPHERTEXT_SIZE + difference))
    with pytest.raises(ValueError, match="public_key"):
        KEMKeyPair(bytes(KEM_PUBLIC_KEY_SIZE + difference), kem_pair().secret_key)
    with pytest.raises(TypeError):
        KEMKeyPair("key", kem_pair().secret_key)  # type: ignore[arg-type]


@every_kem
def test_bytes_of_any_kind_are_keys_and_ciphertexts(kem: KEM) -> None:
    for byte in (0, 1, 127, 128, 255):
        made = kem.encapsulate(bytes((byte,)) * KEM_PUBLIC_KEY_SIZE)
        kem.decapsulate(kem_pair(), made.ciphertext)
        kem.decapsulate(kem_pair(), bytes((byte,)) * KEM_CIPHERTEXT_SIZE)


@every_kem
def test_implementations_understand_each_other(kem: KEM) -> None:
    pair = kem.generate()
    assert pair != kem.generate()
    assert pair != "pair"
    assert len({pair, pair}) == 1
    for other in available_kems():
        made = other.encapsulate(pair.public_key)
        assert kem.decapsulate(pair, made.ciphertext) == made.shared_secret
        assert "<32 bytes>" in repr(made)


def test_without_any_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        if name in ("ntruprime", "pqcrypto.kem"):
            raise FileNotFoundError(name) if name == "ntruprime" else ImportError(name)
        return import_module(name)

    monkeypatch.setattr(sntrup761, "import_module", missing)
    available_kems.cache_clear()
    try:
        with pytest.raises(KEMSupportMissing, match="duplex"):
            load_kem()
    finally:
        available_kems.cache_clear()
