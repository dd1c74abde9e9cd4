"""``simplex-trio connect send``: one message, and what becomes of it."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any

import trio
from attrs import define
from cyclopts import Parameter

from simplex_trio.cli.connect.store import (
    ConnectionId,
    KeyFile,
    Open,
    Place,
    StoreName,
    open_connections,
    place,
)
from simplex_trio.cli.connect.wording import problem_words
from simplex_trio.cli.failures import CommandFailed, ExitCode, Interrupted
from simplex_trio.cli.options import AsJson, Flag, Seconds
from simplex_trio.cli.output import aside, print_json, say, text_or_base64, waiting
from simplex_trio.cli.queues import message_body
from simplex_trio.cli.running import run
from simplex_trio.duplex.events import (
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    MessageSent,
    ReceiptReceived,
)
from simplex_trio.redaction import Redacted

__all__ = ["send"]


def send(
    connection: ConnectionId,
    text: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The message; standard input is read if it is `-` or missing.",
        ),
    ] = None,
    /,
    *,
    no_wait: Annotated[Flag, Parameter(name="--no-wait")] = False,
    receipt: Flag = False,
    seconds: Seconds = None,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Send a message to a peer, and wait until the peer's router has taken it.

    Once it is stored it is not lost: what is not sent yet is sent by the next command, `watch` for
    example. Others on this machine can see command lines; standard input is for what they must not.

    Parameters
    ----------
    no_wait
        Store it, and leave sending it to another command.
    receipt
        Wait until the peer's program has received it, if that program sends receipts.
    seconds
        Wait at most this long.
    """
    if no_wait and receipt:
        raise CommandFailed("Give --no-wait or --receipt, not both.", ExitCode.USAGE)
    body = message_body(None if text == "-" else text, None)
    limit = math.inf if seconds is None else seconds
    try:
        run(
            partial(
                _send,
                place(store, key_file),
                connection,
                body,
                wait=not no_wait,
                receipt=receipt,
                limit=limit,
                json=json,
            )
        )
    except Interrupted:
        aside("Interrupted; what is stored is sent by the next command, such as 'connect watch'.")
        raise


async def _send(
    where: Place,
    beginning: str,
    body: bytes,
    *,
    wait: bool,
    receipt: bool,
    limit: float,
    json: bool,
) -> None:
    async with open_connections(where) as opened:
        connection_id = await opened.find(beginning)
        message_id = await opened.agent.send(connection_id, body)
        if not wait:
            _report(_Fate(connection_id, message_id), json=json)
            return
        fate = _Fate(connection_id, message_id)
        with trio.move_on_after(limit), waiting("sending"):
            await _follow(opened, fate, receipt=receipt)
    if fate.sent is None:
        raise CommandFailed(
            "The message is stored, but its router has not taken it yet; the next command sends "
            "it, such as 'connect watch'.",
            ExitCode.UNREACHABLE,
        )
    if receipt and fate.received is None:
        raise CommandFailed("The message is sent, but no receipt has come yet.")
    _report(fate, json=json)


@define(repr=False)
class _Fate(Redacted):
    """A message, and what has become of it."""

    connection_id: str
    message_id: int
    sent: MessageSent | None = None
    received: ReceiptReceived | None = None

    def note(self, event: DuplexEvent) -> bool:
        """Take in an event, if it is about this message; `CommandFailed` if that is given up."""
        match event:
            case MessageSent(self.connection_id, self.message_id):
                self.sent = event
            case ReceiptReceived(self.connection_id, self.message_id):
                self.received = event
            case DeliveryWarning(self.connection_id, self.message_id):
                aside(f"not sent yet: {problem_words(event.problem)}; trying again")
            case DeliveryFailed(self.connection_id) if self.message_id in event.message_ids:
                raise CommandFailed(
                    f"The message cannot be sent: {problem_words(event.problem)}.",
                    ExitCode.REFUSED,
                )
            case _:
                return False
        return True


async def _follow(opened: Open, fate: _Fate, *, receipt: bool) -> None:
    """Wait until a message is sent, or its receipt has come; other events are left for `watch`."""
    events = opened.agent.events
    while fate.sent is None or (receipt and fate.received is None):
        if fate.note(await events.receive()):
            events.take()
        else:
            events.keep()


def _report(fate: _Fate, *, json: bool) -> None:
    sent, received = fate.sent, fate.received
    if json:
        report: dict[str, Any] = {"message": fate.message_id, "sent": sent is not None}
        if sent is not None:
            report["proxied"] = sent.proxied
        if received is not None:
            report["receipt"] = {"intact": received.intact, "info": text_or_base64(received.info)}
        print_json(report)
    elif received is not None:
        say("Received." if received.intact else "Received, but changed on its way.")
    elif sent is not None:
        say("Sent: the peer's router has it.")
    else:
        say("Stored; it is sent by the next command, such as 'connect watch'.")
