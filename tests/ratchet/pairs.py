"""Two sides that have agreed on keys, for tests that make up their own conversations."""

from __future__ import annotations

from functools import cache

from attrs import define, field

from simplex_trio.ratchet.kem import KEMKeyPair
from simplex_trio.ratchet.receiving import Decrypted, decrypt
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import DHKeyPair, FreshKeys, Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from tests.ratchet.support import NOW, REAL

PADDED = 64


@cache
def kem_pair(number: int = 0) -> KEMKeyPair:
    """One of a few pairs, since they take long to make and are as good as new."""
    return REAL.generate()


def x3dh_keys(kem: KEMKeyPair | None = None) -> X3DHPrivateKeys:
    return X3DHPrivateKeys(DHKeyPair.generate(), DHKeyPair.generate(), kem)


@define
class Side:
    """One side, which keeps its state."""

    ratchet: Ratchet
    skipped: SkippedKeys = field(factory=SkippedKeys)
    max_version: int = 3
    now: int = NOW
    taken: int = 0

    def send(self, plaintext: bytes = b"message", *, kem: bool | None = None) -> bytes:
        self.ratchet, key = advance_sending(self.ratchet, kem=kem, max_version=self.max_version)
        return key.encrypt(plaintext, PADDED)

    def lose(self, count: int) -> None:
        """Send messages that never arrive."""
        for _ in range(count):
            self.ratchet = advance_sending(self.ratchet).ratchet

    def decrypt(self, message: bytes) -> Decrypted:
        """What a message would lead to."""
        fresh = FreshKeys(DHKeyPair.generate(), kem_pair(self.taken % 4))
        return decrypt(self.ratchet, self.skipped, message, fresh, REAL, now=self.now)

    def receive(self, message: bytes) -> bytes:
        done = self.decrypt(message)
        self.ratchet, self.skipped = done.ratchet, done.skipped
        self.taken += 1
        return done.plaintext


def two_sides(
    *,
    offered: bool = False,
    wanted: bool = False,
    version: int = 3,
    initiator_max: int = 3,
    joiner_max: int = 3,
) -> tuple[Side, Side]:
    """The initiator, who has or has not offered a KEM key, and the joiner, who wants it or not."""
    own = x3dh_keys(kem_pair(0) if offered else None)
    invitation = own.public(version)
    answer = x3dh_keys(kem_pair(1) if wanted else None).accepting(invitation, REAL)
    initiator = initiator_ratchet(
        own,
        answer.public(version),
        REAL,
        kem_supported=offered or wanted,
        max_version=initiator_max,
    )
    joiner = joiner_ratchet(answer, invitation, DHKeyPair.generate(), max_version=joiner_max)
    return Side(initiator, max_version=initiator_max), Side(joiner, max_version=joiner_max)


def talking(**settings: bool) -> tuple[Side, Side]:
    """Two sides after a message in each direction, and again."""
    alice, bob = two_sides(**settings)
    for _ in range(2):
        alice.receive(bob.send())
        bob.receive(alice.send())
    return alice, bob
