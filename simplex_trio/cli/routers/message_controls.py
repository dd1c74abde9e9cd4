"""``simplex-trio router status`` and the like: what the operator of a running router does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.cli.options import AsJson, Flag, at_least
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.asking import ask, ask_about, say_reloaded, say_status, show
from simplex_trio.cli.routers.messages import PROGRAM
from simplex_trio.cli.routers.options import EntityId, Notice, NoticeSeconds, Reason

__all__ = ["block", "clients", "delete", "queue", "reload", "resume", "status", "suspend"]

_FOLDER = Path("router")


def status(config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Show how a running router is: since when, its certificates, and what it has.

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


def clients(
    config: Path = _FOLDER,
    /,
    *,
    addresses: Flag = False,
    limit: Annotated[int, Parameter(validator=at_least(1))] = 50,
    json: AsJson = False,
) -> None:
    """List the clients of a running router: how long, how idle, with how many queues.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    addresses
        Show where they come from, too.
    limit
        The most of them, those that are connected longest.
    """
    answer = ask(PROGRAM, config, "clients", addresses=addresses, limit=limit)
    if json:
        print_json(answer)
        return
    say(f"{'connected':>10}{'idle':>8}{'version':>9}{'queues':>9}{'notifiers':>11}{'waiting':>9}")
    for each in answer["clients"]:
        service = "  service" if each["is_service"] else ""
        address = f"  {each['address']}" if addresses else ""
        say(
            f"{each['connected_seconds']:>9}s{each['idle_seconds']:>7}s{each['version']:>9}"
            f"{each['queues']:>9,}{each['notifiers']:>11,}{each['waiting']:>9}{address}{service}"
        )
    if answer["more"]:
        say(f"and {answer['more']:,} more")


def queue(queue_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Show a queue of a running router.

    Parameters
    ----------
    queue_id
        A link that leads to it, also in a file as @FILE; or its id: that of its sender, its short
        link, its recipient or its notifier.
    config
        The configuration, or the folder with it.
    """
    show(ask_about(PROGRAM, config, "queue", queue_id), json=json)


def block(
    queue_id: EntityId,
    config: Path = _FOLDER,
    /,
    *,
    reason: Reason,
    notice: Notice = False,
    notice_seconds: NoticeSeconds = None,
    json: AsJson = False,
) -> None:
    """Block a queue: its senders and its owner are refused, and told why.

    The owner can still delete it. `resume` takes it back.

    Parameters
    ----------
    queue_id
        A link or an id; see `queue`.
    config
        The configuration, or the folder with it.
    """
    given = {"reason": reason.value, "notice": notice, "notice_seconds": notice_seconds}
    show(ask_about(PROGRAM, config, "block", queue_id, **given), json=json)


def suspend(queue_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Have a queue take no more messages; those that are there can be received.

    A suspended queue is deleted after `suspended_ttl`.

    Parameters
    ----------
    queue_id
        A link or an id; see `queue`.
    config
        The configuration, or the folder with it.
    """
    show(ask_about(PROGRAM, config, "suspend", queue_id), json=json)


def resume(queue_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Have a queue work again that is blocked or suspended, also by its owner.

    Parameters
    ----------
    queue_id
        A link or an id; see `queue`.
    config
        The configuration, or the folder with it.
    """
    show(ask_about(PROGRAM, config, "resume", queue_id), json=json)


def delete(queue_id: EntityId, config: Path = _FOLDER, /, *, json: AsJson = False) -> None:
    """Delete a queue of a running router, with its messages. This cannot be taken back.

    Parameters
    ----------
    queue_id
        A link or an id; see `queue`.
    config
        The configuration, or the folder with it.
    """
    show(ask_about(PROGRAM, config, "delete", queue_id), json=json)
