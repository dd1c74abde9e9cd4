"""Version ranges and their negotiation, and names for what each version of a protocol added.

Compare the agreed version with a name: ``version >= SMPVersion.SERVICES`` says why, ``version >=
16`` does not.
"""

from __future__ import annotations

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.wire.buffer import Reader, word16

__all__ = [
    "NTF_VERSIONS",
    "SMP_VERSIONS",
    "XFTP_VERSIONS",
    "NTFVersion",
    "SMPVersion",
    "VersionRange",
    "XFTPVersion",
]


@frozen
class VersionRange:
    """The versions from ``lowest`` to ``highest``, both included."""

    lowest: int
    highest: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= 0xFFFF:
            raise ValueError("a version range needs two 16-bit numbers in ascending order")

    def __contains__(self, version: int) -> bool:
        return self.lowest <= version <= self.highest

    def intersection(self, other: VersionRange) -> VersionRange | None:
        """Return the versions that both sides speak; its ``highest`` is the agreed version."""
        lowest = max(self.lowest, other.lowest)
        highest = min(self.highest, other.highest)
        return VersionRange(lowest, highest) if lowest <= highest else None

    def capped(self, version: int) -> VersionRange | None:
        """Return the range up to ``version``, which the peer chose; `None` if it is outside."""
        return VersionRange(self.lowest, version) if version in self else None

    def encode(self) -> bytes:
        return word16(self.lowest) + word16(self.highest)

    @classmethod
    def decode(cls, reader: Reader) -> VersionRange:
        lowest, highest = reader.word16(), reader.word16()
        if lowest > highest:
            raise DecodeError("a version range ends before it starts")
        return cls(lowest, highest)


class SMPVersion:
    """The version that introduced each feature of SMP; 6 is the oldest supported one."""

    CREATE_WITHOUT_SUBSCRIBING = 6
    AUTHENTICATORS = 7
    """X25519 authenticators; transmissions imply the session id and no longer carry it."""
    PROXY = 8
    SENDER_SECURES = 9
    """SKEY: the sender may secure a queue."""
    DELETED_EVENT = 10
    ENCRYPTED_BLOCKS = 11
    BLOCKED_ERROR = 12
    PROXY_FLAG = 14
    """A client's hello says whether it is a proxy."""
    SHORT_LINKS = 15
    SERVICES = 16
    """Service certificates; a service signature may follow the authorization."""
    NEW_WITH_NOTIFIER = 17
    BLOCKED_NOTICE = 18
    SERVICE_SUBSCRIPTIONS = 19
    """SUBS, NSUBS, SOKS and ENDS carry the count and hash of queue ids; messaging services."""
    NAMES = 20


class NTFVersion:
    """The version that introduced each feature of NTF."""

    FIRST = 1
    BATCHES = 2
    """Batches, the implied session id, and a signed key in the router's hello."""
    TOKEN_INVALID_REASON = 3


SMP_VERSIONS = VersionRange(6, 20)
"""The versions of SMP that this package supports, as client and as router."""

NTF_VERSIONS = VersionRange(1, 3)
"""The versions of NTF that this package supports."""


class XFTPVersion:
    """The version that introduced each feature of XFTP."""

    FIRST = 1
    AUTHENTICATORS = 2
    """X25519 authenticators, and a password in FNEW."""
    BLOCKED_ERROR = 3


XFTP_VERSIONS = VersionRange(1, 3)
"""The versions of XFTP that this package supports, as client and as router."""
