"""`open_store`: the store that a configuration names, in a file or in a database."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["open_store"]


def open_store(
    place: Path | DatabaseURL, *, accept_loss: bool = False, standby: bool = False
) -> AbstractAsyncContextManager[Store]:
    """Open a store as `open_sqlite_store` or `open_postgres_store` does.

    A database has no commits that can be missing, so ``accept_loss`` is for files.
    """
    if isinstance(place, DatabaseURL):
        return open_postgres_store(place, standby=standby)
    return open_sqlite_store(place, accept_loss=accept_loss, standby=standby)
