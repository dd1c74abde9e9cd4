"""What a sender puts into SEND: an envelope around a message sealed for the recipient alone.

The router sees the envelope and nothing of the message.  A sender's first message, the
*confirmation*, brings the key that secures the queue inside, and its own half of the agreement on
the sealing key in the envelope; later ones bring neither.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPublicKey, X25519PublicKey, auth_public_key
from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe, short, word16

__all__ = ["ClientEnvelope", "ClientMessage"]


@frozen(repr=False)
class ClientEnvelope(Redacted):
    """The body of SEND.

    ``version`` is the one of the agreement between the two clients, not SMP's.
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
    """What the envelope's sealed part holds; only a confirmation has a ``sender_key``."""

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
                raise DecodeError("not a message between clients")

    def seal(self, key: BoxKey, nonce: bytes, padded_length: int) -> bytes:
        """The sealed part of an envelope.

        ``padded_length`` is `E2E_CONFIRMATION_PADDED` beside a key in the envelope and
        `E2E_MESSAGE_PADDED` otherwise, whichever header the message has.  `TooLarge` if the
        message does not fit.
        """
        return key.seal_padded(nonce, self.encode(), padded_length)

    @classmethod
    def open(cls, key: BoxKey, nonce: bytes, sealed: bytes) -> ClientMessage:
        """What `seal` sealed; `DecryptionFailed` or `DecodeError` if it is something else."""
        return cls.decode(key.open_padded(nonce, sealed))
