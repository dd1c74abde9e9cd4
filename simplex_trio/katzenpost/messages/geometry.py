"""How much fits: the sizes that the daemon tells with its connection status.  Pure.

Only few of the numbers matter to a program.  The others, and those that later daemons add, are left
alone.
"""

from __future__ import annotations

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.wire.fields import Fields

__all__ = ["PigeonholeGeometry", "SphinxGeometry"]


@frozen
class SphinxGeometry:
    """The sizes of packets in the mixnet."""

    max_payload: int
    """Bytes of one message to a service."""
    packet_length: int = 0
    hops: int = 0

    @classmethod
    def read(cls, fields: Fields) -> SphinxGeometry:
        """From the daemon's map; raises `DecodeError`."""
        return cls(
            max_payload=_size(fields, "UserForwardPayloadLength"),
            packet_length=fields.unsigned("PacketLength"),
            hops=fields.unsigned("NrHops"),
        )


@frozen
class PigeonholeGeometry:
    """The sizes of boxes."""

    max_plaintext: int
    """Bytes of one message in a box."""

    @classmethod
    def read(cls, fields: Fields) -> PigeonholeGeometry:
        """From the daemon's map; raises `DecodeError`."""
        return cls(_size(fields, "MaxPlaintextPayloadLength"))


def _size(fields: Fields, key: str) -> int:
    size = fields.unsigned(key)
    if size == 0:
        raise DecodeError(f"{key} is missing")
    return size
