"""Moving the queues of a connection to other routers, while messages go on.

The owner of a queue makes a new one and offers it to the peer (QADD).  The peer answers with its
keys for it (QKEY), the owner secures it with them and says so (QUSE), and the peer says on it that
it is used (QTEST).  Then the owner reads the old queue to its end, and deletes it.

How far that has come is the state of the new queue, whose ``replaces`` is the number of the old:

======================  ===================================  =====================================
at the owner            is                                   at the peer
======================  ===================================  =====================================
planned                 before NEW
new                     QADD is sent, or on its way          new: QKEY is sent, or on its way
confirmed               QKEY has come, before KEY
secured                 QUSE is sent, or on its way          secured: QTEST is on its way
active                  the old one is read to its end       active, and the old one is forgotten
======================  ===================================  =====================================

From QKEY on the sender keeps a copy of every message for the new queue, and sends these from QUSE
on.  So when QTEST has arrived, whatever the old queue still holds is in the new one as well, and
nothing depends on how its owner leaves it.  The owner knows messages that come twice by their hash.
"""

from __future__ import annotations

from typing import final

from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.errors import CannotRotate
from simplex_trio.duplex.events import (
    Problem,
    RotationPhase,
    RotationProgress,
    RotationSide,
)
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Deletion,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
    Suspension,
)
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind
from simplex_trio.duplex.machine.queues import new_sending_queue, plan_receiving, queue_address
from simplex_trio.duplex.machine.sending import drop_deliveries, enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.bodies import (
    QADD,
    QKEY,
    QTEST,
    QUSE,
    AddedQueue,
    MessageBody,
    QueueKey,
    QueueLocation,
    QueueUse,
)
from simplex_trio.wire.duplex.messages import AgentMessage, decode_message
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue

__all__ = [
    "MAX_TOLD",
    "Rotation",
    "abandon",
    "abort",
    "being_left",
    "came_through",
    "can_rotate",
    "drained",
    "new_queue_created",
    "new_queue_failed",
    "new_queue_secured",
    "old_queue_deleted",
    "qadd_received",
    "qkey_received",
    "quse_received",
    "rotate",
    "rotation_message_delivered",
    "rotation_message_failed",
    "rotations",
    "say_again",
]

MAX_TOLD = 64
"""While the program has so many events about moves of a connection still to take, those that a peer
can cause are left out.  The status says at any time what is under way."""

_UNDER_WAY = (ReceivingStatus.PLANNED, ReceivingStatus.NEW, ReceivingStatus.CONFIRMED)
"""The peer has not been told that it may use the new queue, so it can be given up."""


# --- the owner ----------------------------------------------------------------------------------


def rotate(step: Step, c: OpenConnection) -> None:
    """Move this side's queue; a new queue that is not used yet is replaced by another.

    Raises `CannotRotate`.
    """
    reason = _why_not(c)
    if reason is not None:
        raise CannotRotate(reason)
    new = _new_queue(c)
    if new is not None:
        if new.status is ReceivingStatus.PLANNED:
            return
        if new.status not in _UNDER_WAY:
            raise CannotRotate("the queue is just being moved")
        _give_up(step, c, new, RotationPhase.ABORTED)
    old = c.main_receiving
    assert old is not None
    planned = plan_receiving(c, step.moment)
    c.change_receiving(planned.number, replaces=old.number)


def can_rotate(c: OpenConnection) -> bool:
    """Whether a move could begin now, and none is under way."""
    return _why_not(c) is None and _new_queue(c) is None


def _why_not(c: OpenConnection) -> str | None:
    row, old = c.row, c.main_receiving
    if not row.ready or row.deletion is not Deletion.NO or old is None or old.is_deleted:
        return "the connection is not ready"
    if row.ratchet is None or row.ratchet.sending is None or not c.sending:
        return "the connection cannot send"
    if not row.is_synchronised:
        return "the two sides have no ratchet in common"
    if any(queue.suspension is not Suspension.NO for queue in c.receiving.values()):
        return "the connection is suspended"
    return None


def abort(step: Step, c: OpenConnection) -> None:
    """Stay with the old queue; raises `CannotRotate` if it is too late, or there is no new one."""
    new = _new_queue(c)
    if new is None:
        raise CannotRotate("the queue is not being moved")
    if new.status not in _UNDER_WAY:
        raise CannotRotate("the peer may use the new queue already")
    _give_up(step, c, new, RotationPhase.ABORTED)
    c.change(rotation_ended_at=step.moment.seconds)


def abandon(step: Step, c: OpenConnection) -> None:
    """Give up moves in both directions as far as possible: the connection is to end."""
    new = _new_queue(c)
    if new is not None and new.status in _UNDER_WAY:
        _discard(c, new)
    for queue in list(c.sending.values()):
        if queue.is_held_back:
            _forget(step, c, queue)


def being_left(c: OpenConnection, queue: ReceivingQueue) -> bool:
    """Whether a queue is only read to its end, as the peer uses the one that replaces it."""
    return any(
        each.replaces == queue.number and each.status is ReceivingStatus.ACTIVE
        for each in c.receiving.values()
    )


def new_queue_created(step: Step, c: OpenConnection, number: int) -> None:
    """A router has made the new queue: offer it to the peer."""
    new = c.receiving[number]
    _tell_owner(step, c, new, RotationPhase.STARTED)
    _offer(step, c, new)


def _offer(step: Step, c: OpenConnection, new: ReceivingQueue) -> None:
    _say(step, c, _offer_of(step, c, new))


def _offer_of(step: Step, c: OpenConnection, new: ReceivingQueue) -> QADD:
    old = c.receiving[new.replaces]
    uri = QueueURI(step.moment.spoken.client, queue_address(new))
    return QADD((AddedQueue(uri, _location(old)),))


def qkey_received(step: Step, c: OpenConnection, body: QKEY) -> Problem | None:
    """The peer's keys for the new queue."""
    key = body.queues[0]
    place = QueueLocation.of(key.queue.queue)
    new = _new_queue(c)
    if new is None or new.status is not ReceivingStatus.NEW or _location(new) != place:
        return None  # for a queue that was given up, or said again
    if key.queue.client_version not in step.moment.spoken.client:
        return Problem.VERSION
    try:
        secret = BoxKey.agree(new.e2e_key, key.queue.queue.dh_key)
    except CryptoError:
        return Problem.MALFORMED
    new = c.change_receiving(
        new.number,
        status=ReceivingStatus.CONFIRMED,
        e2e_secret=secret,
        client_version=min(new.client_version, key.queue.client_version),
        sender_key=key.auth_key,
    )
    _tell_owner(step, c, new, RotationPhase.CONFIRMED)
    return None


def new_queue_secured(step: Step, c: OpenConnection, number: int) -> None:
    """KEY was answered: the peer may use the new queue."""
    new = c.receiving[number]
    if new.status is not ReceivingStatus.CONFIRMED:
        return
    new = c.change_receiving(number, status=ReceivingStatus.SECURED, sender_key=None)
    _tell_owner(step, c, new, RotationPhase.SECURED)
    _say(step, c, QUSE((QueueUse(_location(new), primary=True),)))


def new_queue_failed(step: Step, c: OpenConnection, number: int, problem: Problem) -> None:
    """A router does not make the new queue, or does not know it."""
    new = c.receiving.get(number)
    if new is not None and new.replaces and new.status in _UNDER_WAY:
        _give_up(step, c, new, RotationPhase.FAILED, problem)
        c.change(rotation_ended_at=step.moment.seconds)


def came_through(c: OpenConnection, number: int) -> None:
    """A message of the peer has come through a queue, which shows that the peer uses it."""
    queue = c.receiving[number]
    if queue.replaces and queue.status is ReceivingStatus.SECURED:
        c.change_receiving(number, status=ReceivingStatus.ACTIVE)


def drained(c: OpenConnection, number: int) -> None:
    """The router has said that an old queue is empty, or that there is none."""
    queue = c.receiving.get(number)
    if queue is None or queue.acknowledgement is not Acknowledgement.NONE:
        return  # something has come since
    if being_left(c, queue):
        c.change_receiving(number, is_deleted=True)


def old_queue_deleted(step: Step, c: OpenConnection, old: ReceivingQueue) -> None:
    """A queue is gone; if another has taken its place, that one goes on alone."""
    for new in list(c.receiving.values()):
        if new.replaces == old.number and not new.is_deleted:
            c.change_receiving(new.number, replaces=0)
            servers = old.server, new.server
            _tell(step, c, RotationSide.RECEIVING, RotationPhase.COMPLETED, servers)


def _new_queue(c: OpenConnection) -> ReceivingQueue | None:
    """This side's new queue, if it is being moved."""
    return next(
        (queue for queue in c.receiving.values() if queue.replaces and not queue.is_deleted), None
    )


def _give_up(
    step: Step,
    c: OpenConnection,
    new: ReceivingQueue,
    phase: RotationPhase,
    problem: Problem | None = None,
) -> None:
    _tell_owner(step, c, new, phase, problem)
    _discard(c, new)


def _discard(c: OpenConnection, new: ReceivingQueue) -> None:
    if new.status is ReceivingStatus.PLANNED:
        del c.receiving[new.number]
    else:
        c.change_receiving(new.number, is_deleted=True, replaces=0, sender_key=None)


# --- the peer -----------------------------------------------------------------------------------


def qadd_received(step: Step, c: OpenConnection, body: QADD) -> Problem | None:
    """The peer offers a new queue; an earlier one that was not used yet is forgotten."""
    added = body.queues[0]
    if c.row.deletion is not Deletion.NO:
        return None
    if added.replaces is None:
        return Problem.UNEXPECTED  # an additional queue, which has no use yet
    if _sending_at(c, QueueLocation.of(added.queue.queue)) is not None:
        return None  # said again
    versions = added.queue.client_versions.intersection(step.moment.spoken.client)
    if versions is None:
        return Problem.VERSION
    old = _sending_at(c, added.replaces)
    if old is None or old.is_held_back:
        return Problem.UNEXPECTED
    if old.replaces:
        # The peer goes on from it, so it works, whatever its router has answered.
        _complete(step, c, old)
        old = c.sending[old.number]
    try:
        new = new_sending_queue(c, added.queue.queue, versions.highest, step.moment)
    except CryptoError:
        return Problem.MALFORMED
    for queue in list(c.sending.values()):
        if queue.replaces == old.number:
            _forget(step, c, queue)
    _say(step, c, _key_for(new))
    new = c.add_sending(evolve(new, replaces=old.number))
    _tell_sender(step, c, new, RotationPhase.STARTED)
    return None


def _key_for(queue: SendingQueue) -> QKEY:
    address = QueueAddress(queue.server, queue.sender_id, queue.e2e_key, queue.mode)
    versioned = VersionedQueue(queue.client_version, address)
    return QKEY((QueueKey(versioned, queue.auth_key.public),))


def quse_received(step: Step, c: OpenConnection, body: QUSE) -> Problem | None:
    """The peer's new queue takes messages."""
    place = body.queues[0].queue
    new = _sending_at(c, place)
    if new is None:
        return Problem.UNEXPECTED if c.row.deletion is Deletion.NO else None
    if new.is_held_back:
        new = c.change_sending(new.number, status=SendingStatus.SECURED)
        _tell_sender(step, c, new, RotationPhase.SECURED)
        _say(step, c, QTEST((place,)), only=new)
    return None


def rotation_message_delivered(step: Step, c: OpenConnection, delivery: Delivery) -> None:
    """The peer's router has taken a message about a move."""
    match _body(delivery):
        case QKEY(queues=(key, *_)):
            new = _sending_at(c, QueueLocation.of(key.queue.queue))
            if new is not None and new.is_held_back:
                _tell_sender(step, c, new, RotationPhase.CONFIRMED)
        case QTEST(queues=(place, *_)):
            new = _sending_at(c, place)
            if new is not None and new.replaces and new.number == delivery.queue:
                _complete(step, c, new)
        case _:
            pass


def rotation_message_failed(
    step: Step, c: OpenConnection, delivery: Delivery, problem: Problem, *, has_copy: bool
) -> None:
    """A router does not take a message about a move, and never will."""
    match _body(delivery):
        case QTEST(queues=(place, *_)):
            new = _sending_at(c, place)
            if new is not None and new.number == delivery.queue and new.replaces:
                _tell_sender(step, c, new, RotationPhase.FAILED, problem)
                _forget(step, c, new)
        case QKEY(queues=(key, *_)) if not has_copy:
            new = _sending_at(c, QueueLocation.of(key.queue.queue))
            # Once the queue may be used, the key had arrived, and was only said again.
            if new is not None and new.is_held_back:
                _tell_sender(step, c, new, RotationPhase.FAILED, problem)
                _forget(step, c, new)
        case QADD(queues=(added, *_)) if not has_copy:
            place = QueueLocation.of(added.queue.queue)
            for queue in list(c.receiving.values()):
                if queue.server is not None and _location(queue) == place:
                    new_queue_failed(step, c, queue.number, problem)
        case _:
            pass  # QUSE: the peer may have got it, so the new queue has to stay


def _complete(step: Step, c: OpenConnection, new: SendingQueue) -> None:
    """The new queue works: from now on everything goes there."""
    _tell_sender(step, c, new, RotationPhase.COMPLETED)
    for delivery in step.rows.find(Delivery, connection_id=c.connection_id, queue=new.replaces):
        has_copy = step.rows.get(Delivery, c.connection_id, new.number, delivery.message_id)
        is_left = has_copy is None and delivery.kind is not DeliveryKind.ROTATION
        if is_left and not delivery.is_taken:
            step.rows.insert(evolve(delivery, queue=new.number))
        drop_deliveries(step, c, [delivery])
    c.sending.pop(new.replaces, None)
    c.change_sending(new.number, status=SendingStatus.ACTIVE, replaces=0)


def _forget(step: Step, c: OpenConnection, new: SendingQueue) -> None:
    """Go on with the old queue alone, which all messages are sent to as well."""
    drop_deliveries(
        step, c, step.rows.find(Delivery, connection_id=c.connection_id, queue=new.number)
    )
    del c.sending[new.number]


def _sending_at(c: OpenConnection, place: QueueLocation) -> SendingQueue | None:
    return next(
        (
            queue
            for queue in c.sending.values()
            if queue.sender_id == place.sender_id and queue.server == place.server
        ),
        None,
    )


# --- both ---------------------------------------------------------------------------------------


def say_again(step: Step, c: OpenConnection) -> None:
    """Say again how far a move has come, after the peer may have missed it: with a new ratchet.

    What has come already changes nothing when it comes again, and what is still queued will come.
    """
    bodies: list[MessageBody] = []
    new = _new_queue(c)
    if new is not None and new.status is ReceivingStatus.NEW:
        bodies.append(_offer_of(step, c, new))
    elif new is not None and new.status is ReceivingStatus.SECURED:
        bodies.append(QUSE((QueueUse(_location(new), primary=True),)))
    bodies += [_key_for(queue) for queue in c.sending.values() if queue.is_held_back]
    deliveries = step.rows.find(Delivery, connection_id=c.connection_id)
    queued = [_body(each) for each in deliveries if each.kind is DeliveryKind.ROTATION]
    for body in bodies:
        if body not in queued:
            _say(step, c, body)


def _say(
    step: Step, c: OpenConnection, body: MessageBody, *, only: SendingQueue | None = None
) -> None:
    enqueue(step, c, body, kind=DeliveryKind.ROTATION, only=only)


def _body(delivery: Delivery) -> MessageBody | None:
    message = decode_message(delivery.plaintext)
    return message.body if isinstance(message, AgentMessage) else None


def _location(queue: ReceivingQueue) -> QueueLocation:
    assert queue.server is not None
    return QueueLocation(queue.server, queue.sender_id)


@final
@frozen(repr=False)
class Rotation(Redacted):
    """The move of a queue that is under way."""

    side: RotationSide
    phase: RotationPhase | None
    """`None` if the new queue is still to be made."""
    from_server: ServerAddress
    to_server: ServerAddress | None


_OWNER_PHASES = {
    ReceivingStatus.NEW: RotationPhase.STARTED,
    ReceivingStatus.CONFIRMED: RotationPhase.CONFIRMED,
    ReceivingStatus.SECURED: RotationPhase.SECURED,
    ReceivingStatus.ACTIVE: RotationPhase.SECURED,
}


def rotations(c: OpenConnection) -> tuple[Rotation, ...]:
    """The moves that are under way, this side's first."""
    found = []
    new = _new_queue(c)
    if new is not None and new.replaces in c.receiving:
        old = c.receiving[new.replaces].server
        assert old is not None
        phase = _OWNER_PHASES.get(new.status)
        found.append(Rotation(RotationSide.RECEIVING, phase, old, new.server))
    for queue in c.sending.values():
        if queue.replaces in c.sending:
            phase = RotationPhase.STARTED if queue.is_held_back else RotationPhase.SECURED
            left = c.sending[queue.replaces].server
            found.append(Rotation(RotationSide.SENDING, phase, left, queue.server))
    return tuple(found)


def _tell_owner(
    step: Step,
    c: OpenConnection,
    new: ReceivingQueue,
    phase: RotationPhase,
    problem: Problem | None = None,
) -> None:
    servers = c.receiving[new.replaces].server, new.server
    _tell(step, c, RotationSide.RECEIVING, phase, servers, problem)


def _tell_sender(
    step: Step,
    c: OpenConnection,
    new: SendingQueue,
    phase: RotationPhase,
    problem: Problem | None = None,
) -> None:
    if step.rows.count_moves(c.connection_id) >= MAX_TOLD:
        return  # a peer may move its queue as often as it likes
    servers = c.sending[new.replaces].server, new.server
    _tell(step, c, RotationSide.SENDING, phase, servers, problem)


def _tell(
    step: Step,
    c: OpenConnection,
    side: RotationSide,
    phase: RotationPhase,
    servers: tuple[ServerAddress | None, ServerAddress | None],
    problem: Problem | None = None,
) -> None:
    if c.row.deletion is not Deletion.NO:
        return  # the program knows the connection no more
    left, new = servers
    assert left is not None
    step.tell(RotationProgress(c.connection_id, side, phase, left, new, problem))
