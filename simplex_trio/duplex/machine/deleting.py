"""Deleting connections, at once or after what is queued was delivered; and suspending queues."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.duplex.errors import CannotRotate
from simplex_trio.duplex.events import ConnectionDeleted, ConnectionSuspended, UserDeleted
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Connection,
    Deletion,
    ReceivingStatus,
    Suspension,
)
from simplex_trio.duplex.machine.messages import (
    Delivery,
    EarlyArrival,
    LeavingUser,
    LookedLink,
    ReceivedMessage,
)
from simplex_trio.duplex.machine.rotating import abandon, abort, old_queue_deleted
from simplex_trio.duplex.machine.sending import drop_deliveries
from simplex_trio.duplex.machine.step import OpenConnection, Step

__all__ = [
    "WAIT_FOR_DELIVERY",
    "delete",
    "delete_user",
    "go_on_deleting",
    "queue_deleted",
    "queue_suspended",
    "suspend",
]

WAIT_FOR_DELIVERY = 2 * 24 * 3600
"""Seconds for which a deletion waits for what is queued."""


def delete(step: Step, c: OpenConnection, *, after_delivery: bool) -> None:
    """Delete a connection; from now on it is not known to the program."""
    if c.row.deletion is Deletion.NOW:
        return
    abandon(step, c)
    c.change(
        link=None,
        address=None,
        request=None,
        deletion=Deletion.AFTER_DELIVERY if after_delivery else Deletion.NOW,
    )
    _drop_received(step, c)
    go_on_deleting(step, c)


def delete_user(step: Step, user: str, *, after_delivery: bool) -> list[str]:
    """Delete all connections of a user; returns their ids."""
    found = [row.connection_id for row in step.rows.find(Connection, user=user)]
    leaving = LeavingUser(user)
    step.rows.delete(leaving)  # so that nothing is told before the end of this
    for looked in step.rows.find(LookedLink, user=user):
        step.rows.delete(looked)
    for connection_id in found:
        delete(step, step.connection(connection_id), after_delivery=after_delivery)
    step.rows.insert(leaving)
    _tell_if_gone(step, user)
    return found


def _tell_if_gone(step: Step, user: str) -> None:
    """Tell that a user is deleted, if that is so."""
    leaving = step.rows.get(LeavingUser, user)
    if leaving is None:
        return
    held = [c for c in step.connections if c.row.user == user]
    known = {c.connection_id for c in held}
    left = any(c.row.deletion is not Deletion.NO and not c.is_removed for c in held) or any(
        row.connection_id not in known
        for deletion in (Deletion.NOW, Deletion.AFTER_DELIVERY)
        for row in step.rows.find(Connection, limit=len(known) + 1, user=user, deletion=deletion)
    )
    if not left:
        step.rows.delete(leaving)
        step.tell(UserDeleted(user))


def _drop_received(step: Step, c: OpenConnection) -> None:
    """Acknowledge what the program has not, and will not any more, so that the queue goes on."""
    for message in step.rows.find(ReceivedMessage, connection_id=c.connection_id):
        step.rows.delete(message)
        step.rows.delete_message_event(c.connection_id, message.message_id)
    for early in step.rows.find(EarlyArrival, connection_id=c.connection_id):
        step.rows.delete(early)
    for number, queue in list(c.receiving.items()):
        if queue.acknowledgement in (Acknowledgement.HELD, Acknowledgement.EARLY):
            c.change_receiving(number, acknowledgement=Acknowledgement.DUE, held_message_id=0)


def go_on_deleting(step: Step, c: OpenConnection) -> None:
    """Take the next step that is possible, if the connection is being deleted."""
    if c.row.deletion is Deletion.AFTER_DELIVERY:
        waiting = step.rows.find(Delivery, limit=1, connection_id=c.connection_id)
        if waiting:
            return
        c.change(deletion=Deletion.NOW)
    if c.row.deletion is not Deletion.NOW or c.is_removed:
        return
    drop_deliveries(step, c)
    c.sending.clear()
    for number, queue in list(c.receiving.items()):
        if queue.status is ReceivingStatus.PLANNED:
            del c.receiving[number]
        elif not queue.is_deleted:
            c.change_receiving(number, is_deleted=True)
    if not c.receiving:
        step.remove(c)
        step.tell(ConnectionDeleted(c.connection_id))
        _tell_if_gone(step, c.row.user)


def queue_deleted(step: Step, c: OpenConnection, number: int) -> None:
    """The router has deleted a queue, or says that there is none."""
    queue = c.receiving.pop(number, None)
    if queue is not None:
        old_queue_deleted(step, c, queue)
    go_on_deleting(step, c)


def suspend(step: Step, c: OpenConnection) -> None:
    """Let the connection's queues accept nothing more; what is in them still comes.

    A move that has not come far enough is given up: the peer could not answer.
    """
    with suppress(CannotRotate):
        abort(step, c)
    for number, queue in list(c.receiving.items()):
        if queue.suspension is Suspension.NO and not queue.is_deleted:
            c.change_receiving(number, suspension=Suspension.DUE)
    if all(queue.is_deleted for queue in c.receiving.values()):
        step.tell(ConnectionSuspended(c.connection_id))  # nothing can be sent to it as it is


def queue_suspended(step: Step, c: OpenConnection, number: int) -> None:
    """The router has been told."""
    queue = c.receiving[number]
    if queue.suspension is not Suspension.DUE:
        return
    c.change_receiving(number, suspension=Suspension.DONE)
    still_due = (
        each.suspension is Suspension.DUE and not each.is_deleted for each in c.receiving.values()
    )
    if c.row.deletion is Deletion.NO and not any(still_due):
        step.tell(ConnectionSuspended(c.connection_id))
