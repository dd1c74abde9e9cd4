"""Accepting and rejecting what has come: confirmations, and requests to a contact address."""

from __future__ import annotations

from hashlib import sha256

from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotAccept,
    LinkNotUsable,
    NoCommonDuplexVersion,
)
from simplex_trio.duplex.events import Problem, RequestReceived
from simplex_trio.duplex.machine.connection import (
    Acknowledgement,
    Connection,
    ConnectionKind,
    Deletion,
    ReceivingQueue,
)
from simplex_trio.duplex.machine.handshake import confirm_if_possible
from simplex_trio.duplex.machine.joining import is_joining, join
from simplex_trio.duplex.machine.messages import MAX_REQUESTS, Request
from simplex_trio.duplex.machine.opening import Unusable
from simplex_trio.duplex.machine.queues import add_sending_queue
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError
from simplex_trio.wire.duplex.envelopes import InvitationEnvelope
from simplex_trio.wire.duplex.messages import ConnectionInfo
from simplex_trio.wire.duplex.requests import InvitationURI
from simplex_trio.wire.duplex.sizes import check_fits
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion

__all__ = [
    "accept_confirmation",
    "accept_request",
    "answer",
    "reject_request",
    "request_received",
]


def accept_confirmation(
    step: Step, c: OpenConnection, confirmation_id: str, info: bytes | None
) -> None:
    """Answer a peer that has joined an invitation; accepting again changes nothing.

    ``info`` is what was given when the invitation was made, if it is `None`.  Raises `TooLarge` if
    it does not fit, and `CannotAccept`.
    """
    row = c.row
    if row.confirmation_id != confirmation_id:
        raise CannotAccept("no confirmation with this id waits to be accepted")
    if row.reply_queue is None:
        return
    if info is not None:
        c.change(info=info)
    assert c.row.info is not None
    check_fits(ConnectionInfo(c.row.info), c.row.agent_version, c.row.pq)
    for queue in list(c.receiving.values()):
        if queue.acknowledgement is Acknowledgement.HELD and not queue.held_message_id:
            c.change_receiving(queue.number, acknowledgement=Acknowledgement.DUE)
    answer(step, c)


def answer(step: Step, c: OpenConnection) -> None:
    """Use the queue in the peer's confirmation to send to."""
    reply = c.row.reply_queue
    assert reply is not None
    version = min(reply.client_version, step.moment.spoken.client.highest)
    try:
        add_sending_queue(c, reply.queue, version, step.moment)
    except CryptoError as exc:
        raise CannotAccept("the keys in the confirmation cannot be used") from exc
    c.change(reply_queue=None)
    confirm_if_possible(step, c)


def accept_request(
    step: Step, request_id: str, info: bytes, *, pq: bool | None, notify: bool = True
) -> OpenConnection:
    """A new connection, which joins the invitation in a request; the request is used up.

    The same request again is the same connection, so that a program that crashed can accept again
    and gets the id, unless it is being deleted.  Raises `AlreadyJoined` once the peer's router was
    told.
    """
    used_up = _hash_of_accepted(request_id)
    for known in step.rows.find(Connection, link_hash=used_up):
        if known.deletion is not Deletion.NO:
            continue
        c = step.connection(known.connection_id)
        if not is_joining(step, c):
            raise AlreadyJoined(known.connection_id)
        return c
    request = _request(step, request_id)
    address = step.connection(request.address_id)
    moment = step.moment
    c = step.add(
        Connection(
            connection_id=moment.new_id(),
            user=address.row.user,
            kind=ConnectionKind.DUPLEX,
            created_at=moment.seconds,
            pq=address.row.pq if pq is None else pq,
            info=info,
            link_hash=used_up,
            notify=notify,
        )
    )
    try:
        join(step, c, InvitationURI.parse(request.invitation))
    except (LinkNotUsable, NoCommonDuplexVersion) as exc:
        raise CannotAccept("the request is for a program of another version") from exc
    _drop(step, address, request)
    return c


def _hash_of_accepted(request_id: str) -> bytes:
    """Stands in a connection for the hash of a link, and tells which request it has accepted."""
    return sha256(b"request" + request_id.encode()).digest()


def reject_request(step: Step, request_id: str) -> None:
    """Forget a request; the peer is not told."""
    request = _request(step, request_id)
    _drop(step, step.connection(request.address_id), request)


def _drop(step: Step, address: OpenConnection, request: Request) -> None:
    """Forget a request, which may make room for those that wait with the router."""
    step.rows.delete(request)
    if step.rows.count(Request, address_id=address.connection_id) > MAX_REQUESTS:
        return
    for number, queue in list(address.receiving.items()):
        if queue.acknowledgement is Acknowledgement.HELD:
            address.change_receiving(number, acknowledgement=Acknowledgement.DUE)


def _request(step: Step, request_id: str) -> Request:
    request = step.rows.get(Request, request_id)
    if request is None:
        raise CannotAccept("no request with this id waits to be accepted")
    return request


# --- requests that come -------------------------------------------------------------------------


def request_received(
    step: Step, c: OpenConnection, queue: ReceivingQueue, envelope: InvitationEnvelope
) -> None:
    """A peer asks for a connection; the program is told."""
    spoken, offered = step.moment.spoken, envelope.request
    for versions, ours in (
        (offered.agent_versions, spoken.agent),
        (offered.queues[0].client_versions, spoken.client),
        (offered.x3dh_offer.versions, spoken.ratchet),
    ):
        if versions.lowest > ours.highest:
            raise Unusable(Problem.NEWER_AGENT)
    encoded_hash = sha256(envelope.encode()).digest()
    if step.rows.has_seen(c.connection_id, encoded_hash):
        return
    moment, invitation = step.moment, envelope.request
    step.rows.add_seen(c.connection_id, encoded_hash, moment.seconds)
    request = Request(
        request_id=moment.new_id(),
        address_id=c.connection_id,
        invitation=str(invitation),
        info=envelope.info,
        envelope_hash=encoded_hash,
        created_at=moment.seconds,
    )
    step.rows.insert(request)
    if step.rows.count(Request, address_id=c.connection_id) > MAX_REQUESTS:
        c.change_receiving(queue.number, acknowledgement=Acknowledgement.HELD)
    agents = invitation.agent_versions.intersection(moment.spoken.agent)
    ratchets = invitation.x3dh_offer.versions.intersection(moment.spoken.ratchet)
    can_use_kem = (
        agents is not None
        and ratchets is not None
        and agents.highest >= AgentVersion.PQ_RATCHET
        and ratchets.highest >= RatchetVersion.KEM
    )
    servers = tuple(uri.queue.server for uri in invitation.queues)
    step.tell(
        RequestReceived(c.connection_id, request.request_id, envelope.info, can_use_kem, servers)
    )
