"""The step for each message that is sent, split in two.

`advance_sending` takes the step and gives a `SendingKey`: all that it takes to encrypt one message.
It can be stored beside the message, which is encrypted when it is sent, and once more if it is sent
again.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple, final

from attrs import evolve

from simplex_trio.crypto.padding import pad
from simplex_trio.frozen import frozen
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.errors import CannotSendYet
from simplex_trio.ratchet.headers import (
    EncryptedHeader,
    EncryptedMessage,
    MessageHeader,
    padded_header_length,
)
from simplex_trio.ratchet.kdf import SYMMETRIC_KEY_SIZE, chain_step
from simplex_trio.ratchet.state import (
    LAST_MESSAGE_NUMBER,
    RATCHET_VERSIONS,
    STATE_VERSION,
    OwnKEM,
    Ratchet,
    SendingChain,
    check_stored_version,
)
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large, short, word16
from simplex_trio.wire.duplex.x3dh_keys import (
    KEMAcceptance,
    KEMParameters,
    KEMProposal,
    RatchetVersion,
)

__all__ = ["Prepared", "SendingKey", "advance_sending"]


@final
@frozen(repr=False, eq=False)
class SendingKey(Redacted):
    """All that it takes to encrypt one message; comparing two of them takes constant time.

    It is for one message and no other: two different ones under the same key would give away
    both.
    """

    version: int
    message_key: bytes
    iv: bytes
    associated_data: bytes
    encrypted_header: bytes

    def encrypt(self, message: bytes, padded_length: int) -> bytes:
        """The message as envelopes hold it; `TooLarge` if it does not fit when padded."""
        padded = pad(message, padded_length)
        covered = self.associated_data + self.encrypted_header
        sealed = aead.seal(self.message_key, self.iv, padded, covered)
        return EncryptedMessage(self.encrypted_header, sealed).encode(self.version)

    def encode(self) -> bytes:
        """The bytes to store; `decode` reads them."""
        return b"".join(
            (
                bytes((STATE_VERSION,)),
                word16(self.version),
                self.message_key,
                self.iv,
                short(self.associated_data),
                large(self.encrypted_header),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> SendingKey:
        """Read stored bytes.

        Raises `DecodeError`, and `LaterStateVersion` where they were stored by a later version of
        this package.
        """
        reader = Reader(data)
        check_stored_version(reader)
        key = cls(
            version=reader.word16(),
            message_key=reader.take(SYMMETRIC_KEY_SIZE),
            iv=reader.take(aead.IV_SIZE),
            associated_data=reader.short(),
            encrypted_header=reader.large(),
        )
        reader.end()
        return key

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SendingKey):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    def __hash__(self) -> int:
        return hash(self.encode())


class Prepared(NamedTuple):
    """The outcome of `advance_sending`."""

    ratchet: Ratchet
    """The next state; its ``kem_sending`` says whether the message has the KEM's protection."""
    key: SendingKey


def advance_sending(
    ratchet: Ratchet, *, kem: bool | None = None, max_version: int = RATCHET_VERSIONS.highest
) -> Prepared:
    """Take the step for one message.

    ``kem`` switches the KEM on or off from the next step on that both sides take; `None` leaves it
    as it is.  ``max_version`` is the highest version that this side speaks.  Raises
    `CannotSendYet` before the initiator's first message has come.
    """
    sending = ratchet.sending
    if sending is None:
        raise CannotSendYet("nothing can be sent before the other side's first message")
    if sending.count == LAST_MESSAGE_NUMBER:
        raise CannotSendYet("the other side has to answer before this many messages")
    version = ratchet.version
    enabled = ratchet.kem_enabled if kem is None else kem
    supported = ratchet.kem_supported or (enabled and version >= RatchetVersion.KEM)
    announced = max(max_version, RatchetVersion.KEM if kem else version)
    own_kem = ratchet.kem
    chain_key, message_key, iv, header_iv = chain_step(sending.chain_key)
    # A KEM that is switched off here is still in this header: recorded conversations have it so.
    header = MessageHeader(
        announced, ratchet.dh.public, _shown(own_kem), ratchet.previous_count, sending.count
    )
    padded = pad(header.encode(version), padded_header_length(version, supported))
    sealed = aead.seal(sending.header_key, header_iv, padded, ratchet.associated_data)
    encrypted_header = EncryptedHeader(version, header_iv, sealed).encode()
    key = SendingKey(version, message_key, iv, ratchet.associated_data, encrypted_header)
    if kem is not None or announced != ratchet.max_version or supported != ratchet.kem_supported:
        if kem is False and own_kem is not None:
            own_kem = OwnKEM(own_kem.pair, None)
        ratchet = evolve(
            ratchet,
            max_version=announced,
            kem=own_kem,
            kem_supported=supported,
            kem_enabled=enabled,
        )
    chain = SendingChain(sending.peer_key, chain_key, sending.header_key, sending.count + 1)
    return Prepared(ratchet.with_sending(chain), key)


def _shown(kem: OwnKEM | None) -> KEMParameters | None:
    """What a header shows of this side's KEM key."""
    if kem is None:
        return None
    if kem.accepted is None:
        return KEMProposal(kem.pair.public_key)
    return KEMAcceptance(kem.accepted.encapsulation.ciphertext, kem.pair.public_key)
