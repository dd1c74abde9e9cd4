"""What the program says about messages that it has taken care of."""

from __future__ import annotations

from simplex_trio.duplex.errors import CannotAcknowledge
from simplex_trio.duplex.machine.connection import Acknowledgement
from simplex_trio.duplex.machine.messages import ReceivedMessage
from simplex_trio.duplex.machine.sending import enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.wire.duplex.bodies import Receipt, Receipts
from simplex_trio.wire.duplex.versions import AgentVersion

__all__ = ["acknowledge", "acknowledged"]


def acknowledge(step: Step, c: OpenConnection, message_id: int, receipt: bytes | None) -> None:
    """The program has taken care of a message; with a ``receipt`` the peer learns of it.

    A peer whose version has no receipts is sent none.  Raises `CannotAcknowledge` if no message
    with this id waits.
    """
    message = step.rows.get(ReceivedMessage, c.connection_id, message_id)
    if message is None:
        raise CannotAcknowledge("no message with this id waits to be acknowledged")
    step.rows.delete(message)
    step.rows.delete_message_event(c.connection_id, message_id)
    queue = c.receiving.get(message.queue)
    if queue is not None and queue.held_message_id == message_id:
        c.change_receiving(queue.number, acknowledgement=Acknowledgement.DUE, held_message_id=0)
    if receipt is not None and c.row.agent_version >= AgentVersion.RECEIPTS:
        stated = Receipt(message.sender_message_id, message.message_hash, receipt)
        enqueue(step, c, Receipts((stated,)))


def acknowledged(step: Step, c: OpenConnection, number: int, broker_id: bytes) -> None:
    """The router was told, and has deleted the message."""
    queue = c.receiving.get(number)
    if queue is None or queue.broker_id != broker_id:
        return
    if queue.acknowledgement is Acknowledgement.DUE:
        c.change_receiving(number, acknowledgement=Acknowledgement.NONE)
