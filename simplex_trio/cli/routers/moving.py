"""``simplex-trio router copy``, ``export``, ``import``: what a router keeps, in another place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.moving_progress import showing_progress
from simplex_trio.cli.routers.store_places import StorePlace, open_file
from simplex_trio.cli.running import run
from simplex_trio.frozen import frozen
from simplex_trio.router.moving.copying import Destination, copy_everything
from simplex_trio.router.moving.export_file import new_export
from simplex_trio.router.moving.export_format import ExportHeader
from simplex_trio.router.moving.records import Tally
from simplex_trio.router.moving.server_folder import ServerReading
from simplex_trio.router.store.interface import Reading

__all__ = ["copy_", "export", "import_"]

StoreName = Annotated[
    str,
    Parameter(
        help="A store: the folder or the configuration of a router, the path of an SQLite file, or "
        "the URL of a database, `postgresql://…`."
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
    opened = partial(StorePlace.named(source).reading, accept_loss=accept_loss)
    there = StorePlace.named(target)
    _show(run(partial(_fill_store, opened, there, accept_loss=accept_loss, json=json)), json)


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
    _show(run(partial(_export, StorePlace.named(source), file, json=json)), json)


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
    opened = partial(open_file, source, accept_loss=accept_loss)
    there = StorePlace.named(target)
    _show(run(partial(_fill_store, opened, there, accept_loss=accept_loss, json=json)), json)


# --- the three commands -------------------------------------------------------------------------


@frozen
class _Copied:
    tally: Tally
    is_complete: bool
    left_out: dict[str, int]


async def _fill_store(
    opened: Callable[[], AbstractAsyncContextManager[Reading]],
    target: StorePlace,
    *,
    accept_loss: bool,
    json: bool,
) -> _Copied:
    async with opened() as reading:
        if not reading.is_complete and not accept_loss:
            raise CommandFailed(
                "The router or server was not stopped in order before this copy was made, so the "
                "new store would lack what comes after it. Stop it first, or say --accept-loss."
            )
        async with target.new() as new:
            return await _fill(reading, new, json=json)


async def _export(source: StorePlace, file: Path, *, json: bool) -> _Copied:
    async with source.reading(accept_loss=False) as reading:
        header = ExportHeader(reading.is_complete, reading.records)
        async with new_export(file, header) as new:
            return await _fill(reading, new, json=json)


async def _fill(reading: Reading, new: Destination, *, json: bool) -> _Copied:
    with showing_progress(json=json) as tell:
        tally = await copy_everything(reading, new, tell)
    left_out = reading.left_out if isinstance(reading, ServerReading) else {}
    return _Copied(tally, reading.is_complete, dict(left_out))


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
