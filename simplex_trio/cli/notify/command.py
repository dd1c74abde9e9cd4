"""``simplex-trio notify``: the arguments, and which of them go together."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.notifying.notifier import GREETING
from simplex_trio.chat.notifying.opening import WAIT
from simplex_trio.cli.connect.store import KeyFile, Routers
from simplex_trio.cli.failures import CommandFailed, ExitCode, Interrupted
from simplex_trio.cli.notify import pairing, people, sending
from simplex_trio.cli.notify.place import AlertStore, alert_place
from simplex_trio.cli.options import AsJson, Flag, Seconds, at_least
from simplex_trio.cli.output import aside
from simplex_trio.cli.running import run

__all__ = ["notify"]

_PATIENCE = 30.0
"""Seconds for which an alert is followed, unless the command line says otherwise."""

_MAX_READ = 2**18
"""Bytes of standard input that are kept: more than fit into a message."""


FileRouters = Annotated[
    tuple[str, ...],
    Parameter(
        name="--file-router",
        show_default=False,
        help="A router to put files on, `xftp://…`, or `@FILE` for an address in a file; several "
        "if given several times. They are remembered, and replace those before.",
    ),
]


class Until(StrEnum):
    """How far an alert has to come."""

    STORED = "stored"
    SENT = "sent"
    DELIVERED = "delivered"


def notify(
    contact: Annotated[
        str | None,
        Parameter(
            help="Whom to send to: the name, as `--list` has it, or `id:NUMBER`. With `--pair` the "
            "name to give to the person.",
        ),
    ] = None,
    text: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The alert; standard input is read if it is `-` or missing.",
        ),
    ] = None,
    /,
    *,
    file: Path | None = None,
    file_router: FileRouters = (),
    until: Until = Until.SENT,
    seconds: Seconds = None,
    wait: Annotated[float, Parameter(validator=at_least(0))] = WAIT,
    markup: Flag = False,
    pair: Flag = False,
    profile: Annotated[str | None, Parameter(name="--as")] = None,
    greeting: str = GREETING,
    router: Routers = (),
    list_: Annotated[Flag, Parameter(name="--list")] = False,
    remove: Flag = False,
    flush: Flag = False,
    accept_loss: Flag = False,
    store: AlertStore = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Send an alert to a person who has the SimpleX app.

    Parameters
    ----------
    file
        Send this file, with the text below it if there is one; pictures are shown as such. It has
        to stay as it is until it is sent.
    until
        Wait until it is stored, sent to the contact's router, or delivered to the app.
    seconds
        Wait at most this long for that; 30 unless given. With `--pair`, for the person: 0 only
        shows the link, and unless given it waits until the person is connected.
    wait
        Seconds for which to wait for other commands that have the store open.
    markup
        Let the app format the text, by signs such as *asterisks*.
    pair
        Invite a person, by a code to scan and a link; again after an interruption.
    profile
        What the app shows as the name of the sender; `Alerts` unless given, and remembered.
    greeting
        What the person is told first.
    list_
        List those who get alerts, or are invited.
    remove
        Remove a contact, who is told, or take an invitation back.
    flush
        Send only what is stored from earlier.
    accept_loss
        With `--flush`: go on with a store whose last changes are missing.
    """
    where = alert_place(store, key_file)
    _check(contact, text, modes=[pair, list_, remove, flush])
    if (profile is not None or router) and not pair:
        raise CommandFailed("Give --as and --router together with --pair.", ExitCode.USAGE)
    if not wait >= 0 or (seconds is not None and not seconds >= 0):  # or not a number
        raise CommandFailed("Give --seconds and --wait as 0 or more.", ExitCode.USAGE)
    if file_router and file is None:
        raise CommandFailed("Give --file-router together with --file.", ExitCode.USAGE)
    if file is not None and (pair or list_ or remove or flush):
        raise CommandFailed("A file needs a contact to send it to.", ExitCode.USAGE)
    if file is not None and not file.is_file():
        raise CommandFailed(f"There is no file {file}.", ExitCode.USAGE)
    if pair:
        _run_pairing(
            partial(
                pairing.pair,
                where,
                contact,
                routers=router,
                profile=profile,
                greeting=greeting,
                seconds=math.inf if seconds is None else seconds,
                wait=wait,
                json=json,
            )
        )
        return
    patience = _PATIENCE if seconds is None else seconds
    if list_:
        run(partial(people.list_people, where, wait=wait, json=json))
    elif remove:
        run(partial(people.remove, where, contact or "", wait=wait, json=json))
    elif flush:
        losses = {"accept_loss": accept_loss}
        run(partial(sending.flush, where, seconds=patience, wait=wait, json=json, **losses))
    else:
        assert contact is not None
        _run_sending(
            partial(
                sending.send,
                where,
                contact,
                "" if file is not None and text is None else _text(text),
                file,
                file_routers=file_router,
                markup=markup,
                until=DeliveryState(until.value),
                seconds=patience,
                wait=wait,
                json=json,
            )
        )


def _check(contact: str | None, text: str | None, *, modes: list[bool]) -> None:
    if sum(modes) > 1:
        raise CommandFailed("Give one of --pair, --list, --remove and --flush.", ExitCode.USAGE)
    takes_contact = not any(modes) or modes[0] or modes[2]
    if (contact is not None and not takes_contact) or (text is not None and any(modes)):
        raise CommandFailed("There are too many arguments; try --help.", ExitCode.USAGE)
    if contact is None and takes_contact and not modes[0]:
        raise CommandFailed(
            "Say whom; see who there is: simplex-trio notify --list.", ExitCode.USAGE
        )


def _text(given: str | None) -> str:
    """What is to be sent, read before the store is opened, as standard input may take its time."""
    text = given
    if text is None or text == "-":
        text = _standard_input().decode("utf-8", "backslashreplace").removesuffix("\n")
    if not text.strip():
        raise CommandFailed("There is nothing to send.", ExitCode.USAGE)
    return text


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        aside("Type the alert, and end it with Ctrl-D on a line of its own.")
    kept = sys.stdin.buffer.read(_MAX_READ)
    # The program that writes it is not to fail because there is too much.
    while sys.stdin.buffer.read(_MAX_READ):
        pass
    return kept


def _run_pairing(function: Callable[[], Awaitable[None]]) -> None:
    try:
        run(function)
    except Interrupted:
        aside("Interrupted; the link stays good, and the same command goes on.")
        raise


def _run_sending(function: Callable[[], Awaitable[None]]) -> None:
    try:
        run(function)
    except Interrupted:
        aside("Interrupted; if it was stored already, the next command sends it.")
        raise
