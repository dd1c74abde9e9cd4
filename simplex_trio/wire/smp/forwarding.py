"""The messages between proxy and relay about a forwarded command.

A client encrypts a transmission for the relay and sends it to the proxy (PFWD).  The proxy adds
what the relay needs to decrypt it, and encrypts all of it for its session with the relay (RFWD).
The answer comes back through the same two layers (RRES, PRES).  This module encodes the content of
the outer layer.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange

__all__ = ["PROXIED_VERSIONS", "FwdResponse", "FwdTransmission"]

PROXIED_VERSIONS: Final = VersionRange(SMPVersion.PROXY, SMP_VERSIONS.highest)
"""The versions that a proxy lets clients use with a relay, limited to those of the relay."""


@frozen(repr=False)
class FwdTransmission(Redacted):
    """A client's encrypted transmission for the relay.

    ``correlation_id`` is the client's, and the nonce of the encryption.  ``version`` is the one
    that the client encoded for, ``key`` the client's half of the key agreement with the relay.
    """

    correlation_id: bytes
    version: int
    key: X25519PublicKey
    sealed: bytes

    def encode(self) -> bytes:
        return short(self.correlation_id) + word16(self.version) + short(self.key.der) + self.sealed

    @classmethod
    def decode(cls, data: bytes) -> FwdTransmission:
        reader = Reader(data)
        return cls(
            correlation_id=reader.short(),
            version=reader.word16(),
            key=X25519PublicKey.from_der(reader.short()),
            sealed=reader.tail(),
        )


@frozen(repr=False)
class FwdResponse(Redacted):
    """The relay's encrypted answer, and the correlation id of the client's command."""

    correlation_id: bytes
    sealed: bytes

    def encode(self) -> bytes:
        return short(self.correlation_id) + self.sealed

    @classmethod
    def decode(cls, data: bytes) -> FwdResponse:
        reader = Reader(data)
        return cls(reader.short(), reader.tail())
