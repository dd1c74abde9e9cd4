"""Into which packets a file is split.

Routers take four sizes.  A file uses two neighbouring ones of them, so that its packets tell little
about its size and padding does not waste much: a remainder of more than three quarters of the
bigger size takes one more of these.
"""

from __future__ import annotations

__all__ = ["PACKET_SIZES", "packet_sizes", "single_packet_size"]

KIB = 1024
MIB = 1024 * KIB

PACKET_SIZES = (64 * KIB, 256 * KIB, MIB, 4 * MIB)
"""The sizes that routers take unless their operators say otherwise."""


def _three_quarters(size: int) -> int:
    return size * 3 // 4


def _sizes_for(size: int) -> tuple[int, int]:
    """The two sizes that a file of ``size`` bytes uses, the small one first."""
    smallest, small, big, biggest = PACKET_SIZES
    if size > _three_quarters(biggest):
        return big, biggest
    if size > _three_quarters(big):
        return small, big
    return smallest, small


def packet_sizes(size: int) -> tuple[int, ...]:
    """The sizes of the packets, in order, for an encrypted file of at least ``size`` bytes.

    The file is padded up to their sum.  Raises `ValueError` for less than one byte.
    """
    if size < 1:
        raise ValueError("an encrypted file has at least one byte")
    small, big = _sizes_for(size)
    count, rest = divmod(size, big)
    if rest > _three_quarters(big):
        return (big,) * (count + 1)
    return (big,) * count + (small,) * -(-rest // small)


def single_packet_size(size: int) -> int | None:
    """The smallest packet that holds ``size`` bytes, if one does."""
    return next((each for each in PACKET_SIZES if each >= size), None)
