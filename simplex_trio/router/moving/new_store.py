"""`new_sqlite_store`: a store that is filled before a router can find it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from simplex_trio.errors import StoreUnavailable
from simplex_trio.router.moving.copying import Destination
from simplex_trio.router.store.interface import Filling, Reading
from simplex_trio.router.store.sqlite import SQLiteStore
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_file, sync_folder
from simplex_trio.storage.log_check import log_path
from simplex_trio.storage.mark import mark_path

__all__ = ["check_nothing_there", "new_sqlite_store"]


@asynccontextmanager
async def new_sqlite_store(path: Path) -> AsyncIterator[Destination]:
    """An empty store, which is to be in the file at ``path`` when it is kept.

    Until then it is in a folder beside it, and after the block that is gone.  Raises
    `StoreUnavailable` if there is a file at the path, or what belongs to one.  Cancelling takes
    effect between two steps, and leaves nothing at the path.
    """
    in_thread = trio.to_thread.run_sync
    await in_thread(check_nothing_there, path)
    folder = await in_thread(_folder_beside, path)
    try:
        file = folder / path.name
        store = await SQLiteStore.open(file)
        try:
            yield _NewStore(store, file, path)
        finally:
            await store.aclose()
    finally:
        with trio.CancelScope(shield=True):
            await in_thread(partial(shutil.rmtree, folder, ignore_errors=True))


class _NewStore(Destination):
    def __init__(self, store: SQLiteStore, file: Path, path: Path) -> None:
        self._store = store
        self._file = file
        self._path = path

    async def write(self, changes: Sequence[Filling]) -> None:
        await self._store.commit(changes)

    def reading(self) -> AbstractAsyncContextManager[Reading]:
        return self._store.reading()

    async def keep(self) -> None:
        await self._store.aclose()
        await trio.to_thread.run_sync(_put_in_place, self._file, self._path)


def check_nothing_there(path: Path) -> None:
    """Return if no store is at the path, nor what a store leaves behind."""
    with translated("the path of the copy"):
        for part in (path, log_path(path), mark_path(path)):
            if os.path.lexists(part):
                raise StoreUnavailable(
                    f"{part.name} is there already, and stays as it is"
                ) from FileExistsError()


def _folder_beside(path: Path) -> Path:
    with translated("the folder of the copy"):
        return Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}-"))


def _put_in_place(file: Path, path: Path) -> None:
    with translated("the copy"):
        if log_path(file).exists():
            raise StoreUnavailable("the log of the copy cannot be moved to where it belongs")
        sync_file(file)
        check_nothing_there(path)
        # It was closed in order, so that its mark is not needed; and a link replaces nothing.
        os.link(file, path)
        sync_folder(path.absolute().parent)
