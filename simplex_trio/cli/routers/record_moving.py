"""``simplex-trio xftp router move-records``: records go from a folder to a database."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from secrets import token_bytes

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.files import PROGRAM
from simplex_trio.cli.routers.moving_progress import showing_progress
from simplex_trio.cli.running import run
from simplex_trio.router.moving.copying import Progress
from simplex_trio.xftp.router.records.moving import move_records
from simplex_trio.xftp.router.storage import RECORDS

__all__ = ["move_records_"]


def move_records_(config: Path, /, *, json: AsJson = False) -> None:
    """Move the records of a router for files to the database that its configuration names.

    The router must be stopped. Its packets stay where they are. The file with the records stays,
    too, under another name.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    loaded = PROGRAM.load(config)
    if loaded.store is None or loaded.records is None:
        raise CommandFailed(
            "The configuration of this router names no database: its records need to be, as in "
            'records = "postgresql://…".',
            ExitCode.USAGE,
        )
    with showing_progress(json=json) as tell:
        counts = run(
            partial(
                move_records,
                loaded.store / RECORDS,
                loaded.records,
                token_bytes,
                tell=lambda done, of: tell(Progress("copying", done, of)),
            )
        )
    recipients = counts.rows - counts.packets
    if json:
        print_json({"counts": {"packets": counts.packets, "recipients": recipients}})
        return
    say(f"{'packets':<16}{counts.packets:>16,}")
    say(f"{'recipients':<16}{recipients:>16,}")
    say("The records are in the database now, and the router uses them there when it starts.")
