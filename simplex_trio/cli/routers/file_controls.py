"""``simplex-trio xftp router status`` and the like: what the operator of a running router does."""

from __future__ import annotations

from pathlib import Path

from simplex_trio.cli.options import AsJson
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.asking import ask, say_reloaded, say_status, show
from simplex_trio.cli.routers.files import PROGRAM
from simplex_trio.cli.routers.options import EntityId, Notice, NoticeSeconds, Reason

__all__ = ["block", "delete", "packet", "reload", "status"]

_FOLDER = Path("xftp-router")


def status(config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Show how a running router for files is: since when, its certificates, and what it has.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    say_status(PROGRAM, config, json=json)


def reload(config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Have a running router read its configuration and certificates again, as at SIGHUP.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    say_reloaded(PROGRAM, config, json=json)


def packet(packet_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Show a packet of a running router.

    Parameters
    ----------
    packet_id
        The id of one of its recipients, as descriptions of files have it, or of its sender.
    config
        The configuration, or the folder with it.
    """
    show(ask(PROGRAM, config, "packet", id=packet_id), json=json)


def block(
    packet_id: EntityId,
    config: Path = _FOLDER,
    /,
    *,
    reason: Reason,
    notice: Notice = False,
    notice_seconds: NoticeSeconds = None,
    json: AsJson = False,
) -> None:
    """Remove the content of a packet for good; clients that ask for it are told why.

    Parameters
    ----------
    packet_id
        An id of the packet; see `packet`.
    config
        The configuration, or the folder with it.
    """
    given = {"reason": reason.value, "notice": notice, "notice_seconds": notice_seconds}
    show(ask(PROGRAM, config, "block", id=packet_id, **given), json=json)


def delete(packet_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Delete a packet of a running router. This cannot be taken back.

    Parameters
    ----------
    packet_id
        An id of the packet; see `packet`.
    config
        The configuration, or the folder with it.
    """
    answer = ask(PROGRAM, config, "delete", id=packet_id)
    if json:
        print_json(answer)
    else:
        say("The packet is deleted.")
