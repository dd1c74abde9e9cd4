"""What a router delivers: opened, decrypted, and turned into what it means, in one step.

Nothing is acknowledged to the router before the step is stored.  A message that comes again is told
by the router's id for it, or by its hash; its effects are there already, so it is acknowledged, or
waits for the program as it did before.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import Problem
from simplex_trio.duplex.machine.accepting import request_received
from simplex_trio.duplex.machine.confirming import confirmation_received
from simplex_trio.duplex.machine.connection import Acknowledgement, ConnectionKind, ReceivingQueue
from simplex_trio.duplex.machine.conversing import message_received
from simplex_trio.duplex.machine.opening import (
    Arrival,
    Unusable,
    is_newer,
    open_envelope,
    raise_version,
    version_problem,
)
from simplex_trio.duplex.machine.resynchronising import (
    message_not_decrypted,
    ratchet_key_received,
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

__all__ = ["quota_notice_received", "receive"]


def receive(step: Step, c: OpenConnection, number: int, arrival: Arrival) -> None:
    """Process a message."""
    queue = c.receiving[number]
    if queue.is_deleted or _came_again(c, queue, arrival.broker_id):
        return
    _take(c, number, arrival.broker_id, arrival.timestamp)
    go_back = c.snapshot()
    try:
        _process(step, c, queue, arrival)
    except Unusable as exc:
        go_back()
        if not exc.known:
            step.tell_problem(c.connection_id, exc.problem)
        if exc.lost is not None:
            message_not_decrypted(step, c, exc.lost)


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
    _take(c, number, broker_id, timestamp)
    if queue.server is not None:
        enqueue(step, c, QCONT(QueueLocation(queue.server, queue.sender_id)))


def _process(step: Step, c: OpenConnection, queue: ReceivingQueue, arrival: Arrival) -> None:
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
            message_received(step, c, queue, envelope, arrival)
            return
        if isinstance(envelope, RatchetKeyEnvelope):
            raise_version(step, c, envelope.agent_version)
            ratchet_key_received(step, c, envelope)
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
