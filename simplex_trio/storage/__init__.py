"""Databases and files that survive crashes, and the errors of every store.

Routers, transfers of files and the command line keep on it what outlives them.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

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
    "replace_file",
]

if TYPE_CHECKING:
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
    from simplex_trio.storage.files import replace_file
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.errors": (
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
            ),
            "simplex_trio.storage.files": ("replace_file",),
        },
    )
