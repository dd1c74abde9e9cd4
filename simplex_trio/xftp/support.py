"""`require_support`: checks that the optional libraries are installed."""

from __future__ import annotations

from importlib.util import find_spec

from simplex_trio.crypto.libsodium import LIBSODIUM
from simplex_trio.xftp.errors import XFTPSupportMissing

__all__ = ["require_support"]

_NEEDED = ("h2", "Cryptodome") if LIBSODIUM is None else ("h2",)


def require_support() -> None:
    """Raise `XFTPSupportMissing` unless what XFTP needs is installed."""
    if not all(map(find_spec, _NEEDED)):
        raise XFTPSupportMissing(
            f"XFTP needs {' and '.join(_NEEDED)}: pip install 'simplex-trio[xftp]'"
        )
