"""How far a connection has come, as programs are told."""

from __future__ import annotations

from enum import Enum
from typing import final

from simplex_trio.duplex.machine.connection import (
    ConnectionKind,
    Deletion,
    ReceivingStatus,
    Suspension,
    Synchrony,
)
from simplex_trio.duplex.machine.creating import invitation, is_offered
from simplex_trio.duplex.machine.handshake import can_send, has_failed
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.rotating import Rotation, rotations
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import AcknowledgeMessage, work_of
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.x3dh import security_code
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["ConnectionState", "ConnectionStatus", "status_of"]


class ConnectionState(Enum):
    """What a connection waits for."""

    CREATING = "creating"
    """A router is to make its queue."""
    OFFERED = "offered"
    """A peer is to join the invitation."""
    ADDRESS = "address"
    """It is a contact address, open to requests."""
    CONFIRMED = "confirmed"
    """A peer has joined, or has answered a request, and the program is to accept it."""
    JOINING = "joining"
    """The peer's router is to be told of it."""
    WAITING = "waiting"
    """The peer is to answer."""
    READY = "ready"
    """Nothing: both sides can send."""
    FAILED = "failed"
    """Nothing: the handshake cannot go on."""
    DELETING = "deleting"
    """Its queues are to be deleted."""


@final
@frozen(repr=False)
class ConnectionStatus(Redacted):
    """A connection as it is stored at this moment."""

    connection_id: str
    user: str
    state: ConnectionState
    can_send: bool
    agent_version: int
    """Of the messages between agents; 0 if it is not agreed on yet."""
    pq: bool
    """Whether messages to the peer are protected by the KEM at the moment."""
    security_code: str | None
    """The same on both sides unless someone is in between: people may compare it."""
    synchrony: Synchrony
    """Whether both sides have the same ratchet; see `DuplexAgent.resynchronise`."""
    link: str | None
    """The link to pass on, while it is of use."""
    short_link: str | None
    receives_from: tuple[ServerAddress, ...]
    sends_to: tuple[ServerAddress, ...]
    rotations: tuple[Rotation, ...]
    """The queues that are being moved; the old and the new one are then both in use."""
    is_suspended: bool
    queued: int
    """Messages that no router has taken yet, those of the agents' own included."""
    last_message_id: int


def status_of(step: Step, connection_id: str) -> ConnectionStatus:
    """The status of a connection; `UnknownConnection` if there is none."""
    c = step.connection(connection_id)
    row, receiving = c.row, c.main_receiving
    link = short = None
    state = _state(step, c)
    is_known = state in (ConnectionState.OFFERED, ConnectionState.ADDRESS)
    if receiving is not None and (is_known or receiving.correlation_id is not None):
        ready = invitation(c, receiving, step.moment)
        link, short = ready.link, ready.short_link
    ratchet = row.ratchet
    return ConnectionStatus(
        connection_id=connection_id,
        user=row.user,
        state=state,
        can_send=can_send(c) and row.deletion is Deletion.NO,
        agent_version=row.agent_version,
        pq=ratchet is not None and ratchet.kem_sending,
        security_code=None if ratchet is None else security_code(ratchet.security_hash),
        synchrony=row.synchrony,
        link=link,
        short_link=short,
        receives_from=tuple(
            queue.server for queue in c.receiving.values() if queue.server is not None
        ),
        sends_to=tuple(queue.server for queue in c.sending.values()),
        rotations=rotations(c),
        is_suspended=any(queue.suspension is not Suspension.NO for queue in c.receiving.values()),
        queued=_queued(step, connection_id),
        last_message_id=row.last_message_id,
    )


def _queued(step: Step, connection_id: str) -> int:
    """While the peer's queue is being moved, a message may be on its way to two queues."""
    queued = step.rows.find(Delivery, connection_id=connection_id)
    return len({each.message_id for each in queued if not each.is_taken})


def _state(step: Step, c: OpenConnection) -> ConnectionState:
    row, receiving = c.row, c.main_receiving
    if row.deletion is not Deletion.NO:
        return ConnectionState.DELETING
    if row.ready:
        return ConnectionState.READY
    if has_failed(c):
        return ConnectionState.FAILED
    if is_offered(c) and not c.sending:
        if receiving is None or receiving.status is ReceivingStatus.PLANNED:
            return ConnectionState.CREATING
        if row.kind is ConnectionKind.ADDRESS:
            return ConnectionState.ADDRESS
        is_open = receiving.status is ReceivingStatus.NEW
        return ConnectionState.OFFERED if is_open else ConnectionState.CONFIRMED
    if row.link is not None or row.address is not None:
        return ConnectionState.JOINING
    if row.reply_queue is not None:
        return ConnectionState.CONFIRMED
    if not c.sending:
        return ConnectionState.WAITING
    waits = all(isinstance(work, AcknowledgeMessage) for work in work_of(step, c))
    return ConnectionState.WAITING if waits else ConnectionState.JOINING
