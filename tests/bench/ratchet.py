"""Rows of the ratchet: what messages between agents cost beside the cryptography inside them.

The bare cost is that of calling the libraries with inputs of the same sizes: for each message a
step of its chain (HKDF), and AES-GCM over header and body; for a step of the ratchet two agreements
(X448) and two more HKDFs; and with the KEM a secret encapsulated and one decapsulated.  Fresh key
pairs are not in it, because they are made ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x448
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simplex_trio.ratchet.headers import HEADER_PADDED, KEM_HEADER_PADDED
from simplex_trio.ratchet.kem import KEM
from simplex_trio.ratchet.receiving import Decrypted, decrypt
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.sntrup761 import load_kem
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import RATCHET_VERSIONS, DHKeyPair, FreshKeys, Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from tests.bench.bare import compare
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows

__all__ = ["ROWS"]

ROWS = Rows("ratchet", "ratchet")

_VERSION = RATCHET_VERSIONS.highest
_PADDED, _KEM_PADDED = 15_840, 13_618
_MESSAGE = bytes(1000)
_ASSOCIATED = bytes(112)
_NOTHING_SKIPPED = SkippedKeys()
_KEY, _IV = bytes(range(32)), bytes(range(16))


@frozen
class _Pair:
    """Two sides that have both sent and received, and what they need for a step."""

    alice: Ratchet
    bob: Ratchet
    kem: KEM | None
    fresh: FreshKeys
    padded_length: int

    @classmethod
    def talking(cls, kem: KEM | None) -> _Pair:
        fresh = FreshKeys(DHKeyPair.generate(), None if kem is None else kem.generate())
        own = X3DHPrivateKeys(DHKeyPair.generate(), DHKeyPair.generate(), fresh.kem)
        peer = X3DHPrivateKeys(DHKeyPair.generate(), DHKeyPair.generate(), fresh.kem)
        invitation = own.public(_VERSION)
        if kem is not None:
            peer = peer.accepting(invitation, kem)
        answer = peer.public(_VERSION)
        bob = joiner_ratchet(peer, invitation, DHKeyPair.generate())
        alice = initiator_ratchet(own, answer, kem, kem_supported=kem is not None)
        pair = cls(alice, bob, kem, fresh, _PADDED if kem is None else _KEM_PADDED)
        for _ in range(2):
            pair = pair.turn().turn()
        return pair

    def sent(self) -> bytes:
        """A message of Bob's."""
        return advance_sending(self.bob).key.encrypt(_MESSAGE, self.padded_length)

    def received(self, message: bytes) -> Decrypted:
        """What it makes of Alice."""
        return decrypt(self.alice, _NOTHING_SKIPPED, message, self.fresh, self.kem, now=0)

    def turn(self) -> _Pair:
        """After a message of Bob's, the names changed, so that the next one is Alice's."""
        bob, key = advance_sending(self.bob)
        done = self.received(key.encrypt(_MESSAGE, self.padded_length))
        return _Pair(bob, done.ratchet, self.kem, self.fresh, self.padded_length)


# --- the bare calls -----------------------------------------------------------------------------


def _hkdf() -> None:
    HKDF(hashes.SHA512(), 96, b"", b"SimpleXChainRatchet").derive(_KEY)


def _bare_seal(*sizes: int) -> Callable[[], None]:
    plaintexts = [bytes(size) for size in sizes]

    def bare() -> None:
        _hkdf()
        for plaintext in plaintexts:
            AESGCM(_KEY).encrypt(_IV, plaintext, _ASSOCIATED)

    return bare


def _bare_open(*sizes: int) -> Callable[[], None]:
    sealed = [AESGCM(_KEY).encrypt(_IV, bytes(size), _ASSOCIATED) for size in sizes]

    def bare() -> None:
        _hkdf()
        for ciphertext in sealed:
            AESGCM(_KEY).decrypt(_IV, ciphertext, _ASSOCIATED)

    return bare


def _bare_step(pair: _Pair) -> Callable[[], None]:
    own, peer = pair.fresh.dh.private.raw, pair.bob.dh.public.raw
    kem, kem_pair = pair.kem, pair.fresh.kem

    def bare() -> None:
        for _ in range(2):
            private = x448.X448PrivateKey.from_private_bytes(own)
            private.exchange(x448.X448PublicKey.from_public_bytes(peer))
            _hkdf()
        if kem is not None and kem_pair is not None:
            made = kem.encapsulate(kem_pair.public_key)
            kem.decapsulate(kem_pair, made.ciphertext)

    return bare


def _times(count: int, *works: Callable[[], object]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(count):
            for work in works:
                work()

    return repeated


def _sizes(pair: _Pair) -> tuple[int, int]:
    return (HEADER_PADDED if pair.kem is None else KEM_HEADER_PADDED, pair.padded_length)


# --- rows ---------------------------------------------------------------------------------------


def _encrypt(conditions: Conditions, kem: KEM | None) -> Figures:
    pair = _Pair.talking(kem)
    count = conditions.times(2000)
    return compare(count, _times(count, pair.sent), _times(count, _bare_seal(*_sizes(pair))))


def _decrypt(conditions: Conditions, kem: KEM | None) -> Figures:
    pair = _Pair.talking(kem)
    bob, key = advance_sending(pair.bob)
    alice = pair.received(key.encrypt(_MESSAGE, pair.padded_length)).ratchet
    pair = _Pair(alice, bob, kem, pair.fresh, pair.padded_length)
    message = pair.sent()
    count = conditions.times(2000)
    whole = _times(count, lambda: pair.received(message))
    return compare(count, whole, _times(count, _bare_open(*_sizes(pair))))


def _step(conditions: Conditions, kem: KEM | None) -> Figures:
    pair = _Pair.talking(kem)
    message = pair.sent()
    assert pair.received(message).dh_pair_used
    count = conditions.times(200)
    whole = _times(count, lambda: pair.received(message))
    return compare(count, whole, _times(count, _bare_open(*_sizes(pair)), _bare_step(pair)))


@ROWS.row()
def ratchet_encrypt(conditions: Conditions) -> Figures:
    """A message encrypted, padded to 15,840 bytes."""
    return _encrypt(conditions, None)


@ROWS.row()
def ratchet_encrypt_kem(conditions: Conditions) -> Figures:
    """The same with a KEM key in the header."""
    return _encrypt(conditions, load_kem())


@ROWS.row()
def ratchet_decrypt(conditions: Conditions) -> Figures:
    """A message of the present chain decrypted."""
    return _decrypt(conditions, None)


@ROWS.row()
def ratchet_decrypt_kem(conditions: Conditions) -> Figures:
    """The same with a KEM key in the header."""
    return _decrypt(conditions, load_kem())


@ROWS.row()
def ratchet_step(conditions: Conditions) -> Figures:
    """A message decrypted that begins a chain, so that a step of the ratchet is taken."""
    return _step(conditions, None)


@ROWS.row()
def ratchet_step_kem(conditions: Conditions) -> Figures:
    """The same with secrets of the KEM in both directions."""
    return _step(conditions, load_kem())


@ROWS.row()
def ratchet_store(conditions: Conditions) -> Figures:
    """A ratchet with a KEM key brought into bytes and back."""
    ratchet = _Pair.talking(load_kem()).alice
    encoded = ratchet.encode()
    count = conditions.times(2000)
    start = perf_counter()
    for _ in range(count):
        ratchet.encode()
        Ratchet.decode(encoded)
    return Figures.of_all(count, perf_counter() - start)
