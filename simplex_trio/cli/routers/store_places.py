"""Where commands that move a router's store find it, and where they make another.

A store in a file belongs to one process.  If that is a router, it is asked for a copy on its
control socket; a database is read in a snapshot, also while others use it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import waiting
from simplex_trio.cli.routers.messages import PROGRAM
from simplex_trio.errors import StoreLocked
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.moving.copying import Destination
from simplex_trio.router.moving.export_file import is_export, open_export
from simplex_trio.router.moving.new_postgres import new_postgres_store
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.moving.server_folder import find_store_log, open_server_folder
from simplex_trio.router.store.interface import Reading
from simplex_trio.router.store.postgres_reading import open_postgres_reading
from simplex_trio.router.store.sqlite import open_sqlite_store, read_backup
from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["StorePlace", "open_file"]

_BACKUP_SECONDS: Final = 24 * 3600
"""For a running router to copy its store; a disk writes some TB in that time."""


@frozen(repr=False)
class StorePlace(Redacted):
    """A store that was named on the command line."""

    place: Path | DatabaseURL
    control: Path | None = None
    """Where a router that has it open may be asked."""

    @classmethod
    def named(cls, name: str) -> StorePlace:
        """The store with this path or URL, or that of the router with this configuration."""
        if DatabaseURL.is_one(name):
            try:
                return cls(DatabaseURL.parse(name))
            except ValueError as exc:
                raise CommandFailed(f"This is no store: {exc}.", ExitCode.USAGE) from exc
        path = Path(name)
        if not path.is_dir() and path.suffix != ".toml":
            return cls(path, path.with_suffix(".sock"))
        config = PROGRAM.load(path)
        store: Path | DatabaseURL | None = config.store
        if store is None:
            raise CommandFailed(
                "This router has no store, for its configuration names none.", ExitCode.USAGE
            )
        return cls(store, PROGRAM.control_path(config, path))

    def new(self) -> AbstractAsyncContextManager[Destination]:
        """An empty store there."""
        if isinstance(self.place, DatabaseURL):
            return new_postgres_store(self.place)
        return new_sqlite_store(self.place)

    def reading(self, *, accept_loss: bool) -> AbstractAsyncContextManager[Reading]:
        """Read what is there, also while a router uses it."""
        if isinstance(self.place, DatabaseURL):
            return open_postgres_reading(self.place)
        return _read_store_file(self.place, self.control, accept_loss=accept_loss)


@asynccontextmanager
async def _read_store_file(
    path: Path, control: Path | None, *, accept_loss: bool
) -> AsyncIterator[Reading]:
    if not await trio.Path(path).exists():
        raise CommandFailed(f"There is no store at {path}.", ExitCode.USAGE)
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(
                open_sqlite_store(path, accept_loss=accept_loss)
            )
            reading = await stack.enter_async_context(store.reading())
        except StoreLocked:
            reading = await stack.enter_async_context(_copied_by_router(path, control))
        yield reading


@asynccontextmanager
async def _copied_by_router(path: Path, control: Path | None) -> AsyncIterator[Reading]:
    folder = await trio.to_thread.run_sync(_folder_beside, path)
    try:
        with waiting("the router copies its store"):
            await _ask_for_copy(control, folder.name)
        async with read_backup(folder / path.name) as reading:
            yield reading
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))


async def _ask_for_copy(control: Path | None, folder: str) -> None:
    try:
        if control is None:
            raise FileNotFoundError
        await ask_router(control, "back_up", _BACKUP_SECONDS, folder=folder)
    except ControlError as exc:
        raise CommandFailed(f"The router that has the store open says: {exc}.") from exc
    except OSError as exc:
        raise CommandFailed(
            "A program has the store open, and is no router that can be asked for a copy on its "
            "control socket; stop it first."
        ) from exc


def _folder_beside(store: Path) -> Path:
    """A folder in which the router may write, and no other user."""
    folder = Path(tempfile.mkdtemp(dir=store.parent, prefix=f".{store.name}-"))
    owner = store.stat()
    if hasattr(os, "chown") and folder.stat().st_uid != owner.st_uid:
        os.chown(folder, owner.st_uid, owner.st_gid)  # this is done by the administrator
    return folder


@asynccontextmanager
async def open_file(path: Path, *, accept_loss: bool) -> AsyncIterator[Reading]:
    """Read an export, or what the reference's server has left."""
    log = await trio.to_thread.run_sync(find_store_log, path)
    if log is not None:
        now = int(time.time())
        async with open_server_folder(log, now=now, accept_loss=accept_loss) as reading:
            yield reading
    elif await trio.Path(path).is_file() and await trio.to_thread.run_sync(is_export, path):
        async with open_export(path) as reading:
            yield reading
    else:
        raise CommandFailed(
            f"{path} is neither an export, nor a folder with the smp-server-store.log of "
            "smp-server.",
            ExitCode.USAGE,
        )
