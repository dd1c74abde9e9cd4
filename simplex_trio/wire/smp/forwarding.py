"""What a proxy and a relay say to each other about a command that the proxy passes on.

A client seals a transmission for the relay and hands it to the proxy (PFWD); the proxy adds what
the relay needs to open it, seals that once more for its session with the relay (RFWD), and takes
the answer back through the same two layers (RRES, PRES).  Here is the inner side of the outer
layer.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange

__all__ = ["PROXIED_VERSIONS", "FwdResponse", "FwdTransmission"]

PROXIED_VERSIONS: Final = VersionRange(SMPVersion.PROXY, SMP_VERSIONS.highest)
"""The versions that a proxy lets its clients speak to a relay, cut by what the relay speaks."""


@frozen(repr=False)
class FwdTransmission(Redacted):
    """A client's sealed transmission on its way to the relay.

    ``correlation_id`` is the client's, and the nonce of what is sealed; ``version`` is the one that
    the client encoded for, ``key`` its half of the agreement with the relay.
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
    """The relay's sealed answer, with the correlation id that it answers."""

    correlation_id: bytes
    sealed: bytes

    def encode(self) -> bytes:
        return short(self.correlation_id) + self.sealed

    @classmethod
    def decode(cls, data: bytes) -> FwdResponse:
        reader = Reader(data)
        return cls(reader.short(), reader.tail())
