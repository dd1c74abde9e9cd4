"""The versions of XFTP, and what each of them brought."""

from __future__ import annotations

from simplex_trio.wire.versions import VersionRange

__all__ = ["XFTP_VERSIONS", "XFTPVersion"]


class XFTPVersion:
    """What each version of XFTP brought."""

    FIRST = 1
    AUTHENTICATORS = 2
    """X25519 authenticators, and a password for FNEW."""
    BLOCKED_ERROR = 3


XFTP_VERSIONS = VersionRange(1, 3)
"""The versions of XFTP that this package speaks, as client and as router."""
