"""``simplex-trio xftp router import``: the files of the reference's server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import ExistingDirectory

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.files import PROGRAM
from simplex_trio.cli.routers.moving import AcceptMissing
from simplex_trio.cli.routers.moving_progress import showing_progress
from simplex_trio.cli.running import run
from simplex_trio.router.moving.copying import Progress
from simplex_trio.xftp.router.importing import ImportedFiles, find_file_log, import_files

__all__ = ["import_"]


def import_(
    source: Path,
    target: Path,
    /,
    *,
    files: Annotated[ExistingDirectory | None, Parameter(name="--files")] = None,
    accept_loss: AcceptMissing = False,
    json: AsJson = False,
) -> None:
    """Fill a new router for files with what xftp-server has left.

    xftp-server must be stopped. Its files stay as they are: where the file system can do that, the
    router has them under a second name. All of them are read and compared with their digests.

    Parameters
    ----------
    source
        The folder with file-server-store.log, /var/opt/simplex-xftp.
    target
        The folder or the configuration of a router, or a folder for its packets.
    files
        The folder with the files, if they are not where they were on the server.
    """
    log = find_file_log(source)
    if log is None:
        raise CommandFailed(
            f"{source} is no folder with the file-server-store.log of xftp-server.",
            ExitCode.USAGE,
        )
    place = _place(target)
    with showing_progress(json=json) as tell:
        found = run(
            partial(
                import_files,
                log,
                place,
                files=files,
                accept_loss=accept_loss,
                tell=lambda done, of: tell(Progress("copying", done, of)),
            )
        )
    _show(found, json=json)


def _place(target: Path) -> Path:
    """Where the packets are to be."""
    if not target.is_dir() and target.suffix != ".toml":
        return target
    config = PROGRAM.load(target)
    if config.records is not None:
        raise CommandFailed(
            "The records of this router are in a database, and packets are imported into a folder "
            "alone.",
            ExitCode.USAGE,
        )
    if config.store is None:
        raise CommandFailed(
            "This router has no folder for packets, for its configuration names none.",
            ExitCode.USAGE,
        )
    return config.store


def _show(found: ImportedFiles, *, json: bool) -> None:
    counts = {
        "packets": found.packets,
        "recipients": found.recipients,
        "bodies": found.bodies,
        "bytes": found.bytes,
    }
    if json:
        print_json({"counts": counts, "left_out": dict(found.left_out)})
        return
    for name, count in counts.items():
        say(f"{name:<16}{count:>16,}")
    for name, count in found.left_out.items():
        say(f"Left out: {count:,} {name}.")
    say("All bodies have the digests that they were registered with.")
