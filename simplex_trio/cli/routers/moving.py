"""``simplex-trio router copy``, ``export``, ``import``: what a router keeps, in another place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import trio
from cyclopts import Parameter

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.routers.messages import PROGRAM
from simplex_trio.cli.routers.moving_progress import showing_progress
from simplex_trio.cli.running import run
from simplex_trio.errors import StoreLocked
from simplex_trio.frozen import frozen
from simplex_trio.router.moving.copying import Destination, copy_everything
from simplex_trio.router.moving.export_file import is_export, new_export, open_export
from simplex_trio.router.moving.export_format import ExportHeader
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.moving.records import Tally
from simplex_trio.router.moving.server_folder import (
    ServerReading,
    find_store_log,
    open_server_folder,
)
from simplex_trio.router.store.interface import Reading
from simplex_trio.router.store.sqlite import open_sqlite_store, read_backup
from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError

__all__ = ["copy_", "export", "import_"]

_BACKUP_SECONDS: Final = 24 * 3600
"""For a running router to copy its store; a disk writes some TB in that time."""

StoreName = Annotated[
    str,
    Parameter(
        help="A store: the folder or the configuration of a router, or the path of an SQLite file."
    ),
]

AcceptMissing = Annotated[
    Flag,
    Parameter(
        name="--accept-loss",
        help="Also take what is known to lack something: a router that runs on meanwhile, an "
        "export of one, a store without its last commits, a server's files with lines that cannot "
        "be read.",
    ),
]


def copy_(
    source: StoreName,
    target: StoreName,
    /,
    *,
    accept_loss: AcceptMissing = False,
    json: AsJson = False,
) -> None:
    """Copy the store of a router to another place, or into another kind of store.

    Nothing may be there. The copy is read again and compared before it gets its name, and an
    interrupted one leaves nothing.

    Parameters
    ----------
    source
        The store to copy.
    target
        Where to.
    """
    there = _Store.named(target)
    _show(
        run(partial(_copy, _Store.named(source), there, accept_loss=accept_loss, json=json)), json
    )


def export(source: StoreName, file: Path, /, *, json: AsJson = False) -> None:
    """Write everything that a router keeps to a file, which import reads; also while it runs.

    The file has the messages, and all that the router's store says about its users. It can be read
    by its owner only; keep it so.

    Parameters
    ----------
    source
        The store to export.
    file
        The file to write, which must not be there.
    """
    _show(run(partial(_export, _Store.named(source), file, json=json)), json)


def import_(
    source: Path,
    target: StoreName,
    /,
    *,
    accept_loss: AcceptMissing = False,
    json: AsJson = False,
) -> None:
    """Fill a new store from an export, or from what smp-server has left in its folder.

    smp-server must be stopped: it writes the messages that it has in memory when it stops. Its
    folder stays as it is.

    Parameters
    ----------
    source
        The file that export has written; or the folder with smp-server-store.log.
    target
        Where to.
    """
    there = _Store.named(target)
    _show(run(partial(_import, source, there, accept_loss=accept_loss, json=json)), json)


# --- the three commands -------------------------------------------------------------------------


@frozen
class _Copied:
    tally: Tally
    is_complete: bool
    left_out: dict[str, int]


async def _copy(source: _Store, target: _Store, *, accept_loss: bool, json: bool) -> _Copied:
    async with source.reading(accept_loss=accept_loss) as reading:
        _check_complete(reading, accept_loss=accept_loss)
        async with target.new() as new:
            return await _fill(reading, new, json=json)


async def _export(source: _Store, file: Path, *, json: bool) -> _Copied:
    async with source.reading(accept_loss=False) as reading:
        header = ExportHeader(reading.is_complete, reading.records)
        async with new_export(file, header) as new:
            return await _fill(reading, new, json=json)


async def _import(source: Path, target: _Store, *, accept_loss: bool, json: bool) -> _Copied:
    async with _open_file(source, accept_loss=accept_loss) as reading:
        _check_complete(reading, accept_loss=accept_loss)
        async with target.new() as new:
            return await _fill(reading, new, json=json)


async def _fill(reading: Reading, new: Destination, *, json: bool) -> _Copied:
    with showing_progress(json=json) as tell:
        tally = await copy_everything(reading, new, tell)
    left_out = reading.left_out if isinstance(reading, ServerReading) else {}
    return _Copied(tally, reading.is_complete, dict(left_out))


def _check_complete(reading: Reading, *, accept_loss: bool) -> None:
    if not reading.is_complete and not accept_loss:
        raise CommandFailed(
            "What comes after this copy would be missing from the new store: the router or server "
            "was not stopped in order before it. Stop it first, or say --accept-loss."
        )


def _show(copied: _Copied, json: bool) -> None:
    tally = copied.tally
    if json:
        print_json(
            {
                "counts": tally.counts,
                "checksums": tally.checksums,
                "complete": copied.is_complete,
                "left_out": copied.left_out,
            }
        )
        return
    for name, count in tally.counts.items():
        say(f"{name:<16}{count:>12,}")
    for name, count in copied.left_out.items():
        say(f"Left out: {count:,} {name}.")
    say("All of it was read again, and is the same.")
    if not copied.is_complete:
        say("It is as the router was at the beginning; what came since is not in it.")


# --- places -------------------------------------------------------------------------------------


@frozen
class _Store:
    """A store that was named on the command line."""

    path: Path
    control: Path | None
    """Where a router that has it open may be asked."""

    @classmethod
    def named(cls, name: str) -> _Store:
        path = Path(name)
        if path.is_dir() or path.suffix == ".toml":
            config = PROGRAM.load(path)
            if config.store is None:
                raise CommandFailed(
                    "This router has no store, for its configuration names none.", ExitCode.USAGE
                )
            if not isinstance(config.store, Path):
                raise CommandFailed(
                    "The store of this router is a database; this command is for files.",
                    ExitCode.USAGE,
                )
            return cls(config.store, PROGRAM.control_path(config, path))
        return cls(path, path.with_suffix(".sock"))

    def new(self) -> AbstractAsyncContextManager[Destination]:
        return new_sqlite_store(self.path)

    @asynccontextmanager
    async def reading(self, *, accept_loss: bool) -> AsyncIterator[Reading]:
        """Read the store, or a copy that the router makes which has it open."""
        if not await trio.Path(self.path).exists():
            raise CommandFailed(f"There is no store at {self.path}.", ExitCode.USAGE)
        async with AsyncExitStack() as stack:
            try:
                store = await stack.enter_async_context(
                    open_sqlite_store(self.path, accept_loss=accept_loss)
                )
                reading = await stack.enter_async_context(store.reading())
            except StoreLocked:
                reading = await stack.enter_async_context(self._copied_by_router())
            yield reading

    @asynccontextmanager
    async def _copied_by_router(self) -> AsyncIterator[Reading]:
        folder = await trio.to_thread.run_sync(_folder_beside, self.path)
        try:
            with waiting("the router copies its store"):
                await self._ask_for_copy(folder.name)
            async with read_backup(folder / self.path.name) as reading:
                yield reading
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))

    async def _ask_for_copy(self, folder: str) -> None:
        try:
            if self.control is None:
                raise FileNotFoundError
            await ask_router(self.control, "back_up", _BACKUP_SECONDS, folder=folder)
        except ControlError as exc:
            raise CommandFailed(f"The router that has the store open says: {exc}.") from exc
        except OSError as exc:
            raise CommandFailed(
                "A program has the store open, and is no router that can be asked for a copy on "
                "its control socket; stop it first."
            ) from exc


def _folder_beside(store: Path) -> Path:
    """A folder in which the router may write, and no other user."""
    folder = Path(tempfile.mkdtemp(dir=store.parent, prefix=f".{store.name}-"))
    owner = store.stat()
    if hasattr(os, "chown") and folder.stat().st_uid != owner.st_uid:
        os.chown(folder, owner.st_uid, owner.st_gid)  # this is done by the administrator
    return folder


@asynccontextmanager
async def _open_file(path: Path, *, accept_loss: bool) -> AsyncIterator[Reading]:
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
