"""The body of SEND: an envelope around a message that is encrypted for the recipient.

The router sees the envelope, but not the message.  A sender's first message, the *confirmation*,
contains the key that secures the queue, and its envelope has the sender's half of the key
agreement; later messages have neither.
"""

from __future__ import annotations

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPublicKey, X25519PublicKey, auth_public_key
from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe, short, word16

__all__ = ["ClientEnvelope", "ClientMessage"]


@frozen(repr=False)
class ClientEnvelope(Redacted):
    """The body of SEND.

    ``version`` is that of the agreement between the two clients, not SMP's.
    """

    version: int
    dh_key: X25519PublicKey | None
    nonce: bytes
    sealed: bytes

    def encode(self) -> bytes:
        if len(self.nonce) != NONCE_SIZE:
            raise EncodeError(f"a nonce has {NONCE_SIZE} bytes")
        key = maybe(self.dh_key, lambda key: short(key.der))
        return word16(self.version) + key + self.nonce + self.sealed

    @classmethod
    def decode(cls, data: bytes) -> ClientEnvelope:
        reader = Reader(data)
        return cls(
            version=reader.word16(),
            dh_key=reader.maybe(lambda: X25519PublicKey.from_der(reader.short())),
            nonce=reader.take(NONCE_SIZE),
            sealed=reader.tail(),
        )


@frozen(repr=False)
class ClientMessage(Redacted):
    """The encrypted part of the envelope; only a confirmation has a ``sender_key``."""

    sender_key: AuthPublicKey | None
    body: bytes

    def encode(self) -> bytes:
        if self.sender_key is None:
            return b"_" + self.body
        return b"K" + short(self.sender_key.der) + self.body

    @classmethod
    def decode(cls, data: bytes) -> ClientMessage:
        reader = Reader(data)
        match reader.take(1):
            case b"_":
                return cls(None, reader.tail())
            case b"K":
                return cls(auth_public_key(reader.short()), reader.tail())
            case _:
                raise DecodeError("not a client message")

    def seal(self, key: BoxKey, nonce: bytes, padded_length: int) -> bytes:
        """Encrypt the message for an envelope.

        ``padded_length`` is `E2E_CONFIRMATION_PADDED` if the envelope has a key and
        `E2E_MESSAGE_PADDED` otherwise, regardless of ``sender_key``.  Raises `TooLarge` if the
        message does not fit.
        """
        return key.seal_padded(nonce, self.encode(), padded_length)

    @classmethod
    def open(cls, key: BoxKey, nonce: bytes, sealed: bytes) -> ClientMessage:
        """Decrypt what `seal` encrypted; otherwise raise `DecryptionFailed` or `DecodeError`."""
        return cls.decode(key.open_padded(nonce, sealed))
