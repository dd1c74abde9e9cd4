"""The versions of XFTP, and names for what each of them added."""

from __future__ import annotations

from simplex_trio.wire.versions import VersionRange

__all__ = ["XFTP_VERSIONS", "XFTPVersion"]


class XFTPVersion:
    """The version that introduced each feature of XFTP."""

    FIRST = 1
    AUTHENTICATORS = 2
    """X25519 authenticators, and a password in FNEW."""
    BLOCKED_ERROR = 3


XFTP_VERSIONS = VersionRange(1, 3)
"""The versions of XFTP that this package supports, as client and as router."""
