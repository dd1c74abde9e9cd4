"""What a router delivers: opened, decrypted, and turned into what it means, in one step.

Nothing is acknowledged to the router before the step is stored.  A message that comes again is told
by the router's id for it, or by its hash; its effects are there already, so it is acknowledged, or
waits for the program as it did before.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import Problem, QueueLost
from simplex_trio.duplex.machine.accepting import request_received
from simplex_trio.duplex.machine.confirming import confirmation_received
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    ConnectionKind,
    ReceivingQueue,
    ReceivingStatus,
)
from simplex_trio.duplex.machine.conversing import message_received
from simplex_trio.duplex.machine.deleting import go_on_deleting
from simplex_trio.duplex.machine.delivering import resume
from simplex_trio.duplex.machine.messages import EarlyArrival
from simplex_trio.duplex.machine.opening import (
    Arrival,
    Unusable,
    is_newer,
    open_envelope,
    raise_version,
    version_problem,
)
from simplex_trio.duplex.machine.ordering import (
    TooEarly,
    check_key_turn,
    is_early,
    keep_for_later,
    key_has_come,
    other_queue_spoke,
    seconds_to_wait,
    take,
    take_next,
)
from simplex_trio.duplex.machine.resynchronising import (
    is_known,
    message_not_decrypted,
    ratchet_key_received,
)
from simplex_trio.duplex.machine.rotating import (
    being_left,
    came_through,
    drained,
    new_queue_failed,
)
from simplex_trio.duplex.machine.sending import enqueue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.wire.duplex.bodies import QCONT, QueueLocation
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
    RatchetKeyEnvelope,
    UnknownEnvelope,
)
from simplex_trio.wire.smp.envelopes import ClientEnvelope

__all__ = [
    "go_on_receiving",
    "old_queue_drained",
    "queue_lost",
    "quota_notice_received",
    "receive",
    "unreadable_received",
    "wait_for_turn",
]

_USED = (ReceivingStatus.SECURED, ReceivingStatus.ACTIVE)
"""What a queue is that the peer may send to."""


def receive(step: Step, c: OpenConnection, number: int, arrival: Arrival) -> None:
    """Process a message."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, arrival.broker_id):
        return
    _open_early(step, c, number)
    _take(c, number, arrival.broker_id, arrival.timestamp)
    _open(step, c, number, arrival, may_wait=True)
    other_queue_spoke(step, c, number)
    go_on_receiving(step, c)


def go_on_receiving(step: Step, c: OpenConnection) -> None:
    """Process what has waited for its turn, as far as that has come.

    With what has come there may be nothing left to deliver that a deletion waits for.
    """
    while (early := take_next(step, c)) is not None:
        arrival = Arrival(early.broker_id, early.timestamp, early.body)
        _open(step, c, early.queue, arrival, may_wait=False)
    go_on_deleting(step, c)


def wait_for_turn(step: Step, c: OpenConnection, number: int) -> float | None:
    """How long a message still waits for others; `None` if it is processed now."""
    left = seconds_to_wait(step, c, number)
    if left is None:
        _open_early(step, c, number)
        go_on_receiving(step, c)
    return left


def _open_early(step: Step, c: OpenConnection, number: int) -> None:
    """Process the message of this queue that waits for its turn, if one does."""
    if not is_early(c.receiving[number]):
        return
    early = step.rows.get(EarlyArrival, c.connection_id, number)
    if early is not None:
        take(step, c, early)
        arrival = Arrival(early.broker_id, early.timestamp, early.body)
        _open(step, c, number, arrival, may_wait=False)


def old_queue_drained(step: Step, c: OpenConnection, number: int) -> None:
    """The router of a queue that the peer has left says that it is empty, or that there is none."""
    drained(c, number)
    go_on_receiving(step, c)


def queue_lost(step: Step, c: OpenConnection, number: int, *, deleted: bool) -> None:
    """Nothing can be received from a queue any more."""
    queue = c.receiving.get(number)
    if queue is None or queue.is_deleted:
        return
    if deleted and being_left(c, queue):
        old_queue_drained(step, c, number)
        return
    if deleted and queue.replaces:
        new_queue_failed(step, c, number, Problem.QUEUE_GONE)
        if c.receiving[number].is_deleted:
            return
    step.tell(QueueLost(c.connection_id, deleted))


def _open(step: Step, c: OpenConnection, number: int, arrival: Arrival, *, may_wait: bool) -> None:
    go_back = c.snapshot()
    try:
        _process(step, c, c.receiving[number], arrival, may_wait)
    except Unusable as exc:
        go_back()
        is_left_behind = exc.lost is not None and c.receiving[number].awaits_key
        if not (exc.known or is_left_behind):
            step.tell_problem(c.connection_id, exc.problem)
        if exc.lost is not None and not is_left_behind:
            message_not_decrypted(step, c, exc.lost)
            return
    except TooEarly as exc:
        go_back()
        keep_for_later(step, c, number, arrival, exc.sender_message_id)
    came_through(c, number)


def _came_again(c: OpenConnection, queue: ReceivingQueue, broker_id: bytes) -> bool:
    if queue.broker_id != broker_id:
        return False
    if queue.acknowledgement is Acknowledgement.NONE:
        # The router has lost the acknowledgement.
        c.change_receiving(queue.number, acknowledgement=Acknowledgement.DUE)
    return True


def _take(c: OpenConnection, number: int, broker_id: bytes, timestamp: int | None) -> None:
    """Acknowledge a message, unless it turns out that something has to happen first."""
    if timestamp is None:
        timestamp = c.receiving[number].broker_timestamp
    c.change_receiving(
        number,
        broker_id=broker_id,
        broker_timestamp=timestamp,
        acknowledgement=Acknowledgement.DUE,
        held_message_id=0,
    )


def quota_notice_received(
    step: Step, c: OpenConnection, number: int, broker_id: bytes, timestamp: int | None = None
) -> None:
    """The queue was full and is read to its end: the peer may go on."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, broker_id):
        return
    _open_early(step, c, number)
    _take(c, number, broker_id, timestamp)
    if queue.server is not None:
        enqueue(step, c, QCONT(QueueLocation(queue.server, queue.sender_id)))
    if c.main_sending is not None:
        # If the peer's queue was full too, the peer cannot say that it is read: what would say so
        # has waited behind what was too much for this queue.
        resume(step, c, c.main_sending)


def _process(
    step: Step, c: OpenConnection, queue: ReceivingQueue, arrival: Arrival, may_wait: bool
) -> None:
    spoken = step.moment.spoken.client
    try:
        outer = ClientEnvelope.decode(arrival.body)
    except DecodeError as exc:
        raise Unusable(Problem.MALFORMED) from exc
    if outer.version not in spoken and outer.version > queue.client_version:
        raise Unusable(version_problem(outer.version, spoken))
    if queue.e2e_secret is not None:
        if outer.dh_key is not None:
            _check_repeated_confirmation(queue, outer)
        _, envelope = open_envelope(queue.e2e_secret, outer)
        if isinstance(envelope, MessageEnvelope):
            message_received(step, c, queue, envelope, arrival, may_wait=may_wait)
            if queue.awaits_key:
                c.change_receiving(queue.number, awaits_key=False)
            return
        if isinstance(envelope, RatchetKeyEnvelope):
            if may_wait and not is_known(step, c, envelope):
                check_key_turn(c, queue)
            raise_version(step, c, envelope.agent_version)
            _key_received(step, c, queue, envelope)
            return
        raise Unusable(_problem_of(envelope, step))
    if outer.dh_key is None:
        raise Unusable(Problem.UNEXPECTED)
    try:
        secret = BoxKey.agree(queue.e2e_key, outer.dh_key)
    except CryptoError as exc:
        raise Unusable(Problem.MALFORMED) from exc
    inner, envelope = open_envelope(secret, outer)
    match envelope:
        case InvitationEnvelope() if c.row.kind is ConnectionKind.ADDRESS:
            request_received(step, c, queue, envelope)
        case ConfirmationEnvelope() if c.row.kind is ConnectionKind.DUPLEX:
            confirmation_received(step, c, queue, envelope, secret, outer.version, inner.sender_key)
        case _:
            raise Unusable(_problem_of(envelope, step))


def _key_received(
    step: Step, c: OpenConnection, queue: ReceivingQueue, envelope: RatchetKeyEnvelope
) -> None:
    before = c.row.peer_key_hash
    ratchet_key_received(step, c, envelope)
    key_has_come(step, c)
    c.change_receiving(queue.number, awaits_key=False)
    if c.row.peer_key_hash == before:
        return
    for other in list(c.receiving.values()):
        if other.number != queue.number and other.status in _USED and not other.is_deleted:
            c.change_receiving(other.number, awaits_key=True)


def _problem_of(envelope: AgentEnvelope, step: Step) -> Problem:
    """Why an envelope cannot be used that does not belong here."""
    if is_newer(envelope.agent_version, step.moment.spoken.agent):
        return Problem.NEWER_AGENT
    is_unknown = isinstance(envelope, UnknownEnvelope)
    return Problem.UNKNOWN_KIND if is_unknown else Problem.UNEXPECTED


def _check_repeated_confirmation(queue: ReceivingQueue, outer: ClientEnvelope) -> None:
    """A confirmation that comes again is opened by the same secret; another one is not."""
    assert queue.e2e_secret is not None
    _, envelope = open_envelope(queue.e2e_secret, outer)
    raise Unusable(Problem.UNEXPECTED, known=isinstance(envelope, ConfirmationEnvelope))


def unreadable_received(step: Step, c: OpenConnection, number: int, broker_id: bytes) -> None:
    """The router has damaged a message: it is given up, or nothing would come after it."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, broker_id):
        return
    _open_early(step, c, number)
    _take(c, number, broker_id, None)
    step.tell_problem(c.connection_id, Problem.MALFORMED)
