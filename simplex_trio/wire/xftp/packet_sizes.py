"""How a file is split into packets.

Routers accept four sizes.  A file uses two adjacent ones of them, so that its packets reveal little
about its size and padding wastes little: a remainder of more than three quarters of the larger size
takes another packet of that size.
"""

from __future__ import annotations

__all__ = ["PACKET_SIZES", "packet_sizes", "single_packet_size"]

KIB = 1024
MIB = 1024 * KIB

PACKET_SIZES = (64 * KIB, 256 * KIB, MIB, 4 * MIB)
"""The sizes that routers accept unless configured otherwise."""


def _three_quarters(size: int) -> int:
    return size * 3 // 4


def _sizes_for(size: int) -> tuple[int, int]:
    """Return the two sizes for a file of ``size`` bytes, the smaller one first."""
    smallest, small, big, biggest = PACKET_SIZES
    if size > _three_quarters(biggest):
        return big, biggest
    if size > _three_quarters(big):
        return small, big
    return smallest, small


def packet_sizes(size: int) -> tuple[int, ...]:
    """Return the sizes of the packets, in order, for an encrypted file of at least ``size`` bytes.

    The file is padded to their sum.  Raises `ValueError` for less than one byte.
    """
    if size < 1:
        raise ValueError("an encrypted file has at least one byte")
    small, big = _sizes_for(size)
    count, rest = divmod(size, big)
    if rest > _three_quarters(big):
        return (big,) * (count + 1)
    return (big,) * count + (small,) * -(-rest // small)


def single_packet_size(size: int) -> int | None:
    """Return the size of the smallest packet that holds ``size`` bytes, or `None`."""
    return next((each for each in PACKET_SIZES if each >= size), None)
