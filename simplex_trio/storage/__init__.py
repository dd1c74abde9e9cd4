"""Databases and files that survive crashes, and the errors of every store.

Routers, transfers of files and the command line keep on it what outlives them.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "DatabaseURL",
    "EncryptionSupportMissing",
    "PostgresSupportMissing",
    "StoreConflict",
    "StoreCorrupted",
    "StoreError",
    "StoreFenced",
    "StoreForeign",
    "StoreFull",
    "StoreIncomplete",
    "StoreKeyWrong",
    "StoreLocked",
    "StoreLost",
    "StoreOutcomeUnknown",
    "StoreUnavailable",
    "replace_file",
]

if TYPE_CHECKING:
    from simplex_trio.errors import (
        EncryptionSupportMissing,
        PostgresSupportMissing,
        StoreConflict,
        StoreCorrupted,
        StoreError,
        StoreFenced,
        StoreForeign,
        StoreFull,
        StoreIncomplete,
        StoreKeyWrong,
        StoreLocked,
        StoreLost,
        StoreOutcomeUnknown,
        StoreUnavailable,
    )
    from simplex_trio.storage.files import replace_file
    from simplex_trio.storage.postgres.url import DatabaseURL
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.errors": (
                "EncryptionSupportMissing",
                "PostgresSupportMissing",
                "StoreConflict",
                "StoreCorrupted",
                "StoreError",
                "StoreFenced",
                "StoreForeign",
                "StoreFull",
                "StoreIncomplete",
                "StoreKeyWrong",
                "StoreLocked",
                "StoreLost",
                "StoreOutcomeUnknown",
                "StoreUnavailable",
            ),
            "simplex_trio.storage.files": ("replace_file",),
            "simplex_trio.storage.postgres.url": ("DatabaseURL",),
        },
    )
