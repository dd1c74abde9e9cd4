"""Databases and files that survive crashes, and the errors of every store.

Routers, transfers of files and the command line keep on it what outlives them.
"""

from simplex_trio.errors import (
    EncryptionSupportMissing,
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreForeign,
    StoreFull,
    StoreIncomplete,
    StoreKeyWrong,
    StoreLocked,
    StoreUnavailable,
)

__all__ = [
    "EncryptionSupportMissing",
    "StoreConflict",
    "StoreCorrupted",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreIncomplete",
    "StoreKeyWrong",
    "StoreLocked",
    "StoreUnavailable",
]
