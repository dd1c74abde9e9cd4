"""Sending an alert, and what is left of earlier ones; and the words for what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.notifying.attachments import send_attachment
from simplex_trio.chat.notifying.texts import alert_text
from simplex_trio.chat.notifying.values import Notification
from simplex_trio.cli.connect.wording import problem_words
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.notify.place import Place, open_alerts
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.duplex.errors import CannotSend, NoServers

__all__ = ["flush", "send"]


class _Options(TypedDict):
    until: DeliveryState
    timeout: float
    gives_way: bool


_WORDS = {
    DeliveryState.STORED: "Stored; the next command sends it, such as: simplex-trio notify --flush",
    DeliveryState.SENT: "Sent: the contact's router has it.",
    DeliveryState.DELIVERED: "Delivered: the contact's app has it.",
}

_LATER = "the next command sends it, such as: simplex-trio notify --flush"


async def send(
    where: Place,
    contact: str,
    text: str,
    file: Path | None,
    *,
    file_routers: Sequence[str],
    markup: bool,
    until: DeliveryState,
    seconds: float,
    wait: float,
    json: bool,
) -> None:
    """Send an alert; `CommandFailed` if it has not come as far as ``until``."""
    said = alert_text(text, markup=markup)
    options: _Options = {"until": until, "timeout": seconds, "gives_way": True}
    async with open_alerts(where, wait=wait, file_routers=file_routers) as notifier:
        with waiting("sending"):
            try:
                if file is None:
                    told = await notifier.send(contact, said, **options)
                else:
                    told = await send_attachment(notifier, contact, file, text=said, **options)
            except NoServers as exc:
                raise CommandFailed(
                    "No router for files is known yet; name one with --file-router xftp://…, which "
                    "is remembered.",
                    ExitCode.USAGE,
                ) from exc
            except CannotSend as exc:
                raise CommandFailed(
                    "The contact is not connected yet; finish that with: simplex-trio notify "
                    "--pair, and the same name.",
                    ExitCode.NO_CONTACT,
                ) from exc
    if json:
        print_json(_fields(told))
    _check(told, until)
    if not json:
        say(_WORDS[told.state])


def _fields(told: Notification) -> dict[str, Any]:
    return {
        "contact": told.contact.id,
        "state": told.state.value,
        "problem": None if told.problem is None else told.problem.value,
    }


def _check(told: Notification, until: DeliveryState) -> None:
    why = "" if told.problem is None else f": {problem_words(told.problem)}"
    match told.state:
        case DeliveryState.FAILED:
            raise CommandFailed(f"The alert was given up{why}.", ExitCode.REFUSED)
        case DeliveryState.STORED if until is not DeliveryState.STORED:
            raise CommandFailed(
                f"The alert is stored, and no router has it yet{why}; {_LATER}.",
                ExitCode.UNFINISHED,
            )
        case DeliveryState.SENT if until is DeliveryState.DELIVERED:
            raise CommandFailed(
                "The alert is with the contact's router; the app has not fetched it yet, or sends "
                "no receipts.",
                ExitCode.UNFINISHED,
            )
        case _:
            pass


async def flush(
    where: Place, *, seconds: float, wait: float, accept_loss: bool, json: bool
) -> None:
    """Send what is stored; `CommandFailed` if any of it is left."""
    async with open_alerts(where, wait=wait, accept_loss=accept_loss) as notifier:
        with waiting("sending what is stored"):
            left = await notifier.flush(timeout=seconds, gives_way=True)
        failed = sum(each.failed for each in await notifier.recipients())
    if json:
        print_json({"queued": left, "failed": failed})
    if left:
        raise CommandFailed(
            f"No router has taken {left} of the messages yet; the next command goes on with them.",
            ExitCode.UNFINISHED,
        )
    if not json:
        say("Everything is sent.")
