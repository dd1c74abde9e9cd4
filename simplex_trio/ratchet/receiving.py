"""The step for each message that comes in, split where it is known which fresh keys it takes.

`open_header` finds out which key a message was encrypted with, and `OpenedHeader.decrypt` takes the
step; `decrypt` is both in one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import final

from attrs import evolve

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.crypto.padding import unpad
from simplex_trio.errors import CryptoError, DecodeError, DecryptionFailed
from simplex_trio.frozen import frozen
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.errors import (
    BodyNotAuthentic,
    DuplicateMessage,
    EarlierMessage,
    KEMMismatch,
    MalformedMessage,
    TooManySkipped,
    UnknownHeader,
)
from simplex_trio.ratchet.headers import EncryptedHeader, EncryptedMessage, MessageHeader
from simplex_trio.ratchet.kdf import chain_step, root_step
from simplex_trio.ratchet.kem import KEM, AcceptedKEM
from simplex_trio.ratchet.skipped import MAX_SKIPPED_AT_ONCE, SkippedKey, SkippedKeys
from simplex_trio.ratchet.state import (
    DHKeyPair,
    FreshKeys,
    OwnKEM,
    Ratchet,
    ReceivingChain,
    SendingChain,
)
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.x3dh_keys import KEMAcceptance, RatchetVersion

__all__ = ["Decrypted", "MessageChain", "OpenedHeader", "decrypt", "open_header"]


class MessageChain(Enum):
    """Where the key of a message comes from."""

    SKIPPED = auto()
    """It was made before, when a later message overtook this one."""
    PRESENT = auto()
    """The chain of the last message."""
    NEXT = auto()
    """A new chain: the other side has taken a step, and so does this one."""


@final
@frozen(repr=False)
class Decrypted(Redacted):
    """The outcome of a message that came in."""

    plaintext: bytes
    ratchet: Ratchet
    """The next state; its ``kem_receiving`` says whether messages have the KEM's protection."""
    skipped: SkippedKeys
    """The next state of the skipped keys; `SkippedKeys.changes_since` says what is different."""
    dh_pair_used: bool
    """Whether the fresh keys for Diffie-Hellman are in the new state now."""
    kem_pair_used: bool
    """Whether the fresh keys of the KEM are."""


@final
@frozen(repr=False)
class OpenedHeader(Redacted):
    """A message whose header is authentic, and whose key can be made."""

    chain: MessageChain
    _ratchet: Ratchet
    _skipped: SkippedKeys
    _header: MessageHeader
    _message: EncryptedMessage
    _skipped_key: SkippedKey | None
    _now: int

    @property
    def needs_dh_pair(self) -> bool:
        """Whether `decrypt` needs a fresh pair for Diffie-Hellman."""
        return self.chain is MessageChain.NEXT

    @property
    def needs_kem_pair(self) -> bool:
        """Whether `decrypt` needs a fresh pair of the KEM."""
        if self.chain is not MessageChain.NEXT or not _kem_enabled(self._ratchet):
            return False
        return self._header.kem is not None or self._ratchet.kem is None

    def decrypt(self, fresh: FreshKeys | None, kem: KEM | None) -> Decrypted:
        """Take the step.

        ``fresh`` is used as far as `needs_dh_pair` and `needs_kem_pair` say, and must be there for
        that; ``kem`` may be `None` where this side never enables it.  `ValueError` if either is
        missing, and a `RatchetError` if the message cannot be decrypted.
        """
        key = self._skipped_key
        if key is not None:
            plaintext = self._open(key.message_key, key.iv)
            left = self._skipped.without(key.header_key, key.number)
            return Decrypted(plaintext, self._ratchet, left, False, False)
        ratchet, header = self._ratchet, self._header
        made: list[SkippedKey] = []
        stepping = self.chain is MessageChain.NEXT
        kem_pair_used = self.needs_kem_pair
        if stepping:
            if fresh is None or (kem_pair_used and fresh.kem is None):
                raise ValueError("this message needs fresh keys")
            if ratchet.receiving is not None:
                made = _skip(ratchet.receiving, header.previous_count, self._now)[1]
            ratchet = _step(ratchet, header, fresh, kem)
        chain = ratchet.receiving
        assert chain is not None
        if header.number != chain.count:
            chain, more = _skip(chain, header.number, self._now)
            made = made + more
        chain_key, message_key, iv, _ = chain_step(chain.chain_key)
        plaintext = self._open(message_key, iv)
        return Decrypted(
            plaintext,
            ratchet.with_receiving(ReceivingChain(chain_key, chain.header_key, chain.count + 1)),
            self._skipped.with_added(made) if made else self._skipped,
            stepping,
            kem_pair_used,
        )

    def _open(self, message_key: bytes, iv: bytes) -> bytes:
        message = self._message
        covered = self._ratchet.associated_data + message.header
        try:
            return unpad(aead.open_sealed(message_key, iv, message.sealed, covered))
        except DecryptionFailed as exc:
            raise BodyNotAuthentic("the body of a message is not authentic") from exc
        except DecodeError as exc:
            raise MalformedMessage("the body of a message is not padded") from exc


def decrypt(
    ratchet: Ratchet,
    skipped: SkippedKeys,
    message: bytes,
    fresh: FreshKeys | None,
    kem: KEM | None,
    *,
    now: int,
) -> Decrypted:
    """Decrypt a message; see `open_header` and `OpenedHeader.decrypt`."""
    return open_header(ratchet, skipped, message, now=now).decrypt(fresh, kem)


def open_header(
    ratchet: Ratchet, skipped: SkippedKeys, message: bytes, *, now: int
) -> OpenedHeader:
    """Find out which key a message was encrypted with.

    ``now`` is in whole seconds of a clock that goes on when the program does not run; keys that
    were skipped too long ago are left out.  Raises a `RatchetError` whose class says why the
    message cannot be decrypted.
    """
    try:
        encrypted = EncryptedMessage.decode(message)
        encrypted_header = EncryptedHeader.decode(encrypted.header)
    except DecodeError as exc:
        raise MalformedMessage("not a message of a ratchet") from exc
    live = skipped.unexpired(now)
    header_key, header = _open_header(ratchet, live, encrypted_header)
    key = live.find(header_key, header.number)
    receiving = ratchet.receiving
    if key is not None:
        chain = MessageChain.SKIPPED
    elif receiving is not None and header_key == receiving.header_key:
        chain = MessageChain.PRESENT
        _check_number(receiving.count, header.number)
        ratchet = _upgraded(ratchet, header)
    elif header_key == ratchet.next_receiving_header_key:
        chain = MessageChain.NEXT
        if receiving is not None:
            _check_number(receiving.count, header.previous_count)
        _check_number(0, header.number)
        ratchet = _upgraded(ratchet, header)
        if isinstance(header.kem, KEMAcceptance) and ratchet.kem is None:
            raise KEMMismatch("the other side accepts a KEM key that there is not")
    else:
        raise EarlierMessage(None)
    return OpenedHeader(chain, ratchet, live, header, encrypted, key, now)


# --- headers ------------------------------------------------------------------------------------


def _open_header(
    ratchet: Ratchet, skipped: SkippedKeys, encrypted: EncryptedHeader
) -> tuple[bytes, MessageHeader]:
    """The key that opens the header, and what is in it."""
    iv, sealed, associated_data = encrypted.iv, encrypted.sealed, ratchet.associated_data
    for header_key in (*_likely_keys(ratchet), *skipped.header_keys):
        try:
            padded = aead.open_sealed(header_key, iv, sealed, associated_data)
        except DecryptionFailed:
            continue
        try:
            return header_key, MessageHeader.decode(unpad(padded), encrypted.version)
        except DecodeError as exc:
            raise MalformedMessage("the header of a message cannot be read") from exc
    raise UnknownHeader("no key opens the header of a message")


def _likely_keys(ratchet: Ratchet) -> tuple[bytes, ...]:
    """The header keys of the present chain and of the next."""
    if ratchet.receiving is None:
        return (ratchet.next_receiving_header_key,)
    return ratchet.receiving.header_key, ratchet.next_receiving_header_key


def _check_number(expected: int, number: int) -> None:
    """Raise unless the message with this number may be the next one of a chain."""
    ahead = number - expected
    if ahead == -1:
        raise DuplicateMessage("the last message has come again")
    if ahead < 0:
        raise EarlierMessage(-ahead - 1)
    if ahead > MAX_SKIPPED_AT_ONCE:
        raise TooManySkipped(ahead + 1)


def _upgraded(ratchet: Ratchet, header: MessageHeader) -> Ratchet:
    """The ratchet in the highest version that both sides speak, if that is higher than before."""
    version = min(header.max_version, ratchet.max_version)
    return evolve(ratchet, version=version) if version > ratchet.version else ratchet


# --- steps --------------------------------------------------------------------------------------


def _skip(chain: ReceivingChain, until: int, now: int) -> tuple[ReceivingChain, list[SkippedKey]]:
    """The chain at the message with this number, and the keys of those before it."""
    chain_key, skipped = chain.chain_key, []
    for number in range(chain.count, until):
        chain_key, message_key, iv, _ = chain_step(chain_key)
        skipped.append(SkippedKey(chain.header_key, number, message_key, iv, now))
    return ReceivingChain(chain_key, chain.header_key, until), skipped


def _step(ratchet: Ratchet, header: MessageHeader, fresh: FreshKeys, kem: KEM | None) -> Ratchet:
    """The ratchet with new chains in both directions."""
    received_secret, sent_secret, own_kem = _kem_step(ratchet, header, fresh, kem)
    agreed = _exchange(ratchet.dh, header.dh_key)
    root_key, receiving_key, next_receiving = root_step(ratchet.root_key, agreed, received_secret)
    agreed = _exchange(fresh.dh, header.dh_key)
    root_key, sending_key, next_sending = root_step(root_key, agreed, sent_secret)
    enabled = own_kem is not None or received_secret is not None or sent_secret is not None
    return evolve(
        ratchet,
        dh=fresh.dh,
        kem=own_kem,
        kem_supported=ratchet.kem_supported or (enabled and ratchet.version >= RatchetVersion.KEM),
        kem_enabled=enabled,
        kem_sending=sent_secret is not None,
        kem_receiving=received_secret is not None,
        root_key=root_key,
        next_sending_header_key=next_sending,
        next_receiving_header_key=next_receiving,
        previous_count=0 if ratchet.sending is None else ratchet.sending.count,
        sending=SendingChain(header.dh_key, sending_key, ratchet.next_sending_header_key, 0),
        receiving=ReceivingChain(receiving_key, ratchet.next_receiving_header_key, 0),
    )


def _exchange(own: DHKeyPair, peer: X448PublicKey) -> bytes:
    try:
        return own.private.exchange(peer)
    except CryptoError as exc:
        raise MalformedMessage("the other side's key is degenerate") from exc


def _kem_enabled(ratchet: Ratchet) -> bool:
    return ratchet.kem_enabled and ratchet.version >= RatchetVersion.KEM


def _kem_step(
    ratchet: Ratchet, header: MessageHeader, fresh: FreshKeys, kem: KEM | None
) -> tuple[bytes | None, bytes | None, OwnKEM | None]:
    """The secret of what is received, that of what is sent, and this side's next KEM key."""
    enabled = _kem_enabled(ratchet)
    if header.kem is None:
        # The other side has it off.  Having been on here too until now is the end of it; if it
        # was switched on here since, this side proposes.
        if ratchet.kem is None and enabled and fresh.kem is not None:
            return None, None, OwnKEM(fresh.kem, None)
        return None, None, None
    received_secret = None
    if isinstance(header.kem, KEMAcceptance):
        assert ratchet.kem is not None  # as `open_header` has made sure
        received_secret = _needed(kem).decapsulate(ratchet.kem.pair, header.kem.ciphertext)
    if not enabled or fresh.kem is None:
        return received_secret, None, None
    encapsulation = _needed(kem).encapsulate(header.kem.public_key)
    accepted = AcceptedKEM(header.kem.public_key, encapsulation)
    return received_secret, encapsulation.shared_secret, OwnKEM(fresh.kem, accepted)


def _needed(kem: KEM | None) -> KEM:
    if kem is None:
        raise ValueError("this message needs a KEM")
    return kem
